//! The running gateway: what its listeners share.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::asynchronous::Queue;
use crate::authorization::Authorizers;
use crate::console::Setup;
use crate::functions::Functions;
use crate::journal::Journal;
use crate::mail::Inbox;
use crate::routing::Router;
use crate::strict::Strict;
use crate::template::{HttpApi, WebSocketApi};
use crate::throttling::Throttles;
use crate::websocket::Connections;

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// What the functions are called, in the order of the template.
    pub(crate) names: Vec<Names>,
    /// What runs them.
    pub(crate) functions: Functions,
    /// The asynchronous invocations.
    pub(crate) queue: Queue,
    /// The HTTP API and its routes.
    pub(crate) http_api: Option<(HttpApi, Router)>,
    /// The HTTP API's authorizers.
    pub(crate) authorizers: Authorizers,
    /// The WebSocket API.
    pub(crate) websocket_api: Option<WebSocketApi>,
    /// The open WebSocket connections.
    pub(crate) connections: Connections,
    /// The mails that functions sent.
    pub(crate) inbox: Inbox,
    /// Where invocations are told.
    pub(crate) journal: Journal,
    /// The region of every ARN.
    pub(crate) region: String,
    /// The port of the HTTP and the WebSocket API.
    pub(crate) port: u16,
    /// The port of the console and the management API.
    pub(crate) console_port: u16,
    /// How long a connection may be silent.
    pub(crate) idle_timeout: Duration,
    /// How long a connection may last.
    pub(crate) connection_lifetime: Duration,
    /// What AWS may do at any time.
    pub(crate) strict: Arc<Strict>,
    /// How many requests, events and posts are taken.
    pub(crate) throttles: Throttles,
    /// How it was started, for the console.
    pub(crate) setup: Setup,
    /// Cancelled when the gateway ends.
    pub(crate) stop: CancellationToken,
}

/// What a function is called.
#[derive(Debug)]
pub(crate) struct Names {
    /// The logical id.
    pub(crate) logical: String,
    /// The binary.
    pub(crate) binary: String,
    /// The alias that it publishes.
    pub(crate) alias: Option<String>,
}

#[cfg(test)]
impl Gateway {
    /// A gateway without functions and APIs.
    pub(crate) fn bare(journal: Journal) -> Self {
        Self {
            names: Vec::new(),
            functions: Functions::Hosted(Vec::new()),
            queue: Queue::new(Vec::new(), [Duration::ZERO; 2]),
            http_api: None,
            authorizers: Authorizers::default(),
            websocket_api: None,
            connections: Connections::default(),
            inbox: Inbox::default(),
            journal,
            region: "us-east-1".to_owned(),
            port: 0,
            console_port: 0,
            idle_timeout: Duration::from_mins(1),
            connection_lifetime: Duration::from_mins(1),
            strict: Arc::default(),
            throttles: Throttles::default(),
            setup: Setup::default(),
            stop: CancellationToken::new(),
        }
    }
}

impl Gateway {
    /// The logical id of a function.
    pub(crate) fn name(&self, function: usize) -> &str {
        &self.names[function].logical
    }
}
