//! A TCP proxy in front of a store that counts sequential round trips.
//!
//! A trip begins when a client sends something and the store has been heard since anybody last did. What is
//! sent without waiting, on one connection or on several, is one trip. While trips are measured, the store's
//! answers are held back for a moment, as a network would, so that a parallel wave has left before its first
//! answer arrives.
//!
//! Of Postgres it counts the statements, too, however they are sent. It also makes the store look stopped, or as if it
//! hung.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Url;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::watch,
};

use crate::stack;

/// What an answer is held back for.
const LATENCY: Duration = Duration::from_millis(4);

#[derive(Debug, Default)]
struct Counter {
    trips: u64,
    statements: u64,
    turned_away: u64,
    store_awaited: bool,
    held_back: bool,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Client,
    Store,
}

/// How the store behind a proxy seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeming {
    /// As it is.
    Well,
    /// It takes connections and what is sent over them, and says nothing.
    Hanging,
    /// It ends all connections and takes none.
    Stopped,
}

/// A counting proxy; it runs on the runtime it was started on.
#[derive(Debug)]
pub struct Proxy {
    /// Where to connect instead of to the store.
    pub address: SocketAddr,
    counter: Arc<Mutex<Counter>>,
    seeming: watch::Sender<Seeming>,
}

impl Proxy {
    /// Starts a proxy in front of the store at this URL.
    pub async fn start(store: &Url) -> Self {
        let is_postgres = store.scheme().starts_with("postgres");
        let store = stack::address_of(store);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has free ports");
        let address = listener.local_addr().expect("it is bound");
        let counter = Arc::new(Mutex::new(Counter::default()));
        let shared = Arc::clone(&counter);
        let (seeming, seen) = watch::channel(Seeming::Well);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (shared, seen, mut end) = (Arc::clone(&shared), seen.clone(), seen.clone());
                let counter = Arc::clone(&shared);
                tokio::spawn(async move {
                    tokio::select! {
                        () = relay(client, store, shared, seen, is_postgres) => {}
                        _ended = end.wait_for(|seeming| *seeming == Seeming::Stopped) => {
                            counter.lock().expect("nobody panics while holding it").turned_away += 1;
                        }
                    }
                });
            }
        });
        Self { address, counter, seeming }
    }

    /// How the store seems to be from now on.
    pub fn let_seem(&self, seeming: Seeming) {
        self.seeming.send_replace(seeming);
    }

    /// The trips so far.
    pub fn trips(&self) -> u64 {
        self.counter.lock().expect("nobody panics while holding it").trips
    }

    /// The statements so far, of Postgres.
    pub fn statements(&self) -> u64 {
        self.counter.lock().expect("nobody panics while holding it").statements
    }

    /// How many connections were ended so far because the store seemed stopped.
    pub fn turned_away(&self) -> u64 {
        self.counter.lock().expect("nobody panics while holding it").turned_away
    }

    /// Whether the store's answers are held back from now on.
    pub fn hold_back(&self, held_back: bool) {
        self.counter.lock().expect("nobody panics while holding it").held_back = held_back;
    }

    /// A connection to Redis through this proxy, for the fault of an extra command.
    pub async fn redis_connection(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the proxy accepts connections")
    }
}

/// Asks Redis for a sign of life over an open connection.
pub async fn ping_redis(connection: TcpStream) {
    stack::redis_commands(connection, &["PING"]).await;
}

async fn relay(
    client: TcpStream,
    store: SocketAddr,
    counter: Arc<Mutex<Counter>>,
    seen: watch::Receiver<Seeming>,
    is_postgres: bool,
) {
    let Ok(server) = TcpStream::connect(store).await else {
        return;
    };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        copy(
            from_client,
            to_server,
            From::Client,
            &counter,
            seen.clone(),
            is_postgres.then(Statements::default)
        ),
        copy(from_server, to_client, From::Store, &counter, seen, None),
    );
}

async fn copy(
    mut source: impl AsyncRead + Unpin,
    mut sink: OwnedWriteHalf,
    from: From,
    counter: &Mutex<Counter>,
    mut seen: watch::Receiver<Seeming>,
    mut statements: Option<Statements>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = source.read(&mut buffer).await {
        if matches!(from, From::Store) && counter.lock().expect("nobody panics while holding it").held_back {
            tokio::time::sleep(LATENCY).await;
        }
        count(counter, from);
        if let Some(statements) = &mut statements {
            let new = statements.in_these(&buffer[..length]);
            counter.lock().expect("nobody panics while holding it").statements += new;
        }
        if seen.wait_for(|seeming| *seeming != Seeming::Hanging).await.is_err() {
            break;
        }
        if sink.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _already_gone = sink.shutdown().await;
}

/// The messages of a Postgres client: each a type and its length, but for the first, which has no type (PostgreSQL
/// documentation, "Message Formats").
#[derive(Debug, Default)]
struct Statements {
    unread: Vec<u8>,
    started: bool,
}

impl Statements {
    /// How many statements are among the messages that these bytes end.
    fn in_these(&mut self, bytes: &[u8]) -> u64 {
        self.unread.extend_from_slice(bytes);
        let (mut at, mut found) = (0, 0);
        loop {
            let kind = usize::from(self.started);
            let Some(length) = self.unread.get(at + kind..at + kind + 4) else { break };
            let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
            let end = at + kind + usize::try_from(length).expect("32 bits fit");
            if end > self.unread.len() {
                break;
            }
            // Parse and Query; Bind and Execute belong to the one before.
            found += u64::from(self.started && matches!(self.unread[at], b'P' | b'Q'));
            self.started = true;
            at = end;
        }
        self.unread.drain(..at);
        found
    }
}

fn count(counter: &Mutex<Counter>, from: From) {
    let mut counter = counter.lock().expect("nobody panics while holding it");
    match from {
        From::Client if !counter.store_awaited => {
            counter.trips += 1;
            counter.store_awaited = true;
        }
        From::Client => {}
        From::Store => counter.store_awaited = false,
    }
}
