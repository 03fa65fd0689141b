//! The statements of maintenance.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::Result;
use crate::ids::ConversationId;
use crate::postgres::{Postgres, Row, Type};

/// The conversations that something was appended to since a moment, and the last seq of it.
pub(super) async fn list_active(
    postgres: &Postgres,
    since: OffsetDateTime,
) -> Result<Vec<(ConversationId, i64)>> {
    let rows = postgres
        .query(
            "select conversation_id as id, max(seq) as last_seq from entries where created_at >= $1
             group by conversation_id",
            &[(&since, Type::TIMESTAMPTZ)],
        )
        .await?;
    Ok(rows.iter().map(last_seq).collect())
}

/// The last seqs of conversations.
pub(super) async fn list_last_seqs(postgres: &Postgres, ids: &[Uuid]) -> Result<Vec<(ConversationId, i64)>> {
    let rows = postgres
        .query("select id, last_seq from conversations where id = any($1)", &[(&ids, Type::UUID_ARRAY)])
        .await?;
    Ok(rows.iter().map(last_seq).collect())
}

fn last_seq(row: &Row) -> (ConversationId, i64) {
    (ConversationId(row.get("id")), row.get("last_seq"))
}
