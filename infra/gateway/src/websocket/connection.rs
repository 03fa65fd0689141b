//! Open connections and the frames queued for them.
//!
//! The registry holds a connection from the success of its `$connect` until it is closed, by whomever; so
//! what is found there is posted to, and all else is gone. What waits for a client is bounded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::task::TaskTracker;

use crate::events::ConnectionFacts;

/// What may wait for a client that reads too slowly.
const QUEUE_FRAMES: usize = 512;
const QUEUE_BYTES: usize = 1024 * 1024;

/// A connection that is posted to.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) facts: ConnectionFacts,
    pub(super) connected_at: Instant,
    /// Milliseconds from the handshake to the last message in either direction.
    pub(super) last_active: AtomicU64,
    pub(super) queue: mpsc::UnboundedSender<Outgoing>,
    pub(super) queued_frames: AtomicUsize,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) closed_with: OnceLock<(CloseCode, &'static str)>,
    pub(super) closing: Notify,
}

#[derive(Debug)]
pub(super) enum Outgoing {
    Text(Utf8Bytes),
    Close,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostError {
    /// The connection is closed.
    Gone,
    /// The client does not read fast enough.
    Full,
}

impl Connection {
    /// What events and the management API tell of it.
    pub(crate) fn facts(&self) -> &ConnectionFacts {
        &self.facts
    }

    /// Unix milliseconds of the last message in either direction.
    pub(crate) fn last_active_at(&self) -> i64 {
        self.facts.connected_at + i64::try_from(self.last_active.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }

    /// Queues a text frame.
    pub(crate) fn post(&self, text: Utf8Bytes) -> Result<(), PostError> {
        if self.closed_with.get().is_some() {
            return Err(PostError::Gone);
        }
        let size = text.len();
        let frames = self.queued_frames.fetch_add(1, Ordering::Relaxed);
        let bytes = self.queued_bytes.fetch_add(size, Ordering::Relaxed);
        let fits = frames < QUEUE_FRAMES && bytes + size <= QUEUE_BYTES;
        let result = if fits {
            self.queue.send(Outgoing::Text(text)).map_err(|_| PostError::Gone)
        } else {
            Err(PostError::Full)
        };
        match result {
            Ok(()) => self.touch(),
            Err(_) => self.written(1, size),
        }
        result
    }

    pub(super) fn written(&self, frames: usize, bytes: usize) {
        self.queued_frames.fetch_sub(frames, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn touch(&self) {
        let elapsed = u64::try_from(self.connected_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_active.store(elapsed, Ordering::Relaxed);
    }

    /// Lets queued frames be written and then closes; the first reason given counts.
    pub(super) fn close(&self, code: CloseCode, reason: &'static str) {
        if self.closed_with.set((code, reason)).is_ok() {
            // The writer is gone only when the connection has ended by itself.
            let _ = self.queue.send(Outgoing::Close);
            self.closing.notify_one();
        }
    }
}

/// The connections that are posted to, by id.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: RwLock<HashMap<String, Arc<Connection>>>,
    /// The tasks that serve them, closing ones included.
    pub(super) served: TaskTracker,
}

impl Connections {
    /// Finds an open connection.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Closes a connection at the request of a function.
    pub(crate) fn close(&self, connection: &Connection) {
        self.end(connection, CloseCode::Normal, "Connection Closed Normally");
    }

    /// Closes all connections, because the gateway ends.
    pub(crate) fn close_all(&self) {
        let open: Vec<_> =
            self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for connection in open {
            self.end(&connection, CloseCode::Away, "Going away");
        }
    }

    /// Waits until no connection is served any more.
    pub(crate) async fn closed(&self) {
        self.served.close();
        self.served.wait().await;
    }

    pub(super) fn end(&self, connection: &Connection, code: CloseCode, reason: &'static str) {
        self.remove(&connection.facts.id);
        connection.close(code, reason);
    }

    pub(super) fn insert(&self, connection: Arc<Connection>) {
        let id = connection.facts.id.clone();
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(id, connection);
    }

    pub(super) fn remove(&self, id: &str) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
