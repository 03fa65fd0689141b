//! What no log may hold: every secret that a story makes or is given is written down beside the logs, where
//! `make canaries` finds it when the run is over and looks for it in all of them.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    sync::{LazyLock, Mutex},
};

use reqwest::{Request, Url, header::AUTHORIZATION};
use serde_json::Value;

use crate::{Mail, stack};

/// Shorter ones might stand in a log by chance.
const SHORTEST: usize = 12;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| {
    let path = path();
    let open = || {
        fs::create_dir_all(stack::logs_root())?;
        File::options().create(true).append(true).open(&path)
    };
    let file = open().unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    Mutex::new(Known { secrets: HashSet::new(), file })
});

struct Known {
    secrets: HashSet<String>,
    file: File,
}

/// The secrets of this process. Like the logs it stays until the next run.
fn path() -> PathBuf {
    stack::logs_root().join(format!("{}-canaries.jsonl", std::process::id()))
}

/// Notes a secret of some kind, unless it is too short to be told from other text.
pub(crate) fn note(kind: &str, secret: &str) {
    if secret.chars().count() < SHORTEST {
        return;
    }
    let mut known = KNOWN.lock().expect("nobody panics while holding it");
    if known.secrets.insert(secret.to_owned()) {
        let line = serde_json::json!([kind, secret]);
        writeln!(known.file, "{line}").expect("the logs' folder can be written");
    }
}

/// Notes what is secret in a request.
pub(crate) fn note_request(request: &Request) {
    note_pairs(request.url());
    if let Some(value) = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        note_authorization(value);
    }
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    if let Ok(json) = serde_json::from_slice(body) {
        note_json(&json);
    } else if let Ok(form) = std::str::from_utf8(body) {
        let mut url = Url::parse("http://form").expect("it is a URL");
        url.set_query(Some(form));
        note_pairs(&url);
    }
}

/// Notes the credential of an `Authorization` header.
pub(crate) fn note_authorization(value: &str) {
    match value.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("basic") => note("client secret", secret),
        Some((_, secret)) => note("access token", secret),
        None => {}
    }
}

/// Notes what is secret in the query of an address or, put there, in a form.
pub(crate) fn note_pairs(url: &Url) {
    for (name, value) in url.query_pairs() {
        // An OAuth client gets its code in an address and redeems it in a form; elsewhere `code` is an error's.
        let kind = if name == "code" { Some("authorization code") } else { kind_of(&name, &value) };
        if let Some(kind) = kind {
            note(kind, &value);
        }
    }
}

/// Notes what is secret in a body or a frame, in whichever direction it went.
pub fn note_json(json: &Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                note_field(name, value);
            }
        }
        Value::Array(items) => items.iter().for_each(note_json),
        _ => {}
    }
}

fn note_field(name: &str, value: &Value) {
    match value {
        Value::String(text) => {
            if let Some(kind) = kind_of(name, text) {
                note(kind, text);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| note_field(name, item)),
        // What a client attaches is as private as what it says.
        Value::Object(attached) if name == "metadata" => {
            attached.values().for_each(|value| note_field(name, value));
        }
        other => note_json(other),
    }
}

/// Notes what is secret in a mail.
pub(crate) fn note_mail(mail: &Mail) {
    for recipient in &mail.to {
        note("e-mail address", recipient);
    }
    let links = mail.text.lines().filter(|line| line.starts_with("http"));
    for token in links.filter_map(|link| link.rsplit('/').next()) {
        note("one-time token", token);
    }
}

fn kind_of(name: &str, value: &str) -> Option<&'static str> {
    Some(match name {
        "password" | "password_confirm" | "current_password" => "password",
        "access_token" => "access token",
        "refresh_token" => "refresh token",
        "token" if value.starts_with("eyJ") => "access token",
        "token" => "one-time token",
        "ticket" => "ticket",
        "client_secret" => "client secret",
        "k" => "signing key",
        "code_verifier" => "authorization code",
        "content" | "metadata" | "q" => "message text",
        "email" | "user_email" | "userEmail" | "participant_emails" | "username" | "search"
            if value.contains('@') =>
        {
            "e-mail address"
        }
        _ => return None,
    })
}
