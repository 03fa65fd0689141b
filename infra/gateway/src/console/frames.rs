//! The newest frames of a WebSocket connection, kept in memory for the console.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// The frames of one connection. When all connections together keep too much, each new frame takes the place of
/// older ones of its own connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    kept: Mutex<Kept>,
    all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Kept {
    frames: VecDeque<Frame>,
    received: u64,
    sent: u64,
    number: u64,
}

impl Frames {
    /// No frames yet; `all` counts the bytes of every connection's.
    pub(crate) fn new(all: Arc<AtomicUsize>) -> Self {
        Self { kept: Mutex::default(), all }
    }

    /// Notes a frame.
    pub(crate) fn note(&self, kind: Kind, text: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.number += 1;
        kept.received += u64::from(kind == Kind::Received);
        kept.sent += u64::from(kind == Kind::Sent);
        let mut frame = Frame {
            number: kept.number,
            at: OffsetDateTime::now_utc(),
            kind,
            size: text.len(),
            text: text[..text.floor_char_boundary(TEXT_KEPT)].into(),
        };
        let mut all = self.all.fetch_add(frame.bytes(), Ordering::Relaxed) + frame.bytes();
        while kept.frames.len() == KEPT || all > KEPT_BYTES {
            let Some(oldest) = kept.frames.pop_front() else { break };
            all = self.all.fetch_sub(oldest.bytes(), Ordering::Relaxed) - oldest.bytes();
        }
        if all > KEPT_BYTES {
            self.all.fetch_sub(frame.text.len(), Ordering::Relaxed);
            frame.text = Box::default();
        }
        kept.frames.push_back(frame);
    }

    /// Those kept that came after the one of a number, the newest first.
    pub(crate) fn newest(&self, after: u64) -> Vec<Frame> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.frames.iter().rev().take_while(|frame| frame.number > after).cloned().collect()
    }

    /// How many messages were received and sent.
    pub(crate) fn messages(&self) -> (u64, u64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.received, kept.sent)
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = kept.frames.iter().map(Frame::bytes).sum();
        self.all.fetch_sub(bytes, Ordering::Relaxed);
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
        let all = Arc::new(AtomicUsize::new(0));
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
        assert!(all.load(Ordering::Relaxed) <= KEPT_BYTES + 30 * size_of::<Frame>());
        let last = connections[29].newest(0);
        assert_eq!((last[0].number, last[0].size), (KEPT as u64, TEXT_KEPT), "it still tells the newest");

        drop(connections);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
