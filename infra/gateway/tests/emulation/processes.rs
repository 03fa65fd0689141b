//! Processes that die or hang.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{EMULATION, Gateway, Project, nothing, signal};

#[tokio::test]
async fn an_event_that_a_killed_process_had_not_read_goes_to_another() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    assert_eq!(gateway.post("/", &nothing()).await.0, 200);
    let process = gateway.process("Probe", "idle").await;

    signal(process, Signal::SIGSTOP);
    let command = json!({"marker": "kept"});
    let (answer, ()) = tokio::join!(gateway.post("/", &command), async {
        assert_eq!(gateway.process("Probe", "busy").await, process);
        signal(process, Signal::SIGKILL);
    });

    assert_eq!((answer.0, &answer.1["marker"]), (200, &json!("kept")));
    assert_ne!(answer.1["pid"], process.as_raw());
}

#[tokio::test]
async fn killing_idle_processes_fails_no_request() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    assert_eq!(gateway.post("/", &nothing()).await.0, 200);

    for _ in 0..20 {
        let process = gateway.process("Probe", "idle").await;
        signal(process, Signal::SIGKILL);
        let (status, answer) = gateway.post("/", &nothing()).await;
        assert_eq!(status, 200, "{answer}");
        assert_ne!(answer["pid"], process.as_raw());
    }
}

#[tokio::test]
async fn a_process_killed_at_work_fails_that_request_and_no_other() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    let (at_work, queued) = (json!({"wait": "never"}), json!({"marker": "queued"}));

    let (failed, answered) = tokio::join!(gateway.post("/", &at_work), async {
        gateway.given_when(|given| given.len() == 1).await;
        let process = gateway.process("Probe", "busy").await;
        let (answered, ()) = tokio::join!(gateway.post("/", &queued), async {
            signal(process, Signal::SIGKILL);
        });
        answered
    });

    assert_eq!(failed.0, 500);
    assert_eq!((answered.0, &answered.1["marker"]), (200, &json!("queued")));
    assert_eq!(gateway.given().len(), 2);
}

#[tokio::test]
async fn a_process_killed_while_it_starts_is_replaced_before_anything_fails() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    gateway.touch("hold-starts");

    let command = nothing();
    let (answer, ()) = tokio::join!(gateway.post("/", &command), async {
        signal(gateway.process("Probe", "starting").await, Signal::SIGKILL);
        gateway.remove("hold-starts");
    });

    assert_eq!(answer.0, 200);
}

#[tokio::test]
async fn a_process_that_hangs_after_its_answer_is_replaced() {
    let gateway = Gateway::start(&["--concurrency", "1"]);

    let (status, hung) = gateway.post("/peer", &json!({"hangs": true})).await;
    assert_eq!(status, 200);
    let (status, next) = gateway.post("/peer", &nothing()).await;

    assert_eq!(status, 200);
    assert_ne!(hung["pid"], next["pid"]);
    assert!(hung["pid"].as_i64() > Some(0) && next["pid"] != Value::Null);
}

#[tokio::test]
async fn a_binary_is_found_where_cargo_lambda_and_sam_lay_it() {
    for folder in ["probe", "Probe"] {
        let functions =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("laid-out-{folder}-{}", std::process::id()));
        fs::create_dir_all(functions.join(folder)).unwrap();
        symlink(Path::new(EMULATION.functions).join("probe"), functions.join(folder).join("bootstrap"))
            .unwrap();
        let project = Project { functions: functions.to_str().unwrap(), ..EMULATION };

        let gateway = Gateway::of(&project, &["--no-schedules"]);

        assert_eq!(gateway.post("/", &nothing()).await.0, 200, "{folder}");
        fs::remove_dir_all(functions).unwrap();
    }
}

#[cfg(target_os = "linux")] // Elsewhere a machine has one loopback address only.
#[tokio::test]
async fn the_apis_listen_where_they_are_asked_to_and_the_console_does_not() {
    let everywhere = Gateway::start(&["--listen", "0.0.0.0"]);
    let here = Gateway::start(&[]);
    let at_another = |url: &str| {
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap_or_default();
        everywhere.http.post(format!("http://127.0.0.2:{port}/")).json(&nothing()).send()
    };

    assert_eq!(at_another(&everywhere.url).await.unwrap().status(), 200);
    assert!(at_another(&everywhere.console_url).await.unwrap_err().is_connect());
    assert!(at_another(&here.url).await.unwrap_err().is_connect());
}
