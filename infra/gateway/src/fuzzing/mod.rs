//! Random inputs for all that reads what others wrote: `make fuzz` runs a million of each kind, `make test` a few.
//!
//! The kinds are events, paths, templates and frames; the tests beside the parts share the inputs of their kind. A
//! failure prints the smallest input that still fails. What was found is kept as ordinary tests.

mod events;
mod paths;
mod responses;

use std::sync::OnceLock;
use std::time::Instant;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// The inputs of each kind in an ordinary test run, and the seed they are drawn by.
const FEW: u32 = 1_500;
const SEED: u64 = 1;

/// How many inputs there are of each kind, and the seed they are drawn by: those of an ordinary test run, or as
/// `FUZZ_INPUTS` says and by a seed that is drawn, unless `FUZZ_SEED` says that, too.
#[expect(clippy::disallowed_methods, reason = "the one place where the fuzzers are set")]
fn settings() -> (u32, u64) {
    static SETTINGS: OnceLock<(u32, u64)> = OnceLock::new();
    *SETTINGS.get_or_init(|| {
        let number = |name: &str| Some(std::env::var(name).ok()?.parse().expect("must be a number"));
        let inputs = number("FUZZ_INPUTS");
        let drawn = || if inputs.is_some() { rand::random() } else { SEED };
        let seed = number("FUZZ_SEED").unwrap_or_else(drawn);
        (inputs.map_or(FEW, |inputs| u32::try_from(inputs).expect("must be less than 2^32")), seed)
    })
}

/// Runs a check on its share, in percent, of the inputs of its kind.
pub(crate) fn fuzz<S: Strategy>(name: &str, share: u32, inputs: &S, check: impl Fn(S::Value)) {
    let (number, seed) = settings();
    let config = Config {
        cases: (number / 100 * share).max(1),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 10_000,
        ..Config::default()
    };
    let cases = config.cases;
    let begun = Instant::now();
    let result = TestRunner::new(config).run(inputs, |input| {
        check(input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{name}, FUZZ_SEED={seed}: {failure}");
    }
    println!("fuzz {name}: {cases} inputs, FUZZ_SEED={seed}, {:.1} s", begun.elapsed().as_secs_f64());
}
