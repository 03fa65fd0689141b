//! What an instance holds: clients and settings, built once per cold start and borrowed by every request.

use std::ops::Deref;
use std::sync::Arc;

use crate::config::{self, Environment};
use crate::postgres::Postgres;
use crate::push::Push;
use crate::redis::Redis;
use crate::throttle::Window;
use crate::tokens::access::KeyRing;

/// What a function needs beyond the stores, so that none holds a secret it does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To sign or check access tokens.
    Tokens,
    /// To post to connections.
    Push,
}

/// The clients and settings of one instance; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// Whether conveniences of development are on.
    pub environment: Environment,
    /// The log.
    pub postgres: Postgres,
    /// The fold of it.
    pub redis: Redis,
    /// How many messages a user may send into a conversation.
    pub throttle_messages: Vec<Window>,
    keys: Option<KeyRing>,
    push: Option<Push>,
}

impl App {
    /// Reads the settings, makes the clients and opens their connections.
    ///
    /// A store that is down does not fail the start: requests answer `unavailable` until it is back.
    pub async fn from_env(needs: &[Need]) -> anyhow::Result<Self> {
        let stores = config::Stores::from_env()?;
        let keys =
            needs.contains(&Need::Tokens).then(|| KeyRing::new(&config::Tokens::from_env()?)).transpose()?;
        let push = needs.contains(&Need::Push).then(config::Management::from_env).transpose()?.map(Push::new);
        let app = Self(Arc::new(Parts {
            environment: config::environment()?,
            postgres: Postgres::new(&stores.database_url)?,
            redis: Redis::new(&stores.redis_url)?,
            throttle_messages: config::throttle_messages()?,
            keys,
            push,
        }));
        tokio::join!(app.postgres.warm_up(), app.redis.warm_up());
        Ok(app)
    }

    /// The key ring.
    pub fn keys(&self) -> &KeyRing {
        self.keys.as_ref().expect("the function's main asks for Need::Tokens")
    }

    /// The way to connections.
    pub fn push(&self) -> &Push {
        self.push.as_ref().expect("the function's main asks for Need::Push")
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
