//! Signing out: what it ends, and how soon.

use std::time::Duration;

use futures_util::future;
use serde_json::{Value, json};
use support::{Connection, Conversation, Handshake, Incoming, PATIENCE, StackOptions, TestChat, User};
use tokio::{join, time::Instant};

/// Opens connections one after the other until that is refused, each subscribed as it is opened or right after.
async fn open_until_refused(chat: &TestChat, user: &User, conversation: &Conversation) -> Vec<Connection> {
    let mut opened = Vec::new();
    // One more than a person may have would close the first.
    while opened.len() < 20 {
        let named = opened.len() % 2 == 0;
        let handshake = Handshake::new().bearer(&user.access_token);
        let handshake = if named { handshake.conversation(conversation) } else { handshake };
        match chat.connect(handshake).await {
            Ok(mut connection) => {
                if !named {
                    let subscription =
                        json!({"type": "subscribe", "conversations": {&conversation.id: null}});
                    connection.send_if_open(&subscription).await;
                }
                opened.push(connection);
            }
            Err(status) => {
                assert_eq!(status, 401, "whoever signed out may not connect");
                break;
            }
        }
    }
    opened
}

/// All that still comes over a connection that should have ended, until it does, asking for more.
async fn rest_of(connection: &mut Connection) -> Vec<Value> {
    connection.send_if_open(&json!({"type": "ping"})).await;
    let mut rest = Vec::new();
    loop {
        match connection.next_incoming(Instant::now() + PATIENCE).await {
            Incoming::Frame(frame) => rest.push(frame),
            Incoming::Closed(_) => return rest,
            Incoming::Nothing => panic!("still open, after {rest:?}"),
        }
    }
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session_and_its_connections() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let elsewhere = alice.signed_in_again().await;
    let mut own = [alice.connect_to(&conversation).await, elsewhere.connect_to(&conversation).await];
    let mut unsubscribed = elsewhere.connect().await;
    let mut others = bob.connect_to(&conversation).await;

    alice.sign_out_everywhere().await.expect(204);

    let after = bob.send(&conversation, "nobody is there").await;
    for connection in &mut own {
        let deadline = Instant::now() + PATIENCE;
        match connection.next_incoming(deadline).await {
            Incoming::Closed(code) => assert_eq!(code, 1000),
            other => panic!("nothing comes before the end: {other:?}"),
        }
    }
    assert_eq!(unsubscribed.closed().await, 1000);
    for session in [&alice, &elsewhere] {
        let handshake = Handshake::new().bearer(&session.access_token);
        assert_eq!(chat.connect(handshake).await.err(), Some(401));
        chat.refresh(&session.refresh_token).await.expect_error(401, "unauthenticated");
    }
    assert_eq!(others.next_message().await, after, "others stay");
    let mut back = alice.signed_in_again().await.connect_to(&conversation).await;
    back.ping().await;
}

#[tokio::test]
async fn signing_out_everywhere_twice_is_harmless() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    alice.sign_out_everywhere().await.expect(204);
    alice.sign_out_everywhere().await.expect(204);

    assert_eq!(alice.get("/api/v1/auth/sessions").await.expect(200)["items"], json!([]));
    alice.signed_in_again().await.connect().await.ping().await;
}

#[tokio::test]
async fn signing_out_everywhere_needs_a_token() {
    let chat = TestChat::start().await;

    let answer = chat.call(reqwest::Method::DELETE, "/api/v1/auth/sessions", None, None).await;

    answer.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn nothing_said_after_signing_out_is_received_not_even_by_who_connected_meanwhile() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let (mut opened_in_all, mut received) = (0, 0);

    for round in 0..30 {
        let session = alice.signed_in_again().await;
        let signing_out = async {
            // Each time a little later, so that every step of a handshake is met by it.
            tokio::time::sleep(Duration::from_millis(round)).await;
            let signed_out = match round % 2 {
                0 => session.sign_out_everywhere().await,
                _ => session.log_out().await,
            };
            signed_out.expect(204);
            bob.send(&conversation, "after").await.seq
        };
        let sending = async {
            for _ in 0..3 {
                bob.send(&conversation, "meanwhile").await;
            }
        };
        let opening = open_until_refused(&chat, &session, &conversation);
        let (after, opened, ()) = join!(signing_out, opening, sending);

        bob.send(&conversation, "long after").await;
        opened_in_all += opened.len();
        let rests = opened.into_iter().map(async |mut connection| rest_of(&mut connection).await);
        for frame in future::join_all(rests).await.into_iter().flatten() {
            assert_ne!(frame["type"], "pong", "round {round}: signed out and still served");
            if let Some(seq) = frame["seq"].as_u64() {
                assert!(seq < after, "round {round}: {frame} was said after {after}");
                received += 1;
            }
        }
    }

    assert!(opened_in_all > 30 && received > 0, "{opened_in_all} connections, {received} messages");
}
