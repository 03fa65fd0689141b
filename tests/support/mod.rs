//! What the stories are written with: a chat that runs, its users, their connections.
//!
//! Every helper acts as a client does, through the public API, and panics when the answer is not what
//! the API promises: that is how a story fails. Faults (a killed process, an emptied Redis, a counted
//! round trip) are the only things done behind the API's back, and they are done by [`Stack`] and [`proxy`].
#![expect(
    clippy::missing_panics_doc,
    reason = "a helper that panics is a story that fails, which is their purpose"
)]
#![expect(clippy::must_use_candidate, reason = "an assertion may be called for nothing but its panic")]

mod answer;
mod browser;
mod canaries;
mod cargo_lambda;
mod certificates;
mod changes;
mod chat;
mod connection;
mod document;
mod door;
mod encrypted_postgres;
mod frames;
mod mail;
mod message;
pub mod proxy;
mod redis_cluster;
pub mod redis_users;
mod secrets_manager;
mod server;
mod settings;
mod stack;
mod stores;
pub mod tokens;
mod user;

use std::time::Duration;

pub use answer::Answer;
pub use browser::tell;
pub use canaries::note_json;
pub use certificates::{Authority, Certified};
pub use changes::about;
pub use chat::TestChat;
pub use connection::{Connection, Handshake, Incoming};
pub use document::{PAGES, operations};
pub use door::{Behind, Door};
pub use encrypted_postgres::EncryptedPostgres;
pub use frames::{check_frame, commands};
pub use mail::{Mail, page_of};
pub use message::{Message, Page, messages_in};
pub use redis_cluster::{Login, RedisCluster};
pub use secrets_manager::{SECRET, SecretsManager};
pub use server::{Asked, serve};
pub use settings::{Mode, Settings};
pub use stack::{Process, Stack, StackOptions};
pub use stores::RedisCopy;
pub use user::{Conversation, User};

/// How long a story waits for something that must happen before it calls it missing.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The one foreign origin the stacks of the stories allow.
pub const ALLOWED_ORIGIN: &str = "http://allowed.example";
