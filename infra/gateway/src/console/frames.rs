//! The newest frames of a WebSocket connection, kept in memory for the console.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

/// How many frames of a connection are kept.
const KEPT: usize = 200;

/// How much is kept of a frame's text.
pub(crate) const TEXT_KEPT: usize = 8 * 1024;

/// What the frames of all connections may take together.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message of the client.
    Received,
    /// A message to the client, queued to be written.
    Sent,
    /// A binary message of the client, which ends the connection.
    Binary,
    /// A post that was refused with this status.
    Refused(u16),
    /// A close frame of the client, with its code.
    ClosedByClient(u16),
    /// A close frame to the client, with its code.
    ClosedByGateway(u16),
}

/// One frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Its number on this connection, from 1.
    pub(crate) number: u64,
    /// When it was received or queued.
    pub(crate) at: OffsetDateTime,
    /// What it was.
    pub(crate) kind: Kind,
    /// The bytes of the whole text.
    pub(crate) size: usize,
    /// The beginning of its text, or the reason of a close.
    pub(crate) text: Box<str>,
}

impl Frame {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }
}

/// What the frames of all connections take.
#[derive(Debug, Default)]
pub(crate) struct AllFrames {
    bytes: AtomicUsize,
    /// The connections that ended and have frames, the oldest end first.
    ended: Mutex<VecDeque<Arc<Mutex<Kept>>>>,
}

impl AllFrames {
    /// Forgets frames of ended connections until so many bytes more are within the limit. Nobody who asks for it may
    /// hold the lock of a connection's frames.
    fn make_room(&self, bytes: usize) {
        while self.bytes.load(Ordering::Relaxed) + bytes > KEPT_BYTES {
            let Some(oldest) = lock(&self.ended).pop_front() else { break };
            lock(&oldest).forget(self);
        }
    }
}

/// The frames of one connection. When all connections together keep too much, those of ended connections are forgotten
/// first; then each new frame takes the place of older ones of its own connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    kept: Arc<Mutex<Kept>>,
    all: Arc<AllFrames>,
}

#[derive(Debug, Default)]
struct Kept {
    frames: VecDeque<Frame>,
    received: u64,
    sent: u64,
    number: u64,
    ended: bool,
}

impl Kept {
    fn forget(&mut self, all: &AllFrames) {
        let bytes: usize = self.frames.drain(..).map(|frame| frame.bytes()).sum();
        all.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Frames {
    /// No frames yet, to be counted among all.
    pub(crate) fn new(all: Arc<AllFrames>) -> Self {
        Self { kept: Arc::default(), all }
    }

    /// Lets the frames be forgotten before those of open connections.
    pub(crate) fn end(&self) {
        let mut kept = lock(&self.kept);
        kept.ended = true;
        if !kept.frames.is_empty() {
            lock(&self.all.ended).push_back(Arc::clone(&self.kept));
        }
    }

    /// Notes a frame.
    pub(crate) fn note(&self, kind: Kind, text: &str) {
        let kept_text = &text[..text.floor_char_boundary(TEXT_KEPT)];
        self.all.make_room(size_of::<Frame>() + kept_text.len());
        let mut kept = lock(&self.kept);
        if kept.ended && kept.frames.is_empty() {
            lock(&self.all.ended).push_back(Arc::clone(&self.kept));
        }
        kept.number += 1;
        kept.received += u64::from(kind == Kind::Received);
        kept.sent += u64::from(kind == Kind::Sent);
        let mut frame = Frame {
            number: kept.number,
            at: OffsetDateTime::now_utc(),
            kind,
            size: text.len(),
            text: kept_text.into(),
        };
        let total = &self.all.bytes;
        let mut all = total.fetch_add(frame.bytes(), Ordering::Relaxed) + frame.bytes();
        while kept.frames.len() == KEPT || all > KEPT_BYTES {
            let Some(oldest) = kept.frames.pop_front() else { break };
            all = total.fetch_sub(oldest.bytes(), Ordering::Relaxed) - oldest.bytes();
        }
        if all > KEPT_BYTES {
            total.fetch_sub(frame.text.len(), Ordering::Relaxed);
            frame.text = Box::default();
        }
        kept.frames.push_back(frame);
    }

    /// Those kept that came after the one of a number, the newest first.
    pub(crate) fn newest(&self, after: u64) -> Vec<Frame> {
        let kept = lock(&self.kept);
        kept.frames.iter().rev().take_while(|frame| frame.number > after).cloned().collect()
    }

    /// How many messages were received and sent.
    pub(crate) fn messages(&self) -> (u64, u64) {
        let kept = lock(&self.kept);
        (kept.received, kept.sent)
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        lock(&self.all.ended).retain(|ended| !Arc::ptr_eq(ended, &self.kept));
        lock(&self.kept).forget(&self.all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_frames_of_a_connection_are_kept() {
        let frames = Frames::default();
        for number in 0..KEPT + 3 {
            frames.note(Kind::Received, &number.to_string());
        }

        let kept = frames.newest(0);

        assert_eq!(kept.len(), KEPT);
        assert_eq!((&*kept[0].text, &*kept[KEPT - 1].text), ("202", "3"));
        assert_eq!(frames.newest(kept[2].number).len(), 2);
        assert_eq!(frames.messages(), (KEPT as u64 + 3, 0));
    }

    #[test]
    fn the_text_of_a_frame_is_cut_between_characters() {
        let frames = Frames::default();
        let text = format!("x{}", "é".repeat(TEXT_KEPT));

        frames.note(Kind::Sent, &text);

        let frame = frames.newest(0).remove(0);
        assert_eq!((frame.text.len(), frame.size), (TEXT_KEPT - 1, text.len()));
    }

    #[test]
    fn all_connections_together_keep_no_more_than_their_bytes() {
        let all = Arc::new(AllFrames::default());
        let text = "x".repeat(TEXT_KEPT);
        let connections: Vec<_> = (0..30).map(|_| Frames::new(Arc::clone(&all))).collect();
        for connection in &connections {
            for _ in 0..KEPT {
                connection.note(Kind::Sent, &text);
            }
        }

        let kept =
            |connection: &Frames| connection.newest(0).iter().map(|frame| frame.text.len()).sum::<usize>();
        assert!(connections.iter().map(kept).sum::<usize>() <= KEPT_BYTES);
        assert!(all.bytes.load(Ordering::Relaxed) <= KEPT_BYTES + 30 * size_of::<Frame>());
        let last = connections[29].newest(0);
        assert_eq!((last[0].number, last[0].size), (KEPT as u64, TEXT_KEPT), "it still tells the newest");

        drop(connections);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }
    #[test]
    fn the_frames_of_ended_connections_make_room_for_open_ones_the_oldest_end_first() {
        let all = Arc::new(AllFrames::default());
        let connection = || Frames::new(Arc::clone(&all));
        let text = "x".repeat(TEXT_KEPT);
        let (open, quiet) = (connection(), connection());
        quiet.note(Kind::Received, "here");
        let mut ended = Vec::new();
        while all.bytes.load(Ordering::Relaxed) < KEPT_BYTES - 2 * TEXT_KEPT {
            if ended.last().is_none_or(|last: &Frames| last.newest(0).len() == KEPT) {
                ended.push(connection());
            }
            ended.last().unwrap().note(Kind::Sent, &text);
        }
        ended.iter().for_each(Frames::end);

        for _ in 0..10 {
            open.note(Kind::Sent, &text);
        }

        assert!(open.newest(0).iter().all(|frame| frame.text.len() == TEXT_KEPT));
        assert_eq!((open.newest(0).len(), quiet.newest(0).len()), (10, 1));
        assert!(ended[0].newest(0).is_empty() && ended[1..].iter().all(|one| !one.newest(0).is_empty()));
        // What is posted to one that ended is kept, and forgotten again in its turn.
        ended[0].note(Kind::Refused(410), "late");
        assert_eq!(lock(&all.ended).len(), ended.len());

        drop(ended);
        assert!(lock(&all.ended).is_empty());
    }
}
