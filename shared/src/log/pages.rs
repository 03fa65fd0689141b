//! Reading pages of messages: from the stream where it has the whole page, otherwise from Postgres.

use super::entry::{Entry, Message, Shown};
use super::reply::Reply;
use super::{MAX_TRIES, READ, Token, admit, as_len, catch_up, entry, livelock, load, queries, unexpected};
use crate::ids::{ConversationId, UserId};
use crate::redis::Call;
use crate::redis::keys::ConversationKeys;
use crate::throttle::{self, Admission};
use crate::{App, Error, Result};

/// Which messages to read.
#[derive(Clone, Copy, Debug)]
pub enum Around {
    /// The newest before this seq.
    Before(i64),
    /// The oldest after this seq.
    After(i64),
}

/// Up to `limit` messages, oldest first, in their latest state: from the stream if it has them all, otherwise
/// from Postgres. What the request has to pass is asked in the first call.
pub async fn read_messages(
    app: &App,
    conversation: ConversationId,
    user: UserId,
    around: Around,
    limit: i64,
    admission: Option<&Admission>,
) -> Result<Vec<Message>> {
    // Changes stand between messages; a few more entries than messages keep most pages in the stream.
    let entries_read = limit + limit / 4 + 4;
    for attempt in 0..MAX_TRIES {
        let (direction, seq) = match around {
            Around::Before(seq) => ("before", seq),
            Around::After(seq) => ("after", seq),
        };
        let call = Call::script(&READ, &ConversationKeys::of(conversation).fold())
            .arg(user.to_string())
            .arg(direction)
            .arg(seq)
            .arg(entries_read);
        let asked = admission.filter(|_| attempt == 0);
        let checks = asked.map(Admission::calls).unwrap_or_default();
        let mut replies = app.redis.wave([call].into_iter().chain(checks).collect()).await?.into_iter();
        let mut reply = Reply::of(replies.next().unwrap_or_default())?;
        if let Some(admission) = asked {
            throttle::settle(app, admission.verdicts(replies)?).await?;
        }
        match reply.tag.as_str() {
            "cold" => load(app, conversation, &Token::generate()).await?,
            "stranger" => admit(app, conversation, user).await?,
            "page" => {
                let w: i64 = reply.next()?;
                if attempt == 0 && matches!(around, Around::After(seq) if seq > w) {
                    // The reader has seen more than Redis knows.
                    catch_up(app, conversation, &Token::generate()).await?;
                    continue;
                }
                let first: i64 = reply.next()?;
                let shown = entry::shown((reply.next()?, reply.next()?, reply.next()?))?;
                let reached = shown.len() < usize::try_from(entries_read).unwrap_or(usize::MAX);
                let mut messages: Vec<_> = shown.into_iter().filter_map(Shown::into_message).collect();
                let whole = match around {
                    // Everything up to the newest, or as many as asked for, from inside the stream.
                    Around::After(seq) => seq + 1 >= first && (reached || messages.len() >= as_len(limit)),
                    // The stream begins at the first entry of all, or has as many as asked for.
                    Around::Before(_) => (first <= 1 && reached) || messages.len() >= as_len(limit),
                };
                if whole || w == 0 {
                    match around {
                        Around::After(_) => messages.truncate(as_len(limit)),
                        Around::Before(_) => {
                            drop(messages.drain(..messages.len().saturating_sub(as_len(limit))));
                        }
                    }
                    return Ok(messages);
                }
                let entries =
                    queries::list_messages(&app.postgres, conversation, user, around, limit).await?;
                let entries = entries.ok_or(Error::NotFound("conversation"))?;
                return Ok(entries.into_iter().filter_map(Entry::into_message).collect());
            }
            other => return Err(unexpected(other)),
        }
    }
    Err(livelock())
}
