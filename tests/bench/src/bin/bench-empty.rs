//! A function that does nothing, so that what is measured is what runs it; with `PAUSE_MS` it waits first.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    #[expect(clippy::disallowed_methods, reason = "a function of its own, with this one setting")]
    let pause = std::env::var("PAUSE_MS").ok();
    let pause = pause.map(|pause| pause.parse().map(Duration::from_millis)).transpose()?;
    let answer = async |_: LambdaEvent<IgnoredAny>| -> Result<Value, Error> {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        Ok(json!({"statusCode": 200, "body": "done"}))
    };
    lambda_runtime::run(service_fn(answer)).await
}
