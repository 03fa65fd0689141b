//! Asynchronous invocations, which a connection is told of.

use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::support::sdk::lambda;
use crate::support::socket::Socket;
use crate::support::{PATIENCE, Target, text};

/// Queues an event for a function and gives the request's id.
async fn send(function: &str, event: &Value) -> String {
    let invocation = lambda().invoke().function_name(function).payload(Blob::new(event.to_string()));
    let output = invocation.invocation_type(InvocationType::Event).send().await.unwrap();
    assert_eq!(output.status_code(), 202);
    assert!(output.payload().is_none_or(|payload| payload.as_ref().is_empty()));
    assert_eq!(output.function_error(), None);
    output.request_id().expect("a request id").to_owned()
}

/// Source: LDG "Invoking a Lambda function asynchronously"; Lambda API reference, "Invoke": 202.
#[tokio::test]
async fn an_event_is_accepted_and_run_under_the_same_id() {
    let (mut watcher, id) = Socket::open_with_id().await;

    let request_id =
        send(&Target::get().probe_function, &json!({ "do": "tell", "to": id, "word": "hello" })).await;

    let told = watcher.next().await;
    assert_eq!(text(&told, "told.word"), "hello");
    assert_eq!(text(&told, "requestId"), request_id);
}

/// Source: LDG "How Lambda handles errors and retries with asynchronous invocation": two more times, under its
/// id, after a wait.
#[tokio::test]
async fn a_failed_event_is_tried_twice_again() {
    let (mut watcher, id) = Socket::open_with_id().await;

    fail_three_times(&mut watcher, &id).await;

    // What fails next is waited for six times as long as a first retry: a fourth attempt would come in between.
    for _ in 0..2 {
        fail_three_times(&mut watcher, &id).await;
    }
    assert_eq!(text(&watcher.event().await, "requestContext.routeKey"), "twoWay");
}

/// Has an event fail, and makes sure that nothing but its three attempts is told until the last one.
async fn fail_three_times(watcher: &mut Socket, id: &str) {
    let event = json!({ "do": "tell", "to": id, "then": { "do": "fail" } });
    let request_id = send(&Target::get().probe_function, &event).await;
    for attempt in 0..3 {
        let begun = Instant::now();
        let retry_wait = Target::get().retry_wait;
        // The second wait is twice the first one on AWS.
        let told = timeout(retry_wait * 3 + PATIENCE, watcher.next_whenever()).await;
        assert_eq!(text(&told.expect("another attempt"), "requestId"), request_id, "attempt {attempt}");
        assert!(attempt == 0 || begun.elapsed() >= retry_wait / 2, "{:?}", begun.elapsed());
    }
}

/// Source: LDG "Configuring error handling settings for Lambda asynchronous invocations": `MaximumRetryAttempts`.
#[tokio::test]
async fn a_function_may_have_no_second_try() {
    let (mut watcher, id) = Socket::open_with_id().await;

    send(&Target::get().once_function, &json!({ "do": "tell", "to": id, "then": { "do": "fail" } })).await;

    assert!(watcher.next().await["told"].is_object());
    // A second try would come before the last one of what fails from now on.
    fail_three_times(&mut watcher, &id).await;
    assert_eq!(text(&watcher.event().await, "requestContext.routeKey"), "twoWay");
}

/// Source: LDG "Lambda quotas": 1 MB for asynchronous invocations.
#[tokio::test]
async fn an_event_larger_than_the_quota_is_refused_by_type() {
    let event = json!({ "do": "return", "value": 1, "filler": "x".repeat(1_100_000) }).to_string();
    let invocation = lambda().invoke().function_name(&Target::get().probe_function).payload(Blob::new(event));

    let error =
        invocation.invocation_type(InvocationType::Event).send().await.unwrap_err().into_service_error();

    assert!(error.is_request_too_large_exception(), "{error:?}");
}

/// Source: Lambda API reference, "Invoke": `ResourceNotFoundException`.
#[tokio::test]
async fn an_event_for_an_unknown_function_is_refused_at_once() {
    let invocation = lambda().invoke().function_name("NoSuchFunction").payload(Blob::new("{}"));

    let error =
        invocation.invocation_type(InvocationType::Event).send().await.unwrap_err().into_service_error();

    assert!(error.is_resource_not_found_exception(), "{error:?}");
}
