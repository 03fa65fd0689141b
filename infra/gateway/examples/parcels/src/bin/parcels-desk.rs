//! The HTTP API: where one parcel is.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async move { Ok::<_, Error>(answer(&event.payload)) })).await
}

fn answer(event: &Value) -> Value {
    let body = match event["routeKey"].as_str() {
        Some("GET /health") => json!({ "healthy": true }),
        _ => json!({
            "parcel": event["pathParameters"]["code"],
            "depot": event["stageVariables"]["depot"],
            "askedBy": event["requestContext"]["authorizer"]["lambda"]["courier"],
        }),
    };
    json!({ "statusCode": 200, "headers": {"content-type": "application/json"}, "body": body.to_string() })
}
