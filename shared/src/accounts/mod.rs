//! Accounts and sessions: sign up, sign in, refresh, sign out, one's own profile.
//!
//! Postgres decides who exists and which session is live; Redis only remembers the answer for `$connect`.

mod erasure;
mod fields;
mod password;
mod people;
mod queries;
pub mod recovery;
mod sessions;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

pub use self::erasure::{Erased, Erasure, Export, Membership, erase, export, list_erasures, note_replayed};
pub use self::fields::{Email, NewPassword, PersonName, TypedPassword, Username};
pub use self::people::{Person, Seen, find_person, list_people, search_people};
pub use self::sessions::{Ended, PasswordChange, Session, change_password, end_session, list_sessions};
use crate::ids::{SessionId, UserId};
use crate::postgres::Postgres;
use crate::redis::Call;
use crate::redis::keys::UserKeys;
use crate::throttle::{Admission, Who};
use crate::tokens::access::{self, GlobalRole};
use crate::tokens::{Identity, Secret};
use crate::{App, Error, Result, log};

/// How long a session lives without being refreshed.
pub(crate) const SESSION_LIFETIME: Duration = Duration::days(30);
/// How long a used refresh token yields another pair: its answer may have been lost.
const REFRESH_GRACE: Duration = Duration::seconds(10);
/// How long Redis remembers of a session whether it is live; after that `$connect` asks Postgres.
pub(crate) const REMEMBERED_FOR: Duration = Duration::hours(24);
const WRONG_CREDENTIALS: &str = "The account or the password is wrong.";

/// A user, as they and admins see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "username": "ada",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "name": "Ada Lovelace",
    "created_at": "2026-01-02T03:04:05Z",
    "email": "ada@example.com",
    "email_verified": true,
    "role": "user",
    "disabled": false,
})))]
pub struct Profile {
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
    /// Their address.
    pub email: String,
    /// Whether they have shown that it is theirs.
    pub email_verified: bool,
    /// What they may do beyond their own.
    pub role: GlobalRole,
    /// Whether they are shut out.
    pub disabled: bool,
}

/// Where a session was started.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// The client's address.
    pub ip: Option<String>,
    /// What it calls itself.
    pub user_agent: Option<String>,
}

impl Device {
    /// The address to count by.
    pub fn address(&self) -> &str {
        self.ip.as_deref().unwrap_or_default()
    }
}

/// What a new account is made of.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SignUp {
    /// Unique, ignoring case.
    pub email: Email,
    /// Unique, ignoring case; made from the address when left out.
    pub username: Option<Username>,
    /// Their first name.
    pub first_name: PersonName,
    /// Their last name.
    pub last_name: PersonName,
    /// The password.
    pub password: NewPassword,
    /// The same again, when the client asks twice.
    pub password_confirm: Option<TypedPassword>,
}

/// What signing in takes.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SignIn {
    /// The address; this or a username is needed.
    pub email: Option<String>,
    /// The username, or here, too, the address.
    pub username: Option<String>,
    /// The password.
    pub password: TypedPassword,
}

/// A refresh token, as clients send it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Refresh {
    /// The token.
    pub refresh_token: Secret,
}

/// Names to change.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Names {
    /// The first name.
    pub first_name: Option<PersonName>,
    /// The last name.
    pub last_name: Option<PersonName>,
}

/// A pair of tokens.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwIn0.c2lnbmF0dXJl",
    "refresh_token": "Ymx1ZS1ncmVlbi1yZWQtYmx1ZS1ncmVlbi1yZWQtYmx1",
    "token_type": "Bearer",
    "expires_in": 900,
})))]
pub struct TokenPair {
    access_token: String,
    refresh_token: Secret,
    /// Always `Bearer`.
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// How long the access token lives, in seconds.
    expires_in: i64,
}

/// What became of a refresh.
pub enum Refreshed {
    /// Another token takes its place.
    Now {
        /// Whose.
        identity: Identity,
        /// What they may do.
        role: GlobalRole,
        /// The token.
        successor: Secret,
    },
    /// The token was used before: whoever has it, this session has ended by it.
    Ended(Identity),
}

/// A user who is signed in now.
#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    /// Who.
    pub user: Profile,
    /// With what.
    #[serde(flatten)]
    pub tokens: TokenPair,
}

/// A new user, signed in unless their address must be verified first.
#[derive(Serialize)]
pub struct SignedUp {
    /// Who.
    pub user: Profile,
    /// With what.
    #[serde(flatten)]
    pub tokens: Option<TokenPair>,
}

impl PartialSchema for SignedUp {
    fn schema() -> RefOr<Schema> {
        let user = Ref::from_schema_name(Profile::name());
        let alone = ObjectBuilder::new().property("user", user).required("user");
        AnyOfBuilder::new().item(Ref::from_schema_name(SignedIn::name())).item(alone).into()
    }
}

impl ToSchema for SignedUp {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SignedIn::name().into(), SignedIn::schema()));
        SignedIn::schemas(schemas);
    }
}

/// Makes an account, and signs it in unless its address must be verified first.
pub async fn sign_up(app: &App, new: SignUp, device: &Device) -> Result<SignedUp> {
    if new.password_confirm.as_ref().is_some_and(|confirm| confirm.reveal() != new.password.reveal()) {
        return Err(Error::invalid("password_confirm", "must be the same as the password"));
    }
    let username = new.username.clone().unwrap_or_else(|| Username::from_email(&new.email, ""));
    if !new.password.differs_from(new.email.as_str()) || !new.password.differs_from(username.as_str()) {
        return Err(Error::invalid("password", "must not be the e-mail address or the username"));
    }

    let password_hash = password::hash(new.password.reveal()).await?;
    let (now, refresh_token) = (OffsetDateTime::now_utc(), Secret::draw());
    let identity = Identity { user: UserId::generate(), session: SessionId::generate() };
    let mut user = queries::NewUser {
        id: identity.user,
        email: &new.email,
        username: &username,
        first_name: &new.first_name,
        last_name: &new.last_name,
        password_hash: &password_hash,
    };
    let expires_at = now + SESSION_LIFETIME;
    let session = (!app.email_verification_required).then_some(identity.session);
    let mut inserted =
        queries::insert_user(&app.postgres, &user, session, device, &refresh_token, expires_at).await;
    if matches!(inserted, Ok(None)) {
        if queries::is_email_taken(&app.postgres, &new.email).await? {
            return Err(Error::conflict("email", "is taken"));
        } else if new.username.is_some() {
            return Err(Error::conflict("username", "is taken"));
        }
        // Somebody has the name made from the address; a drawn suffix tells the two apart.
        let distinct = Username::from_email(&new.email, &format!("-{:06}", rand::random_range(0..1_000_000)));
        user.username = &distinct;
        inserted =
            queries::insert_user(&app.postgres, &user, session, device, &refresh_token, expires_at).await;
    }
    let user = inserted?.ok_or_else(|| Error::conflict("email", "is taken"))?;
    if session.is_none() {
        return Ok(SignedUp { user, tokens: None });
    }
    remember_live(app, identity).await;
    let tokens = pair(app, identity, GlobalRole::User, refresh_token, now).await?;
    Ok(SignedUp { user, tokens: Some(tokens) })
}

/// Makes an account of somebody whom the operator vouches for, who signs in later. `None`: the address is taken.
pub(crate) async fn create(
    postgres: &Postgres,
    email: &Email,
    password: &NewPassword,
) -> Result<Option<UserId>> {
    let username = Username::from_email(email, &format!("-{:06}", rand::random_range(0..1_000_000)));
    let password_hash = password::hash(password.reveal()).await?;
    let name = PersonName::try_from("Admin".to_owned()).map_err(|error| anyhow::anyhow!(error))?;
    let user = queries::NewUser {
        id: UserId::generate(),
        email,
        username: &username,
        first_name: &name,
        last_name: &name,
        password_hash: &password_hash,
    };
    queries::insert_verified_user(postgres, &user).await
}

/// Signs in, if `admission` and the throttles of the address and of the account let it. An unknown account and a wrong
/// password are one answer and take the same time.
pub async fn sign_in(
    app: &App,
    credentials: SignIn,
    device: &Device,
    admission: Admission,
) -> Result<SignedIn> {
    let (name, password) = match (&credentials.email, &credentials.username) {
        (Some(name), _) | (None, Some(name)) => (name.trim(), &credentials.password),
        (None, None) => return Err(Error::invalid("email", "is required, or a username")),
    };
    let start =
        Start { name, password, device, counts_address: true, lifetime: SESSION_LIFETIME, client: None };
    let Started { profile, identity, refresh_token } = start_session(app, &start, admission).await?;
    let tokens = pair(app, identity, profile.role, refresh_token, OffsetDateTime::now_utc()).await?;
    Ok(SignedIn { user: profile, tokens })
}

/// What starts a session.
pub(crate) struct Start<'a> {
    /// The address or the username,
    pub(crate) name: &'a str,
    /// and the password, of whoever signs in.
    pub(crate) password: &'a TypedPassword,
    /// Where they are.
    pub(crate) device: &'a Device,
    /// Whether that address is one of theirs, and counts.
    pub(crate) counts_address: bool,
    /// How long the session lives unless it is refreshed.
    pub(crate) lifetime: Duration,
    /// The OAuth client that it is for.
    pub(crate) client: Option<&'a str>,
}

/// A session that a password started.
pub(crate) struct Started {
    /// Whose.
    pub(crate) profile: Profile,
    /// Which.
    pub(crate) identity: Identity,
    /// Its first refresh token.
    pub(crate) refresh_token: Secret,
}

/// Starts a session by a password. Throttled by address and by account before the password is looked at.
pub(crate) async fn start_session(app: &App, start: &Start<'_>, admission: Admission) -> Result<Started> {
    let found = find_by_name(app, start.name).await?;
    let account = found.as_ref().map_or(Who::Claim(start.name), |(profile, _)| Who::User(profile.id));
    let throttle = &app.throttles.login;
    let mut admission = admission.and(throttle, account);
    if start.counts_address {
        admission = admission.and(throttle, Who::Address(start.device.address()));
    }
    admission.pass(app).await?;

    let mut started = try_start_session(app, start, found).await?;
    if started.is_none() {
        // Now the hash is another: a better one of the same password, or the password was changed.
        started = try_start_session(app, start, find_by_name(app, start.name).await?).await?;
    }
    started.ok_or(Error::Unauthenticated(WRONG_CREDENTIALS))
}

/// The user of this address or username, and the hash of their password.
async fn find_by_name(app: &App, name: &str) -> Result<Option<(Profile, String)>> {
    // Postgres' text cannot hold a null character, so no account has one in its name.
    if name.contains('\0') { Ok(None) } else { queries::find_user_by_name(&app.postgres, name).await }
}

/// `None`: the hash was replaced since it was read.
async fn try_start_session(
    app: &App,
    start: &Start<'_>,
    found: Option<(Profile, String)>,
) -> Result<Option<Started>> {
    let (profile, hash) = found.unzip();
    if !password::matches(start.password, hash.clone()).await? {
        return Err(Error::Unauthenticated(WRONG_CREDENTIALS));
    }
    let profile = profile.ok_or(Error::Unauthenticated(WRONG_CREDENTIALS))?;
    if profile.disabled {
        return Err(Error::Forbidden("The account is disabled."));
    }
    if app.email_verification_required && !profile.email_verified {
        return Err(Error::EmailNotVerified);
    }

    let (refresh_token, session) = (Secret::draw(), SessionId::generate());
    let identity = Identity { user: profile.id, session };
    let new = queries::NewSession {
        identity,
        device: start.device,
        refresh_token: Some(&refresh_token),
        client: start.client,
        expires_at: OffsetDateTime::now_utc() + start.lifetime,
    };
    if queries::insert_session(&app.postgres, &new, hash.as_deref()).await?.is_none() {
        return Ok(None);
    }
    if let Some(old) = hash.filter(|hash| password::is_outdated(hash)) {
        // Parameters have risen since: only now is the password known that a better hash is made of.
        let new = password::hash(start.password.reveal()).await?;
        queries::rehash_password(&app.postgres, profile.id, &old, &new).await?;
    }
    remember_live(app, identity).await;
    Ok(Some(Started { profile, identity, refresh_token }))
}

/// Starts a session of a client's own user, which has no refresh token. `None`: the user is disabled.
pub(crate) async fn start_service_session(
    app: &App,
    user: UserId,
    device: &Device,
    lifetime: Duration,
    client: &str,
) -> Result<Option<(Identity, GlobalRole)>> {
    let identity = Identity { user, session: SessionId::generate() };
    let new = queries::NewSession {
        identity,
        device,
        refresh_token: None,
        client: Some(client),
        expires_at: OffsetDateTime::now_utc() + lifetime,
    };
    let role = queries::insert_session(&app.postgres, &new, None).await?;
    if role.is_some() {
        remember_live(app, identity).await;
    }
    Ok(role.map(|role| (identity, role)))
}

/// The account of an OAuth client's own user. Its password nobody knows, its address is nobody's (RFC 2606), and nobody
/// can have taken either name before, because they are drawn.
pub(crate) async fn service_account(name: &str) -> Result<ServiceAccount> {
    let drawn: String = Secret::draw().reveal().chars().take(20).collect();
    Ok(ServiceAccount {
        id: UserId::generate(),
        email: format!("{}@clients.invalid", drawn.trim_matches('-')),
        username: format!("client-{drawn}"),
        first_name: name.to_owned(),
        last_name: "(client)".to_owned(),
        password_hash: password::hash(Secret::draw().reveal()).await?,
    })
}

/// What the user of an OAuth client is made of.
pub(crate) struct ServiceAccount {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) username: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) password_hash: String,
}

/// Exchanges a refresh token for its successor, if it was given to this OAuth client, or to none. A token used before,
/// longer ago than a lost answer explains, ends its session: somebody else has it.
pub async fn refresh(
    app: &App,
    token: &Secret,
    client: Option<&str>,
    admission: Admission,
) -> Result<Refreshed> {
    // Whoever has a token is somebody, and not one of all those at an address, who refresh as well.
    let admission = match queries::find_session_by_token(&app.postgres, token).await? {
        Some(session) => admission.next().and(&app.throttles.user, Who::User(session.user)),
        None => admission,
    };
    admission.pass(app).await?;

    let successor = Secret::draw();
    let (grace, lifetime) = (REFRESH_GRACE.as_seconds_f64(), SESSION_LIFETIME.as_seconds_f64());
    match queries::rotate_refresh_token(&app.postgres, token, &successor, grace, lifetime, client).await? {
        queries::Rotation::Rotated { disabled: true, .. } => {
            Err(Error::Forbidden("The account is disabled."))
        }
        queries::Rotation::Rotated { identity, role, .. } => Ok(Refreshed::Now { identity, role, successor }),
        queries::Rotation::Ended(identity) => Ok(Refreshed::Ended(identity)),
        queries::Rotation::Refused => Err(Error::Unauthenticated("The refresh token is not valid.")),
    }
}

/// Ends a session, if it has not ended; says whose it is.
pub(crate) async fn revoke_session(app: &App, session: SessionId) -> Result<Option<Identity>> {
    queries::revoke_session(&app.postgres, session).await
}

/// Ends the caller's session, or the one of a refresh token, and says which. Repeated, it has ended already.
pub async fn sign_out(app: &App, caller: Option<Identity>, token: Option<&Secret>) -> Result<Identity> {
    let session = match (caller, token) {
        (Some(identity), _) => Some(identity),
        (None, Some(token)) => queries::find_session_by_token(&app.postgres, token).await?,
        (None, None) => None,
    };
    let session =
        session.ok_or(Error::Unauthenticated("Name the session by an access or a refresh token."))?;
    queries::revoke_session(&app.postgres, session.session).await?;
    Ok(session)
}

/// Somebody's own profile.
pub async fn profile(app: &App, user: UserId) -> Result<Profile> {
    let profile = queries::find_user(&app.postgres, user).await?;
    profile.ok_or(Error::Unauthenticated("The account does not exist any more."))
}

/// Changes somebody's own names, here and wherever Redis knows them as a participant.
pub async fn rename(app: &App, user: UserId, names: &Names) -> Result<Profile> {
    let first_name = names.first_name.as_ref().map(PersonName::as_str);
    let last_name = names.last_name.as_ref().map(PersonName::as_str);
    let changed = queries::update_names(&app.postgres, user, first_name, last_name).await?;
    let (profile, conversations) =
        changed.ok_or(Error::Unauthenticated("The account does not exist any more."))?;
    // If this fails the caller hears `unavailable` and repeats it: a rename is the same twice.
    log::rename_member(app, user, &profile.name, &conversations).await?;
    Ok(profile)
}

/// Applies renames again that are a little older: while the first was under way, Redis may have been given a
/// conversation as it was before.
pub async fn replay_renames(app: &App) -> Result<()> {
    for (id, user, name, conversations) in queries::list_renames(&app.postgres).await? {
        log::rename_member(app, user, &name, &conversations).await?;
        queries::delete_rename(&app.postgres, id).await?;
    }
    Ok(())
}

/// The sessions that were ended since a moment.
pub async fn list_ended_sessions(app: &App, since: OffsetDateTime) -> Result<Vec<Identity>> {
    queries::list_ended_sessions(&app.postgres, since).await
}

/// Forgets the sessions that ended before a moment.
pub async fn forget_sessions(app: &App, ended_before: OffsetDateTime) -> Result<()> {
    queries::delete_old_sessions(&app.postgres, ended_before).await
}

/// Ends all sessions of a user. Returns those whose connections may be open.
pub async fn sign_out_everywhere(app: &App, user: UserId) -> Result<Vec<Identity>> {
    queries::revoke_sessions(&app.postgres, user).await
}

/// The user with this address.
pub async fn find_id_by_email(app: &App, email: &str) -> Result<Option<UserId>> {
    if email.contains('\0') {
        return Ok(None);
    }
    queries::find_user_id_by_email(&app.postgres, email.trim()).await
}

/// Refuses a session that has ended and an account that is disabled, by Postgres' word.
pub async fn require_live_session(app: &App, session: SessionId) -> Result<()> {
    match queries::find_session_state(&app.postgres, session).await? {
        Some((_, true)) => Err(Error::Forbidden("The account is disabled.")),
        Some((true, false)) => Ok(()),
        Some((false, false)) | None => Err(Error::Unauthenticated("The session has ended.")),
    }
}

/// A pair of tokens for the person themselves.
pub async fn pair(
    app: &App,
    identity: Identity,
    role: GlobalRole,
    refresh_token: Secret,
    now: OffsetDateTime,
) -> Result<TokenPair> {
    Ok(TokenPair {
        access_token: access::sign(app.keys(), identity, role, None, now).await?,
        refresh_token,
        token_type: "Bearer",
        expires_in: access::LIFETIME.whole_seconds(),
    })
}

/// Lets `$connect` know without Postgres that a session is live. Failing is harmless: it then asks.
async fn remember_live(app: &App, identity: Identity) {
    let key = UserKeys::of(identity.user).session(identity.session);
    // One that has ended meanwhile stays dead.
    let call = Call::command("SET").arg(key).arg("live").arg("NX").arg("EX");
    let remembered = app.redis.call::<()>(call.arg(REMEMBERED_FOR.whole_seconds())).await;
    if let Err(error) = remembered {
        let cause = error.cause().map(|cause| format!("{cause:#}"));
        tracing::warn!(session_id = %identity.session, cause, "Redis was not told that a session is live");
    }
}
