//! The WebSocket protocol: commands from clients, and the answers to them. Events are made by the log. What is written
//! here and there is what the API's document says of frames.

mod answers;
mod commands;
mod documented;

pub use self::answers::{Answer, Subscribed};
pub(crate) use self::answers::{ErrorCode, ErrorFrame, Framed};
pub use self::commands::{
    COMMANDS, Command, CommandKind, DeleteMessage, EditMessage, History, Ping, React, Read, Send, Subscribe,
    Typing, Unsubscribe,
};
pub use self::documented::{Described, Sent, sent};

/// How large an answer may be, so that its frame stays below the platform's 128 KiB.
pub const MAX_ANSWER: usize = 96 * 1024;
