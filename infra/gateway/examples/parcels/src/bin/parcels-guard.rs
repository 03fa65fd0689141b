//! The authorizer of both APIs: says which courier a key belongs to.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let keys = courier_keys()?;
    run(service_fn(|event: LambdaEvent<Value>| {
        let answer = answer(&keys, &event.payload);
        async { Ok::<_, Error>(answer) }
    }))
    .await
}

#[expect(clippy::disallowed_methods, reason = "the one setting of this function")]
fn courier_keys() -> Result<String, Error> {
    Ok(std::env::var("COURIER_KEYS")?)
}

/// Each API asks and wants to be answered in its own format.
fn answer(keys: &str, event: &Value) -> Value {
    let asked_by_http = event.get("routeArn").is_some();
    let key =
        if asked_by_http { &event["identitySource"][0] } else { &event["queryStringParameters"]["key"] };
    let courier = key.as_str().and_then(|key| {
        keys.split(',').filter_map(|entry| entry.split_once(':')).find(|(_, known)| *known == key)
    });
    let context = json!({ "courier": courier.map(|(name, _)| name).unwrap_or_default() });
    if asked_by_http {
        return json!({ "isAuthorized": courier.is_some(), "context": context });
    }
    let effect = if courier.is_some() { "Allow" } else { "Deny" };
    json!({
        "principalId": "courier",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke",
                "Effect": effect,
                "Resource": event["methodArn"],
            }],
        },
        "context": context,
    })
}
