//! Search: the messages with all of some words, the last of which may be the beginning of one, newest first.
//!
//! Postgres finds them by a full-text index; only what the reader takes part in is shown, in its latest state. A deleted
//! message has no text, and the text before an edit is nowhere any more.

mod queries;

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::ids::{ConversationId, UserId};
use crate::log::Message;
use crate::page::{self, Limit, Micros, Page};
use crate::{App, Error, Result};

/// What is searched for: 2 to 200 characters, whatever they are.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(min_length = 2, max_length = 200, pattern = r"^[^\x00]+$")]
pub struct Words(String);

impl TryFrom<String> for Words {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        // Postgres' text cannot hold a null character.
        if (2..=200).contains(&text.chars().count()) && !text.contains('\0') {
            Ok(Self(text))
        } else {
            Err("must have 2 to 200 characters, none of them a null character")
        }
    }
}

/// A page of what is found.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// The words.
    #[param(inline)]
    pub q: Words,
    /// Where the page starts.
    pub cursor: Option<String>,
    /// How many at most.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
}

/// Searches one conversation of the reader's.
pub async fn within(
    app: &App,
    reader: UserId,
    conversation: ConversationId,
    search: Search,
) -> Result<Page<Message>> {
    find(app, reader, Some(conversation), search).await
}

/// Searches all conversations of the reader's.
pub async fn everywhere(app: &App, reader: UserId, search: Search) -> Result<Page<Message>> {
    find(app, reader, None, search).await
}

async fn find(
    app: &App,
    reader: UserId,
    conversation: Option<ConversationId>,
    search: Search,
) -> Result<Page<Message>> {
    let after = search.cursor.as_deref().map(decode).transpose()?;
    let found =
        queries::list_messages(&app.postgres, reader, conversation, &search.q, after, search.limit).await?;
    let found = found.ok_or(Error::NotFound("conversation"))?;
    Ok(Page::of(found, search.limit, |last| {
        page::encode_cursor(&(Micros::of(last.created_at), last.conversation_id.0, last.seq))
    }))
}

fn decode(cursor: &str) -> Result<queries::After> {
    let (at, conversation, seq): (Micros, Uuid, i64) = page::decode_cursor(cursor)?;
    Ok((at.time()?, conversation, seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{self, Change, Key};
    use crate::postgres::Type;
    use crate::testing::{app, conversation, user};

    async fn found(app: &App, reader: UserId, q: &str) -> Vec<Option<String>> {
        let q = Words::try_from(q.to_owned()).expect("words");
        let search = Search { q, cursor: None, limit: Limit::default() };
        let page = everywhere(app, reader, search).await.expect("a page");
        page.items.into_iter().map(|message| message.content).collect()
    }

    #[tokio::test]
    async fn a_message_is_found_by_its_latest_text_and_once_deleted_by_none() {
        let app = app().await;
        let ann = user(&app, "ann").await;
        let room = conversation(&app, &[ann]).await;
        let said = Change::Message { content: "first thought".to_owned(), metadata: None, reply_to: None };
        log::commit(&app, room, ann, &said, &Key::of_client("1"), None).await.expect("a commit");
        let row = [(&room.0 as _, Type::UUID)];

        assert_eq!(found(&app, ann, "first").await, [Some("first thought".to_owned())]);

        let edit =
            "update entries set content = 'second thought', edited_at = now() where conversation_id = $1";
        app.postgres.query(edit, &row).await.expect("an edit");
        assert!(found(&app, ann, "first").await.is_empty());
        assert_eq!(found(&app, ann, "second").await, [Some("second thought".to_owned())]);

        let delete = "update entries set content = null, deleted_at = now() where conversation_id = $1";
        app.postgres.query(delete, &row).await.expect("a deletion");
        assert!(found(&app, ann, "thought").await.is_empty());
    }

    #[test]
    fn words_are_counted_in_characters() {
        for good in ["ab", "é!", "  ", &"é".repeat(200)] {
            assert!(Words::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "é", &"é".repeat(201), "nul\u{0}"] {
            assert!(Words::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
