//! The programs that may ask for tokens, which admins register.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use url::{Host, Url};
use utoipa::ToSchema;

use super::{Code, error, queries};
use crate::accounts::{self, PersonName};
use crate::ids::UserId;
use crate::page::{self, Limit, Micros, Page};
use crate::tokens::{Identity, Secret, access};
use crate::{App, Error, Result};

/// A way to get tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// Somebody signs in at the authorization page.
    AuthorizationCode,
    /// Whoever has tokens gets new ones.
    RefreshToken,
    /// The client acts for itself.
    ClientCredentials,
    /// Somebody tells the client their password.
    Password,
}

impl GrantType {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::Password]
            .into_iter()
            .find(|grant| grant.as_str() == name)
    }
}

/// A program that may ask for tokens.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OAuthClient, examples(json!({
    "client_id": "01890a5dac96774bbcceb302099a805a",
    "name": "Calendar",
    "redirect_uris": ["https://calendar.example/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "confidential": true,
    "created_at": "2026-01-02T03:04:05Z",
})))]
pub struct Client {
    /// Its name in requests.
    pub client_id: String,
    /// Its name for people.
    pub name: String,
    /// Where the authorization page may lead.
    pub redirect_uris: Vec<String>,
    /// How it may get tokens.
    pub grant_types: Vec<GrantType>,
    /// Whether it has a secret.
    pub confidential: bool,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(skip)]
    pub(super) secret_digest: Option<Vec<u8>>,
    #[serde(skip)]
    pub(super) service_user: Option<UserId>,
}

/// A client and the secret that was drawn for it, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthClientWithSecret)]
pub struct WithSecret {
    #[serde(flatten)]
    client: Client,
    #[schema(required)]
    client_secret: Option<Secret>,
}

/// Where the authorization page may lead: `https`, `http` to the machine itself (RFC 8252 §7.3), or an app's own scheme,
/// which has a dot (§7.1); absolute and without a fragment (RFC 6749 §3.1.2).
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(format = "uri", max_length = 2000, pattern = r#"^[!-"$-~]+$"#)]
pub struct RedirectUri(String);

impl TryFrom<String> for RedirectUri {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(&text).map_err(|_| "must be an absolute URI")?;
        let allowed = match url.scheme() {
            "https" => true,
            "http" => is_this_machine(&url),
            scheme => scheme.contains('.'),
        };
        if text.len() > 2000 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("must have at most 2000 characters of visible ASCII")
        } else if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            Err("must have neither a fragment nor a user")
        } else if !allowed {
            Err("must be https, http to localhost, or of a scheme with a dot in it")
        } else {
            Ok(Self(text))
        }
    }
}

/// A client to register.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewOAuthClient)]
pub struct NewClient {
    /// Its name for people, and of the user that it acts as.
    pub name: PersonName,
    /// Where the authorization page may lead.
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
    /// How it may get tokens; by default by the authorization page and by refreshing.
    pub grant_types: Option<Vec<GrantType>>,
    /// Whether it gets a secret; it does by default.
    pub confidential: Option<bool>,
}

/// What to change of a client.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OAuthClientChange)]
pub struct ClientChange {
    /// Its name for people.
    pub name: Option<PersonName>,
    /// Where the authorization page may lead.
    pub redirect_uris: Option<Vec<RedirectUri>>,
    /// How it may get tokens.
    pub grant_types: Option<Vec<GrantType>>,
}

/// All clients, newest first.
pub async fn list(app: &App, cursor: Option<&str>, limit: Limit) -> Result<Page<Client>> {
    let before = cursor.map(page::decode_cursor::<(Micros, String)>).transpose()?;
    let before = before.map(|(at, id)| Ok::<_, Error>((at.time()?, id))).transpose()?;
    let clients = queries::list_clients(&app.postgres, before, limit).await?;
    Ok(Page::of(clients, limit, |last| page::encode_cursor(&(Micros::of(last.created_at), &last.client_id))))
}

/// Registers a client.
pub async fn register(app: &App, actor: UserId, new: NewClient) -> Result<WithSecret> {
    let grant_types =
        new.grant_types.unwrap_or_else(|| vec![GrantType::AuthorizationCode, GrantType::RefreshToken]);
    let confidential = new.confidential.unwrap_or(true);
    let redirect_uris: Vec<_> = new.redirect_uris.into_iter().map(|uri| uri.0).collect();
    check(&redirect_uris, &grant_types, confidential)?;
    let client_secret = confidential.then(Secret::draw);
    let client_id: String = Secret::draw().reveal().chars().take(22).collect();
    let new = queries::NewClient {
        client_id: &client_id,
        name: new.name.as_str(),
        redirect_uris: &redirect_uris,
        grant_types: &grant_types,
        secret: client_secret.as_ref(),
    };
    let client = queries::insert_client(&app.postgres, actor, &new).await?;
    Ok(WithSecret { client, client_secret })
}

/// A client, if there is one of this id.
pub async fn find(app: &App, client_id: &str) -> Result<Option<Client>> {
    if client_id.contains('\0') {
        return Ok(None);
    }
    queries::find_client(&app.postgres, client_id).await
}

/// A client.
pub async fn show(app: &App, client_id: &str) -> Result<Client> {
    find(app, client_id).await?.ok_or(NO_CLIENT)
}

/// Changes a client. Tokens it has stay good.
pub async fn change(app: &App, actor: UserId, client_id: &str, change: ClientChange) -> Result<Client> {
    let client = show(app, client_id).await?;
    let redirect_uris =
        change.redirect_uris.map(|uris| uris.into_iter().map(|uri| uri.0).collect::<Vec<_>>());
    let grant_types = change.grant_types;
    check(
        redirect_uris.as_ref().unwrap_or(&client.redirect_uris),
        grant_types.as_ref().unwrap_or(&client.grant_types),
        client.confidential,
    )?;
    let changed = queries::Change {
        name: change.name.as_ref().map(PersonName::as_str),
        redirect_uris: redirect_uris.as_deref(),
        grant_types: grant_types.as_deref(),
        secret: None,
    };
    queries::change_client(&app.postgres, actor, client_id, &changed).await?.ok_or(NO_CLIENT)
}

/// Draws another secret for a client; the one before is good no more.
pub async fn replace_secret(app: &App, actor: UserId, client_id: &str) -> Result<WithSecret> {
    if !show(app, client_id).await?.confidential {
        return Err(Error::conflict("confidential", "a public client has no secret"));
    }
    let secret = Secret::draw();
    let change = queries::Change { secret: Some(&secret), ..queries::Change::default() };
    let client = queries::change_client(&app.postgres, actor, client_id, &change).await?.ok_or(NO_CLIENT)?;
    Ok(WithSecret { client, client_secret: Some(secret) })
}

/// Deletes a client, and shuts out the user it acts as. Returns the sessions that have ended by it.
pub async fn delete(app: &App, actor: UserId, client_id: &str) -> Result<Vec<Identity>> {
    if client_id.contains('\0') {
        return Err(NO_CLIENT);
    }
    queries::delete_client(&app.postgres, actor, client_id).await?.ok_or(NO_CLIENT)
}

/// The client of these credentials. A public one has no secret, and gives none.
pub async fn authenticate(app: &App, client_id: &str, secret: Option<&Secret>) -> Result<Client> {
    let refused = || error(Code::InvalidClient, "The client is unknown, or its secret is wrong.");
    let client = find(app, client_id).await?.ok_or_else(refused)?;
    let proved = match (&client.secret_digest, secret) {
        // Of digests, the time it takes to compare them tells nothing that helps.
        (Some(digest), Some(secret)) => *digest == secret.digest(),
        (None, None) => true,
        _ => false,
    };
    if proved { Ok(client) } else { Err(refused()) }
}

/// The user that a client acts as, made when it first does.
pub(super) async fn service_user(app: &App, client: &Client) -> Result<UserId> {
    if let Some(user) = client.service_user {
        return Ok(user);
    }
    let id = &client.client_id;
    let account = accounts::service_account(&client.name).await?;
    let user = queries::service_user(&app.postgres, id, &account).await?;
    user.ok_or_else(|| error(Code::InvalidClient, "The client was deleted."))
}

impl Client {
    /// Refuses a grant that is not the client's.
    pub(super) fn require(&self, grant: GrantType) -> Result<()> {
        if self.grant_types.contains(&grant) {
            return Ok(());
        }
        Err(error(Code::UnauthorizedClient, "The client may not use this grant."))
    }

    /// Whether it gets refresh tokens.
    pub(super) fn may_refresh(&self) -> bool {
        self.grant_types.contains(&GrantType::RefreshToken)
    }

    /// How long what it is given lives, unless it is refreshed.
    pub(super) fn session_lifetime(&self) -> Duration {
        if self.may_refresh() { accounts::SESSION_LIFETIME } else { access::LIFETIME }
    }

    /// A redirect URI, if it is one that is registered: the same text, but for the port on the machine itself, which apps
    /// cannot choose ahead (RFC 8252 §7.3).
    pub(super) fn redirects_to(&self, uri: &str) -> Option<Url> {
        let asked = Url::parse(uri).ok()?;
        let same = |registered: &String| {
            registered == uri
                || Url::parse(registered).is_ok_and(|mut registered| {
                    registered.scheme() == "http"
                        && is_loopback_address(&registered)
                        && registered.set_port(asked.port()).is_ok()
                        && registered.as_str() == asked.as_str()
                })
        };
        self.redirect_uris.iter().any(same).then_some(asked)
    }
}

const NO_CLIENT: Error = Error::NotFound("client");

fn check(redirect_uris: &[String], grant_types: &[GrantType], confidential: bool) -> Result<()> {
    if redirect_uris.len() > 20 {
        return Err(Error::invalid("redirect_uris", "must not be more than 20"));
    }
    if grant_types.is_empty() || grant_types == [GrantType::RefreshToken] {
        return Err(Error::invalid("grant_types", "must name a grant that gives first tokens"));
    }
    if grant_types.contains(&GrantType::AuthorizationCode) && redirect_uris.is_empty() {
        return Err(Error::invalid("redirect_uris", "are required for authorization_code"));
    }
    if grant_types.contains(&GrantType::ClientCredentials) && !confidential {
        return Err(Error::invalid("grant_types", "client_credentials is for confidential clients"));
    }
    Ok(())
}

fn is_this_machine(url: &Url) -> bool {
    url.host_str() == Some("localhost") || is_loopback_address(url)
}

fn is_loopback_address(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(redirect_uris: &[&str]) -> Client {
        Client {
            client_id: "client".to_owned(),
            name: "A client".to_owned(),
            redirect_uris: redirect_uris.iter().map(|&uri| uri.to_owned()).collect(),
            grant_types: vec![GrantType::AuthorizationCode],
            confidential: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            secret_digest: None,
            service_user: None,
        }
    }

    #[test]
    fn a_redirect_uri_is_the_registered_one_but_for_the_port_of_a_loopback_address() {
        let client =
            client(&["https://app.example/back", "http://127.0.0.1/back", "http://localhost:3000/back"]);

        for good in [
            "https://app.example/back",
            "http://127.0.0.1/back",
            "http://127.0.0.1:49152/back",
            "http://localhost:3000/back",
        ] {
            assert!(client.redirects_to(good).is_some(), "{good}");
        }
        for bad in [
            "https://app.example/back/",
            "https://app.example:444/back",
            "https://app.example/back?more=1",
            "https://other.example/back",
            "http://127.0.0.1:49152/other",
            "http://127.0.0.2:49152/back",
            "http://127.0.0.1@evil.example/back",
            "http://localhost:3001/back",
            "javascript:alert(1)",
            "",
        ] {
            assert!(client.redirects_to(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_redirect_uri_leads_to_a_server_by_tls_or_stays_on_the_machine() {
        for good in
            ["https://app.example/back?x=1", "http://localhost/", "http://[::1]:80/", "org.example.app:/back"]
        {
            assert!(RedirectUri::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "/back",
            "http://app.example/back",
            "https://app.example/#part",
            "https://user@app.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "app.example",
            "https://",
            "https://app.example/a\0b",
            "https://app.example/a b",
        ] {
            assert!(RedirectUri::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
