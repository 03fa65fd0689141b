//! Redis: one multiplexed connection per instance and server, and the wave: all that can be asked at once is one
//! round trip. A single server and a cluster are used by the same calls.
//!
//! Multi-step work is a script, each on the keys of one hash tag. Every key is built in `keys`.

mod address;
mod cluster;
pub mod keys;
mod server;
mod slots;

use std::sync::LazyLock;

use anyhow::Context;
use redis::{Arg, Cmd, FromRedisValue, RedisError, RedisResult, ServerErrorKind, ToRedisArgs, Value};

use self::address::Address;
use self::cluster::Cluster;
use self::server::Server;
use crate::{Error, Result, telemetry};

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
    /// A plain command, whose first argument is its key.
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

    /// The key that a cluster routes it by: a script's first, after the name, the script and the number of keys, or a
    /// command's first argument. `PING` has none.
    fn key(&self) -> &[u8] {
        let position = if self.script.is_some() { 3 } else { 1 };
        match self.command.args_iter().nth(position) {
            Some(Arg::Simple(key)) => key,
            _ => b"",
        }
    }
}

/// Redis, whichever way it runs.
pub struct Redis {
    store: Store,
}

enum Store {
    Server(Server),
    Cluster(Cluster),
}

impl Redis {
    /// The server or the cluster at `url`, connected to on first use and again whenever a connection breaks.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let store = match Address::parse(url)? {
            Address::Server(info) => {
                Store::Server(Server::at(*info).context("REDIS_URL is not a Redis address")?)
            }
            Address::Cluster(seeds) => Store::Cluster(Cluster::of(seeds)),
        };
        Ok(Self { store })
    }

    /// Opens the connections ahead of the first request; a server that is down is met again there.
    pub async fn warm_up(&self) {
        let opened = match &self.store {
            Store::Server(server) => server.ask([&redis::cmd("PING")]).await.map(drop),
            Store::Cluster(cluster) => cluster.open().await,
        };
        if let Err(error) = opened {
            tracing::warn!(cause = error.to_string(), "Redis is not reachable yet: REDIS_URL");
        }
    }

    /// Runs one command.
    pub async fn call<T: FromRedisValue>(&self, call: Call) -> Result<T> {
        let reply = self.wave(vec![call]).await?.pop().unwrap_or_default();
        decode(reply)
    }

    /// Runs commands that do not wait for each other's replies, in one round trip, and returns the replies in order.
    /// Those on one key run in order.
    ///
    /// One command's error is the wave's: nothing here sends a command that may fail by itself.
    pub async fn wave(&self, calls: Vec<Call>) -> Result<Vec<Value>> {
        let call = telemetry::Call::Redis(calls.len());
        telemetry::traced(call, self.run(calls), Result::is_err).await
    }

    async fn run(&self, mut calls: Vec<Call>) -> Result<Vec<Value>> {
        let mut replies = self.ask(&calls.iter().collect::<Vec<_>>()).await?;
        let missing: Vec<_> = (0..calls.len()).filter(|&i| is_missing_script(&replies[i])).collect();
        if !missing.is_empty() {
            // The server lost its scripts or never had them: run these by their text, which it then keeps.
            for &i in &missing {
                let script = calls[i].script.context("only a script can be missing")?;
                calls[i].command = by_text(&calls[i].command, script);
            }
            let again: Vec<_> = missing.iter().map(|&i| &calls[i]).collect();
            for (i, reply) in missing.iter().zip(self.ask(&again).await?) {
                replies[*i] = reply;
            }
        }
        replies.into_iter().map(|reply| reply.extract_error().map_err(store_error)).collect()
    }

    async fn ask(&self, calls: &[&Call]) -> Result<Vec<Value>> {
        let replies: RedisResult<_> = match &self.store {
            _ if calls.is_empty() => Ok(Vec::new()),
            Store::Server(server) => server.ask(calls.iter().map(|call| &call.command)).await,
            Store::Cluster(cluster) => cluster.ask(calls).await,
        };
        replies.map_err(store_error)
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
        if let Arg::Simple(bytes) = arg {
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
            | redis::ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::CrossSlot)
    );
    let cause = anyhow::Error::new(error).context("Redis");
    if ours { Error::Internal(cause) } else { Error::Unavailable(cause) }
}
