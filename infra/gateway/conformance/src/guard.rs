//! The authorizer of both APIs: answers what its caller wants to be answered.
//!
//! What it was asked is in the context of its answer, so that the function behind it can echo it.

use lambda_runtime::Error;
use serde_json::{Value, json};

/// Answers in the format of whichever API asks.
pub(crate) fn answer(event: &Value) -> Result<Value, Error> {
    let of_http = event["routeArn"].is_string();
    let wish =
        if of_http { &event["identitySource"][0] } else { &event["queryStringParameters"]["authorize"] };
    // What follows a dash only makes an identity another one.
    let wish = wish.as_str().unwrap_or_default();
    let wish = wish.split_once('-').map_or(wish, |(wish, _)| wish);
    match wish {
        "unauthorized" => return Err("Unauthorized".into()),
        "fail" => return Err("the authorizer fails as it should".into()),
        "malformed" => return Ok(json!({ "allowed": true })),
        _ => {}
    }
    let arn = if of_http { &event["routeArn"] } else { &event["methodArn"] };
    if of_http && !event["rawPath"].as_str().unwrap_or_default().starts_with("/policed") {
        let context = json!({ "text": "seven", "number": 7, "truth": true, "list": ["a"], "asked": event });
        return Ok(json!({ "isAuthorized": wish == "allow", "context": context }));
    }
    let mut context = json!({ "text": "seven", "number": 7, "truth": true, "asked": event.to_string() });
    match wish {
        "nested" => context["list"] = json!(["a"]),
        "large" => context["large"] = "x".repeat(9_000).into(),
        _ => {}
    }
    let resource = match wish {
        // The format of HTTP routes, which no handshake matches.
        "misdirected" => json!(arn.as_str().unwrap_or_default().replace("/$connect", "/GET/connect")),
        // One item only, whatever was asked for.
        "first" => {
            json!(format!("{}/1", arn.as_str().and_then(|arn| arn.rsplit_once('/')).unwrap_or_default().0))
        }
        _ => arn.clone(),
    };
    Ok(json!({
        "principalId": "somebody",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke",
                "Effect": if wish == "deny" { "Deny" } else { "Allow" },
                "Resource": resource,
            }],
        },
        "context": context,
    }))
}
