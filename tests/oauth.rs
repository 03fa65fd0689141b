//! OAuth 2.0: programs that act for people, or for themselves, and an ordinary client library that finds what it expects.

use std::process::Stdio;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Method, Url, header};
use serde_json::{Value, json};
use support::{Answer, Handshake, PATIENCE, Settings, TestChat, User, page_of};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

const CLIENTS: &str = "/api/v1/admin/oauth-clients";
const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke_token";
const INTROSPECT: &str = "/oauth/introspect";
const AUTHORIZE: &str = "/oauth/authorize";
const PROFILE: &str = "/api/v1/auth/profile";
const BACK: &str = "https://app.example/back";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ALL_GRANTS: [&str; 4] = ["authorization_code", "refresh_token", "client_credentials", "password"];

/// A client that an admin has registered.
#[derive(Clone)]
struct Client {
    chat: TestChat,
    id: String,
    secret: Option<String>,
}

impl Client {
    async fn register(chat: &TestChat, confidential: bool) -> Self {
        let grants = ALL_GRANTS.iter().filter(|grant| confidential || **grant != "client_credentials");
        let body = json!({
            "name": "An <app>", "redirect_uris": [BACK], "grant_types": grants.collect::<Vec<_>>(),
            "confidential": confidential,
        });
        let made = chat.admin("root").await.post(CLIENTS, body).await.expect(201);
        let secret = made["client_secret"].as_str().map(str::to_owned);
        assert_eq!(secret.is_some(), confidential);
        Self { chat: chat.clone(), id: made["client_id"].as_str().unwrap().to_owned(), secret }
    }

    /// A form-encoded POST, authenticated by HTTP Basic, or by naming itself if there is no secret.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let Some(secret) = &self.secret else {
            let named = [fields, &[("client_id", &*self.id)]].concat();
            return post_form(&self.chat, path, &named).await;
        };
        let credentials = BASE64_STANDARD.encode(format!("{}:{secret}", self.id));
        let request = self.chat.request(Method::POST, path, None);
        let request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
        self.chat.answer_to(with_form(request, fields)).await
    }

    async fn by_password(&self, user: &User) -> Value {
        let fields = [("grant_type", "password"), ("username", &user.email), ("password", &user.password)];
        self.post(TOKEN, &fields).await.expect(200)
    }

    async fn refresh(&self, token: &Value) -> Answer {
        let token = token["refresh_token"].as_str().unwrap();
        self.post(TOKEN, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn introspect(&self, token: &str) -> Value {
        self.post(INTROSPECT, &[("token", token)]).await.expect(200)
    }

    /// A good authorization request, with changes: another value, or none.
    fn request(&self, changes: &[(&'static str, Option<&str>)]) -> Vec<(&'static str, String)> {
        let fields = [
            ("response_type", "code"),
            ("client_id", &*self.id),
            ("redirect_uri", BACK),
            ("scope", "chat"),
            ("state", "a state & more"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let mut fields: Vec<_> = fields.map(|(name, value)| (name, value.to_owned())).into();
        for (name, value) in changes {
            fields.retain(|(other, _)| other != name);
            fields.extend(value.map(|value| (*name, value.to_owned())));
        }
        fields
    }

    async fn ask(&self, changes: &[(&'static str, Option<&str>)]) -> Answer {
        let url = Url::parse_with_params("http://query", self.request(changes)).unwrap();
        self.chat.get(&format!("{AUTHORIZE}?{}", url.query().unwrap())).await
    }

    /// What the form of the page posts when somebody signs in.
    async fn sign_in(&self, name: &str, password: &str) -> Answer {
        let request = self.request(&[]);
        let mut fields: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend([("username", name), ("password", password), ("decision", "allow")]);
        post_form(&self.chat, AUTHORIZE, &fields).await
    }

    async fn code_of(&self, user: &User) -> String {
        let url = redirect(&self.sign_in(&user.email, &user.password).await);
        parameter(&url, "code").unwrap()
    }

    async fn exchange(&self, code: &str) -> Answer {
        self.exchange_with(&[("code", code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)]).await
    }

    async fn exchange_with(&self, fields: &[(&str, &str)]) -> Answer {
        self.post(TOKEN, &[&[("grant_type", "authorization_code")], fields].concat()).await
    }
}

fn with_form(request: reqwest::RequestBuilder, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let encoded = Url::parse_with_params("http://form", fields).unwrap();
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(encoded.query().unwrap_or_default().to_owned())
}

async fn post_form(chat: &TestChat, path: &str, fields: &[(&str, &str)]) -> Answer {
    chat.answer_to(with_form(chat.request(Method::POST, path, None), fields)).await
}

/// An error as RFC 6749 §5.2 has it.
#[track_caller]
fn expect_oauth_error(answer: Answer, status: u16, error: &str) {
    let header = |name| answer.header(name).map(str::to_owned);
    let (content_type, caching, challenge) =
        (header("content-type"), header("cache-control"), header("www-authenticate"));
    let Answer { status: actual, body, .. } = answer;
    assert_eq!((actual, &body["error"]), (status, &json!(error)), "{body}");
    assert!(content_type.is_some_and(|kind| kind.starts_with("application/json")));
    assert_eq!(caching.as_deref(), Some("no-store"));
    let description = text(&body, "error_description");
    assert!(
        description.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\'),
        "{description}"
    );
    assert_eq!(challenge.is_some_and(|scheme| scheme.starts_with("Basic ")), status == 401);
}

/// Where a browser is led.
#[track_caller]
fn redirect(answer: &Answer) -> Url {
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    Url::parse(answer.header("location").unwrap()).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

/// An answer to a request for tokens, in the shape of RFC 6749 §5.1.
#[track_caller]
fn expect_tokens(answer: Answer) -> Value {
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let tokens = answer.expect(200);
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"], &tokens["scope"]),
        (&json!("Bearer"), &json!(900), &json!("chat"))
    );
    tokens
}

async fn status_of(chat: &TestChat, path: &str, tokens: &Value) -> u16 {
    chat.call(Method::GET, path, Some(text(tokens, "access_token")), None).await.status
}

#[tokio::test]
async fn somebody_signs_in_at_the_page_and_the_client_acts_for_them() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;

    let asked = client.ask(&[]).await;
    assert_eq!(asked.status, 200);
    let policy = asked.header("content-security-policy").unwrap().to_owned();
    let page = page_of(asked);
    assert!(page.contains("An &lt;app&gt;") && page.contains("app.example"), "{page}");
    assert!(page.contains("value=\"a state &amp; more\""), "{page}");
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    let url = redirect(&client.sign_in(&alice.username, &alice.password).await);

    assert!(url.as_str().starts_with("https://app.example/back?"), "{url}");
    assert_eq!(parameter(&url, "state").as_deref(), Some("a state & more"));
    assert_eq!(parameter(&url, "iss").as_deref(), Some("http://localhost"));
    let tokens = expect_tokens(client.exchange(&parameter(&url, "code").unwrap()).await);
    let profile =
        chat.call(Method::GET, PROFILE, Some(text(&tokens, "access_token")), None).await.expect(200);
    assert_eq!(profile["id"], json!(alice.id));
    let connection = chat.connect(Handshake::new().bearer(text(&tokens, "access_token"))).await;
    connection.unwrap().ping().await;
    let refreshed = expect_tokens(client.refresh(&tokens).await);
    assert_eq!(status_of(&chat, PROFILE, &refreshed).await, 200);
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_own_request_alone() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let other = Client::register(&chat, true).await;
    let alice = chat.user("alice").await;
    let code = client.code_of(&alice).await;

    expect_oauth_error(other.exchange(&code).await, 400, "invalid_grant");
    for (redirect_uri, verifier) in [
        ("https://app.example/other", VERIFIER),
        (BACK, "another-verifier-that-is-as-long-as-the-rfc-asks-for"),
        (BACK, CHALLENGE),
    ] {
        let fields = [("code", &*code), ("redirect_uri", redirect_uri), ("code_verifier", verifier)];
        expect_oauth_error(client.exchange_with(&fields).await, 400, "invalid_grant");
    }
    let without_uri = [("code", &*code), ("code_verifier", VERIFIER)];
    expect_oauth_error(client.exchange_with(&without_uri).await, 400, "invalid_grant");
    let without_verifier = [("code", &*code), ("redirect_uri", BACK)];
    expect_oauth_error(client.exchange_with(&without_verifier).await, 400, "invalid_request");
    let tokens = client.exchange(&code).await.expect(200);
    let mut connection = chat.connect(Handshake::new().bearer(text(&tokens, "access_token"))).await.unwrap();

    expect_oauth_error(client.exchange(&code).await, 400, "invalid_grant");

    connection.closed().await;
    expect_oauth_error(client.refresh(&tokens).await, 400, "invalid_grant");
    expect_oauth_error(client.exchange("unknown").await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_redirect_uri_is_compared_as_it_was_written() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let alice = chat.user("alice").await;
    for uri in ["https://app.example", "https://APP.example:443/back", "http://localhost:3000"] {
        let body = json!({"name": "App", "redirect_uris": [uri], "confidential": false});
        let made = root.post(CLIENTS, body).await.expect(201);
        let client = Client { chat: chat.clone(), id: text(&made, "client_id").to_owned(), secret: None };
        let request = client.request(&[("redirect_uri", Some(uri))]);
        let mut fields: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend([("username", &*alice.email), ("password", &alice.password)]);

        let url = redirect(&post_form(&chat, AUTHORIZE, &fields).await);
        let code = parameter(&url, "code").unwrap();

        let normalised =
            [("code", &*code), ("redirect_uri", "https://other.example/"), ("code_verifier", VERIFIER)];
        expect_oauth_error(client.exchange_with(&normalised).await, 400, "invalid_grant");
        let null = [("code", &*code), ("redirect_uri", "\0"), ("code_verifier", VERIFIER)];
        expect_oauth_error(client.exchange_with(&null).await, 400, "invalid_grant");
        let same = [("code", &*code), ("redirect_uri", uri), ("code_verifier", VERIFIER)];
        client.exchange_with(&same).await.expect(200);
    }
}

#[tokio::test]
async fn what_a_client_that_does_not_refresh_is_given_ends_with_its_access_token() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let alice = chat.user("alice").await;
    let body = json!({"name": "App", "grant_types": ["password"], "confidential": false});
    let made = root.post(CLIENTS, body).await.expect(201);
    let client = Client { chat: chat.clone(), id: text(&made, "client_id").to_owned(), secret: None };

    let tokens = client.by_password(&alice).await;

    assert!(tokens.get("refresh_token").is_none());
    let sessions = alice.get("/api/v1/auth/sessions").await.expect(200);
    let lives: Vec<_> = sessions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| {
            let day = |key: &str| text(session, key)[..10].to_owned();
            (day("created_at") == day("expires_at"), session["current"] == json!(true))
        })
        .collect();
    assert!(lives[0].0 || text(&sessions["items"][0], "created_at")[11..13] == *"23", "{sessions}");
    assert_eq!(lives[1], (false, true));
}

#[tokio::test]
async fn a_public_client_may_leave_its_secret_empty() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;
    let empty = Client { secret: Some(String::new()), ..client };

    empty.by_password(&alice).await;
}

#[tokio::test]
async fn what_ends_sessions_voids_a_code() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let alice = chat.user("alice").await;

    let code = client.code_of(&alice).await;
    let change = json!({
        "current_password": alice.password, "password": "Something-Else-9", "password_confirm": "Something-Else-9",
    });
    alice.post("/api/v1/auth/password", change).await.expect(204);
    expect_oauth_error(client.exchange(&code).await, 400, "invalid_grant");

    let signed_in = chat.log_in("email", &alice.email, "Something-Else-9").await.expect(200);
    let alice = User::signed_in(&chat, &signed_in, "Something-Else-9".to_owned());
    let code = client.code_of(&alice).await;
    let sql = "update sessions set expires_at = now() where client_id = $1";
    let changed = chat.stack.postgres_connection(None).await.execute(sql, &[&client.id]).await;
    assert!(changed.unwrap() > 0);
    expect_oauth_error(client.exchange(&code).await, 400, "invalid_grant");
}

#[tokio::test]
async fn whoever_does_not_sign_in_at_the_page_gives_nothing() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;

    for (name, password) in
        [(&*alice.email, "Not-The-Password-1"), ("nobody@example.com", "x"), ("", ""), ("\0", "\0")]
    {
        let answer = client.sign_in(name, password).await;
        assert_eq!(answer.status, 401);
        let page = page_of(answer);
        assert!(page.contains("role=\"alert\"") && page.contains("name=\"password\""), "{page}");
    }
    let fields = client.request(&[]);
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("username", &*alice.email), ("password", &alice.password), ("decision", "deny")]);
    let denied = redirect(&post_form(&chat, AUTHORIZE, &fields).await);

    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&denied, "state").as_deref(), Some("a state & more"));
    assert_eq!(parameter(&denied, "code"), None);
}

#[tokio::test]
async fn a_request_with_a_fault_is_told_to_its_client_but_a_foreign_address_is_never_led_to() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, false).await;

    for (change, error) in [
        (("response_type", Some("token")), "unsupported_response_type"),
        (("response_type", None), "invalid_request"),
        (("scope", Some("admin")), "invalid_scope"),
        (("code_challenge", None), "invalid_request"),
        (("code_challenge", Some("too-short")), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
    ] {
        let url = redirect(&client.ask(&[change]).await);
        assert!(url.as_str().starts_with(BACK), "{change:?}: {url}");
        assert_eq!(parameter(&url, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(parameter(&url, "state").as_deref(), Some("a state & more"), "{change:?}");
    }
    for change in [
        ("client_id", Some("nobody")),
        ("client_id", Some("\0")),
        ("client_id", None),
        ("redirect_uri", Some("https://evil.example/back")),
        ("redirect_uri", Some("https://app.example/back#part")),
        ("redirect_uri", Some("no address")),
    ] {
        let answer = client.ask(&[change]).await;
        assert_eq!((answer.status, answer.header("location")), (422, None), "{change:?}");
        assert!(page_of(answer).contains("role=\"alert\""), "{change:?}");
    }
    let twice = format!("{AUTHORIZE}?client_id={0}&client_id={0}", client.id);
    assert_eq!(chat.get(&twice).await.status, 400);
    let without = client.ask(&[("redirect_uri", None), ("scope", None), ("state", None)]).await;
    assert_eq!(without.status, 200, "the only one registered is meant");
}

#[tokio::test]
async fn a_password_gives_a_client_tokens_of_its_own() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let other = Client::register(&chat, true).await;
    let alice = chat.user("alice").await;

    let tokens = client.by_password(&alice).await;

    assert_eq!(status_of(&chat, PROFILE, &tokens).await, 200);
    expect_oauth_error(other.refresh(&tokens).await, 400, "invalid_grant");
    chat.refresh(text(&tokens, "refresh_token")).await.expect_error(401, "unauthenticated");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*alice.refresh_token)];
    expect_oauth_error(client.post(TOKEN, &fields).await, 400, "invalid_grant");
    client.refresh(&tokens).await.expect(200);
    chat.refresh(&alice.refresh_token).await.expect(200);
    for (name, password) in [(&*alice.email, "Not-The-Password-1"), ("nobody@example.com", "x")] {
        let fields = [("grant_type", "password"), ("username", name), ("password", password)];
        expect_oauth_error(client.post(TOKEN, &fields).await, 400, "invalid_grant");
    }
    let root = chat.admin("root").await;
    root.patch(&format!("/api/v1/admin/users/{}", alice.id), json!({"disabled": true})).await.expect(200);
    let fields = [("grant_type", "password"), ("username", &*alice.email), ("password", &alice.password)];
    expect_oauth_error(client.post(TOKEN, &fields).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_that_is_used_long_after_its_successor_ends_the_session() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;
    let first = client.by_password(&alice).await;
    let second = client.refresh(&first).await.expect(200);
    client.refresh(&first).await.expect(200);
    let age =
        "update refresh_tokens set rotated_at = rotated_at - interval '11 s' where rotated_at is not null
               and session_id in (select id from sessions where client_id = $1)";
    let aged = chat.stack.postgres_connection(None).await.execute(age, &[&client.id]).await;
    assert_eq!(aged.unwrap(), 1);

    expect_oauth_error(client.refresh(&first).await, 400, "invalid_grant");

    expect_oauth_error(client.refresh(&second).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_client_acts_for_itself_as_a_user_of_its_own() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let alice = chat.user("alice").await;

    let tokens = expect_tokens(client.post(TOKEN, &[("grant_type", "client_credentials")]).await);
    let again = client.post(TOKEN, &[("grant_type", "client_credentials")]).await.expect(200);

    assert!(tokens.get("refresh_token").is_none(), "RFC 6749 §4.4.3");
    let with = async |tokens: &Value, method: Method, path: &str, body: Option<Value>| {
        chat.call(method, path, Some(text(tokens, "access_token")), body).await
    };
    let profile = with(&tokens, Method::GET, PROFILE, None).await.expect(200);
    assert_eq!(profile["first_name"], "An <app>");
    assert_eq!(with(&again, Method::GET, PROFILE, None).await.expect(200)["id"], profile["id"]);
    let direct = json!({"user_id": alice.id});
    let direct = with(&tokens, Method::POST, "/api/v1/conversations/direct", Some(direct)).await.expect(201);
    let path = format!("/api/v1/conversations/{}/messages", text(&direct, "id"));
    with(&tokens, Method::POST, &path, Some(json!({"content": "by a program"}))).await.expect(201);
    let seen = alice.get(&path).await.expect(200);
    assert_eq!(seen["items"][0]["user_id"], profile["id"]);
    // Its address is nobody's: no mail goes there.
    chat.post("/api/v1/auth/password-reset", json!({"email": profile["email"]})).await.expect(202);
    chat.stack.settled_invocations("mail").await;
    assert!(chat.inbox_of(text(&profile, "email")).await.is_empty());
}

#[tokio::test]
async fn requests_for_tokens_are_refused_by_the_names_of_the_rfc() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let public = Client::register(&chat, false).await;
    let wrong = Client { secret: Some("wrong".to_owned()), ..client.clone() };
    let nobody = Client { id: "nobody".to_owned(), ..client.clone() };
    let null = Client { id: "\0".to_owned(), secret: None, ..client.clone() };
    let open = Client { secret: None, ..client.clone() };
    let credentials = [("grant_type", "client_credentials")];

    for stranger in [&wrong, &nobody, &null, &open] {
        expect_oauth_error(stranger.post(TOKEN, &credentials).await, 401, "invalid_client");
    }
    expect_oauth_error(post_form(&chat, TOKEN, &credentials).await, 401, "invalid_client");
    expect_oauth_error(client.post(TOKEN, &[]).await, 400, "invalid_request");
    for (fields, error) in [
        (&[("grant_type", "implicit")][..], "unsupported_grant_type"),
        (&[("grant_type", "")], "invalid_request"),
        (&[("grant_type", "password")], "invalid_request"),
        (&[("grant_type", "password"), ("username", "x")], "invalid_request"),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (&[("grant_type", "refresh_token"), ("refresh_token", "unknown")], "invalid_grant"),
        (&[("grant_type", "authorization_code")], "invalid_request"),
        (&[("grant_type", "client_credentials"), ("scope", "admin")], "invalid_scope"),
        (&[("grant_type", "client_credentials"), ("grant_type", "password")], "invalid_request"),
        (&[("grant_type", "client_credentials"), ("client_id", "another")], "invalid_request"),
        (&[("grant_type", "client_credentials"), ("client_secret", "x")], "invalid_request"),
    ] {
        expect_oauth_error(client.post(TOKEN, fields).await, 400, error);
    }
    expect_oauth_error(public.post(TOKEN, &credentials).await, 400, "unauthorized_client");
    let in_the_body =
        [credentials[0], ("client_id", &client.id), ("client_secret", client.secret.as_ref().unwrap())];
    post_form(&chat, TOKEN, &in_the_body).await.expect(200);
    let bearer = with_form(chat.request(Method::POST, TOKEN, Some("a-token")), &credentials);
    expect_oauth_error(chat.answer_to(bearer).await, 401, "invalid_client");
}

#[tokio::test]
async fn a_client_ends_what_it_was_given_and_nothing_else() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let other = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;
    for kind in ["refresh_token", "access_token"] {
        let tokens = client.by_password(&alice).await;
        let mut connection =
            chat.connect(Handshake::new().bearer(text(&tokens, "access_token"))).await.unwrap();
        let token = text(&tokens, kind);
        expect_oauth_error(other.post(REVOKE, &[("token", token)]).await, 400, "invalid_grant");
        connection.ping().await;

        assert_eq!(client.post(REVOKE, &[("token", token), ("token_type_hint", kind)]).await.status, 200);

        connection.closed().await;
        expect_oauth_error(client.refresh(&tokens).await, 400, "invalid_grant");
        assert_eq!(client.post(REVOKE, &[("token", token)]).await.status, 200, "repeated");
    }
    for unknown in ["unknown", "a.b.c"] {
        assert_eq!(client.post(REVOKE, &[("token", unknown)]).await.status, 200, "RFC 7009 §2.2");
    }
    expect_oauth_error(client.post(REVOKE, &[]).await, 400, "invalid_request");
    expect_oauth_error(client.post(REVOKE, &[("token", &alice.refresh_token)]).await, 400, "invalid_grant");
    expect_oauth_error(post_form(&chat, REVOKE, &[("token", "x")]).await, 401, "invalid_client");
    alice.profile().await;
}

#[tokio::test]
async fn a_token_is_active_as_long_as_it_can_be_used() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let public = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;
    let tokens = client.by_password(&alice).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));

    let active = client.introspect(access).await;
    let expected = json!({
        "active": true, "scope": "chat", "client_id": client.id, "username": alice.username, "sub": alice.id,
        "token_type": "Bearer", "iss": "http://localhost",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&active[key], value, "{active}");
    }
    assert_eq!(active["exp"].as_i64().unwrap() - active["iat"].as_i64().unwrap(), 900);
    assert_eq!(client.introspect(refresh).await["active"], true);
    assert_eq!(client.introspect(&alice.access_token).await["active"], true);
    let inactive = json!({"active": false});
    for unknown in ["unknown", &support::tokens::forged(access)] {
        assert_eq!(client.introspect(unknown).await, inactive);
    }
    let second = client.refresh(&tokens).await.expect(200);
    assert_eq!(client.introspect(refresh).await, inactive, "its successor is");
    assert_eq!(client.post(REVOKE, &[("token", text(&second, "refresh_token"))]).await.status, 200);
    assert_eq!(client.introspect(access).await, inactive);
    assert_eq!(client.introspect(text(&second, "refresh_token")).await, inactive);
    expect_oauth_error(public.post(INTROSPECT, &[("token", access)]).await, 401, "invalid_client");
    expect_oauth_error(post_form(&chat, INTROSPECT, &[("token", access)]).await, 401, "invalid_client");
    expect_oauth_error(client.post(INTROSPECT, &[]).await, 400, "invalid_request");
}

#[tokio::test]
async fn no_client_administers_even_for_an_admin() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let root = chat.admin("root").await;

    let tokens = client.by_password(&root).await;

    assert_eq!(status_of(&chat, PROFILE, &tokens).await, 200);
    assert_eq!(status_of(&chat, "/api/v1/admin/users", &tokens).await, 403);
    root.get("/api/v1/admin/users").await.expect(200);
}

#[tokio::test]
async fn an_admin_registers_changes_and_deletes_clients_and_each_deed_is_on_the_trail() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let alice = chat.user("alice").await;

    let made = root.post(CLIENTS, json!({"name": " App ", "redirect_uris": [BACK]})).await.expect(201);
    let (id, secret) = (text(&made, "client_id").to_owned(), text(&made, "client_secret").to_owned());
    let path = format!("{CLIENTS}/{id}");
    let shown = root.get(&path).await.expect(200);
    let expected = json!({
        "client_id": id, "name": "App", "redirect_uris": [BACK],
        "grant_types": ["authorization_code", "refresh_token"], "confidential": true,
        "created_at": made["created_at"],
    });
    assert_eq!(shown, expected, "its secret is shown once");
    let listed = root.get(CLIENTS).await.expect(200);
    assert!(listed["items"].as_array().unwrap().contains(&expected));

    let grants = json!({"name": "Another", "grant_types": ["password", "refresh_token"]});
    assert_eq!(root.patch(&path, grants).await.expect(200)["name"], "Another");
    root.patch(&path, json!({})).await.expect(200);
    let client = Client { chat: chat.clone(), id: id.clone(), secret: Some(secret) };
    let tokens = client.by_password(&alice).await;
    let mut connection = chat.connect(Handshake::new().bearer(text(&tokens, "access_token"))).await.unwrap();

    let replaced = root.post(&format!("{path}/secret"), json!({})).await.expect(201);
    expect_oauth_error(client.refresh(&tokens).await, 401, "invalid_client");
    let client = Client { secret: Some(text(&replaced, "client_secret").to_owned()), ..client };
    let tokens = client.refresh(&tokens).await.expect(200);

    root.delete(&path).await.expect(204);

    connection.closed().await;
    expect_oauth_error(client.refresh(&tokens).await, 401, "invalid_client");
    root.delete(&path).await.expect_error(404, "not_found");
    for path in [&path, &format!("{CLIENTS}/%00")] {
        root.get(path).await.expect_error(404, "not_found");
        root.patch(path, json!({"name": "x"})).await.expect_error(404, "not_found");
        root.delete(path).await.expect_error(404, "not_found");
        root.post(&format!("{path}/secret"), json!({})).await.expect_error(404, "not_found");
    }
    let trail = root.get("/api/v1/admin/audit?limit=100").await.expect(200);
    let deeds = trail["items"].as_array().unwrap().iter().filter(|deed| deed["target"] == json!(id));
    let actions: Vec<_> = deeds.map(|deed| text(deed, "action")).collect();
    let expected =
        ["oauth_client.deleted", "oauth_client.secret", "oauth_client.changed", "oauth_client.created"];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn a_client_that_cannot_be_is_refused_by_the_field_at_fault() {
    let chat = TestChat::start().await;
    let root = chat.admin("root").await;
    let alice = chat.user("alice").await;

    for (body, field) in [
        (json!({"redirect_uris": [BACK]}), "name"),
        (json!({"name": " ", "redirect_uris": [BACK]}), "name"),
        (json!({"name": "x"}), "redirect_uris"),
        (json!({"name": "x", "redirect_uris": ["http://app.example/"]}), "redirect_uris[0]"),
        (json!({"name": "x", "redirect_uris": [BACK], "grant_types": ["implicit"]}), "grant_types[0]"),
        (json!({"name": "x", "redirect_uris": [BACK], "grant_types": []}), "grant_types"),
        (json!({"name": "x", "confidential": false, "grant_types": ["client_credentials"]}), "grant_types"),
    ] {
        root.post(CLIENTS, body).await.expect_invalid(field);
    }
    alice.post(CLIENTS, json!({"name": "x", "redirect_uris": [BACK]})).await.expect_error(403, "forbidden");
    alice.get(CLIENTS).await.expect_error(403, "forbidden");
    chat.get(CLIENTS).await.expect_error(401, "unauthenticated");
    let public = Client::register(&chat, false).await;
    let path = format!("{CLIENTS}/{}", public.id);
    root.post(&format!("{path}/secret"), json!({})).await.expect_conflict("confidential");
    root.patch(&path, json!({"redirect_uris": []})).await.expect_invalid("redirect_uris");
    root.patch(&path, json!({"grant_types": ["client_credentials"]})).await.expect_invalid("grant_types");
}

/// Authlib, in a process of its own.
struct Authlib {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Authlib {
    async fn start(client: &Client, auth_method: &str) -> Self {
        let settings = Settings::get();
        let mut command = Command::new(settings.authlib_python.as_ref().expect("`make test` brings Authlib"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/oauth/client.py"));
        if let Some(path) = &settings.authlib_path {
            command.env("PYTHONPATH", path);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut library = Self { orders, answers: BufReader::new(answers).lines(), _process: process };
        let url = client.chat.stack.url.trim_end_matches('/');
        library
            .tell(&json!({
                "url": url, "client_id": client.id, "client_secret": client.secret, "redirect_uri": BACK,
                "auth_method": auth_method, "code_verifier": VERIFIER,
            }))
            .await;
        library
    }

    async fn tell(&mut self, order: &Value) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, order: &str, with: Value) -> Value {
        self.tell(&json!({"do": order, "with": with})).await;
        let line = timeout(PATIENCE, self.answers.next_line()).await.expect("an answer of Authlib");
        let answer = serde_json::from_str(&line.unwrap().expect("Authlib runs on")).unwrap();
        support::note_json(&answer);
        answer
    }
}

#[tokio::test]
async fn authlib_goes_through_the_authorization_page_refreshes_and_revokes() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, false).await;
    let alice = chat.user("alice").await;
    let mut library = Authlib::start(&client, "none").await;

    let begun = library.ask("authorization_url", json!({})).await;
    let url = Url::parse(text(&begun, "url")).unwrap();
    let page = page_of(chat.get(&format!("{}?{}", url.path(), url.query().unwrap())).await);
    let mut fields = hidden_fields(&page);
    fields.extend(
        [("username", &*alice.email), ("password", &alice.password), ("decision", "allow")].map(owned),
    );
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let back = redirect(&post_form(&chat, AUTHORIZE, &fields).await);
    let tokens = library.ask("redirected", json!({"url": back.as_str()})).await;

    assert!(tokens.get("error").is_none(), "{tokens}");
    let profile = library.ask("get", json!({"path": PROFILE})).await;
    assert_eq!((&profile["status"], &profile["body"]["id"]), (&json!(200), &json!(alice.id)));
    let refreshed = library.ask("refresh", json!({})).await;
    assert_ne!(refreshed["refresh_token"], tokens["refresh_token"]);
    assert_eq!(library.ask("get", json!({"path": PROFILE})).await["status"], 200);
    let revoked = library.ask("revoke", json!({"token": refreshed["refresh_token"]})).await;
    assert_eq!(revoked["status"], 200);
    let refused = library.ask("refresh", json!({"refresh_token": refreshed["refresh_token"]})).await;
    assert_eq!(refused["error"], "invalid_grant");
}

#[tokio::test]
async fn authlib_gets_tokens_by_password_and_for_itself_and_asks_what_they_are() {
    let chat = TestChat::start().await;
    let client = Client::register(&chat, true).await;
    let alice = chat.user("alice").await;

    for auth_method in ["client_secret_basic", "client_secret_post"] {
        let mut library = Authlib::start(&client, auth_method).await;
        let itself = library.ask("fetch", json!({"grant_type": "client_credentials"})).await;
        let active = library.ask("introspect", json!({"token": itself["access_token"]})).await;
        assert_eq!((&active["active"], &active["client_id"]), (&json!(true), &json!(client.id)));

        let by_password =
            json!({"grant_type": "password", "username": alice.username, "password": alice.password});
        library.ask("fetch", by_password).await;
        let profile = library.ask("get", json!({"path": PROFILE})).await;
        assert_eq!(profile["body"]["id"], json!(alice.id), "{profile}");
        let wrong = json!({"grant_type": "password", "username": alice.username, "password": "wrong"});
        assert_eq!(library.ask("fetch", wrong).await["error"], "invalid_grant");
    }
    let mut stranger =
        Authlib::start(&Client { secret: Some("wrong".to_owned()), ..client }, "client_secret_basic").await;
    let refused = stranger.ask("fetch", json!({"grant_type": "client_credentials"})).await;
    assert_eq!(refused["error"], "invalid_client");
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// What the form of a page posts without being filled in.
fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input type=\"hidden\" name=\"").skip(1);
    let fields = inputs.map(|input| {
        let (name, rest) = input.split_once('"').unwrap();
        let value = rest.strip_prefix(" value=\"").unwrap().split_once('"').unwrap().0;
        let value = value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<");
        (name.to_owned(), value.replace("&gt;", ">").replace("&amp;", "&"))
    });
    fields.collect()
}
