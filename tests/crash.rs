//! Processes that die while messages flow.

use std::{collections::HashSet, time::Duration};

use futures_util::future;
use serde_json::json;
use support::{Connection, Conversation, Incoming, Message, Stack, StackOptions, TestChat, User};
use tokio::{sync::watch, time::Instant};

const CLIENTS: usize = 3;
const MESSAGES: usize = 60;
const KILLS: usize = 8;

/// Sends until it is acked, with one client id, as clients are asked to.
pub(crate) async fn send_until_acked(
    user: &User,
    connection: &mut Connection,
    conversation: &Conversation,
    client_id: &str,
) -> Message {
    let command = json!({
        "type": "message.send",
        "ref": client_id,
        "conversation_id": conversation.id,
        "content": format!("text of {client_id}"),
        "client_id": client_id,
    });
    let mut refused = Vec::new();
    for _ in 0..20 {
        connection.send_command(&command).await;
        // A function that dies takes its answer along; the platform says so without naming the frame.
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match connection.next_incoming(deadline).await {
                Incoming::Frame(frame) if frame["ref"] == client_id && frame["type"] == "ack" => {
                    return Message::read(&frame["message"]);
                }
                Incoming::Frame(frame) if frame["type"].is_null() || frame["type"] == "error" => {
                    refused.push(frame);
                    break;
                }
                Incoming::Frame(_) => {}
                Incoming::Closed(_) => {
                    *connection = user.connect().await;
                    break;
                }
                Incoming::Nothing => break,
            }
        }
    }
    panic!("{client_id} was never acked: {refused:?}");
}

#[tokio::test]
async fn killing_functions_while_messages_flow_loses_and_doubles_nothing() {
    let options =
        StackOptions { throttle_messages: "off".to_owned(), concurrency: 2, ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let users: [User; CLIENTS] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = users[0].start_conversation_with([&users[1], &users[2]]).await;
    let (progress, mut watched) = watch::channel(0);

    let writing = users.iter().map(async |user| {
        let mut connection = user.connect().await;
        let mut acked = Vec::new();
        for number in 0..MESSAGES {
            let client_id = format!("{}-{number}", user.username);
            acked.push(send_until_acked(user, &mut connection, &conversation, &client_id).await);
            progress.send_modify(|count| *count += 1);
        }
        acked
    });
    let killing = async {
        let mut killed = HashSet::new();
        for kill in 1..=KILLS {
            let enough = kill * CLIENTS * MESSAGES / (KILLS + 1);
            watched.wait_for(|count| *count >= enough).await.unwrap();
            let processes = chat.stack.processes("ws-message").await;
            if let Some(victim) = processes.iter().max_by_key(|process| process.busy) {
                Stack::kill(victim);
                killed.insert(victim.pid);
            }
        }
        killed
    };
    let (acked, killed) = future::join(future::join_all(writing), killing).await;

    let acked: Vec<Message> = acked.into_iter().flatten().collect();
    let mut stored: Vec<Message> = Vec::new();
    let mut query = "?limit=100".to_owned();
    loop {
        let page = users[0].history_page(&conversation, &query).await;
        stored.extend(page.items);
        let Some(next) = page.next else { break };
        query = format!("?limit=100&before={next}");
    }
    let client_ids: HashSet<_> = stored.iter().map(|message| message.client_id.clone().unwrap()).collect();
    assert_eq!(stored.len(), CLIENTS * MESSAGES, "each message is stored once");
    assert_eq!(client_ids.len(), stored.len(), "under its own client id");
    for message in &acked {
        assert!(stored.contains(message), "acked and lost: {message:?}");
    }
    let alive = chat.stack.processes("ws-message").await;
    assert!(killed.len() >= KILLS / 2, "processes were really killed: {killed:?}");
    assert!(alive.iter().all(|process| !killed.contains(&process.pid)), "the killed are gone: {alive:?}");
    let mut connection = users[0].connect_to(&conversation).await;
    connection.send(&conversation, "and new processes serve").await;
}

#[tokio::test]
async fn a_retry_after_a_crash_is_one_message() {
    let options =
        StackOptions { throttle_messages: "off".to_owned(), concurrency: 1, ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut connection = alice.connect().await;
    connection.send(&conversation, "a process is running now").await;

    for number in 0..5 {
        let client_id = format!("crash-{number}");
        let message = json!({"conversation_id": conversation.id, "content": client_id, "client_id": client_id, "type": "message.send"});
        connection.send_command(&message).await;
        for process in chat.stack.processes("ws-message").await {
            Stack::kill(&process);
        }
        send_until_acked(&alice, &mut connection, &conversation, &client_id).await;
    }

    let history = bob.history(&conversation).await;
    let client_ids: Vec<_> = history.iter().filter_map(|message| message.client_id.as_deref()).collect();
    assert_eq!(client_ids, ["crash-0", "crash-1", "crash-2", "crash-3", "crash-4"]);
}
