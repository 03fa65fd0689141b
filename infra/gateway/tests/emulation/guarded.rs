//! What a function and a page may do to the gateway.

use std::fs;

use futures_util::future::join_all;
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Gateway, nothing, until};

/// The Runtime API's address of a process, as the process was given it.
fn runtime_api(process: Pid) -> String {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap();
    let variables =
        environment.split(|byte| *byte == 0).map(|variable| String::from_utf8_lossy(variable).into_owned());
    let mut address =
        variables.filter_map(|variable| Some(variable.strip_prefix("AWS_LAMBDA_RUNTIME_API=")?.to_owned()));
    address.next_back().unwrap()
}

#[tokio::test]
async fn no_page_takes_an_event_from_a_function() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    assert_eq!(gateway.post("/", &nothing()).await.0, 200);
    let process = gateway.process("Probe", "idle").await;
    let address = runtime_api(process);
    let next = || gateway.http.get(format!("http://{address}/2018-06-01/runtime/invocation/next"));

    for (name, value) in [
        ("host", "evil.example"),
        ("host", "localhost"),
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        assert_eq!(next().header(name, value).send().await.unwrap().status(), 403, "{name}: {value}");
    }

    let (status, answer) = gateway.post("/", &json!({"marker": "mine"})).await;
    assert_eq!((status, &answer["marker"], &answer["pid"]), (200, &json!("mine"), &json!(process.as_raw())));
}

#[tokio::test]
async fn each_process_is_given_an_address_of_its_own_as_a_host_and_a_port() {
    let gateway = Gateway::start(&["--concurrency", "2"]);
    let (slow, quick) = (json!({"wait": "go"}), nothing());
    let (first, second) = tokio::join!(gateway.post("/", &slow), async {
        gateway.given_when(|given| given.len() == 1).await;
        let second = gateway.post("/", &quick).await;
        gateway.touch("go");
        second
    });

    let [first, second] = [first, second].map(|(_, answer)| {
        let pid = answer["pid"].as_i64().unwrap();
        runtime_api(Pid::from_raw(pid.try_into().unwrap()))
    });
    assert_ne!(first, second);
    for address in [first, second] {
        let port = address.strip_prefix("127.0.0.1:").unwrap();
        assert!(port.parse::<u16>().is_ok(), "{address}");
    }
}

#[tokio::test]
async fn a_line_without_an_end_does_not_stay_in_memory_and_the_next_is_told() {
    let gateway = Gateway::start(&[]);

    let (status, _) = gateway.post("/", &json!({"flood": 128 << 20})).await;

    assert_eq!(status, 200);
    let log = gateway.logs().join("Probe.jsonl");
    until("what is printed after it is told", async || {
        fs::read_to_string(&log).unwrap_or_default().ends_with("after it\n")
    })
    .await;
    let longest = fs::read_to_string(&log).unwrap().lines().map(str::len).max().unwrap();
    assert_eq!(longest, 256 * 1024);
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident < 100 * 1024, "{resident} KiB");
}

#[tokio::test]
async fn what_waits_is_bounded_and_what_finds_no_room_is_throttled() {
    // 256 MiB in all, of 5 MiB and a little each.
    const ROOM: usize = 51;
    let gateway = Gateway::start(&["--concurrency", "1"]);
    let large = json!({"wait": "go", "padding": "x".repeat(5 << 20)}).to_string();
    let invoke = || gateway.invoke("Probe", "RequestResponse", large.clone());
    let is_throttled = |error: &str| error.contains("TooManyRequestsException");

    let (answers, ()) = tokio::join!(join_all((0..ROOM + 9).map(|_| invoke())), async {
        until("nine are refused", async || {
            let records = gateway.records();
            records.iter().filter(|record| record["error"].as_str().is_some_and(is_throttled)).count() == 9
        })
        .await;
        gateway.touch("go");
    });

    let mut refused = 0;
    for answer in answers {
        refused += usize::from(is_throttled(&answer.text().await.unwrap()));
    }
    assert_eq!(refused, 9);
    assert_eq!(gateway.post("/", &nothing()).await.0, 200, "there is room again");
}
