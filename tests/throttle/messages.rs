//! How many messages somebody may send, exactly.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{Accepted, assert_exact};

use futures_util::future;
use serde_json::{Value, json};
use support::{Connection, Conversation, StackOptions, TestChat, User};

const MOST: usize = 20;
const WINDOW: Duration = Duration::from_secs(2);
const TRIES: usize = 20_000;
const SENDERS: usize = 32;

/// Somebody who sends as fast as the answers come.
enum Sender {
    OverHttp,
    OverWebSocket(Box<Connection>),
}

impl Sender {
    /// The message and whether it was there already; none when it was throttled.
    async fn send(
        &mut self,
        user: &User,
        conversation: &Conversation,
        client_id: &str,
    ) -> Option<(Value, bool)> {
        match self {
            Self::OverHttp => {
                let message = json!({"content": client_id, "client_id": client_id});
                let answer = user.post_message(conversation, message).await;
                match answer.status {
                    429 => {
                        answer.expect_error(429, "throttled");
                        None
                    }
                    200 => Some((answer.expect(200), true)),
                    _ => Some((answer.expect(201), false)),
                }
            }
            Self::OverWebSocket(connection) => {
                let command = json!({
                    "type": "message.send",
                    "conversation_id": conversation.id,
                    "content": client_id,
                    "client_id": client_id,
                });
                let mut answer = connection.request(command).await;
                if answer["type"] == "error" {
                    assert_eq!(answer["code"], "THROTTLED", "{answer}");
                    return None;
                }
                assert_eq!(answer["type"], "ack", "{answer}");
                Some((answer["message"].take(), answer["duplicate"] == true))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttles_are_exact_in_every_sliding_window_under_any_concurrency() {
    let throttle_messages = format!("{MOST}/{}", WINDOW.as_secs());
    let chat = TestChat::alone(StackOptions { throttle_messages, ..StackOptions::default() }).await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        senders.push(match number % 2 {
            0 => Sender::OverHttp,
            _ => Sender::OverWebSocket(Box::new(alice.connect().await)),
        });
    }
    let elsewhere = alice.start_conversation_with([]).await;
    let warming_up = senders.iter_mut().map(|sender| sender.send(&alice, &elsewhere, "so that all are warm"));
    future::join_all(warming_up).await;
    let (alice, conversation, tries) = (&alice, &conversation, &AtomicUsize::new(0));

    let began = Instant::now();
    let sending = senders.into_iter().map(async |mut sender| {
        let mut accepted = Vec::new();
        loop {
            let number = tries.fetch_add(1, Ordering::Relaxed);
            if number >= TRIES {
                return accepted;
            }
            let client_id = format!("try-{number}");
            let asked = Instant::now();
            let Some((message, duplicate)) = sender.send(alice, conversation, &client_id).await else {
                continue;
            };
            accepted.push(Accepted { asked, answered: Instant::now() });
            assert!(!duplicate, "{message}");
            let repeated = sender.send(alice, conversation, &client_id).await;
            assert_eq!(
                repeated,
                Some((message, true)),
                "what was accepted is answered, however full the window"
            );
        }
    });
    let mut accepted: Vec<Accepted> = future::join_all(sending).await.into_iter().flatten().collect();
    let took = began.elapsed();

    assert_exact(&mut accepted, MOST, WINDOW);
    let created = created(&chat, conversation).await;
    assert_eq!(created.len(), accepted.len(), "what was accepted is stored, and nothing else");
    let longest = accepted.iter().map(|one| one.answered - one.asked).max().unwrap();
    assert!(longest < WINDOW, "{longest:?}: what follows would prove nothing");
    // A message is stored after it was let through, by at most as long as its answer took.
    for (first, one_too_many) in created.iter().zip(&created[MOST..]) {
        assert!(
            *one_too_many + longest >= *first + WINDOW,
            "{MOST} and one from {first:?} to {one_too_many:?}"
        );
    }
    // Had refusals cost anything, senders who never wait would have been let through once.
    let windows = |length: Duration| usize::try_from(took.as_millis() / length.as_millis()).unwrap();
    let (least, most) = (MOST * windows(WINDOW + longest), MOST * (windows(WINDOW) + 1));
    assert!((least..=most).contains(&accepted.len()), "{} of {least} to {most} in {took:?}", accepted.len());
}

/// When each message was stored, since some moment, in order.
async fn created(chat: &TestChat, conversation: &Conversation) -> Vec<Duration> {
    let postgres = chat.stack.postgres_connection(None).await;
    let query = "select (extract(epoch from created_at) * 1000000)::bigint from entries
        where conversation_id = $1::text::uuid and kind = 'message' order by created_at";
    let rows = postgres.query(query, &[&conversation.id]).await.unwrap();
    rows.iter().map(|row| Duration::from_micros(row.get::<_, i64>(0).unsigned_abs())).collect()
}
