//! Orders, and where an event has its own.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Does what the event asks for.
pub(crate) async fn answer(client: Option<&Client>, event: &LambdaEvent<Value>) -> Result<Value, Error> {
    let (payload, context) = (&event.payload, &event.payload["requestContext"]);
    let kind = context["eventType"].as_str();
    if let (Some("CONNECT" | "DISCONNECT"), Some(watcher)) = (kind, watcher(context)) {
        post(client, watcher, &json!({ "watched": payload })).await?;
    }
    let mut order = order(payload, kind);
    loop {
        match order["do"].as_str().unwrap_or_default() {
            "echo" => return Ok(proxy_response(&payload.to_string())),
            "return" => return Ok(order["value"].clone()),
            "context" => {
                let context = &event.context;
                let (id, arn) = (&context.request_id, &context.invoked_function_arn);
                return Ok(json!({ "requestId": id, "arn": arn, "deadline": context.deadline }));
            }
            "size" => {
                return Ok(proxy_response(&payload["body"].as_str().unwrap_or_default().len().to_string()));
            }
            "payload" => {
                let bytes = usize::try_from(order["bytes"].as_u64().unwrap_or_default())?;
                return Ok(proxy_response(&"x".repeat(bytes)));
            }
            "fail" => return Err("the function fails as it should".into()),
            "panic" => panic!("the function panics as it should"),
            "exit" => std::process::exit(7),
            "sleep" => sleep(Duration::from_millis(order["ms"].as_u64().unwrap_or_default())).await,
            "tell" => {
                let to = order["to"].as_str().or(context["connectionId"].as_str());
                let told = json!({ "told": payload, "requestId": event.context.request_id });
                post(client, to.ok_or("tell whom?")?, &told).await?;
            }
            // To a connection that is not open yet, and what came of it to one that is.
            "post" => {
                let own = context["connectionId"].as_str().ok_or("there is no connection")?;
                let outcome = match post(client, own, &json!("too early")).await {
                    Ok(()) => "posted".to_owned(),
                    Err(error) => error.to_string(),
                };
                let to = order["to"].as_str().ok_or("tell whom?")?;
                post(client, to, &json!({ "outcome": outcome })).await?;
            }
            other => return Err(format!("there is no order {other}").into()),
        }
        order = match order.get("then") {
            Some(then) => then.clone(),
            None => json!({ "do": "return", "value": { "statusCode": 200 } }),
        };
    }
}

/// The order in an event, or what is done without any.
fn order(payload: &Value, kind: Option<&str>) -> Value {
    let within = |text: &Value| text.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let (given, otherwise) = match kind {
        Some("CONNECT") => (within(&payload["queryStringParameters"]["order"]), "sleep"),
        Some("DISCONNECT") => (None, "sleep"),
        Some(_) => (within(&payload["body"]), "echo"),
        None if payload["version"] == "2.0" => (within(&payload["headers"]["x-order"]), "echo"),
        None => (Some(payload.clone()), "echo"),
    };
    given.filter(|order| order["do"].is_string()).unwrap_or_else(|| json!({ "do": otherwise }))
}

fn watcher(context: &Value) -> Option<&str> {
    context["identity"]["userAgent"].as_str()?.split_once("watcher=").map(|(_, watcher)| watcher)
}

fn proxy_response(body: &str) -> Value {
    json!({ "statusCode": 200, "headers": { "content-type": "application/json" }, "body": body })
}

async fn post(client: Option<&Client>, to: &str, frame: &Value) -> Result<(), Error> {
    let client = client.ok_or("this function knows no management API")?;
    let posted =
        client.post_to_connection().connection_id(to).data(Blob::new(frame.to_string())).send().await;
    posted.map(drop).map_err(|error| match error.into_service_error() {
        gone if gone.is_gone_exception() => "gone".into(),
        other => other.into(),
    })
}
