//! Many more events than processes, some of which die or hang at work.

use futures_util::future::{join_all, pending};
use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Gateway, PATIENCE, until};

const REQUESTS: usize = 500;
const CONNECTIONS: usize = 20;
const MESSAGES: usize = 25;
const KILLS: usize = 8;

async fn connect(gateway: &Gateway) -> WebSocketStream<TcpStream> {
    let address = gateway.websocket_url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(&gateway.websocket_url, stream).await.unwrap().0
}

/// Sends messages and gives the frames that come, one for each; then nothing must be left.
async fn messages(mut socket: WebSocketStream<TcpStream>, connection: usize) -> Vec<Value> {
    for message in 0..MESSAGES {
        let command = json!({"marker": format!("{connection}-{message}")});
        socket.feed(Message::text(command.to_string())).await.unwrap();
    }
    socket.flush().await.unwrap();
    let mut frames = Vec::new();
    for _ in 0..MESSAGES {
        let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        frames.push(serde_json::from_str(frame.to_text().unwrap()).unwrap());
    }
    socket.send(Message::Ping("?".into())).await.unwrap();
    let next = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(next.is_pong(), "one frame too many: {next}");
    frames
}

/// Kills a process at work each time the functions were given some more events, and counts; it never ends.
async fn kill_some(gateway: &Gateway, killed: &mut usize) {
    while *killed < KILLS {
        gateway.given_when(|given| given.len() >= (*killed + 1) * 100).await;
        let process = gateway.process("Probe", "busy").await;
        // It may have been killed before, and be about to be missed.
        let _ = kill(process, Signal::SIGKILL);
        *killed += 1;
    }
    pending::<()>().await;
}

#[tokio::test]
async fn a_thousand_queued_events_are_answered_once_each_while_processes_are_killed() {
    let gateway = Gateway::start(&["--concurrency", "4"]);
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        sockets.push(connect(&gateway).await);
    }

    let requests = (0..REQUESTS).map(async |number| {
        let (status, answer) = gateway.post("/", &json!({"marker": number})).await;
        (number, status, answer)
    });
    let sockets = sockets.into_iter().enumerate().map(|(number, socket)| messages(socket, number));
    let mut killed = 0;
    let all = async { tokio::join!(join_all(requests), join_all(sockets)) };
    let answered = tokio::select! {
        answered = all => Some(answered),
        () = kill_some(&gateway, &mut killed) => None,
    };
    let (answers, frames) = answered.unwrap();

    let mut failed = 0;
    for (number, status, answer) in answers {
        match status {
            200 => assert_eq!(answer["marker"], number),
            500 => failed += 1,
            _ => panic!("{status}: {answer}"),
        }
    }
    for (connection, frames) in frames.into_iter().enumerate() {
        let mut markers: Vec<_> = frames.iter().filter_map(|frame| frame["marker"].as_str()).collect();
        let errors = frames.iter().filter(|frame| frame["message"] == "Internal server error").count();
        assert_eq!(markers.len() + errors, MESSAGES, "{frames:?}");
        assert!(markers.iter().all(|marker| marker.starts_with(&format!("{connection}-"))));
        markers.sort_unstable();
        markers.dedup();
        assert_eq!(markers.len() + errors, MESSAGES, "{frames:?}");
        failed += errors;
    }
    assert!(failed <= killed, "{failed} failed for {killed} killed processes");
    assert!(killed > 0);
}

#[tokio::test]
async fn processes_that_hang_hold_up_a_queue_for_their_timeout_and_lose_nothing_in_it() {
    let gateway = Gateway::start(&["--concurrency", "2"]);

    let answers = join_all((0..100).map(async |number| {
        let hangs = number % 25 == 0;
        let command = if hangs { json!({"wait": "never"}) } else { json!({"marker": number}) };
        let (status, answer) = gateway.post("/peer", &command).await;
        (number, hangs, status, answer)
    }))
    .await;

    for (number, hangs, status, answer) in answers {
        assert_eq!(status, if hangs { 500 } else { 200 }, "{answer}");
        assert!(hangs || answer["marker"] == number);
    }
    let idle_again = async || {
        let console = gateway.console("functions").await;
        let functions = console["functions"].as_array().unwrap();
        let processes = functions.iter().flat_map(|function| function["processes"].as_array().unwrap());
        processes.into_iter().all(|process| process["busy"] == false)
    };
    until("no process is at work any more", idle_again).await;
}
