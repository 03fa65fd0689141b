//! A door with TLS in front of a store, as RDS Proxy is one: it shows a certificate, is told passwords and remembers them.
//!
//! To Postgres it lets in by the password of the store's own user, whatever it was told, if it is open. To Redis it only
//! listens.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{Certified, Settings, stack};

/// What a client of Postgres asks first when it wants TLS (PostgreSQL documentation, "Message Formats", `SSLRequest`).
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// How a server asks for a password in clear (`AuthenticationCleartextPassword`).
const PASSWORD_PLEASE: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];

/// A door that is there until it is dropped; it runs on the runtime it was made on.
#[derive(Debug)]
pub struct Door {
    /// The port of `localhost` it is at.
    pub port: u16,
    shared: Arc<Shared>,
    hang_up: watch::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    told: Mutex<Vec<String>>,
    open: AtomicBool,
}

/// What is behind a door.
#[derive(Debug, Clone)]
pub enum Behind {
    /// The stories' Postgres, whose user with this password is let in.
    Postgres(String),
    /// The stories' Redis.
    Redis,
    /// Something that speaks as Postgres does and has no TLS.
    PostgresWithoutTls,
}

impl Door {
    /// Puts up a door that shows this certificate.
    pub async fn to(behind: Behind, certified: &Certified) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { told: Mutex::default(), open: AtomicBool::new(true) });
        let (hang_up, _) = watch::channel(());
        let acceptor = acceptor(certified);
        let (inside, end) = (Arc::clone(&shared), hang_up.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                let (shared, mut end) = (Arc::clone(&inside), end.subscribe());
                tokio::spawn(async move {
                    let served = async {
                        match behind {
                            Behind::Postgres(password) => {
                                shared.to_postgres(client, &acceptor, &password).await
                            }
                            Behind::Redis => shared.to_redis(client, &acceptor).await,
                            Behind::PostgresWithoutTls => without_tls(client).await,
                        }
                    };
                    tokio::select! {
                        // Whoever is not let in, or leaves, hears and knows it.
                        _ended = served => {}
                        _hung_up = end.changed() => {}
                    }
                });
            }
        });
        Self { port, shared, hang_up }
    }

    /// All passwords that were told here, in order.
    pub fn told(&self) -> Vec<String> {
        self.shared.told.lock().expect("nobody panics while holding it").clone()
    }

    /// Lets nobody in to Postgres any more, and ends all connections.
    pub fn close(&self) {
        self.shared.open.store(false, Ordering::Relaxed);
        self.hang_up();
    }

    /// Ends all connections.
    pub fn hang_up(&self) {
        self.hang_up.send_replace(());
    }
}

impl Shared {
    async fn to_postgres(
        &self,
        mut client: TcpStream,
        acceptor: &TlsAcceptor,
        password: &str,
    ) -> io::Result<()> {
        let mut request = [0; SSL_REQUEST.len()];
        client.read_exact(&mut request).await?;
        if request != SSL_REQUEST {
            return Ok(());
        }
        client.write_all(b"S").await?;
        let mut client = acceptor.accept(client).await?;
        let mut store = TcpStream::connect(stack::address_of(&Settings::get().postgres_url)).await?;
        let startup = message(&mut client).await?;
        store.write_all(&startup).await?;
        let mut asked = [0; PASSWORD_PLEASE.len()];
        store.read_exact(&mut asked).await?;
        client.write_all(&asked).await?;
        if asked == PASSWORD_PLEASE {
            let kind = client.read_u8().await?;
            let told = message(&mut client).await?;
            let told = String::from_utf8_lossy(&told[4..]).trim_end_matches('\0').to_owned();
            self.told.lock().expect("nobody panics while holding it").push(told);
            let password = if self.open.load(Ordering::Relaxed) { password } else { "wrong" };
            let length = u32::try_from(4 + password.len() + 1).expect("a password is short");
            store.write_u8(kind).await?;
            store.write_u32(length).await?;
            store.write_all(format!("{password}\0").as_bytes()).await?;
        }
        copy_bidirectional(&mut client, &mut store).await.map(drop)
    }

    async fn to_redis(&self, client: TcpStream, acceptor: &TlsAcceptor) -> io::Result<()> {
        let mut client = acceptor.accept(client).await?;
        let mut store = TcpStream::connect(stack::address_of(&Settings::get().redis_url)).await?;
        let mut unread = Vec::new();
        let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            tokio::select! {
                length = client.read(&mut asked) => match length? {
                    0 => return Ok(()),
                    length => {
                        unread.extend_from_slice(&asked[..length]);
                        self.listen(&mut unread);
                        store.write_all(&asked[..length]).await?;
                    }
                },
                length = store.read(&mut answered) => match length? {
                    0 => return Ok(()),
                    length => {
                        client.write_all(&answered[..length]).await?;
                        client.flush().await?;
                    }
                },
            }
        }
    }

    /// Looks for `AUTH <user> <password>` among the commands that have been read as a whole.
    fn listen(&self, unread: &mut Vec<u8>) {
        while let Some((command, length)) = command(unread) {
            unread.drain(..length);
            if let [name, _user, password] = command.as_slice()
                && name.eq_ignore_ascii_case("AUTH")
            {
                self.told.lock().expect("nobody panics while holding it").push(password.clone());
            }
        }
    }
}

/// The first command of Redis' protocol in these bytes, and how many of them it takes.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let line = |from: usize, kind: u8| {
        let end = from + bytes.get(from..)?.windows(2).position(|two| two == b"\r\n")?;
        assert_eq!(bytes[from], kind, "a client sends arrays of strings");
        let number = std::str::from_utf8(&bytes[from + 1..end]).ok()?.parse::<usize>().ok()?;
        Some((number, end + 2))
    };
    let (count, mut at) = line(0, b'*')?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, start) = line(at, b'$')?;
        words.push(String::from_utf8_lossy(bytes.get(start..start + length)?).into_owned());
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

/// A message of Postgres without its type: its length, which counts itself, and the rest.
async fn message(client: &mut TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(usize::try_from(length).expect("32 bits fit"), 0);
    client.read_exact(&mut message[4..]).await?;
    Ok(message)
}

async fn without_tls(mut client: TcpStream) -> io::Result<()> {
    let mut request = [0; SSL_REQUEST.len()];
    client.read_exact(&mut request).await?;
    client.write_all(b"N").await?;
    // Whatever comes now came in clear.
    client.read_u8().await.map(drop)
}

fn acceptor(certified: &Certified) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(certified.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![chain], key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate and its key")))
}
