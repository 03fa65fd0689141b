//! Lambda's Invoke API (Lambda API reference, "Invoke"), synchronous and asynchronous.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use time::OffsetDateTime;

use crate::asynchronous::{self, EVENT_LIMIT};
use crate::functions::PAYLOAD_LIMIT;
use crate::gateway::{Gateway, Names};
use crate::ids;
use crate::journal::Record;
use crate::responses::{empty, failure};
use crate::template::PUBLISHED_VERSION;

/// The version of a function that is not published.
const LATEST: &str = "$LATEST";

/// How a function is to be invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RequestResponse,
    Event,
    DryRun,
}

/// Answers one request to invoke the function of a name.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    name: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let kind = match request.headers().get("x-amz-invocation-type").map(HeaderValue::as_bytes) {
        None | Some(b"RequestResponse") => Kind::RequestResponse,
        Some(b"Event") => Kind::Event,
        Some(b"DryRun") => Kind::DryRun,
        Some(_) => {
            let problem = "X-Amz-Invocation-Type must be RequestResponse, Event or DryRun";
            return failure(StatusCode::BAD_REQUEST, "InvalidParameterValueException", problem);
        }
    };
    let name = percent_decode_str(name).decode_utf8_lossy();
    let Some(function) = find(&gateway.names, &name, request.uri().query().unwrap_or_default()) else {
        let problem = format!("Function not found: {name}");
        return failure(StatusCode::NOT_FOUND, "ResourceNotFoundException", &problem);
    };
    let too_large = |limit: &str| {
        let problem = format!("The event is larger than {limit}");
        failure(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &problem)
    };
    let Ok(event) = Limited::new(request.into_body(), PAYLOAD_LIMIT).collect().await else {
        return too_large("6 MB");
    };
    let event = event.to_bytes();
    if kind == Kind::Event && event.len() > EVENT_LIMIT {
        return too_large("1 MB");
    }
    let event = if event.is_empty() { Bytes::from_static(b"{}") } else { event };
    if serde_json::from_slice::<IgnoredAny>(&event).is_err() {
        let problem = "Could not parse request body into json";
        return failure(StatusCode::BAD_REQUEST, "InvalidRequestContentException", problem);
    }
    match kind {
        Kind::RequestResponse => synchronously(gateway, function, event).await,
        Kind::Event => queue(gateway, function, event),
        Kind::DryRun => empty(StatusCode::NO_CONTENT),
    }
}

/// Finds a function by its logical id or its binary, given as a name, an ARN or a partial ARN, alone or qualified by
/// `$LATEST`, the alias that it publishes or the one version of that, in the name or in the query.
fn find(names: &[Names], given: &str, query: &str) -> Option<usize> {
    let parts: Vec<&str> = given.split(':').collect();
    let after_prefix = parts.iter().position(|part| *part == "function").map_or(0, |prefix| prefix + 1);
    let (name, qualifier) = match &parts[after_prefix..] {
        [name] => (name, None),
        [name, qualifier] => (name, Some(*qualifier)),
        _ => return None,
    };
    let function = names.iter().position(|names| names.logical == *name || names.binary == *name)?;
    let alias = names[function].alias.as_deref();
    let is_known = |qualifier: &str| {
        qualifier == LATEST || alias.is_some_and(|alias| [alias, PUBLISHED_VERSION].contains(&qualifier))
    };
    let mut asked = url::form_urlencoded::parse(query.as_bytes());
    let known = qualifier.is_none_or(is_known)
        && asked.all(|(key, qualifier)| key != "Qualifier" || is_known(&qualifier));
    known.then_some(function)
}

async fn synchronously(gateway: &Gateway, function: usize, event: Bytes) -> Response<Full<Bytes>> {
    let mut report = gateway.journal.report(Record {
        function: gateway.name(function).to_owned(),
        route: "Invoke".to_owned(),
        ..Record::default()
    });
    let trace_root = ids::trace_root(OffsetDateTime::now_utc().unix_timestamp());
    // The function's own timeout, at most 900 s, is the only limit here.
    let pending = gateway.functions.submit(function, event, &trace_root, Duration::from_secs(1000));
    report.follow(&pending);
    let Some(answer) = pending.answer().await else {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", "The function gave no answer");
    };
    report.record().status = Some(200);
    let request_id = answer.execution.request_id.clone();
    report.executed(answer.execution);
    let mut response = match answer.result {
        Ok(result) => Response::new(Full::new(result)),
        Err(error) => {
            report.record().error = Some(String::from_utf8_lossy(&error).into_owned());
            let mut response = Response::new(Full::new(error));
            response.headers_mut().insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
            response
        }
    };
    response.headers_mut().insert("x-amz-executed-version", HeaderValue::from_static(LATEST));
    identified(response, request_id)
}

fn queue(gateway: &Arc<Gateway>, function: usize, event: Bytes) -> Response<Full<Bytes>> {
    let Some(request_id) = asynchronous::enqueue(gateway, function, event, "Invoke Event".to_owned()) else {
        return failure(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "The queue of asynchronous invocations is full",
        );
    };
    identified(empty(StatusCode::ACCEPTED), request_id)
}

/// Tells the id under which the function runs.
fn identified(mut response: Response<Full<Bytes>>, request_id: String) -> Response<Full<Bytes>> {
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("x-amzn-requestid", request_id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_every_form_of_its_name() {
        let names = [("OtherFunction", "other", None), ("FanOutFunction", "fan-out-function", Some("live"))];
        let names = names.map(|(logical, binary, alias)| Names {
            logical: logical.to_owned(),
            binary: binary.to_owned(),
            alias: alias.map(str::to_owned),
        });
        let find = |given: &str, query: &str| find(&names, given, query);

        for name in ["FanOutFunction", "fan-out-function"] {
            for form in [
                name.to_owned(),
                format!("{name}:$LATEST"),
                format!("function:{name}"),
                format!("123456789012:function:{name}"),
                format!("arn:aws:lambda:us-east-1:123456789012:function:{name}"),
                format!("arn:aws:lambda:us-east-1:123456789012:function:{name}:$LATEST"),
                format!("arn:aws:lambda:us-east-1:123456789012:function:{name}:live"),
                format!("{name}:1"),
            ] {
                assert_eq!(find(&form, ""), Some(1), "{form}");
            }
        }
        assert_eq!(find("FanOutFunction", "Qualifier=%24LATEST"), Some(1));
        assert_eq!(find("FanOutFunction", "Qualifier=live"), Some(1));
        for unknown in ["Fan", "", "FanOutFunction:7", "OtherFunction:live", "function:Fan:FanOutFunction"] {
            assert_eq!(find(unknown, ""), None, "{unknown}");
        }
        assert_eq!(find("FanOutFunction", "Qualifier=dead"), None);
        assert_eq!(find("OtherFunction", "Qualifier=live"), None);
    }
}
