//! Who may do what how often.

mod commands;
mod messages;
mod requests;

use std::time::{Duration, Instant};

use support::{StackOptions, TestChat};

/// When something was let through: at some moment between these two.
#[derive(Clone, Copy)]
struct Accepted {
    asked: Instant,
    answered: Instant,
}

/// No window that is certain to hold them holds more than allowed.
fn assert_exact(accepted: &mut [Accepted], most: usize, window: Duration) {
    // Clocks that are being set run a little faster or slower than each other.
    let window = window.checked_sub(Duration::from_millis(5)).unwrap();
    accepted.sort_by_key(|one| one.asked);
    for (number, first) in accepted.iter().enumerate() {
        let following = accepted[number..].iter().take_while(|one| one.asked < first.asked + window);
        let certain = following.filter(|one| one.answered < first.asked + window).count();
        assert!(certain <= most, "{certain} in {window:?}");
    }
}

/// A chat of one's own with these throttles.
async fn throttled<const N: usize>(throttles: [(&'static str, &str); N]) -> TestChat {
    let throttles = throttles.map(|(throttle, windows)| (throttle, windows.to_owned())).to_vec();
    TestChat::alone(StackOptions { throttles, ..StackOptions::default() }).await
}
