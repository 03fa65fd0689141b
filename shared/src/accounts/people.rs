//! Finding people.

use std::borrow::Cow;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::{Profile, queries};
use crate::ids::UserId;
use crate::page::{self, Limit, Page};
use crate::{App, Error, Result};

/// A user, as others see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "username": "ada",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "name": "Ada Lovelace",
    "created_at": "2026-01-02T03:04:05Z",
})))]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// What they are called in searches.
    pub username: String,
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// Both.
    pub name: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A user, as far as the reader may see them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Seen {
    /// By themselves and by admins.
    Whole(Profile),
    /// By others.
    Public(Person),
}

impl PartialSchema for Seen {
    fn schema() -> RefOr<Schema> {
        // Not `oneOf`: a profile is a person and more.
        let of = |name| Ref::from_schema_name(name);
        AnyOfBuilder::new().item(of(Profile::name())).item(of(Person::name())).into()
    }
}

impl ToSchema for Seen {
    fn name() -> Cow<'static, str> {
        "User".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Profile::name().into(), Profile::schema()));
        schemas.push((Person::name().into(), Person::schema()));
        Profile::schemas(schemas);
        Person::schemas(schemas);
    }
}

impl From<Profile> for Person {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            username: profile.username,
            first_name: profile.first_name,
            last_name: profile.last_name,
            name: profile.name,
            created_at: profile.created_at,
        }
    }
}

impl Seen {
    pub(super) fn by(sees_all: bool, profile: Profile) -> Self {
        if sees_all { Self::Whole(profile) } else { Self::Public(profile.into()) }
    }

    /// Who.
    pub fn id(&self) -> UserId {
        match self {
            Self::Whole(profile) => profile.id,
            Self::Public(person) => person.id,
        }
    }

    fn username(&self) -> &str {
        match self {
            Self::Whole(profile) => &profile.username,
            Self::Public(person) => &person.username,
        }
    }
}

/// People whose username begins with the text, or whose address is the text, in order of their usernames. Who is disabled
/// is not found.
pub async fn search_people(
    app: &App,
    reader: UserId,
    text: &str,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<Page<Seen>> {
    let text = text.trim();
    if !(1..=254).contains(&text.chars().count()) {
        return Err(Error::invalid("search", "must have 1 to 254 characters"));
    }
    // Postgres' text cannot hold a null character, so nobody has one in their name.
    if text.contains('\0') {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let after: Option<String> = cursor.map(page::decode_cursor).transpose()?;
    let after = after.filter(|after| !after.contains('\0'));
    let people = queries::search_people(&app.postgres, reader, text, after.as_deref(), limit).await?;
    Ok(Page::of(people, limit, |last| page::encode_cursor(&last.username().to_lowercase())))
}

/// One of them.
pub async fn find_person(app: &App, reader: UserId, id: UserId) -> Result<Seen> {
    queries::find_person(&app.postgres, reader, id).await?.ok_or(Error::NotFound("user"))
}

/// Those of them whom there are, as far as the reader may see them.
pub async fn list_people(app: &App, reader: UserId, ids: &[UserId]) -> Result<Vec<Seen>> {
    queries::list_people(&app.postgres, reader, ids).await
}
