//! The checker bites: of a handler with a fault it reports the promise that is broken, and of the same run without the
//! fault it reports nothing.

use std::time::Duration;

use checker::{Habits, Plan, Promise, Report, Run};
use futures_util::future;
use support::{StackOptions, TestChat};

/// A run in which `planted` stands in for `ws-message`.
async fn run(fault: &str) -> Report {
    let script = format!(r#"PLANTED_FAULT={fault} exec "${{0%/*}}/planted" "$@""#);
    let options = StackOptions {
        throttle_messages: "off".to_owned(),
        concurrency: 2,
        stand_ins: vec![("ws-message", script)],
        ..StackOptions::default()
    };
    let chat = TestChat::alone(options).await;
    let plan = Plan {
        seed: 7,
        conversations: 24,
        people: 8,
        clients: 8,
        conversations_each: 8,
        messages: Some(400),
        habits: Habits {
            window: 2,
            pace: Duration::from_millis(80),
            resend_after: Duration::from_secs(10),
            straggle: Duration::from_millis(50),
            ping_every: Duration::from_secs(1),
            drop_every: None,
            away: Duration::ZERO,
            sign_out_every: None,
        },
        churn_every: Some(Duration::from_millis(400)),
        // Some faults leave clients without something for good; without a fault a busy machine may take its time.
        converge_within: Duration::from_secs(if fault == "none" { 60 } else { 4 }),
    };
    let run = Run::prepare(&chat, plan).await.unwrap();
    run.judged(future::ready(Ok(Vec::new()))).await.unwrap()
}

#[track_caller]
fn assert_reported(report: &Report, promise: Promise) {
    println!("{report}");
    assert!(report.violations.iter().any(|violation| violation.promise == promise), "{report}");
}

#[tokio::test]
async fn the_checker_reports_nothing_of_a_planted_handler_without_a_fault() {
    let report = run("none").await;

    println!("{report}");
    assert!(report.converged && report.violations.is_empty(), "{report}");
    assert!(report.membership_changes > 0, "{report}");
}

#[tokio::test]
async fn the_checker_reports_an_ack_before_the_commit() {
    let report = run("ack-before-commit").await;

    assert_reported(&report, Promise::AckMeansDurable);
}

#[tokio::test]
async fn the_checker_reports_a_push_before_the_commit() {
    let report = run("push-before-commit").await;

    assert_reported(&report, Promise::DurableBeforeVisible);
}

#[tokio::test]
async fn the_checker_reports_what_is_never_folded_forward() {
    let report = run("no-fold-forward").await;

    assert_reported(&report, Promise::OneOrder);
}

#[tokio::test]
async fn the_checker_reports_a_registration_that_a_removal_left() {
    let report = run("registry-kept").await;

    assert_reported(&report, Promise::RemovalIsImmediate);
}

#[tokio::test]
async fn the_checker_reports_a_dropped_push_of_which_no_pong_tells() {
    let report = run("dropped-push").await;

    assert_reported(&report, Promise::NoSilentGap);
}
