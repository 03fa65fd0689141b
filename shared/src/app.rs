//! What an instance holds: clients and settings, built once per cold start and borrowed by every request.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;

use crate::config;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::postgres::Postgres;
use crate::push::Push;
use crate::redis::Redis;
use crate::throttle::Throttles;
use crate::tokens::keys::Keys;

/// What a start waits for the stores.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a function needs beyond the stores, so that none holds a secret it does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To sign or check access tokens.
    Tokens,
    /// To post to connections, and to hand to `fan-out` what takes long.
    Push,
    /// The same for `fan-out`, which hands it to itself.
    FanOut,
    /// To start jobs of `mail`, beside [`Need::Push`].
    MailJobs,
    /// To send mails.
    Mailer,
}

/// The clients and settings of one instance; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// The log.
    pub postgres: Postgres,
    /// The fold of it.
    pub redis: Redis,
    /// What this instance counts.
    pub metrics: Arc<Metrics>,
    /// Who may do what how often.
    pub throttles: Throttles,
    /// Whether an address must be verified before its owner may sign in.
    pub email_verification_required: bool,
    keys: Option<Keys>,
    push: Option<Push>,
    mail_function: Option<String>,
    mailer: Option<Mailer>,
}

impl App {
    /// Reads the settings, makes the clients and opens their connections.
    ///
    /// A store that is down does not fail the start, and one that hangs does not hold it up: requests answer `unavailable`
    /// until it is back. Without the key ring there is no start.
    pub async fn from_env(needs: &[Need]) -> anyhow::Result<Self> {
        let tokens = needs.contains(&Need::Tokens).then(config::Tokens::from_env).transpose()?;
        let push = if needs.contains(&Need::FanOut) {
            Some(config::Push::of_fan_out()?)
        } else {
            needs.contains(&Need::Push).then(config::Push::from_env).transpose()?
        };
        let mailer = needs.contains(&Need::Mailer).then(config::Mail::from_env).transpose()?;
        let metrics = Arc::new(Metrics::new(config::function_name()));
        let mut parts = Parts {
            email_verification_required: config::email_verification_required()?,
            push: push.map(|push| Push::new(push, Arc::clone(&metrics))),
            mail_function: needs.contains(&Need::MailJobs).then(config::mail_function).transpose()?,
            mailer: mailer.map(Mailer::new),
            ..Parts::new(config::Stores::from_env()?, config::throttles()?, metrics)?
        };
        let opened = async { tokio::join!(parts.postgres.warm_up(), parts.redis.warm_up()) };
        let keys = OptionFuture::from(tokens.map(Keys::read));
        let (opened, keys) = tokio::join!(tokio::time::timeout(WARM_UP, opened), keys);
        if opened.is_err() {
            tracing::warn!("a store does not answer yet: DATABASE_URL, REDIS_URL");
        }
        parts.keys = keys.transpose()?;
        Ok(Self(Arc::new(parts)))
    }

    /// One over these stores, which signs no tokens; whatever it posts is refused.
    #[cfg(test)]
    pub(crate) fn over(
        stores: config::Stores,
        push: config::Push,
        throttles: Throttles,
    ) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new("tests".to_owned()));
        let push = Some(Push::new(push, Arc::clone(&metrics)));
        Ok(Self(Arc::new(Parts { push, ..Parts::new(stores, throttles, metrics)? })))
    }

    /// The key ring.
    pub fn keys(&self) -> &Keys {
        self.keys.as_ref().expect("the function's main asks for Need::Tokens")
    }

    /// The way to connections.
    pub fn push(&self) -> &Push {
        self.push.as_ref().expect("the function's main asks for Need::Push or Need::FanOut")
    }

    /// The name of the function that writes mails.
    pub fn mail_function(&self) -> &str {
        self.mail_function.as_ref().expect("the function's main asks for Need::MailJobs")
    }

    /// The way to SES.
    pub fn mailer(&self) -> &Mailer {
        self.mailer.as_ref().expect("the function's main asks for Need::Mailer")
    }
}

impl Parts {
    fn new(stores: config::Stores, throttles: Throttles, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        Ok(Self {
            postgres: Postgres::new(stores.database)?,
            redis: Redis::new(stores.redis, Arc::clone(&metrics))?,
            metrics,
            throttles,
            email_verification_required: false,
            keys: None,
            push: None,
            mail_function: None,
            mailer: None,
        })
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
