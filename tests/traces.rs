//! Traces: what a collector is sent of a request, and that nobody waits for one that is down.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use reqwest::Method;
use serde_json::json;
use support::{PATIENCE, StackOptions, TestChat};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{Duration, sleep},
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00";

/// An OTLP collector that keeps what it is sent.
struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&kept)));
            }
        });
        Self { address, spans }
    }

    /// The spans of a trace, once one of this name is among them.
    async fn trace(&self, trace_id: &str, name: &str) -> Vec<Span> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans.lock().unwrap().clone();
            let own: Vec<_> = spans.into_iter().filter(|span| hex(&span.trace_id) == trace_id).collect();
            if own.iter().any(|span| span.name == name) {
                return own;
            }
            assert!(Instant::now() < deadline, "no span {name} of {trace_id} within {PATIENCE:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Takes exports, each a POST with its length, and answers them.
async fn take(stream: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length, mut path) = (String::new(), 0, String::new());
        while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
            let header = line.to_ascii_lowercase();
            if let Some(text) = header.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if path.is_empty() {
                path.clone_from(&line);
            }
            line.clear();
        }
        if path.is_empty() {
            return;
        }
        assert!(path.starts_with("POST /v1/traces "), "{path}");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let export = ExportTraceServiceRequest::decode(&*body).unwrap();
        let exported = export.resource_spans.into_iter().flat_map(|of_resource| of_resource.scope_spans);
        spans.lock().unwrap().extend(exported.flat_map(|of_scope| of_scope.spans));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all that is written to it");
        hex
    })
}

async fn traced_to(address: SocketAddr) -> TestChat {
    let variables = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))];
    TestChat::alone(StackOptions { variables, ..StackOptions::default() }).await
}

#[tokio::test]
async fn a_request_its_calls_to_the_stores_and_its_jobs_are_one_trace() {
    let collector = Collector::start().await;
    let chat = traced_to(collector.address).await;
    let alice = chat.user("alice").await;
    let request = chat
        .request(Method::POST, "/api/v1/auth/password-reset", None)
        .header("traceparent", TRACEPARENT)
        .json(&json!({"email": alice.email}));

    chat.answer_to(request).await.expect(202);

    let trace = &TRACEPARENT[3..35];
    collector.trace(trace, "POST /api/v1/auth/password-reset").await;
    let spans = collector.trace(trace, "job").await;
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (request, job) = (named("POST /api/v1/auth/password-reset"), named("job"));
    assert_eq!(hex(&request.parent_span_id), &TRACEPARENT[36..52]);
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(job.parent_span_id, request.span_id);
    let within = |outer: &Span| -> BTreeSet<_> {
        let inner = spans.iter().filter(|span| span.parent_span_id == outer.span_id);
        inner.map(|span| span.name.as_str()).collect()
    };
    assert!(within(request).is_superset(&["postgres", "lambda invoke"].into()), "{:?}", within(request));
    assert!(within(job).is_superset(&["postgres", "ses send email"].into()), "{:?}", within(job));
}

#[tokio::test]
async fn traces_hold_neither_addresses_nor_texts() {
    let collector = Collector::start().await;
    let chat = traced_to(collector.address).await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let path = format!("/api/v1/conversations/{}/messages", conversation.id);
    let request = chat
        .request(Method::POST, &path, Some(&alice.access_token))
        .header("traceparent", TRACEPARENT)
        .json(&json!({"content": "for nobody else"}));

    chat.answer_to(request).await.expect(201);

    let spans = collector.trace(&TRACEPARENT[3..35], "POST /api/v1/conversations/{id}/messages").await;
    let told = format!("{spans:?}");
    for secret in ["for nobody else", &alice.email, &alice.access_token] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(told.contains(&conversation.id) && told.contains("db.query.text"), "{told}");
}

#[tokio::test]
async fn a_client_that_does_not_want_a_trace_has_none() {
    let collector = Collector::start().await;
    let chat = traced_to(collector.address).await;
    let alice = chat.user("alice").await;
    let request = |traceparent: &str| {
        let request = chat.request(Method::GET, "/api/v1/auth/profile", Some(&alice.access_token));
        chat.answer_to(request.header("traceparent", traceparent))
    };

    request(NOT_SAMPLED).await.expect(200);
    request(TRACEPARENT).await.expect(200);

    collector.trace(&TRACEPARENT[3..35], "GET /api/v1/auth/profile").await;
    let spans = collector.spans.lock().unwrap().clone();
    assert!(!spans.iter().any(|span| hex(&span.trace_id) == NOT_SAMPLED[3..35]));
}

#[tokio::test]
async fn a_collector_that_hangs_is_asked_once_in_a_while_and_nobody_waits_for_it() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let variables =
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", hanging.local_addr().unwrap()))];
    // One process, which lives as long as the story: each would find out for itself.
    let options =
        StackOptions { variables, concurrency: 1, strict: Some("freeze,shuffle"), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;

    let alice = chat.user("alice").await;
    let untaken = |line: &serde_json::Value| {
        line["message"].as_str().is_some_and(|message| message.starts_with("a trace was not taken"))
    };
    chat.stack.line("AuthFunction", untaken).await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(alice.get("/api/v1/auth/profile").await.status, 200);
    }
    let took = began.elapsed();

    let told =
        chat.stack.lines().into_iter().filter(|(of, line)| of == "AuthFunction" && untaken(line)).count();
    assert_eq!(told, 1);
    // Each would have waited half a second.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
