//! Schedules.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::support::Gateway;

#[tokio::test]
async fn each_schedule_sends_its_event_again_and_again() {
    let gateway = Gateway::start_with(&["--schedule-every", "0.1", "--async-retry-wait", "0.01"]);

    let given = gateway
        .given_when(|given| {
            ["aws.events", "aws.scheduler"]
                .iter()
                .all(|source| given.iter().filter(|given| given.event["source"] == *source).count() >= 3)
        })
        .await;

    let rule = given.iter().find(|given| given.event["source"] == "aws.events").unwrap();
    assert_eq!(rule.function, "Clock");
    assert_eq!(rule.event["detail-type"], "Scheduled Event");
    assert_eq!(rule.event["resources"], json!(["arn:aws:events:us-east-1:123456789012:rule/ClockRule"]));
    assert!(given.iter().all(|given| given.event["marker"] != "off"), "a disabled schedule runs: {given:?}");
}

#[tokio::test]
async fn the_first_event_comes_one_interval_after_the_start() {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let gateway = Gateway::start_with(&["--schedule-every", "0.5"]);

    let given = gateway.given_when(|given| !given.is_empty()).await;

    assert!(given[0].at - started >= 0.5, "after {} s", given[0].at - started);
}

#[tokio::test]
async fn a_scheduled_event_that_failed_is_tried_again() {
    let gateway = Gateway::start_with(&["--schedule-every", "0.2", "--async-retry-wait", "0.01"]);

    let tried_twice = |given: &[crate::support::Given]| {
        let failing = given.iter().find(|given| given.event == json!({"fails": 1}));
        failing.is_some_and(|first| {
            given.iter().filter(|given| given.request_id == first.request_id).count() == 2
        })
    };

    gateway.given_when(tried_twice).await;
}

#[tokio::test]
async fn schedules_can_be_turned_off() {
    let gateway = Gateway::start_with(&["--schedule-every", "0.01", "--no-schedules"]);

    // Each takes longer than several intervals: a process is started for it.
    for function in ["Probe", "Peer", "Careful", "Clock"] {
        assert_eq!(gateway.invoke(function, "RequestResponse", "{}".to_owned()).await.status(), 200);
    }

    assert!(gateway.given().iter().all(|given| given.event == json!({})), "{:?}", gateway.given());
}
