//! The pages and their files: the same for everybody, compressed, kept for ever where their names say what is in them, and
//! there whatever becomes of the stores.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{
    ALLOWED_ORIGIN, Settings, StackOptions, TestChat,
    proxy::{Proxy, Seeming},
};

const PAGES: [&str; 3] = ["/", "/admin", "/docs"];
/// What is known by its name beside the pages.
const KNOWN: [&str; 5] =
    ["/client.js", "/service-worker.js", "/manifest.webmanifest", "/favicon.ico", "/robots.txt"];
const DOCUMENTS: [&str; 2] = ["/openapi.json", "/asyncapi.json"];
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What a browser may take to show its first page, by the network.
const FIRST_LOAD: usize = 100_000;

/// An answer as it came, not decoded.
struct Sent {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

async fn ask(chat: &TestChat, method: Method, path: &str, headers: &[(&str, &str)]) -> Sent {
    let request = chat.request(method, path, None);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Sent { status, headers, body: answer.bytes().await.unwrap().to_vec() }
}

async fn get(chat: &TestChat, path: &str) -> Sent {
    ask(chat, Method::GET, path, &[]).await
}

/// The pages, what is known by name, and all that any of them leads to, as it is not compressed.
async fn everything(chat: &TestChat) -> BTreeMap<String, Sent> {
    let mut found = BTreeMap::new();
    let mut to_ask: Vec<_> = PAGES.into_iter().chain(KNOWN).map(str::to_owned).collect();
    while let Some(path) = to_ask.pop() {
        let sent = get(chat, &path).await;
        assert_eq!(sent.status, 200, "{path}");
        let led_to: Vec<_> = assets_in(&sent.text()).into_iter().collect();
        found.insert(path, sent);
        to_ask.extend(led_to.into_iter().filter(|path| !found.contains_key(path)));
    }
    found
}

/// The assets that a text names.
fn assets_in(text: &str) -> BTreeSet<String> {
    let named = text.match_indices("/assets/").map(|(at, _)| {
        let is_end = |letter: char| !letter.is_ascii_alphanumeric() && !"/-_.".contains(letter);
        text[at..].split(is_end).next().unwrap().to_owned()
    });
    // The service worker knows them by the beginning of their paths.
    named.filter(|path| !path.ends_with('/')).collect()
}

fn is_script(path: &str) -> bool {
    path.rsplit('.').next() == Some("js")
}

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/web/client")
}

/// The client's files as they are written, below its folder.
fn written(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(written(&path));
        } else {
            files.push(path.strip_prefix(client()).unwrap().to_str().unwrap().to_owned());
        }
    }
    files
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}

#[tokio::test]
async fn every_answer_bounds_what_a_page_may_do() {
    let chat = TestChat::start().await;
    let tag = get(&chat, "/").await.header("etag").unwrap().to_owned();
    let mut answers = vec![
        ("304", ask(&chat, Method::GET, "/", &[("if-none-match", &tag)]).await),
        ("404", get(&chat, "/nowhere").await),
        ("no such method", ask(&chat, Method::POST, "/", &[]).await),
    ];
    for path in PAGES.into_iter().chain(KNOWN).chain(DOCUMENTS) {
        answers.push((path, get(&chat, path).await));
    }

    for (path, answer) in answers {
        let policy = answer.header("content-security-policy").unwrap();
        let directives: BTreeMap<_, _> =
            policy.split("; ").map(|one| one.split_once(' ').unwrap_or((one, ""))).collect();
        let websockets = chat.stack.websocket_url.strip_suffix("/ws").unwrap();
        for (name, value) in [
            ("default-src", "'none'"),
            ("script-src", "'self'"),
            ("style-src", "'self'"),
            ("img-src", "'self'"),
            ("connect-src", &format!("'self' {websockets}")),
            ("manifest-src", "'self'"),
            ("worker-src", "'self'"),
            ("base-uri", "'none'"),
            ("form-action", "'self'"),
            ("frame-ancestors", "'none'"),
            ("require-trusted-types-for", "'script'"),
            ("trusted-types", "service-worker"),
        ] {
            assert_eq!(directives.get(name), Some(&value), "{path}: {name}");
        }
        assert_eq!(directives.len(), 12, "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(answer.header("x-request-id").is_some(), "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}: it is not served by TLS");
    }
}

#[tokio::test]
async fn what_a_page_loads_is_nothing_by_itself() {
    let chat = TestChat::start().await;
    let assets = assets_in(&get(&chat, "/").await.text());
    assert!(assets.len() > 10);

    for path in assets {
        let sent = get(&chat, &path).await;
        assert_eq!(sent.header("content-security-policy"), Some("default-src 'none'"), "{path}");
        assert_eq!(sent.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test]
async fn where_the_api_is_reached_by_tls_browsers_are_told_to_stay_with_it() {
    let variables = vec![("PUBLIC_URL", "https://chat.example.com".to_owned())];
    let chat = TestChat::alone(StackOptions { variables, ..StackOptions::default() }).await;

    assert_eq!(get(&chat, "/").await.header("strict-transport-security"), Some("max-age=31536000"));
}

#[tokio::test]
async fn a_file_comes_in_the_encoding_that_the_client_likes_most() {
    let chat = TestChat::start().await;
    let script = assets_in(&get(&chat, "/").await.text()).into_iter().find(|path| is_script(path)).unwrap();
    for path in ["/", "/openapi.json", &script] {
        let vary = if path == script { "accept-encoding" } else { "accept-encoding, origin" };
        let plain = get(&chat, path).await;
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        let mut tags = BTreeSet::from([plain.header("etag").unwrap().to_owned()]);
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("gzip;q=0, br;q=0", None),
            ("identity", None),
            ("zstd", None),
        ] {
            let sent = ask(&chat, Method::GET, path, &[("accept-encoding", accepted)]).await;

            assert_eq!(sent.header("content-encoding"), expected, "{path}: {accepted}");
            assert_eq!(sent.header("vary"), Some(vary), "{path}: {accepted}");
            assert_eq!(sent.header("content-type"), plain.header("content-type"), "{path}: {accepted}");
            let mut decoded = Vec::new();
            let body = sent.body.as_slice();
            match expected {
                Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut decoded).unwrap(),
                Some(_) => flate2::read::GzDecoder::new(body).read_to_end(&mut decoded).unwrap(),
                None => sent.body.as_slice().read_to_end(&mut decoded).unwrap(),
            };
            assert!(decoded == plain.body, "{path}: {accepted}: the same file");
            assert!(
                expected.is_none() || sent.body.len() < plain.body.len(),
                "{path}: {accepted}: it is smaller"
            );
            tags.insert(sent.header("etag").unwrap().to_owned());
        }
        assert_eq!(tags.len(), 3, "{path}: other bytes have another tag");
    }
}

#[tokio::test]
async fn what_may_be_kept_for_ever_is_named_for_what_is_in_it() {
    let chat = TestChat::start().await;
    let everything = everything(&chat).await;

    for (path, sent) in &everything {
        if let Some(name) = path.strip_prefix("/assets/") {
            let (_, hash) = name.rsplit_once('.').unwrap().0.rsplit_once('-').unwrap();
            assert!(hash.len() >= 8 && digest(&sent.body).starts_with(hash), "{path}");
            assert_eq!(sent.header("cache-control"), Some(FOR_EVER), "{path}");
        } else {
            assert_ne!(sent.header("cache-control"), Some(FOR_EVER), "{path}");
        }
    }
    for path in [&PAGES[..], &["/service-worker.js", "/manifest.webmanifest"]].concat() {
        assert_eq!(everything[path].header("cache-control"), Some("no-cache"), "{path}");
    }
    for path in ["/client.js", DOCUMENTS[0], DOCUMENTS[1]] {
        assert_eq!(get(&chat, path).await.header("cache-control"), Some("public, max-age=300"), "{path}");
    }
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let chat = TestChat::start().await;
    for path in PAGES.into_iter().chain(KNOWN).chain(DOCUMENTS) {
        let first = ask(&chat, Method::GET, path, &[("accept-encoding", "br")]).await;
        let tag = first.header("etag").unwrap();

        let again = [("accept-encoding", "br"), ("if-none-match", tag)];
        let again = ask(&chat, Method::GET, path, &again).await;
        let listed = [("accept-encoding", "br"), ("if-none-match", &format!("\"of another\", W/{tag}"))];
        let listed = ask(&chat, Method::GET, path, &listed).await;
        let plain = ask(&chat, Method::GET, path, &[("if-none-match", tag)]).await;

        for known in [again, listed] {
            assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
            for name in ["etag", "cache-control", "vary"] {
                assert_eq!(known.header(name), first.header(name), "{path}: {name}");
            }
        }
        let compressed = first.header("content-encoding").is_some();
        assert_eq!(plain.status, if compressed { 200 } else { 304 }, "{path}: as it is, it was not sent yet");
    }
}

#[tokio::test]
async fn a_head_is_answered_as_a_get_without_the_body() {
    let chat = TestChat::start().await;
    for path in PAGES.into_iter().chain(KNOWN) {
        let whole = get(&chat, path).await;

        let head = ask(&chat, Method::HEAD, path, &[]).await;

        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(&*whole.body.len().to_string()), "{path}");
        for name in ["content-type", "etag", "cache-control", "vary", "content-security-policy"] {
            assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn what_is_nowhere_is_a_problem_document() {
    let chat = TestChat::start().await;
    for (method, path) in [
        (Method::GET, "/nowhere"),
        (Method::GET, "/index.html"),
        (Method::GET, "/assets"),
        (Method::GET, "/assets/app/main-00000000.js"),
        (Method::GET, "/api/v1/nothing"),
        (Method::DELETE, "/api/v2/conversations"),
        (Method::POST, "/"),
        (Method::PUT, "/client.js"),
        (Method::DELETE, "/assets/app/main-00000000.js"),
        (Method::POST, "/openapi.json"),
    ] {
        let answer = chat.call(method, path, None, None).await;

        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let problem = answer.expect_error(404, "not_found");
        assert_eq!(problem["detail"], "There is no such path.", "{path}");
    }
}

#[tokio::test]
async fn pages_are_found_with_and_without_their_final_slash() {
    let chat = TestChat::start().await;
    for path in ["/admin", "/docs"] {
        let (without, with) = (get(&chat, path).await, get(&chat, &format!("{path}/")).await);

        assert_eq!((without.status, with.status), (200, 200), "{path}");
        assert!(without.body == with.body, "{path}");
        assert_eq!(without.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    }
}

#[tokio::test]
async fn every_reference_leads_to_a_file_and_every_file_is_referred_to() {
    let chat = TestChat::start().await;

    let everything = everything(&chat).await;

    for file in written(&client()) {
        let served = match &*file {
            "index.html" => "/".to_owned(),
            "client.js" | "service-worker.js" | "manifest.webmanifest" | "robots.txt" => format!("/{file}"),
            _ => match file.rsplit_once('.').unwrap() {
                (page, "html") => format!("/{page}"),
                (name, _) => format!("/assets/{name}-"),
            },
        };
        let reached = everything.keys().any(|path| {
            *path == served
                || path
                    .strip_prefix(&*served)
                    .is_some_and(|hash| served.ends_with('-') && !hash.contains('-'))
        });
        assert!(reached, "{file} is in vain: no page leads to it");
    }
    for page in PAGES {
        let page = everything[page].text();
        let [head, _] = page.split("</head>").collect::<Vec<_>>()[..] else { panic!("a page has one head") };
        let scripts: BTreeSet<_> = reached_from(&assets_in(head), &everything);
        let told = assets_in(head).into_iter().filter(|path| is_script(path)).collect();
        assert_eq!(scripts, told, "a page tells of all the scripts that it comes to need");
    }
}

/// The scripts of a page, and all that they import.
fn reached_from(assets: &BTreeSet<String>, everything: &BTreeMap<String, Sent>) -> BTreeSet<String> {
    let scripts = |assets: BTreeSet<String>| assets.into_iter().filter(|path| is_script(path));
    let mut reached: BTreeSet<_> = scripts(assets.clone()).collect();
    loop {
        let more: BTreeSet<_> =
            reached.iter().flat_map(|path| scripts(assets_in(&everything[path].text()))).collect();
        if more.is_subset(&reached) {
            return reached;
        }
        reached.extend(more);
    }
}

#[tokio::test]
async fn no_file_leads_to_another_host() {
    let chat = TestChat::start().await;
    // The one is a name and no address, the others stand in examples: nobody has them.
    let nobodys = |host: &str| {
        host == "www.w3.org" || host == "localhost" || host == "example.com" || host.ends_with(".example.com")
    };

    for (path, sent) in everything(&chat).await {
        let text = sent.text();
        for (at, marker) in text.match_indices("://").chain(text.match_indices("\"//")) {
            let host = text[at + marker.len()..].split(['/', ':', '"', '`', '\'', ')', ' ', '<', '?']).next();
            let host = host.unwrap_or_default();
            // Put together by a script, or left out in a text.
            let is_none = host.is_empty() || host.starts_with(['$', '{', '…']);
            assert!(nobodys(host) || is_none, "{path} leads to {host}");
        }
    }
}

#[tokio::test]
async fn pages_are_there_when_no_store_is() {
    let settings = Settings::get();
    let (postgres, redis) =
        tokio::join!(Proxy::start(&settings.postgres_url), Proxy::start(&settings.redis_url));
    postgres.let_seem(Seeming::Stopped);
    redis.let_seem(Seeming::Stopped);
    let options = StackOptions {
        postgres_through: Some(postgres.address),
        redis_through: Some(redis.address),
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;

    assert_eq!(chat.get("/healthz").await.status, 503);
    for path in PAGES.into_iter().chain(KNOWN).chain(DOCUMENTS) {
        assert_eq!(get(&chat, path).await.status, 200, "{path}");
    }
    chat.get("/nowhere").await.expect_error(404, "not_found");
}

#[tokio::test]
async fn the_first_page_takes_at_most_a_hundred_kilobytes() {
    let chat = TestChat::start().await;
    let accept = [("accept-encoding", "gzip, deflate, br, zstd")];
    let page = get(&chat, "/").await.text();
    let needed = assets_in(&page).into_iter().chain(["/".to_owned(), "/manifest.webmanifest".to_owned()]);

    let mut total = 0;
    for path in needed {
        let sent = ask(&chat, Method::GET, &path, &accept).await;
        assert_eq!(sent.status, 200, "{path}");
        let head: usize =
            sent.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        total += head + sent.body.len();
    }

    assert!(total <= FIRST_LOAD, "the first load takes {total} bytes");
    assert!(total > 2_000, "the page leads to its files");
}

#[tokio::test]
async fn a_page_is_the_same_for_everybody() {
    let chat = TestChat::start().await;
    let admin = chat.admin("admin").await;
    for path in PAGES {
        let nobodys = get(&chat, path).await;
        for token in [admin.access_token.as_str(), "no token at all"] {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("cookie", "session=1")];

            let theirs = ask(&chat, Method::GET, path, &headers).await;

            assert_eq!(theirs.status, 200, "{path}");
            assert!(theirs.body == nobodys.body && theirs.header("set-cookie").is_none(), "{path}");
        }
    }
}

#[tokio::test]
async fn programs_of_allowed_origins_may_import_the_realtime_client() {
    let chat = TestChat::start().await;

    let allowed = ask(&chat, Method::GET, "/client.js", &[("origin", ALLOWED_ORIGIN)]).await;
    let foreign = ask(&chat, Method::GET, "/client.js", &[("origin", "https://evil.example")]).await;

    assert_eq!(allowed.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(allowed.header("access-control-allow-origin"), Some(ALLOWED_ORIGIN));
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_documents_are_those_that_are_committed() {
    let chat = TestChat::start().await;
    for path in DOCUMENTS {
        let committed = fs::read(client().join(format!("../documents{path}"))).unwrap();

        let served = get(&chat, path).await;

        assert_eq!(served.header("content-type"), Some("application/json"), "{path}");
        assert!(served.body == committed, "{path}");
    }
}

#[tokio::test]
async fn pages_are_told_of_in_the_log() {
    let chat = TestChat::alone(StackOptions::default()).await;

    let sent = get(&chat, "/admin").await;

    let id = sent.header("x-request-id").unwrap();
    let line = chat.stack.line("WebFunction", |line| line["request_id"] == id).await;
    assert_eq!((&line["route"], &line["status"]), (&json!("/admin"), &json!(200)));
    assert_eq!(line["user_id"], Value::Null);
}
