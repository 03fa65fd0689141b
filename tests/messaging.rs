//! Sending and receiving.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future;
use serde_json::{Value, json};
use support::{Connection, Conversation, Message, PATIENCE, StackOptions, TestChat, messages_in};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

fn contents(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| &*message.content).collect()
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

/// Everything a subscriber is sent until a message with this content, which is part of it.
async fn messages_until(connection: &mut Connection, content: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.last().is_none_or(|message: &Message| message.content != content) {
        messages.push(connection.next_message().await);
    }
    messages
}

#[tokio::test]
async fn a_message_reaches_every_connected_participant() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut phone = bob.connect_to(&conversation).await;
    let mut laptop = bob.connect_to(&conversation).await;
    let mut tablet = carol.connect_to(&conversation).await;

    let sent = alice.send(&conversation, "hello").await;

    assert_eq!(sent.content, "hello");
    for connection in [&mut phone, &mut laptop, &mut tablet] {
        assert_eq!(connection.next_message().await, sent);
    }
}

#[tokio::test]
async fn a_message_is_acked_to_its_sender_and_received_within_a_second() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut sender = alice.connect_to(&conversation).await;
    let mut watching = bob.connect_to(&conversation).await;
    sender.send(&conversation, "are you there?").await;
    watching.next_message().await;

    let exchange = async {
        let acked = sender.send(&conversation, "good").await;
        (acked, watching.next_message().await)
    };
    let (acked, received) = timeout(Duration::from_secs(1), exchange).await.expect("within a second");

    assert_eq!(received, acked);
    assert_eq!(acked.user_id.as_deref(), Some(&*alice.id));
    assert_eq!(acked.user_name, alice.name);
    assert_eq!(acked.user_email.as_deref(), Some(&*alice.email));
    assert_eq!(acked.conversation_id, conversation.id);
    assert_eq!(acked.metadata, Value::Null);
    assert_eq!(acked.reply_to, None);
    assert_eq!((acked.edited_at, acked.deleted_at, acked.reactions), (None, None, Vec::new()));
}

#[tokio::test]
async fn a_sender_gets_the_message_on_their_other_connections_but_not_on_their_own() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = alice.connect_to(&conversation).await;
    let mut laptop = alice.connect_to(&conversation).await;

    let sent = phone.send(&conversation, "from my phone").await;
    let answer = bob.send(&conversation, "an answer").await;

    assert_eq!(laptop.next_messages(2).await, [sent, answer.clone()]);
    assert_eq!(phone.next_message().await, answer);
}

#[tokio::test]
async fn sending_needs_no_subscription() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut sender = alice.connect().await;
    let mut watching = bob.connect_to(&conversation).await;

    let sent = sender.send(&conversation, "just saying").await;

    assert_eq!(watching.next_message().await, sent);
}

#[tokio::test]
async fn without_a_conversation_id_a_message_goes_to_the_only_subscription() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let first = alice.start_conversation_with([&bob]).await;
    let second = alice.start_conversation_with([&bob]).await;
    let mut connection = alice.connect().await;
    let message = json!({"type": "message.send", "content": "where does this go?"});

    connection.request_refused(message.clone(), "NOT_SUBSCRIBED").await;
    connection.subscribe(&first).await;
    let ack = connection.request(message.clone()).await;
    connection.subscribe(&second).await;
    connection.request_refused(message, "NOT_SUBSCRIBED").await;

    assert_eq!(ack["type"], "ack", "{ack}");
    assert_eq!(ack["message"]["conversation_id"], first.id.as_str());
    assert_eq!(alice.history(&first).await.len(), 1);
    assert_eq!(alice.history(&second).await.len(), 0);
}

#[tokio::test]
async fn the_same_client_id_twice_is_one_message() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut sender = alice.connect().await;
    let mut watching = bob.connect_to(&conversation).await;
    let message = |content: &str| json!({"conversation_id": conversation.id, "content": content, "client_id": "draft-1"});

    let first = sender.send_message(message("the first text")).await;
    let second = sender.send_message(message("another text")).await;
    let marker = sender.send(&conversation, "what follows").await;

    assert_eq!(first["duplicate"], false);
    assert_eq!(second["duplicate"], true);
    assert_eq!(second["message"], first["message"], "the first content wins");
    assert_eq!(first["message"]["client_id"], "draft-1");
    let received = messages_until(&mut watching, "what follows").await;
    assert_eq!(contents(&received), ["the first text", "what follows"]);
    assert_eq!(alice.history(&conversation).await, [Message::read(&first["message"]), marker]);
}

#[tokio::test]
async fn the_same_client_id_over_http_answers_201_and_then_200() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let message = |content: &str| json!({"content": content, "client_id": "draft-1"});

    let first = alice.post_message(&conversation, message("the first text")).await.expect(201);
    let second = alice.post_message(&conversation, message("another text")).await.expect(200);

    assert_eq!(second, first);
    assert_eq!(alice.history(&conversation).await, [Message::read(&first)]);
}

#[tokio::test]
async fn a_client_id_belongs_to_its_sender_and_conversation() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let first = alice.start_conversation_with([&bob]).await;
    let second = alice.start_conversation_with([&bob]).await;
    let message = json!({"content": "hello", "client_id": "1"});

    alice.post_message(&first, message.clone()).await.expect(201);
    bob.post_message(&first, message.clone()).await.expect(201);
    alice.post_message(&second, message).await.expect(201);

    assert_eq!(alice.history(&first).await.len(), 2);
    assert_eq!(alice.history(&second).await.len(), 1);
}

#[tokio::test]
async fn ten_racing_sends_of_one_client_id_are_one_message() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let connections = future::join_all((0..5).map(|_| alice.connect())).await;
    let client_id = Uuid::new_v4().to_string();
    let message = json!({"conversation_id": conversation.id, "content": "once", "client_id": client_id});

    let over_http = future::join_all((0..5).map(|_| alice.post_message(&conversation, message.clone())));
    let over_websockets = future::join_all(
        connections.into_iter().map(async |mut connection| connection.send_message(message.clone()).await),
    );
    let (answers, acks) = future::join(over_http, over_websockets).await;

    let history = alice.history(&conversation).await;
    assert_eq!(contents(&history), ["once"]);
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let originals = acks.iter().filter(|ack| ack["duplicate"] == false).count();
    assert_eq!(created + originals, 1, "one of ten made it");
    for message in answers.iter().map(|answer| &answer.body).chain(acks.iter().map(|ack| &ack["message"])) {
        assert_eq!(Message::read(message), history[0]);
    }
}

#[tokio::test]
async fn a_message_sent_while_a_participant_is_offline_is_there_when_they_return() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = bob.connect_to(&conversation).await;
    let seen = alice.send(&conversation, "see you").await;
    assert_eq!(phone.next_message().await, seen);
    phone.close().await;

    let missed = alice.send(&conversation, "you forgot your keys").await;

    let mut phone = bob.connect().await;
    let resumed = phone.subscribe_from(&conversation, Some(seen.seq)).await;
    assert_eq!(messages_in(&resumed["messages"]), std::slice::from_ref(&missed));
    assert_eq!(resumed["complete"], true);
    assert_eq!(resumed["through"], missed.seq);
    assert_eq!(bob.history(&conversation).await, [seen, missed]);
}

#[tokio::test]
async fn sequence_numbers_rise_one_by_one_and_everybody_sees_the_same() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let start = alice.details(&conversation).await["last_seq"].as_u64().unwrap();
    let mut watching = bob.connect_to(&conversation).await;

    for number in 1..=5 {
        alice.send(&conversation, &format!("number {number}")).await;
    }

    let received = watching.next_messages(5).await;
    assert_eq!(seqs(&received), [start + 1, start + 2, start + 3, start + 4, start + 5]);
    assert_eq!(alice.history(&conversation).await, received);
    assert_eq!(bob.history(&conversation).await, received);
}

#[tokio::test]
async fn two_people_writing_at_once_see_one_order() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut watching = carol.connect_to(&conversation).await;
    let (mut alices, mut bobs) = (alice.connect().await, bob.connect().await);
    let write = async |connection: &mut Connection, who: &str| {
        for number in 0..10 {
            connection.send(&conversation, &format!("{who} {number}")).await;
        }
    };

    future::join(write(&mut alices, "alice"), write(&mut bobs, "bob")).await;

    let history = alice.history(&conversation).await;
    assert_eq!(history.len(), 20);
    assert!(seqs(&history).windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(bob.history(&conversation).await, history);
    // Pushes may overtake each other and may repeat; in the order of their numbers they are the history.
    let mut received = Vec::new();
    while received.len() < 20 {
        let message = watching.next_message().await;
        if !received.contains(&message) {
            received.push(message);
        }
    }
    received.sort_by_key(|message| message.seq);
    assert_eq!(received, history);
    for who in ["alice", "bob"] {
        let own: Vec<_> = contents(&history).into_iter().filter(|content| content.starts_with(who)).collect();
        assert_eq!(own, (0..10).map(|number| format!("{who} {number}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn ones_own_messages_never_come_back_however_many_are_under_way() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut connection = alice.connect_to(&conversation).await;

    for number in 0..200 {
        let message = json!({"type": "message.send", "conversation_id": conversation.id, "content": format!("number {number}")});
        connection.send_command(&message).await;
    }

    // In a burst the ack of a message may come twice.
    let mut acked = HashSet::new();
    while acked.len() < 200 {
        let ack = connection.next_event_of("ack").await;
        acked.insert(ack["message"]["seq"].as_u64().expect("an ack has its message's number"));
    }
    for event in connection.unread_events().await {
        assert_eq!(event["type"], "ack", "{event}");
        assert!(event["message"]["seq"].as_u64().is_some_and(|seq| acked.contains(&seq)), "{event}");
    }
}

#[tokio::test]
async fn a_long_burst_is_pushed_to_its_end() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut watching = bob.connect_to(&conversation).await;
    let connections = future::join_all((0..8).map(|_| alice.connect())).await;
    // Longer than any one invocation pushes for others.
    let until = Instant::now() + Duration::from_secs(2);

    let bursts = connections.into_iter().map(async |mut connection| {
        let mut sent = Vec::new();
        while Instant::now() < until {
            sent.push(connection.send(&conversation, "one of many").await.seq);
        }
        sent
    });
    let (done, all_sent) = oneshot::channel::<HashSet<u64>>();
    let sending = async {
        let sent = future::join_all(bursts).await.into_iter().flatten().collect();
        done.send(sent).expect("the reader waits for it");
    };
    // It reads all the while: a client that does not is told that it lags instead.
    let reading = async {
        let (mut arrived, mut all_sent) = (HashSet::new(), all_sent);
        let mut sent = None;
        while sent.as_ref() != Some(&arrived) {
            tokio::select! {
                message = watching.next_message() => drop(arrived.insert(message.seq)),
                all = &mut all_sent, if sent.is_none() => sent = Some(all.expect("the senders do not fail")),
            }
        }
    };

    future::join(sending, reading).await;
}

#[tokio::test]
async fn a_removed_participant_receives_nothing_more_and_can_send_nothing() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut bobs = bob.connect_to(&conversation).await;
    let mut carols = carol.connect_to(&conversation).await;

    alice.remove(&conversation, &bob).await.expect(204);

    let removed = bobs.next_event_of("participant.removed").await;
    assert_eq!(removed["user_id"], bob.id.as_str());
    assert_eq!(removed["by"], alice.id.as_str());
    assert_eq!(removed["conversation_id"], conversation.id.as_str());
    assert_eq!(carols.next_event_of("participant.removed").await["seq"], removed["seq"]);

    let after = alice.send(&conversation, "bob must not read this").await;

    assert_eq!(carols.next_message().await, after);
    assert_eq!(bobs.unread_events().await, Vec::<Value>::new());
    let attempt =
        json!({"type": "message.send", "conversation_id": conversation.id, "content": "still here"});
    bobs.request_refused(attempt, "NOT_FOUND").await;
    let resubscription = json!({"type": "subscribe", "conversations": {&conversation.id: null}});
    bobs.request_refused(resubscription, "NOT_FOUND").await;
    bob.post_message(&conversation, json!({"content": "still here"})).await.expect_error(404, "not_found");
    bob.get(&conversation.path("/messages")).await.expect_error(404, "not_found");
    assert_eq!(alice.history(&conversation).await, [after]);
}

#[tokio::test]
async fn somebody_who_leaves_receives_nothing_more() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut bobs = bob.connect_to(&conversation).await;
    let mut carols = carol.connect_to(&conversation).await;

    bob.leave(&conversation).await.expect(204);
    let after = alice.send(&conversation, "bob has left").await;

    assert_eq!(bobs.next_event_of("participant.removed").await["by"], bob.id.as_str());
    carols.next_event_of("participant.removed").await;
    assert_eq!(carols.next_message().await, after);
    assert_eq!(bobs.unread_events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn somebody_removed_and_added_again_may_read_and_write_again() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let first = bob.send(&conversation, "first").await;
    alice.remove(&conversation, &bob).await.expect(204);
    let meanwhile = alice.send(&conversation, "meanwhile").await;

    alice.add(&conversation, &bob).await.expect(201);

    let mut phone = bob.connect_to(&conversation).await;
    let back = phone.send(&conversation, "back").await;
    assert_eq!(bob.history(&conversation).await, [first, meanwhile, back]);
}

#[tokio::test]
async fn connected_participants_learn_of_additions_roles_and_renames() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;

    alice.add(&conversation, &carol).await.expect(201);
    alice.change_role(&conversation, &carol, "admin").await.expect(200);
    carol.rename(&conversation, "Carol's").await.expect(200);

    let added = phone.next_event_of("participant.added").await;
    assert_eq!(added["participant"]["user_id"], carol.id.as_str());
    assert_eq!(added["participant"]["user_name"], carol.name.as_str());
    assert_eq!(added["participant"]["role"], "member");
    let promoted = phone.next_event_of("participant.updated").await;
    assert_eq!(promoted["participant"]["user_id"], carol.id.as_str());
    assert_eq!(promoted["participant"]["role"], "admin");
    let renamed = phone.next_event_of("conversation.updated").await;
    assert_eq!(renamed["conversation"], json!({"id": conversation.id, "name": "Carol's"}));
    let seq = |event: &Value| event["seq"].as_u64().unwrap();
    assert_eq!([seq(&promoted), seq(&renamed)], [seq(&added) + 1, seq(&added) + 2]);
}

#[tokio::test]
async fn what_changes_nothing_makes_no_event() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_named_conversation("ours", [&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;

    alice.add(&conversation, &bob).await.expect(200);
    alice.rename(&conversation, "ours").await.expect(200);
    alice.change_role(&conversation, &bob, "member").await.expect(200);
    let marker = alice.send(&conversation, "after all that").await;

    assert_eq!(phone.next_message().await, marker);
}

#[tokio::test]
async fn the_eleventh_message_within_a_minute_is_throttled() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let elsewhere = alice.start_conversation_with([]).await;
    let mut connection = alice.connect().await;
    let message = |number: u32| json!({"content": format!("{number}"), "client_id": format!("{number}")});
    for number in 1..=5 {
        alice.post_message(&conversation, message(number)).await.expect(201);
    }
    for number in 6..=10 {
        let mut message = message(number);
        message["conversation_id"] = json!(conversation.id);
        connection.send_message(message).await;
    }

    let over_http = alice.post_message(&conversation, message(11)).await;
    let mut eleventh = message(11);
    eleventh["type"] = json!("message.send");
    eleventh["conversation_id"] = json!(conversation.id);
    let over_websocket = connection.request_refused(eleventh, "THROTTLED").await;

    let retry_after: u64 = over_http.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after));
    assert!(over_http.header("ratelimit").is_some());
    assert!(over_http.header("ratelimit-policy").is_some());
    let problem = over_http.expect_error(429, "throttled");
    assert_eq!(problem["retry_after"], retry_after);
    assert!(
        over_websocket["retry_after"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds <= 60.0),
        "{over_websocket}"
    );
    let repeated = alice.post_message(&conversation, message(3)).await.expect(200);
    assert_eq!(repeated["content"], "3", "what was accepted is answered, however full the window");
    alice.send(&elsewhere, "another conversation has a window of its own").await;
    assert_eq!(alice.history(&conversation).await.len(), 10);
}

#[tokio::test]
async fn the_throttle_is_exact_when_sends_race() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;

    let racing =
        (0..15).map(|number| alice.post_message(&conversation, json!({"content": format!("{number}")})));
    let answers = future::join_all(racing).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 5);
    assert_eq!(alice.history(&conversation).await.len(), 10);
}

#[tokio::test]
async fn content_metadata_and_client_id_keep_their_limits_over_websockets() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut connection = alice.connect_to(&conversation).await;
    let bad = [
        ("content", json!(""), "INVALID_CONTENT"),
        ("content", json!(" \n\t "), "INVALID_CONTENT"),
        ("content", json!(5), "INVALID_CONTENT"),
        ("content", Value::Null, "INVALID_CONTENT"),
        ("content", json!("é".repeat(2001)), "CONTENT_TOO_LONG"),
        ("metadata", json!({"x": "y".repeat(4096)}), "INVALID"),
        ("metadata", json!([1, 2]), "INVALID"),
        ("client_id", json!("x".repeat(65)), "INVALID"),
        ("client_id", json!(""), "INVALID"),
        ("client_id", json!(1), "INVALID"),
        ("reply_to", json!("nonsense"), "INVALID"),
        ("conversation_id", json!("nonsense"), "INVALID"),
    ];

    for (field, value, code) in bad {
        let mut message =
            json!({"type": "message.send", "conversation_id": conversation.id, "content": "fine"});
        message[field] = value;

        let error = connection.request_refused(message, code).await;

        if code == "INVALID" {
            let errors = error["errors"].as_array().unwrap();
            assert!(errors.iter().any(|error| error["field"] == field), "{error}");
        }
    }
    assert_eq!(alice.history(&conversation).await, []);
}

#[tokio::test]
async fn content_metadata_and_client_id_keep_their_limits_over_http() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let bad = [
        ("content", json!("")),
        ("content", json!("   ")),
        ("content", json!(5)),
        ("content", json!("é".repeat(2001))),
        ("metadata", json!({"x": "y".repeat(4096)})),
        ("metadata", json!("text")),
        ("client_id", json!("x".repeat(65))),
        ("client_id", json!("")),
        ("reply_to", json!("nonsense")),
    ];

    for (field, value) in bad {
        let mut message = json!({"content": "fine"});
        message[field] = value;

        let answer = alice.post_message(&conversation, message).await;

        answer.expect_invalid(field);
    }
    alice.post_message(&conversation, json!({})).await.expect_invalid("content");
    assert_eq!(alice.history(&conversation).await, []);
}

#[tokio::test]
async fn what_just_keeps_the_limits_is_sent_as_it_is() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut watching = bob.connect_to(&conversation).await;
    let content = "🦀".repeat(2000);
    let metadata =
        json!({"colour": "red", "nested": {"list": [1, 2.5, null, true]}, "text": "y".repeat(3900)});
    let client_id = "x".repeat(64);

    let sent = alice
        .post_message(
            &conversation,
            json!({"content": format!("  {content}\n"), "metadata": metadata, "client_id": client_id}),
        )
        .await
        .expect(201);

    assert_eq!(sent["content"], content, "trimmed");
    assert_eq!(sent["metadata"], metadata);
    assert_eq!(sent["client_id"], client_id);
    assert_eq!(watching.next_message().await, Message::read(&sent));
    assert_eq!(bob.history(&conversation).await, [Message::read(&sent)]);
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_too_large_for_a_message() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;

    let answer = alice.post_message(&conversation, json!({"content": "x".repeat(1024 * 1024)})).await;

    answer.expect_error(413, "too_large");
}

#[tokio::test]
async fn a_message_may_answer_another_of_its_conversation() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = bob.connect_to(&conversation).await;
    let question = alice.send(&conversation, "tea or coffee?").await;
    phone.next_message().await;

    let ack = phone
        .send_message(json!({"conversation_id": conversation.id, "content": "tea", "reply_to": question.id}))
        .await;

    assert_eq!(ack["message"]["reply_to"], question.id.as_str());
    assert_eq!(alice.history(&conversation).await[1], Message::read(&ack["message"]));
}

#[tokio::test]
async fn a_conversation_one_is_not_in_cannot_be_told_from_one_that_does_not_exist() {
    let chat = TestChat::start().await;
    let [alice, eve] = chat.users(["alice", "eve"]).await;
    let foreign = alice.start_conversation_with([]).await;
    let missing = Conversation { id: Uuid::now_v7().to_string() };
    let mut connection = eve.connect().await;

    for conversation in [foreign, missing] {
        let send = json!({"type": "message.send", "conversation_id": conversation.id, "content": "hello?"});
        let subscribe = json!({"type": "subscribe", "conversations": {conversation.id.clone(): null}});
        let history = json!({"type": "history", "conversation_id": conversation.id});

        connection.request_refused(send, "NOT_FOUND").await;
        connection.request_refused(subscribe, "NOT_FOUND").await;
        connection.request_refused(history, "NOT_FOUND").await;
    }
}

#[tokio::test]
async fn frames_sent_without_waiting_are_all_answered() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut connection = alice.connect().await;

    for number in 0..8 {
        let content = format!("number {number}");
        let frame = json!({"type": "message.send", "ref": format!("mine-{number}"), "conversation_id": conversation.id, "content": content});
        connection.send_command(&frame).await;
    }
    let mut answered = Vec::new();
    while answered.len() < 8 {
        let ack = timeout(PATIENCE, connection.next_event_of("ack")).await.unwrap();
        assert_eq!(
            ack["message"]["content"].as_str().unwrap().replace("number ", "mine-"),
            ack["ref"].as_str().unwrap()
        );
        answered.push(ack["ref"].as_str().unwrap().to_owned());
    }

    answered.sort();
    answered.dedup();
    assert_eq!(answered.len(), 8);
    assert_eq!(alice.history(&conversation).await.len(), 8);
}
