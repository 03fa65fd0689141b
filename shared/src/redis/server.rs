//! The connection to one server: opened on first use, and again whenever it breaks.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::{Stream, stream};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::auth::{BasicAuth, StreamingCredentialsProvider};
use redis::{Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Value};

use crate::iam::Login;

/// When a connection signs in anew: half of the 12 hours after which ElastiCache ends it.
const SIGN_IN_ANEW: Duration = Duration::from_hours(6);

const UNPOISONED: &str = "nobody panics while holding it";

/// One server.
#[derive(Clone)]
pub(super) struct Server(Arc<Parts>);

struct Parts {
    client: Client,
    config: ConnectionManagerConfig,
    manager: Mutex<ConnectionManager>,
}

impl Server {
    /// The server at an address; nothing is opened yet.
    pub(super) fn at(info: ConnectionInfo, login: Option<&Arc<Login>>) -> RedisResult<Self> {
        let mut config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(2))
            .set_max_delay(Duration::from_millis(50));
        if let Some(login) = login {
            let user = info.redis_settings().username().unwrap_or_default().to_owned();
            config = config.set_credentials_provider(Tokens {
                user,
                login: Arc::clone(login),
                anew: SIGN_IN_ANEW,
            });
        }
        let client = Client::open(info)?;
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        Ok(Self(Arc::new(Parts { client, config, manager: Mutex::new(manager) })))
    }

    /// Runs commands in order and returns their replies, errors of single commands among them.
    ///
    /// Nothing is sent twice: when the connection breaks, what was under way is open.
    pub(super) async fn ask<'a>(
        &self,
        commands: impl IntoIterator<Item = &'a Cmd>,
    ) -> RedisResult<Vec<Value>> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let Parts { client, config, manager: held } = &*self.0;
        let mut manager = held.lock().expect(UNPOISONED).clone();
        let replies = manager.send_packed_commands(&pipeline, 0, pipeline.len()).await;
        // It opens anew what broke, but keeps for ever what was refused, a token for one that is good again in a moment.
        if replies.as_ref().is_err_and(|error| !error.is_io_error()) {
            let anew = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
            *held.lock().expect(UNPOISONED) = anew;
        }
        replies
    }
}

/// Passwords of the moment: one for opening a connection, and more for as long as it is open, the first of them at once. One that
/// is refused ends them, and the connection goes on until the server ends it.
struct Tokens {
    user: String,
    login: Arc<Login>,
    /// How long after one comes the next.
    anew: Duration,
}

impl StreamingCredentialsProvider for Tokens {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let (user, login, anew) = (self.user.clone(), Arc::clone(&self.login), self.anew);
        Box::pin(stream::unfold(Duration::ZERO, move |wait| {
            let (user, login) = (user.clone(), Arc::clone(&login));
            async move {
                tokio::time::sleep(wait).await;
                let token = login.token(SystemTime::now()).map(|token| BasicAuth::new(user, token));
                let token = token.map_err(|error| {
                    RedisError::from((
                        ErrorKind::AuthenticationFailed,
                        "no token could be signed",
                        format!("{error:#}"),
                    ))
                });
                Some((token, anew))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::StreamExt;

    use super::*;
    use crate::config;

    const LIFE_OF_A_CONNECTION: Duration = Duration::from_hours(12);
    const _: () = assert!(SIGN_IN_ANEW.as_secs() < LIFE_OF_A_CONNECTION.as_secs());

    #[tokio::test]
    async fn a_connection_signs_in_at_once_and_again_and_again() {
        let aws = config::Aws {
            region: "us-east-1".to_owned(),
            access_key_id: "akid".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        };
        let login = Arc::new(Login::to_cache("my-cache", "chat", aws));
        let anew = Duration::from_millis(20);
        let opened = Instant::now();

        let tokens = Tokens { user: "chat".to_owned(), login, anew }.subscribe();
        let tokens: Vec<_> = tokens.take(3).collect().await;

        assert!(opened.elapsed() >= 2 * anew, "the second and the third come later");
        for token in tokens {
            let token = token.expect("a token");
            assert_eq!(token.username(), "chat");
            assert!(token.password().starts_with("my-cache/?Action=connect&"));
        }
    }
}
