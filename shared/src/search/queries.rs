//! The statement of search.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Words;
use crate::Result;
use crate::ids::{ConversationId, UserId};
use crate::log::Message;
use crate::page::Limit;
use crate::postgres::{Postgres, Type};

/// Where a page starts: after the message of this time, conversation and seq.
pub(super) type After = (OffsetDateTime, Uuid, i64);

/// The messages with these words in the reader's conversations, or in the one given, newest first. `None`: that one is
/// not the reader's.
pub(super) async fn list_messages(
    postgres: &Postgres,
    reader: UserId,
    conversation: Option<ConversationId>,
    words: &Words,
    after: Option<After>,
    limit: Limit,
) -> Result<Option<Vec<Message>>> {
    let (created_at, in_conversation, seq) = match after {
        Some((created_at, conversation, seq)) => (Some(created_at), Some(conversation), Some(seq)),
        None => (None, None, None),
    };
    // One scan of the index for all conversations: one for each would read the same postings again and again. Which
    // messages they are is decided before anything else of them is read.
    let rows = postgres
        .query(
            "with mine as materialized (
                 select conversation_id from participants
                 where user_id = $1 and ($2::uuid is null or conversation_id = $2)),
             found as materialized (
                 select e.conversation_id, e.seq, e.created_at from entries e
                 where search_words(e.content) @@ search_query($3) and e.content is not null
                   and e.conversation_id in (select conversation_id from mine)
                   and ($4::timestamptz is null or (e.created_at, e.conversation_id, e.seq) < ($4, $5, $6))
                 order by e.created_at desc, e.conversation_id desc, e.seq desc limit $7)
             select exists (select from mine) as reads_any, m.*
             from (select) one
             left join (
                 select l.* from found f join log l on l.conversation_id = f.conversation_id and l.seq = f.seq
             ) m on true
             order by m.created_at desc, m.conversation_id desc, m.seq desc",
            &[
                (&reader.0, Type::UUID),
                (&conversation.map(|conversation| conversation.0), Type::UUID),
                (&words.0, Type::TEXT),
                (&created_at, Type::TIMESTAMPTZ),
                (&in_conversation, Type::UUID),
                (&seq, Type::INT8),
                (&limit.and_one(), Type::INT8),
            ],
        )
        .await?;
    let reads_any = rows.first().is_some_and(|row| row.get("reads_any"));
    if conversation.is_some() && !reads_any {
        return Ok(None);
    }
    let found = rows.iter().map(Message::from_row).filter_map(Result::transpose);
    found.collect::<Result<_>>().map(Some)
}
