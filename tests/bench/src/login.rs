//! Signing in with a wrong password: whether the time tells that there is no such account.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use support::TestChat;

use crate::{heading, line, percentile, spread};

const WRONG_PASSWORD: &str = "Not-The-Password-1";
/// First ones, which open the connection and start the processes.
const UNCOUNTED: usize = 20;

/// Measures and prints.
pub(crate) async fn measure(chat: &TestChat, attempts: usize) -> Result<()> {
    heading(&format!("Sign-in with a wrong password, {attempts} of each, one at a time and by turns"));
    let alice = chat.user("alice").await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..UNCOUNTED + attempts {
        // As long as the address that there is, and another one each time.
        let nobody = format!("{number:05}{}", &alice.email[5..]);
        // Who comes first changes, so that no order is of advantage.
        let turns = if number % 2 == 0 { [true, false] } else { [false, true] };
        for is_known in turns {
            let asked = Instant::now();
            let answer =
                chat.log_in("email", if is_known { &alice.email } else { &nobody }, WRONG_PASSWORD).await;
            let took = asked.elapsed();
            ensure!(answer.status == 401, "a wrong password is answered {}", answer.status);
            if number >= UNCOUNTED {
                let taken = if is_known { &mut known } else { &mut unknown };
                taken.push(took);
            }
        }
    }
    known.sort_unstable();
    unknown.sort_unstable();
    line("of an account", &spread(&known));
    line("of none", &spread(&unknown));
    line("difference of the medians", &format!("{:+.1} % (aim within 5 %)", difference(&known, &unknown)));
    Ok(())
}

/// By how many percent the median of the sorted second is above that of the first.
fn difference(first: &[Duration], second: &[Duration]) -> f64 {
    let median = |durations| percentile(durations, 0.5).as_secs_f64();
    (median(second) / median(first) - 1.0) * 100.0
}
