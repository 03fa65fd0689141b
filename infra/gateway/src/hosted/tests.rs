use super::lifecycle::FIRST_BACKOFF;
use super::*;
use crate::functions::Functions;

fn function(executable: &str) -> Arc<Function> {
    let launch = Launch {
        name: "Test".into(),
        executable: executable.into(),
        arn: "arn".to_owned(),
        timeout: Duration::from_secs(1),
        environment: BTreeMap::new(),
        concurrency: 2,
        strict: Arc::default(),
    };
    let (journal, _) = Journal::open(None, true).unwrap();
    Function::new(launch, journal, CancellationToken::new(), TaskTracker::new())
}

async fn error(functions: &Functions) -> String {
    let pending = functions.submit(0, Bytes::from_static(b"{}"), "Root=1-0-0", Duration::from_secs(5));
    let error = pending.answer().await.unwrap().result.unwrap_err();
    String::from_utf8(error.to_vec()).unwrap()
}

#[tokio::test]
async fn a_process_that_ends_in_its_init_phase_fails_the_invocation_that_waits() {
    let functions = Functions::Hosted(vec![function("/bin/false")]);
    let pending = functions.submit(0, Bytes::from_static(b"{}"), "Root=1-0-0", Duration::from_secs(5));

    let answer = pending.answer().await.unwrap();

    assert!(String::from_utf8_lossy(&answer.result.unwrap_err()).contains("exit status: 1"));
    assert!(answer.execution.init.is_some(), "it was a cold start");
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let functions = Functions::Hosted(vec![function("/nonexistent/binary")]);

    assert!(error(&functions).await.contains("/nonexistent/binary"));
}

#[tokio::test]
async fn each_failed_start_waits_longer_than_the_one_before() {
    let functions = Functions::Hosted(vec![function("/nonexistent/binary")]);
    let begun = Instant::now();

    for _ in 0..3 {
        error(&functions).await;
    }

    assert!(begun.elapsed() >= FIRST_BACKOFF * 3);
}

#[tokio::test]
async fn an_invocation_nobody_takes_times_out_with_its_integration() {
    let functions = Functions::Hosted(vec![function("/bin/false")]);

    let pending = functions.submit(0, Bytes::from_static(b"{}"), "Root=1-0-0", Duration::ZERO);

    assert!(pending.answer().await.is_none());
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_does_not_fill_the_queue() {
    let function = function("/bin/false");
    let functions = Functions::Hosted(vec![Arc::clone(&function)]);

    for _ in 0..10_000 {
        drop(functions.submit(0, Bytes::from_static(b"{}"), "Root=1-0-0", Duration::ZERO));
    }

    assert!(function.lock().waiting.len() < 100);
}
