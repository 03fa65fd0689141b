//! TLS at the stories' Postgres, which starts without it: a certificate is put into its directory, and users are made who
//! must come in over TLS, or tell their password in clear.
//!
//! All of it is done by statements, so that it is the same for a server of this machine and for one in a container.

use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::OnceCell,
    time::{Duration, sleep},
};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{Authority, PATIENCE, Settings, door::SSL_REQUEST, stack};

const OVER_TLS: &str = "over_tls";
const BY_TOKEN: &str = "by_token";

/// The stories' Postgres with TLS; its certificate is for `localhost`.
#[derive(Debug)]
pub struct EncryptedPostgres {
    /// Who certifies it.
    pub authority: Authority,
    /// The password of both users.
    pub password: String,
}

impl EncryptedPostgres {
    /// The one for all stories.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<EncryptedPostgres> = OnceCell::const_new();
        SHARED.get_or_init(Self::set_up).await
    }

    /// `DATABASE_URL`, still without a database, of a user who may not come in without TLS.
    pub fn url(&self, host: &str, sslmode: &str) -> Url {
        let port = stack::address_of(&Settings::get().postgres_url).port();
        let url = format!("postgres://{OVER_TLS}:{}@{host}:{port}?sslmode={sslmode}", self.password);
        Url::parse(&url).expect("a URL")
    }

    /// The same of a user who tells their password in clear, as those who sign in by tokens do, at a door.
    pub fn url_at_door(port: u16) -> Url {
        Url::parse(&format!("postgres://{BY_TOKEN}@localhost:{port}?sslmode=require")).expect("a URL")
    }

    async fn set_up() -> Self {
        let (authority, password) = (Authority::new(), Uuid::new_v4().simple().to_string());
        let certified = authority.certify("localhost");
        let server =
            stack::connect_postgres(&stack::at(&Settings::get().postgres_url, None, "postgres")).await;
        for user in [OVER_TLS, BY_TOKEN] {
            order(&server, &format!("create role {user} superuser login password '{password}'")).await;
        }
        write(&server, "stories.crt", &certified.certificate).await;
        write(&server, "stories.key", &certified.key).await;
        let others = server.query_one("select pg_read_file(current_setting('hba_file'))", &[]).await;
        let others: String = others.expect("a superuser may read it").get(0);
        let first = format!(
            "hostssl all {OVER_TLS} all scram-sha-256\nhost all {OVER_TLS} all reject\nhost all {BY_TOKEN} all password\n"
        );
        write(&server, "stories_hba.conf", &format!("{first}{others}")).await;
        let replace = "copy (select '') to program 'mv stories_hba.conf pg_hba.conf'";
        for statement in [
            replace,
            "alter system set ssl_cert_file = 'stories.crt'",
            "alter system set ssl_key_file = 'stories.key'",
            "alter system set ssl = on",
            "select pg_reload_conf()",
        ] {
            order(&server, statement).await;
        }
        until_encrypted().await;
        Self { authority, password }
    }
}

/// Writes a file of the server, which its account alone may read, into its directory.
async fn write(server: &Client, name: &str, text: &str) {
    let encoded = STANDARD.encode(text);
    order(server, &format!("copy (select '{encoded}') to program 'umask 077; base64 -d > {name}'")).await;
}

async fn order(server: &Client, statement: &str) {
    server.batch_execute(statement).await.unwrap_or_else(|err| panic!("{statement}: {err:?}"));
}

/// The server reads its settings anew a moment after it was told to; TLS is the last of them.
async fn until_encrypted() {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = async {
            let address = stack::address_of(&Settings::get().postgres_url);
            let mut connection = TcpStream::connect(address).await?;
            connection.write_all(&SSL_REQUEST).await?;
            connection.read_u8().await
        };
        let answer = asked.await;
        if matches!(answer, Ok(b'S')) {
            return;
        }
        assert!(Instant::now() < deadline, "Postgres has no TLS: {answer:?}");
        sleep(Duration::from_millis(10)).await;
    }
}
