//! Lambda's Invoke, asked by the AWS SDK.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::{Value, json};

use crate::support::sdk::lambda;
use crate::support::socket::Socket;
use crate::support::{Target, returning, text};

/// The largest event of a synchronous invocation.
const LIMIT: usize = 6 * 1024 * 1024;

async fn invoke(function: &str, payload: impl Into<Vec<u8>>) -> Result<InvokeOutput, InvokeError> {
    let invocation = lambda().invoke().function_name(function).payload(Blob::new(payload));
    invocation.send().await.map_err(aws_sdk_lambda::error::SdkError::into_service_error)
}

async fn order(order: &Value) -> InvokeOutput {
    invoke(&Target::get().probe_function, order.to_string()).await.unwrap()
}

fn payload(output: &InvokeOutput) -> Value {
    serde_json::from_slice(output.payload().expect("a payload").as_ref()).unwrap()
}

/// Source: Lambda API reference, "Invoke".
#[tokio::test]
async fn an_invocation_gives_what_the_function_returns() {
    let output = order(&returning(&json!({ "any": ["thing", null, 7] }))).await;

    assert_eq!(output.status_code(), 200);
    assert_eq!(payload(&output), json!({ "any": ["thing", null, 7] }));
    assert_eq!(output.function_error(), None);
}

/// Source: Lambda API reference, "Invoke": `ExecutedVersion`.
#[tokio::test]
async fn an_invocation_tells_which_version_ran() {
    let output = order(&returning(&json!(null))).await;

    assert_eq!(output.executed_version(), Some("$LATEST"));
    assert_eq!(payload(&output), Value::Null);
}

/// Source: Lambda API reference, "Invoke": 200 with `FunctionError`; LDG "Using the Lambda runtime API for custom
/// runtimes" (invocation error).
#[tokio::test]
async fn an_error_of_the_function_is_a_payload() {
    let output = order(&json!({ "do": "fail" })).await;

    assert_eq!((output.status_code(), output.function_error()), (200, Some("Unhandled")));
    let error = payload(&output);
    assert!(text(&error, "errorMessage").contains("fails as it should"), "{error}");
    assert!(!text(&error, "errorType").is_empty());
}

/// Source: LDG "Using the Lambda runtime API for custom runtimes" (invocation error).
#[tokio::test]
async fn a_panic_of_the_function_is_a_payload() {
    let output = order(&json!({ "do": "panic" })).await;

    assert_eq!(output.function_error(), Some("Unhandled"));
    assert!(text(&payload(&output), "errorMessage").contains("panics as it should"));
}

/// Source: LDG "Configure Lambda function timeout".
#[tokio::test]
async fn a_timeout_is_told_in_the_payload() {
    let output = invoke(&Target::get().brief_function, json!({ "do": "sleep", "ms": 5000 }).to_string())
        .await
        .unwrap();

    assert_eq!(output.function_error(), Some("Unhandled"));
    let error = payload(&output);
    assert!(text(&error, "errorMessage").contains("Task timed out after 1.00 seconds"), "{error}");
}

/// Source: aws/aws-lambda-dotnet issue 480, whose payload has the type `Runtime.ExitError`.
#[tokio::test]
async fn an_exit_is_told_in_the_payload() {
    let output = order(&json!({ "do": "exit" })).await;

    assert_eq!(output.function_error(), Some("Unhandled"));
    assert_eq!(text(&payload(&output), "errorType"), "Runtime.ExitError");
}

/// Source: Lambda API reference, "Invoke": `DryRun` gives 204.
#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let (mut watcher, id) = Socket::open_with_id().await;
    let invocation = lambda().invoke().function_name(&Target::get().probe_function);
    let invocation = invocation.payload(Blob::new(json!({ "do": "tell", "to": id }).to_string()));

    let output = invocation.invocation_type(InvocationType::DryRun).send().await.unwrap();

    assert_eq!(output.status_code(), 204);
    assert_eq!(text(&watcher.event().await, "requestContext.routeKey"), "twoWay");
}

/// Source: Lambda API reference, "Invoke": `ResourceNotFoundException`.
#[tokio::test]
async fn an_unknown_function_is_not_found() {
    let error = invoke("NoSuchFunction", "{}").await.unwrap_err();

    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert!(error.message().unwrap().contains("Function not found"), "{error:?}");
}

/// Source: Lambda API reference, "Invoke": a qualifier must exist.
#[tokio::test]
async fn an_unknown_version_is_not_found() {
    let invocation = lambda().invoke().function_name(&Target::get().probe_function).qualifier("4711");

    let error = invocation.send().await.unwrap_err().into_service_error();

    assert!(error.is_resource_not_found_exception(), "{error:?}");
}

/// Source: Lambda API reference, "Invoke": `$LATEST`.
#[tokio::test]
async fn the_unpublished_version_has_a_name() {
    let order = returning(&json!("latest")).to_string();
    let invocation = lambda().invoke().function_name(&Target::get().probe_function).qualifier("$LATEST");

    let output = invocation.payload(Blob::new(order)).send().await.unwrap();

    assert_eq!(payload(&output), "latest");
}

/// Source: Lambda API reference, "Invoke": `InvalidRequestContentException`.
#[tokio::test]
async fn a_payload_that_is_no_json_is_refused_by_type() {
    let error = invoke(&Target::get().probe_function, "{no json").await.unwrap_err();

    assert!(error.is_invalid_request_content_exception(), "{error:?}");
}

/// Source: LDG "Lambda quotas": 6 MB; Lambda API reference, "Invoke": `RequestTooLargeException`.
#[tokio::test]
async fn a_payload_larger_than_the_quota_is_refused_by_type() {
    let large = json!({ "do": "return", "value": 1, "filler": "x".repeat(LIMIT) }).to_string();

    let error = invoke(&Target::get().probe_function, large).await.unwrap_err();

    assert!(error.is_request_too_large_exception(), "{error:?}");
}

/// Source: LDG "Lambda quotas".
#[tokio::test]
async fn a_payload_within_the_quota_is_taken() {
    let large = json!({ "do": "return", "value": 1, "filler": "x".repeat(LIMIT - 1000) }).to_string();

    assert_eq!(payload(&invoke(&Target::get().probe_function, large).await.unwrap()), 1);
}

/// Source: LDG "Lambda quotas"; localstack/localstack pull request 10229, for the type of the error.
#[tokio::test]
async fn an_answer_larger_than_the_quota_is_an_error_of_the_function() {
    let output = order(&json!({ "do": "payload", "bytes": LIMIT + 1000 })).await;

    assert_eq!((output.status_code(), output.function_error()), (200, Some("Unhandled")));
    assert_eq!(text(&payload(&output), "errorType"), "Function.ResponseSizeTooLarge");
}

/// Source: LDG "Using the Lambda context object to retrieve Rust function information": the id of the request.
#[tokio::test]
async fn the_caller_knows_the_request_by_the_same_id_as_the_function() {
    let output = order(&json!({ "do": "context" })).await;

    assert_eq!(output.request_id(), Some(text(&payload(&output), "requestId")));
}

/// Source: LDG "Using the Lambda runtime API for custom runtimes": `Lambda-Runtime-Deadline-Ms`, Unix
/// milliseconds.
#[tokio::test]
async fn the_function_knows_until_when_it_may_run() {
    let output = order(&json!({ "do": "context" })).await;

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let deadline = u128::from(payload(&output)["deadline"].as_u64().unwrap());
    assert!((now..now + 15_000).contains(&deadline), "{deadline} at {now}");
}

/// Source: Lambda API reference, "Invoke": `FunctionName` is a name, an ARN or a partial ARN.
#[tokio::test]
async fn a_function_is_found_by_its_arn() {
    let told = payload(&order(&json!({ "do": "context" })).await);
    let arn = text(&told, "arn");
    let parts: Vec<_> = arn.split(':').collect();
    assert_eq!((parts.len(), parts[5]), (7, "function"), "{arn}");

    for name in [arn.to_owned(), format!("{}:function:{}", parts[4], parts[6]), format!("{arn}:$LATEST")] {
        let output = invoke(&name, json!({ "do": "context" }).to_string()).await.unwrap();

        assert!(text(&payload(&output), "arn").starts_with(arn), "{name}");
    }
}
