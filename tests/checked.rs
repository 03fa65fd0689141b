//! Many clients at once, held against the log: what no single story can see.

use std::time::Duration;

use checker::{Habits, Plan, Run};
use futures_util::future;
use support::{StackOptions, TestChat};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_come_and_go_all_end_up_with_the_log_itself() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let plan = Plan {
        seed: 6,
        conversations: 6,
        people: 10,
        clients: 12,
        conversations_each: 2,
        messages: Some(3_000),
        habits: Habits {
            window: 4,
            pace: Duration::ZERO,
            resend_after: Duration::from_secs(10),
            straggle: Duration::from_millis(500),
            ping_every: Duration::from_secs(1),
            drop_every: Some(Duration::from_secs(2)),
            away: Duration::from_millis(300),
            sign_out_every: Some(Duration::from_secs(4)),
        },
        churn_every: Some(Duration::from_millis(200)),
        converge_within: Duration::from_secs(30),
    };
    let run = Run::prepare(&chat, plan).await.unwrap();

    let report = run.judged(future::ready(Ok(Vec::new()))).await.unwrap();

    assert!(report.converged && report.violations.is_empty(), "{report}");
    assert_eq!(report.acked, 3_000, "{report}");
    // Otherwise it would have proved less than it says.
    assert!(report.reconnects > 0 && report.sign_outs > 0 && report.membership_changes > 0, "{report}");
    assert!(report.resumed > 0 && report.pushed > report.acked, "{report}");
}
