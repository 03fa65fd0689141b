//! What is told of requests that reach no function.

use serde_json::{Value, json};

use crate::support::{Gateway, nothing, until};

/// The records of what was refused, once there are as many.
async fn refusals(gateway: &Gateway, count: usize) -> Vec<(Value, Value, String)> {
    let mut refused = Vec::new();
    until("the refusals are told", async || {
        refused = gateway.records();
        refused.retain(|record| record["function"] == "-");
        refused.len() >= count
    })
    .await;
    let told = refused.iter().map(|record| {
        (record["request"].clone(), record["status"].clone(), record["error"].as_str().unwrap().to_owned())
    });
    told.collect()
}

#[tokio::test]
async fn the_logs_and_the_console_say_why_a_request_reached_no_function() {
    let gateway = Gateway::start(&[]);

    gateway.http.get(format!("{}/nowhere?secret=1", gateway.url)).send().await.unwrap();
    gateway.http.get(gateway.websocket_url.replace("ws://", "http://")).send().await.unwrap();

    let told = refusals(&gateway, 2).await;
    assert_eq!(
        told,
        [
            (json!("GET /nowhere"), json!(404), "no route has this method and path".to_owned()),
            (json!("GET /ws"), json!(426), "the WebSocket API is here".to_owned()),
        ]
    );
    let shown = gateway.console("invocations.json").await["invocations"].clone();
    assert_eq!(shown[0]["error"], "the WebSocket API is here", "{shown}");
}

#[tokio::test]
async fn what_a_process_prints_before_its_first_event_is_told_of_that_one() {
    let gateway = Gateway::start(&[]);
    gateway.touch("talk-at-start");

    assert_eq!(gateway.post("/", &nothing()).await.0, 200);

    until("the line is told", async || {
        gateway.console("invocations/1.json").await.to_string().contains("about to start")
    })
    .await;
}
