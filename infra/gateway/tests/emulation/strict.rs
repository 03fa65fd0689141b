//! Strict mode: what AWS may do at any time.

use std::fs;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Gateway, PATIENCE, nothing, until};

/// The letter of a process's state, `T` when it is stopped; none when it is gone.
fn state_of(process: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn process_of(answer: &Value) -> Pid {
    Pid::from_raw(answer["pid"].as_i64().unwrap().try_into().unwrap())
}

#[tokio::test]
async fn an_idle_process_is_stopped_and_goes_on_with_its_next_event() {
    let gateway = Gateway::start(&["--strict=freeze", "--concurrency", "1"]);
    let mut processes = Vec::new();

    for _ in 0..5 {
        let (status, answer) = gateway.post("/", &nothing()).await;
        assert_eq!(status, 200);
        let process = process_of(&answer);
        until("the process is stopped", async || state_of(process) == Some('T')).await;
        processes.push(process);
    }

    processes.dedup();
    assert_eq!(processes.len(), 1, "it is the same process each time");
    drop(gateway);
    assert_eq!(state_of(processes[0]), None, "a stopped process ends with the gateway");
}

#[tokio::test]
async fn a_process_at_work_is_not_stopped() {
    let gateway = Gateway::start(&["--strict=freeze", "--concurrency", "2"]);
    let waiting = json!({"wait": "released"});

    let ((at_work, _), ()) = tokio::join!(gateway.post("/", &waiting), async {
        gateway.given_when(|given| given.len() == 1).await;
        // Another process comes and is stopped meanwhile.
        let (status, answer) = gateway.post("/", &nothing()).await;
        assert_eq!(status, 200);
        until("the other is stopped", async || state_of(process_of(&answer)) == Some('T')).await;
        let busy = gateway.process("Probe", "busy").await;
        assert_ne!(state_of(busy), Some('T'));
        gateway.touch("released");
    });

    assert_eq!(at_work, 200);
}

#[tokio::test]
async fn some_idle_processes_are_ended_and_no_request_notices() {
    let gateway = Gateway::start(&["--strict=recycle", "--strict-seed", "1", "--concurrency", "1"]);
    let deadline = Instant::now() + PATIENCE * 3;
    let mut ended = 0;

    while ended < 2 {
        assert!(Instant::now() < deadline, "no process is ended");
        let (status, answer) = gateway.post("/", &nothing()).await;
        assert_eq!(status, 200);
        let process = process_of(&answer);
        // Longer than a process that is to be ended has left.
        let gone = timeout(Duration::from_millis(1500), async {
            while state_of(process).is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        ended += usize::from(gone.await.is_ok());
    }

    assert!(!gateway.stderr().contains("ended"), "nothing is wrong with it: {}", gateway.stderr());
}

#[tokio::test]
async fn an_event_that_comes_twice_counts_once() {
    let gateway = Gateway::start(&["--strict=duplicate"]);

    gateway.send_event("Probe", &json!({"wait": "released"})).await;
    assert_eq!(gateway.console("").await["asynchronousEvents"], 1);

    gateway.given_when(|given| given.len() == 2).await;
    assert_eq!(gateway.console("").await["asynchronousEvents"], 1);
    gateway.touch("released");
    gateway.settled().await;
}

#[tokio::test]
async fn an_asynchronous_event_comes_twice_and_a_request_does_not() {
    let gateway = Gateway::start(&["--strict=duplicate"]);

    assert_eq!(gateway.post("/", &json!({"marker": "request"})).await.0, 200);
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(gateway.send_event("Peer", &json!({"marker": "event"})).await);
    }
    gateway.settled().await;

    let given = gateway.given();
    assert_eq!(given.len(), 7);
    for request_id in sent {
        assert_eq!(given.iter().filter(|given| given.request_id == request_id).count(), 2);
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(gateway: &Gateway) -> Socket {
    tokio_tungstenite::connect_async(&gateway.websocket_url).await.unwrap().0
}

async fn next(socket: &mut Socket) -> Value {
    let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    serde_json::from_str(frame.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn messages_and_their_answers_overtake_each_other_and_none_is_lost() {
    let gateway = Gateway::start(&["--strict=shuffle"]);
    let mut socket = connect(&gateway).await;

    for marker in 0..30 {
        socket.send(Message::text(json!({"marker": marker}).to_string())).await.unwrap();
    }
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(next(&mut socket).await["marker"].as_i64().unwrap());
    }

    let is_message = |event: &Value| event["requestContext"]["routeKey"] == "$default";
    let given = gateway.given();
    let given = given.iter().filter(|given| is_message(&given.event));
    let given: Vec<Value> =
        given.map(|given| serde_json::from_str(given.event["body"].as_str().unwrap()).unwrap()).collect();
    let sent: Vec<_> = (0..30).map(|marker| json!({"marker": marker})).collect();
    assert_ne!(given, sent);
    assert_eq!(given.len(), 30);
    let in_order: Vec<i64> = (0..30).collect();
    assert_ne!(answers, in_order);
    answers.sort_unstable();
    assert_eq!(answers, in_order);
}

async fn post(gateway: &Gateway, connection: &str, number: usize) {
    let url = format!("{}/ws/@connections/{}", gateway.console_url, connection.replace('=', "%3D"));
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request";
    let frame = json!({ "number": number }).to_string();
    let posted = gateway.http.post(url).header("authorization", signature).body(frame).send().await.unwrap();
    assert_eq!(posted.status(), 200);
}

#[tokio::test]
async fn posts_at_the_same_time_overtake_each_other_and_posts_after_each_other_do_not() {
    let gateway = Gateway::start(&["--strict=shuffle"]);
    let mut socket = connect(&gateway).await;
    socket.send(Message::text("{}")).await.unwrap();
    let connection = next(&mut socket).await["connectionId"].as_str().unwrap().to_owned();
    let in_order: Vec<_> = (0..20).map(|number| json!({ "number": number })).collect();
    let mut received = async || {
        let mut frames = Vec::new();
        for _ in 0..20 {
            frames.push(next(&mut socket).await);
        }
        frames
    };

    for number in 0..20 {
        post(&gateway, &connection, number).await;
    }
    assert_eq!(received().await, in_order);
    join_all((0..20).map(|number| post(&gateway, &connection, number))).await;
    assert_ne!(received().await, in_order);
}

#[tokio::test]
async fn some_ends_of_connections_are_not_told() {
    let gateway = Gateway::start(&["--strict=drop-disconnect"]);

    for _ in 0..20 {
        connect(&gateway).await.close(None).await.unwrap();
    }

    let of_disconnect = |record: &&Value| record["route"] == "$disconnect";
    until("every end is written down", async || gateway.records().iter().filter(of_disconnect).count() == 20)
        .await;
    let records = gateway.records();
    let dropped = records.iter().filter(of_disconnect).filter(|record| record["error"].is_string()).count();
    let told = gateway
        .given()
        .iter()
        .filter(|given| given.event["requestContext"]["routeKey"] == "$disconnect")
        .count();
    assert!((1..20).contains(&dropped), "{dropped} were dropped");
    assert_eq!(told + dropped, 20);
}

#[tokio::test]
async fn strict_alone_is_everything_but_lost_disconnects_and_tells_its_seed() {
    let seeded = Gateway::start(&["--strict", "--strict-seed", "42"]);
    let drawn = Gateway::start(&["--strict"]);

    let said = "strict: freeze,recycle,duplicate,shuffle; --strict-seed ";
    until("the seeds are told", async || {
        seeded.stderr().contains(&format!("{said}42\n")) && drawn.stderr().contains(said)
    })
    .await;
    assert_eq!(seeded.post("/", &nothing()).await.0, 200);
}
