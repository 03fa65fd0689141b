//! Redis: one multiplexed connection per instance, and the wave: all that can be asked at once is one round trip.
//!
//! Multi-step work is a script, each on the keys of one hash tag. Every key is built in `keys`.

pub mod keys;

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, RedisError, ServerErrorKind, ToRedisArgs, Value};

use crate::{Error, Result};

/// A Lua script, hashed when it is first used.
pub type Script = LazyLock<Source>;

/// The text of a script and the hash it is run by.
pub struct Source {
    text: &'static str,
    hash: String,
}

impl Source {
    /// Hashes the text.
    pub fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }
}

/// One command of a wave: a plain one, or the run of a script.
pub struct Call {
    command: Cmd,
    script: Option<&'static Script>,
}

impl Call {
    /// A plain command.
    pub fn command(name: &str) -> Self {
        Self { command: redis::cmd(name), script: None }
    }

    /// A script on these keys.
    pub fn script(script: &'static Script, keys: &[String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(keys.len()).arg(keys);
        Self { command, script: Some(script) }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }
}

/// The connection.
pub struct Redis {
    connection: ConnectionManager,
}

impl Redis {
    /// A connection to the server at `url`, opened on first use and again whenever it breaks.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let client = redis::Client::open(url).context("REDIS_URL is not a Redis address")?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(2))
            .set_max_delay(Duration::from_millis(50));
        Ok(Self { connection: ConnectionManager::new_lazy_with_config(client, config)? })
    }

    /// Opens the connection ahead of the first request; a server that is down is met again there.
    pub async fn warm_up(&self) {
        if let Err(error) = self.call::<String>(Call::command("PING")).await {
            tracing::warn!(
                cause = error.cause().map(|cause| format!("{cause:#}")),
                "Redis is not reachable yet: REDIS_URL"
            );
        }
    }

    /// Runs one command.
    pub async fn call<T: FromRedisValue>(&self, call: Call) -> Result<T> {
        let reply = self.wave(vec![call]).await?.pop().unwrap_or_default();
        decode(reply)
    }

    /// Runs commands that do not wait for each other, in one round trip, and returns their replies in order.
    ///
    /// One command's error is the wave's: nothing here sends a command that may fail by itself.
    pub async fn wave(&self, mut calls: Vec<Call>) -> Result<Vec<Value>> {
        let mut replies = self.send(&calls).await?;
        let missing: Vec<_> = (0..calls.len()).filter(|&i| is_missing_script(&replies[i])).collect();
        if !missing.is_empty() {
            // The server lost its scripts or never had them: run these by their text, which it then keeps.
            for &i in &missing {
                let script = calls[i].script.context("only a script can be missing")?;
                calls[i].command = by_text(&calls[i].command, script);
            }
            let again: Vec<_> = missing.iter().map(|&i| &calls[i].command).collect();
            for (i, reply) in missing.iter().zip(self.pipe(&again).await?) {
                replies[*i] = reply;
            }
        }
        replies.into_iter().map(|reply| reply.extract_error().map_err(store_error)).collect()
    }

    async fn send(&self, calls: &[Call]) -> Result<Vec<Value>> {
        let commands: Vec<_> = calls.iter().map(|call| &call.command).collect();
        self.pipe(&commands).await
    }

    async fn pipe(&self, commands: &[&Cmd]) -> Result<Vec<Value>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for command in commands {
            pipe.add_command((*command).clone());
        }
        let mut connection = self.connection.clone();
        connection.send_packed_commands(&pipe, 0, commands.len()).await.map_err(store_error)
    }
}

/// Decodes a reply.
pub fn decode<T: FromRedisValue>(reply: Value) -> Result<T> {
    redis::from_redis_value(reply)
        .map_err(|error| Error::Internal(anyhow::Error::new(error).context("a reply of Redis")))
}

/// The same run with the script's text in place of its hash.
fn by_text(command: &Cmd, script: &'static Script) -> Cmd {
    let mut eval = redis::cmd("EVAL");
    eval.arg(script.text);
    for arg in command.args_iter().skip(2) {
        if let redis::Arg::Simple(bytes) = arg {
            eval.arg(bytes);
        }
    }
    eval
}

fn is_missing_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// A server that is gone, loading or read-only: what it would have done is open. Anything else is a fault of ours.
fn store_error(error: RedisError) -> Error {
    let ours = matches!(
        error.kind(),
        redis::ErrorKind::UnexpectedReturnType
            | redis::ErrorKind::InvalidClientConfig
            | redis::ErrorKind::Server(ServerErrorKind::ResponseError)
    );
    let cause = anyhow::Error::new(error).context("Redis");
    if ours { Error::Internal(cause) } else { Error::Unavailable(cause) }
}
