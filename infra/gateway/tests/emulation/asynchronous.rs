//! Asynchronous invocations, over the gateway's own processes and over `cargo lambda`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Gateway, environment, nothing};

const QUICKLY: [&str; 2] = ["--async-retry-wait", "0.05"];

#[tokio::test]
async fn an_event_is_accepted_before_its_function_has_answered() {
    let gateway = Gateway::start(&[]);

    let request_id = gateway.send_event("Probe", &json!({"wait": "released", "marker": 7})).await;

    let given = gateway.given_when(|given| !given.is_empty()).await;
    assert_eq!(gateway.console("").await["asynchronousEvents"], 1);
    gateway.touch("released");
    gateway.settled().await;
    assert_eq!(given[0].event["marker"], 7);
    assert_eq!(given[0].request_id, request_id);
    assert_eq!(gateway.given().len(), 1);
}

#[tokio::test]
async fn a_failed_event_is_tried_again_under_its_request_id() {
    let gateway = Gateway::start(&QUICKLY);

    let request_id = gateway.send_event("Probe", &json!({"fails": 1})).await;

    gateway.settled().await;
    let given = gateway.given();
    assert_eq!(given.len(), 2);
    assert!(given.iter().all(|given| given.request_id == request_id));
}

#[tokio::test]
async fn an_event_whose_process_died_is_tried_again() {
    let gateway = Gateway::start(&QUICKLY);

    gateway.send_event("Probe", &json!({"exits": 1})).await;

    gateway.settled().await;
    let given = gateway.given();
    assert_eq!(given.len(), 2);
    assert_ne!(given[0].pid, given[1].pid);
}

#[tokio::test]
async fn an_event_that_keeps_failing_is_discarded_after_two_retries_with_their_waits() {
    let gateway = Gateway::start(&["--async-retry-wait", "0.2,0.4"]);

    let request_id = gateway.send_event("Peer", &json!({"fails": 9})).await;

    let discarded = gateway.discarded().await;
    gateway.settled().await;
    let given = gateway.given();
    assert_eq!(given.len(), 3);
    assert!(given[1].at - given[0].at >= 0.2 && given[2].at - given[1].at >= 0.4, "{given:?}");
    assert_eq!(discarded[0]["function"], "Peer");
    assert_eq!(discarded[0]["requestId"], request_id.as_str());
    assert_eq!(discarded[0]["discarded"], json!({"condition": "RetriesExhausted", "attempts": 3}));
    assert!(gateway.stderr().contains(&request_id), "told even quietly: {}", gateway.stderr());
}

#[tokio::test]
async fn a_function_without_retries_fails_once_and_its_destination_is_named() {
    let gateway = Gateway::start(&QUICKLY);

    gateway.send_event("Careful", &json!({"fails": 9})).await;

    let discarded = gateway.discarded().await;
    gateway.settled().await;
    assert_eq!(gateway.given().len(), 1);
    let destination = "arn:aws:sqs:us-east-1:123456789012:Failed";
    assert_eq!(
        discarded[0]["discarded"],
        json!({"condition": "RetriesExhausted", "attempts": 1, "destination": destination})
    );
    assert!(gateway.stderr().contains(destination), "{}", gateway.stderr());
}

#[tokio::test]
async fn a_timeout_is_a_failure_and_the_function_works_on() {
    let gateway = Gateway::start(&["--async-retry-wait", "0.05", "--concurrency", "1"]);

    gateway.send_event("Careful", &json!({"wait": "never"})).await;
    assert_eq!(gateway.discarded().await.len(), 1);
    gateway.send_event("Careful", &json!({"marker": "next"})).await;

    gateway.settled().await;
    let given = gateway.given();
    assert_eq!(given.len(), 2);
    assert_eq!(given[1].event["marker"], "next");
}

#[tokio::test]
async fn what_cannot_be_queued_is_refused_with_its_error() {
    let gateway = Gateway::start(&[]);
    let fits = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    let refused = async |function: &str, kind: &str, payload: String| {
        let refused = gateway.invoke(function, kind, payload).await;
        let named = refused.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
        (refused.status().as_u16(), named)
    };

    assert_eq!(
        refused("Peer", "Event", format!(" {fits}")).await,
        (413, "RequestTooLargeException".to_owned())
    );
    assert_eq!(
        refused("Peer", "Event", "{".to_owned()).await,
        (400, "InvalidRequestContentException".to_owned())
    );
    assert_eq!(
        refused("Peer", "Perhaps", "{}".to_owned()).await,
        (400, "InvalidParameterValueException".to_owned())
    );
    assert_eq!(
        refused("Nobody", "Event", "{}".to_owned()).await,
        (404, "ResourceNotFoundException".to_owned())
    );
    let dry = gateway.invoke("Peer", "DryRun", "{}".to_owned()).await;
    assert_eq!(dry.status(), 204);
    assert_eq!(gateway.given().len(), 0);
    assert_eq!(gateway.invoke("Careful", "Event", fits).await.status(), 202);
}

#[tokio::test]
async fn a_full_queue_refuses_events_and_takes_them_again_when_it_has_room() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    let large = format!(r#"{{"wait": "released", "padding": "{}"}}"#, "x".repeat(1024 * 1024 - 64));

    let mut accepted = 0;
    let refused = loop {
        let answer = gateway.invoke("Probe", "Event", large.clone()).await;
        if answer.status() != 202 {
            break answer;
        }
        accepted += 1;
    };

    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-amzn-errortype"], "TooManyRequestsException");
    gateway.touch("released");
    gateway.settled().await;
    assert_eq!(gateway.given().len(), accepted);
    gateway.send_event("Probe", &nothing()).await;
}

#[tokio::test]
async fn a_function_invokes_another_by_its_ref_at_the_address_it_was_given() {
    let gateway = Gateway::start(&[]);

    let (status, answer) = gateway.post("/", &json!({"invoke": {"marker": "from Probe"}})).await;

    assert_eq!((status, &answer["invoked"]), (200, &json!(202)));
    let given = gateway.given_when(|given| given.iter().any(|given| given.function == "Peer")).await;
    let peer = given.iter().find(|given| given.function == "Peer").unwrap();
    assert_eq!(peer.event, json!({"marker": "from Probe"}));
}

#[tokio::test]
async fn every_form_of_a_functions_name_leads_to_it() {
    let gateway = Gateway::start(&[]);

    for name in [
        "Peer",
        "Peer:$LATEST",
        "123456789012:function:Peer",
        "arn:aws:lambda:us-east-1:123456789012:function:Peer",
        "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3APeer%3A%24LATEST",
    ] {
        gateway.send_event(name, &json!({"marker": name})).await;
    }

    gateway.settled().await;
    let given = gateway.given();
    assert_eq!(given.len(), 5);
    assert!(given.iter().all(|given| given.function == "Peer"), "{given:?}");
}

#[test]
fn the_environment_for_cargo_lambda_has_lambdas_address() {
    assert_eq!(environment("8123")["AWS_ENDPOINT_URL_LAMBDA"], "http://127.0.0.1:8123");
}

#[tokio::test]
async fn cargo_lambda_is_given_queued_events_and_their_retries() {
    let calls = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(cargo_lambda(listener, Arc::clone(&calls)));
    let gateway = Gateway::start(&["--async-retry-wait", "0.05", "--cargo-lambda", &url]);

    gateway.send_event("Peer", &json!({"fails": 1})).await;

    gateway.settled().await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// Fails the first event as `cargo lambda watch` does, by status 500, and succeeds with the second.
async fn cargo_lambda(listener: TcpListener, calls: Arc<AtomicUsize>) {
    let answer = |request: Request<Incoming>| {
        let calls = Arc::clone(&calls);
        async move {
            assert_eq!(request.uri().path(), "/2015-03-31/functions/probe/invocations");
            let event = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(serde_json::from_slice::<Value>(&event).unwrap(), json!({"fails": 1}));
            let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            let status = if is_first { 500 } else { 200 };
            let body = Full::new(Bytes::from_static(b"{}"));
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        }
    };
    while let Ok((stream, _)) = listener.accept().await {
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    }
}
