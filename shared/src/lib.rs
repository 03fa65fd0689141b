//! Everything the functions share: the rules of the chat and the plumbing below them.
//!
//! Functions call the edges and the domains, domains call the log and the plumbing; a domain never imports an
//! edge, and calls between domains form no cycle (maintenance → connections, messages and administration →
//! conversations → accounts → log → presence → throttle; mail and oauth → accounts).

// Edges: what arrives, and what is answered.
pub mod http;
pub mod job;
pub mod parse;
pub mod websocket;

// Domains: one sentence each in their own header.
pub mod accounts;
pub mod administration;
pub mod connections;
pub mod conversations;
pub mod log;
pub mod mail;
pub mod maintenance;
pub mod messages;
pub mod oauth;
pub mod presence;
pub mod protocol;
pub mod search;
pub mod throttle;
pub mod tokens;

// Plumbing.
mod app;
mod aws;
pub mod config;
mod error;
pub mod health;
pub mod html;
pub mod https;
mod iam;
pub mod ids;
pub mod metrics;
pub mod page;
pub mod postgres;
pub mod push;
pub mod redis;
pub mod secrets;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod tls;

pub use app::{App, Need};
pub use error::{Error, FieldError, Result};
