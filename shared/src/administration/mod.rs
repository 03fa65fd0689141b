//! What global admins do and see: users, their sessions, conversations, the audit trail, figures. No message text is in
//! any of it, and each deed is in the audit trail by the transaction that does it.

mod queries;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{self, Email, NewPassword, Profile};
use crate::conversations::Kind;
use crate::ids::{ConversationId, SessionId, UserId};
use crate::log::{self, Key};
use crate::page::{self, Limit, Micros, Page};
use crate::postgres::Postgres;
use crate::tokens::Identity;
use crate::tokens::access::GlobalRole;
use crate::{App, Error, Result};

const ADMINS_ONLY: Error = Error::Forbidden("Only an admin may do this.");

/// Whom the operator makes an admin.
#[derive(Debug, Deserialize)]
pub struct Appointment {
    /// By address.
    pub email: Email,
    /// With which password, if the account is to be made.
    pub password: Option<NewPassword>,
    /// Whether it may be somebody who has not shown that the address is theirs.
    #[serde(default)]
    pub unverified: bool,
}

/// What became of an appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Appointed {
    /// The account was made, as an admin's.
    Created,
    /// The account there was is an admin's now.
    Promoted,
    /// It was one already.
    Unchanged,
    /// There is no such account, and to make one takes a password.
    PasswordRequired,
    /// Whoever has the account has not shown that the address is theirs; nothing was changed.
    Unverified,
    /// The account is disabled; nothing was changed.
    Disabled,
}

/// What to change of a user.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct UserChange {
    /// Their role.
    pub role: Option<GlobalRole>,
    /// Whether they are shut out.
    pub disabled: Option<bool>,
}

/// A conversation, as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationOverview)]
pub struct Overview {
    /// Which.
    pub id: ConversationId,
    /// What kind.
    pub kind: Kind,
    /// Its name, if it has one.
    #[schema(required)]
    pub name: Option<String>,
    /// How many take part.
    pub participant_count: i64,
    /// The last seq of its log.
    pub last_seq: i64,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When something last happened in it.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Something that an admin did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry, examples(json!({
    "id": "12",
    "created_at": "2026-01-02T03:04:05Z",
    "actor_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "action": "user.disabled",
    "target": "01890a5d-ac96-774b-bcce-b302099a8059",
    "details": {},
})))]
pub struct Deed {
    /// Which.
    pub id: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Who; null once erased.
    #[schema(required)]
    pub actor_id: Option<UserId>,
    /// What, as `user.disabled`.
    pub action: String,
    /// The id of whom or what it was done to.
    pub target: String,
    /// What else there is to say.
    pub details: Map<String, Value>,
}

/// How much there is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct Figures {
    /// Accounts.
    pub users: i64,
    /// Those of them that are shut out.
    pub disabled_users: i64,
    /// Those of them that are admins.
    pub admins: i64,
    /// Live sessions.
    pub sessions: i64,
    /// Conversations, by kind.
    pub conversations: ByKind,
    /// Entries of all logs: messages and changes.
    pub log_entries: i64,
}

/// Conversations by kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationsByKind)]
pub struct ByKind {
    /// Of two people.
    pub direct: i64,
    /// Of whoever was added.
    pub group: i64,
    /// Named uniquely.
    pub channel: i64,
}

/// Makes somebody an admin by the operator's word, who needs no account: so the first one comes to be.
pub async fn appoint(postgres: &Postgres, appointment: &Appointment) -> Result<Appointed> {
    let Appointment { email, password, unverified } = appointment;
    if let Some(promoted) = queries::promote(postgres, email, *unverified).await? {
        return Ok(promoted);
    }
    let Some(password) = password else { return Ok(Appointed::PasswordRequired) };
    if !password.differs_from(email.as_str()) {
        return Err(Error::invalid("password", "must not be the e-mail address"));
    }
    accounts::create(postgres, email, password).await?;
    // Also when somebody signed up with the address meanwhile.
    match queries::promote(postgres, email, *unverified).await? {
        Some(Appointed::Promoted | Appointed::Unchanged) => Ok(Appointed::Created),
        Some(other) => Ok(other),
        None => Err(Error::conflict("email", "is taken")),
    }
}

/// Refuses whoever is no admin now, whatever their token says.
pub async fn require_admin(app: &App, user: UserId) -> Result<()> {
    if queries::is_admin(&app.postgres, user).await? { Ok(()) } else { Err(ADMINS_ONLY) }
}

/// All users, newest first, or those that `search` finds as in the lookup of people.
pub async fn list_users(
    app: &App,
    search: Option<&str>,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<Page<Profile>> {
    let search = search.map(str::trim).filter(|text| !text.is_empty());
    if search.is_some_and(|text| text.contains('\0')) {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let users = queries::list_users(&app.postgres, search, before(cursor)?, limit).await?;
    Ok(Page::of(users, limit, |last| after(last.created_at, last.id.0)))
}

/// Changes a user's role or shuts them out. Returns also the sessions that have ended by it.
pub async fn change_user(
    app: &App,
    actor: UserId,
    user: UserId,
    change: UserChange,
) -> Result<(Profile, Vec<Identity>)> {
    let (outcome, changed) = queries::change_user(&app.postgres, actor, user, change).await?;
    match (outcome.as_str(), changed) {
        ("changed", Some(changed)) => Ok(changed),
        ("forbidden", _) => Err(ADMINS_ONLY),
        ("not_found", _) => Err(Error::NotFound("user")),
        ("last_admin", _) => {
            let field = if change.disabled == Some(true) { "disabled" } else { "role" };
            Err(Error::conflict(field, "the last admin can be neither demoted nor disabled"))
        }
        (other, _) => Err(Error::Internal(anyhow::anyhow!("change_user said {other}"))),
    }
}

/// Refuses a user who does not exist.
pub async fn require_user(app: &App, user: UserId) -> Result<()> {
    if queries::user_exists(&app.postgres, user).await? { Ok(()) } else { Err(Error::NotFound("user")) }
}

/// Ends all sessions of a user. Returns those whose connections may be open.
pub async fn end_sessions(app: &App, actor: UserId, user: UserId) -> Result<Vec<Identity>> {
    let ended = queries::end_sessions(&app.postgres, actor, user).await?.ok_or(Error::NotFound("user"))?;
    Ok(ended.into_iter().map(|session| Identity { user, session: SessionId(session) }).collect())
}

/// All conversations, newest first.
pub async fn list_conversations(app: &App, cursor: Option<&str>, limit: Limit) -> Result<Page<Overview>> {
    let all = queries::list_conversations(&app.postgres, before(cursor)?, limit).await?;
    Ok(Page::of(all, limit, |last| after(last.created_at, last.id.0)))
}

/// Deletes a conversation with its messages.
pub async fn delete_conversation(app: &App, actor: UserId, id: ConversationId, key: &Key) -> Result<()> {
    match log::delete(app, id, actor, key).await {
        Err(error @ Error::NotFound(_)) => {
            // It may be the repeat of a deletion that was committed and never published.
            log::repair(app, id).await;
            Err(error)
        }
        deleted => deleted,
    }
}

/// What admins did, newest first.
pub async fn list_audit(app: &App, cursor: Option<&str>, limit: Limit) -> Result<Page<Deed>> {
    let before: Option<i64> = cursor.map(page::decode_cursor).transpose()?;
    let deeds = queries::list_audit(&app.postgres, before, limit).await?;
    let id = |deed: &Deed| deed.id.parse::<i64>().unwrap_or_default();
    Ok(Page::of(deeds, limit, |last| page::encode_cursor(&id(last))))
}

/// How much there is.
pub async fn figures(app: &App) -> Result<Figures> {
    queries::figures(&app.postgres).await
}

fn before(cursor: Option<&str>) -> Result<Option<(OffsetDateTime, Uuid)>> {
    let key: Option<(Micros, Uuid)> = cursor.map(page::decode_cursor).transpose()?;
    key.map(|(at, id)| Ok((at.time()?, id))).transpose()
}

fn after(at: OffsetDateTime, id: Uuid) -> String {
    page::encode_cursor(&(Micros::of(at), id))
}
