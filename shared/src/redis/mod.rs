//! Redis: one multiplexed connection per instance and server, and the wave: all that can be asked at once is one
//! round trip. A single server and a cluster are used by the same calls.
//!
//! What the instance has counted rides along ([`crate::metrics`]).
//!
//! Multi-step work is a script, each on the keys of one hash tag. Every key is built in `keys`.

mod address;
mod cluster;
pub mod keys;
mod server;
mod slots;

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use anyhow::Context;
use redis::{Arg, Cmd, FromRedisValue, RedisError, RedisResult, ServerErrorKind, ToRedisArgs, Value};

use self::address::Address;
use self::cluster::Cluster;
use self::keys::Partition;
use self::server::Server;
use crate::iam::Login;
use crate::metrics::{Metrics, Telling};
use crate::{Error, Result, config, telemetry};

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
    /// Whether it is only sent because others are: then no other node is tried and nothing is sent again.
    rides: bool,
}

impl Call {
    /// A plain command, whose first argument is its key.
    pub fn command(name: &str) -> Self {
        Self { command: redis::cmd(name), script: None, rides: false }
    }

    /// A script on these keys.
    pub fn script(script: &'static Script, keys: &[String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(keys.len()).arg(keys);
        Self { command, script: Some(script), rides: false }
    }

    /// Adds to the fields of the hash under `key` what was counted. By its text, so that it is never missing.
    fn riding(key: &str, tallies: &Telling<'_>) -> Self {
        let mut command = redis::cmd("EVAL");
        command.arg(ADD).arg(1).arg(key);
        for (field, count) in tallies.tallies() {
            command.arg(field).arg(count);
        }
        Self { command, script: None, rides: true }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.command.arg(arg);
        self
    }

    /// The key that a cluster routes it by: a script's first, after the name, the script and the number of keys, or a
    /// command's first argument. `PING` has none.
    fn key(&self) -> &[u8] {
        let position = if self.script.is_some() || self.rides { 3 } else { 1 };
        match self.command.args_iter().nth(position) {
            Some(Arg::Simple(key)) => key,
            _ => b"",
        }
    }
}

const ADD: &str = include_str!("add.lua");

/// Redis, whichever way it runs.
pub struct Redis {
    store: Store,
    metrics: Arc<Metrics>,
}

enum Store {
    Server(Server),
    Cluster(Cluster),
}

impl Redis {
    /// The server or the cluster at `url`, connected to on first use and again whenever a connection breaks.
    pub fn new(redis: config::Redis, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let address = Address::parse(&redis.url)?.vouched_for_by(&redis.authorities)?;
        let login = redis.iam.map(|(cache, aws)| {
            let user = address.user_by_tls().context(
                "with REDIS_IAM_CACHE the REDIS_URL must be rediss:// or rediss+cluster:// and name a user",
            )?;
            let login = Login::to_cache(&cache, user, aws);
            // What cannot be signed is known now and not at the first request.
            login.token(SystemTime::now())?;
            anyhow::Ok(Arc::new(login))
        });
        let login = login.transpose()?;
        let store = match address {
            Address::Server(info) => {
                let server = Server::at(*info, login.as_ref());
                Store::Server(server.context("REDIS_URL is not a Redis address")?)
            }
            Address::Cluster(seeds) => Store::Cluster(Cluster::of(seeds, login)),
        };
        Ok(Self { store, metrics })
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

    /// Asks for a sign of life, of a cluster each node that serves something.
    pub async fn ping(&self) -> Result<()> {
        let calls = Partition::all().map(|partition| Call::command("EXISTS").arg(partition.mark()));
        self.wave(calls.collect()).await.map(drop)
    }

    /// Tells what was counted where no wave is made that it could ride in; for beside something else that is waited for.
    pub async fn tell(&self) {
        if let Err(error) = self.call::<i64>(Call::command("EXISTS").arg(keys::fold_lag())).await {
            tracing::debug!(cause = error.to_string(), "what was counted is told the next time");
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
        telemetry::traced(call, Box::pin(self.run(calls)), Result::is_err).await
    }

    async fn run(&self, mut calls: Vec<Call>) -> Result<Vec<Value>> {
        let riding = self.riding(&calls);
        let asked = riding.iter().map(|(call, _)| call).chain(&calls);
        let mut replies = self.ask(&asked.collect::<Vec<_>>()).await?;
        if let Some((_, telling)) = riding
            && !matches!(replies.remove(0), Value::ServerError(_))
        {
            telling.told();
        }
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

    /// What was counted and is not told yet, to go first in a wave: to a server that the wave asks anyway.
    fn riding(&self, calls: &[Call]) -> Option<(Call, Telling<'_>)> {
        let first = calls.first()?;
        let partition = match &self.store {
            Store::Server(_) => Partition::all().next(),
            Store::Cluster(cluster) => cluster.partition_beside(first),
        }?;
        let telling = self.metrics.tell()?;
        Some((Call::riding(&partition.metrics(), &telling), telling))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authorities;

    /// What is said of settings when a function starts; nothing is connected to.
    fn said_of(url: &str, authorities: Authorities, by_iam: bool) -> Option<String> {
        let aws = config::Aws {
            region: "us-east-1".to_owned(),
            access_key_id: "akid".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        };
        let iam = by_iam.then(|| ("my-cache".to_owned(), aws));
        let settings = config::Redis { url: url.to_owned(), authorities, iam };
        let redis = Redis::new(settings, Arc::new(Metrics::new("tests".to_owned())));
        redis.err().map(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn settings_that_fit_are_taken_before_anything_is_connected() {
        for (url, by_iam) in [
            ("redis://me:secret@host", false),
            ("rediss+cluster://me:secret@host", false),
            ("rediss://me@host", true),
            ("rediss+cluster://me@host", true),
        ] {
            assert_eq!(said_of(url, Authorities::Public, by_iam), None, "{url}");
        }
    }

    #[tokio::test]
    async fn a_setting_that_does_not_fit_is_named_and_no_password_repeated() {
        let nowhere = || Authorities::File("/there/is/none".into());
        let encrypted = "with REDIS_IAM_CACHE the REDIS_URL must be rediss:// or rediss+cluster://";
        for (url, authorities, by_iam, expected) in [
            ("rediss://me:secret@host", nowhere(), false, "REDIS_CA: the authorities in /there/is/none: "),
            (
                "redis+cluster://me:secret@host",
                nowhere(),
                false,
                "REDIS_CA: the authorities in /there/is/none: ",
            ),
            ("redis://me@host", Authorities::Public, true, encrypted),
            ("redis+cluster://me@host", Authorities::Public, true, encrypted),
            ("rediss://host", Authorities::Public, true, encrypted),
        ] {
            let said = said_of(url, authorities, by_iam).unwrap_or_else(|| panic!("{url} was taken"));
            assert!(said.starts_with(expected), "{url}: {said}");
            assert!(!said.contains("secret"), "{url}: {said}");
        }
    }
}
