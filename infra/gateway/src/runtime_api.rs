//! The Lambda Runtime API, which unmodified function binaries poll (Lambda Developer Guide, "Using the
//! Lambda runtime API for custom runtimes").
//!
//! Each process has a path of its own, so the gateway knows which one speaks. A request for the next event
//! is held open until there is one and never answered otherwise: the Rust runtime panics on an empty answer.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use crate::functions::{Delivery, Function, Next, PAYLOAD_LIMIT, error_object};

/// Serves one request of one process.
pub(crate) async fn serve(
    functions: Arc<Vec<Arc<Function>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(answer(&functions, request).await)
}

async fn answer(functions: &[Arc<Function>], request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Some((process, call)) = path.trim_start_matches('/').split_once("/2018-06-01/runtime/") else {
        return status(StatusCode::NOT_FOUND);
    };
    let Some((function, slot)) = find_process(functions, process) else {
        return status(StatusCode::FORBIDDEN);
    };
    if call == "invocation/next" && request.method() == Method::GET {
        return next(function, slot).await;
    }
    if request.method() != Method::POST {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let body = Limited::new(request.into_body(), PAYLOAD_LIMIT)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    if call == "init/error" {
        function.init_failed(slot, body.unwrap_or_default());
        return status(StatusCode::ACCEPTED);
    }
    let Some((request_id, kind)) = call.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))
    else {
        return status(StatusCode::NOT_FOUND);
    };
    let (result, accepted) = match (kind, body) {
        ("response", Ok(body)) => (Ok(body), StatusCode::ACCEPTED),
        ("error", Ok(body)) => (Err(body), StatusCode::ACCEPTED),
        ("response" | "error", Err(_)) => {
            let message = format!(
                "Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
            );
            (Err(error_object("Function.ResponseSizeTooLarge", &message)), StatusCode::PAYLOAD_TOO_LARGE)
        }
        _ => return status(StatusCode::NOT_FOUND),
    };
    if function.respond(slot, request_id, result) {
        status(accepted)
    } else {
        status(StatusCode::BAD_REQUEST)
    }
}

/// Finds the function and the slot of a path segment like `3.17`.
fn find_process<'a>(functions: &'a [Arc<Function>], segment: &str) -> Option<(&'a Arc<Function>, u64)> {
    let (function, slot) = segment.split_once('.')?;
    Some((functions.get(function.parse::<usize>().ok()?)?, slot.parse().ok()?))
}

async fn next(function: &Function, slot: u64) -> Response<Full<Bytes>> {
    let delivery = match function.next(slot) {
        Next::Now(delivery) => delivery,
        Next::Later(delivery) => match delivery.await {
            Ok(delivery) => delivery,
            Err(_) => return status(StatusCode::FORBIDDEN),
        },
        Next::Unknown => return status(StatusCode::FORBIDDEN),
    };
    deliver(function, delivery)
}

fn deliver(function: &Function, delivery: Delivery) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(delivery.event));
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set("lambda-runtime-aws-request-id", delivery.request_id);
    set("lambda-runtime-deadline-ms", delivery.deadline.to_string());
    set("lambda-runtime-invoked-function-arn", function.arn().to_owned());
    set("lambda-runtime-trace-id", delivery.trace);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
