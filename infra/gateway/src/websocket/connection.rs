//! Open connections and the frames queued for them.
//!
//! The registry holds a connection from the success of its `$connect` until it is closed, by whomever; so
//! what is found there is posted to, and all else is gone. What waits for a client is bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::task::TaskTracker;

use crate::console::{self, AllFrames, Frames, Kind};
use crate::events::ConnectionFacts;

/// What may wait for a client that reads too slowly.
const QUEUE_FRAMES: usize = 512;
const QUEUE_BYTES: usize = 1024 * 1024;

/// How many connections are still shown after their end.
const ENDED_KEPT: usize = 200;

/// What their user agents may take together; the oldest are forgotten earlier if they take more.
const ENDED_BYTES: usize = 1024 * 1024;

/// A connection that is posted to.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) facts: ConnectionFacts,
    pub(super) connected_at: Instant,
    /// Milliseconds from the handshake to the last message in either direction.
    pub(super) last_active: AtomicU64,
    queue: mpsc::UnboundedSender<Outgoing>,
    queued_frames: AtomicUsize,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) closed_with: OnceLock<(CloseCode, &'static str)>,
    pub(super) closing: Notify,
    pub(super) frames: Frames,
    /// The messages of all connections, as they are billed.
    messages: Arc<AtomicU64>,
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

    /// The newest frames.
    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// How many frames and bytes wait for the client.
    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.queued_frames.load(Ordering::Relaxed), self.queued_bytes.load(Ordering::Relaxed))
    }

    /// Notes a message of the client.
    pub(super) fn received(&self, text: &str) {
        self.frames.note(Kind::Received, text);
        self.messages.fetch_add(console::messages(text.len()), Ordering::Relaxed);
    }

    /// Queues a text frame.
    pub(crate) fn post(&self, text: Utf8Bytes) -> Result<(), PostError> {
        let shown = text.clone();
        let result = self.queue_text(text);
        let kind = match result {
            Ok(()) => {
                self.messages.fetch_add(console::messages(shown.len()), Ordering::Relaxed);
                Kind::Sent
            }
            Err(PostError::Gone) => Kind::Refused(410),
            Err(PostError::Full) => Kind::Refused(429),
        };
        self.frames.note(kind, &shown);
        result
    }

    fn queue_text(&self, text: Utf8Bytes) -> Result<(), PostError> {
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
            self.frames.note(Kind::ClosedByGateway(code.into()), reason);
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
    /// Those that ended lately, the newest first.
    ended: Mutex<VecDeque<Ended>>,
    /// How long all that ended were open, in milliseconds.
    ended_time: AtomicU64,
    /// The frames of all of them.
    all_frames: Arc<AllFrames>,
    /// The messages in both directions, as they are billed.
    messages: Arc<AtomicU64>,
}

/// A connection that ended, for the console.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The connection.
    pub(crate) connection: Arc<Connection>,
    /// When it ended.
    pub(crate) at: OffsetDateTime,
    /// The code and the reason that `$disconnect` is told.
    pub(crate) code: u16,
    /// See above.
    pub(crate) reason: String,
}

impl Ended {
    fn user_agent_bytes(&self) -> usize {
        self.connection.facts.user_agent.as_ref().map_or(0, String::len)
    }
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

    /// Those that are open.
    pub(crate) fn open(&self) -> Vec<Arc<Connection>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Those that ended lately, the newest first.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        self.lock_ended().iter().cloned().collect()
    }

    /// How many messages there were in both directions, as they are billed.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// How long all connections together were open.
    pub(crate) fn time(&self) -> Duration {
        let open: Duration = self.open().iter().map(|connection| connection.connected_at.elapsed()).sum();
        open + Duration::from_millis(self.ended_time.load(Ordering::Relaxed))
    }

    /// Notes a post to a connection that is not open, if it was lately.
    pub(crate) fn note_gone(&self, id: &str, text: &str) {
        if let Some(end) = self.lock_ended().iter().find(|end| end.connection.facts.id == id) {
            end.connection.frames.note(Kind::Refused(410), text);
        }
    }

    /// Takes up a connection that `$connect` has let in, and gives what is queued for its client.
    pub(super) fn admit(
        &self,
        facts: ConnectionFacts,
    ) -> (Arc<Connection>, mpsc::UnboundedReceiver<Outgoing>) {
        let (queue, outgoing) = mpsc::unbounded_channel();
        let connection = Arc::new(Connection {
            facts,
            connected_at: Instant::now(),
            last_active: AtomicU64::new(0),
            queue,
            queued_frames: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            closed_with: OnceLock::new(),
            closing: Notify::new(),
            frames: Frames::new(Arc::clone(&self.all_frames)),
            messages: Arc::clone(&self.messages),
        });
        let id = connection.facts.id.clone();
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&connection));
        (connection, outgoing)
    }

    /// Keeps a connection that has ended among the newest ones.
    pub(super) fn note_end(&self, connection: &Arc<Connection>, code: u16, reason: &str) {
        let open = u64::try_from(connection.connected_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ended_time.fetch_add(open, Ordering::Relaxed);
        connection.frames.end();
        let (connection, at) = (Arc::clone(connection), OffsetDateTime::now_utc());
        let mut ended = self.lock_ended();
        ended.push_front(Ended { connection, at, code, reason: reason.to_owned() });
        ended.truncate(ENDED_KEPT);
        // The newest one stays, however long its user agent is.
        let mut user_agents = ended.iter().map(Ended::user_agent_bytes).sum::<usize>();
        while user_agents > ENDED_BYTES && ended.len() > 1 {
            let Some(oldest) = ended.pop_back() else { break };
            user_agents -= oldest.user_agent_bytes();
        }
    }

    fn lock_ended(&self) -> MutexGuard<'_, VecDeque<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a connection at the request of a function.
    pub(crate) fn close(&self, connection: &Connection) {
        self.end(connection, CloseCode::Normal, "Connection Closed Normally");
    }

    /// Closes all connections, because the gateway ends.
    pub(crate) fn close_all(&self) {
        for connection in self.open() {
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

    pub(super) fn remove(&self, id: &str) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
