//! Opening a connection, subscribing with it, and what ends it.

use serde_json::{Value, json};
use support::{ALLOWED_ORIGIN, Connection, Handshake, StackOptions, TestChat, about, messages_in, tokens};
use uuid::Uuid;

async fn assert_alive(connection: &mut Connection) {
    connection.ping().await;
}

#[tokio::test]
async fn each_of_four_credentials_opens_a_connection() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let ticket = alice.ticket().await;
    let handshakes = [
        Handshake::new().ticket(&ticket),
        Handshake::new().bearer(&alice.access_token),
        Handshake::new().subprotocol(&alice.access_token),
        Handshake::new().token(&alice.access_token),
    ];

    for handshake in handshakes {
        let mut connection = alice.connect_by(handshake).await;

        assert_alive(&mut connection).await;
    }
}

#[tokio::test]
async fn the_subprotocol_pair_is_answered_with_bearer_alone() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let connection = alice.connect_by(Handshake::new().subprotocol(&alice.access_token)).await;

    assert_eq!(connection.subprotocol.as_deref(), Some("bearer"));
}

#[tokio::test]
async fn without_good_credentials_the_handshake_is_refused() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let forged = tokens::forged(&alice.access_token);
    let handshakes = [
        Handshake::new(),
        Handshake::new().ticket("nonsense"),
        Handshake::new().ticket(&Uuid::new_v4().to_string()),
        Handshake::new().bearer("nonsense"),
        Handshake::new().bearer(&forged),
        Handshake::new().subprotocol(&forged),
        Handshake::new().token(&forged),
        Handshake::new().token(&alice.refresh_token),
    ];

    for handshake in handshakes {
        let described = format!("{handshake:?}");

        let refused = chat.connect(handshake).await;

        assert_eq!(refused.err(), Some(401), "{described}");
    }
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_is_refused() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;

    let foreign =
        chat.connect(Handshake::new().bearer(&alice.access_token).origin("http://evil.example")).await;
    let allowed = chat.connect(Handshake::new().bearer(&alice.access_token).origin(ALLOWED_ORIGIN)).await;

    assert_eq!(foreign.err(), Some(403));
    assert_alive(&mut allowed.unwrap()).await;
}

#[tokio::test]
async fn naming_conversations_in_the_address_subscribes_at_once() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let first = alice.start_conversation_with([&bob]).await;
    let second = alice.start_conversation_with([&bob]).await;
    let handshake = Handshake::new().bearer(&bob.access_token).conversation(&first).conversation(&second);

    let mut phone = bob.connect_by(handshake).await;

    let one = alice.send(&first, "one").await;
    assert_eq!(phone.next_message().await, one);
    let two = alice.send(&second, "two").await;
    assert_eq!(phone.next_message().await, two);
}

#[tokio::test]
async fn naming_a_conversation_one_is_not_in_refuses_the_handshake() {
    let chat = TestChat::start().await;
    let [alice, eve] = chat.users(["alice", "eve"]).await;
    let conversation = alice.start_conversation_with([]).await;

    let refused = chat.connect(Handshake::new().bearer(&eve.access_token).conversation(&conversation)).await;

    assert_eq!(refused.err(), Some(404));
}

#[tokio::test]
async fn no_frame_follows_the_handshake() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    alice.send(&conversation, "before").await;

    let mut phone =
        bob.connect_by(Handshake::new().bearer(&bob.access_token).conversation(&conversation)).await;

    assert_eq!(phone.unread_events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_ping_shows_the_heads_of_what_is_subscribed() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let elsewhere = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;
    let last = alice.send(&conversation, "the last").await;
    alice.send(&elsewhere, "not subscribed").await;

    let pong = phone.ping().await;

    assert_eq!(pong["heads"], json!({conversation.id: last.seq}));
    assert_eq!(pong["resync"], false);
    assert!(
        pong["expires_at"].as_str().is_some_and(|time| time.contains('T') && time.ends_with('Z')),
        "{pong}"
    );
}

#[tokio::test]
async fn a_ref_comes_back_with_its_answer_and_without_one_there_is_none() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;

    connection.send_command(&json!({"type": "ping", "ref": "any string: é"})).await;
    let with_ref = connection.next_event_of("pong").await;
    connection.send_command(&json!({"type": "ping"})).await;
    let without = connection.next_event_of("pong").await;

    assert_eq!(with_ref["ref"], "any string: é");
    assert_eq!(without["ref"], Value::Null);
}

#[tokio::test]
async fn a_ref_that_is_not_text_is_refused() {
    let chat = TestChat::start().await;
    let mut connection = chat.user("alice").await.connect().await;

    for reference in [json!(1), json!(true), json!({})] {
        connection.send_command(&json!({"type": "ping", "ref": reference})).await;
        let error = connection.next_event().await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("INVALID")));
        assert_eq!(error["errors"][0]["field"], "ref");
    }
}

#[tokio::test]
async fn bad_frames_are_answered_with_their_code_and_the_connection_lives() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;
    let bad = [
        ("{\"type\": ", &["INVALID_JSON"][..]),
        ("hello", &["INVALID_JSON"]),
        ("[1, 2]", &["INVALID_JSON", "INVALID"]),
        ("\"text\"", &["INVALID_JSON", "INVALID"]),
        ("7", &["INVALID_JSON", "INVALID"]),
        ("{}", &["INVALID_TYPE", "INVALID"]),
        ("{\"type\": 5}", &["INVALID_TYPE", "INVALID"]),
        ("{\"type\": \"message.shout\"}", &["INVALID_TYPE"]),
        ("{\"type\": \"$default\"}", &["INVALID_TYPE"]),
    ];

    for (frame, codes) in bad {
        connection.send_text(frame.to_owned()).await;

        let error = connection.next_event_of("error").await;

        assert!(codes.contains(&error["code"].as_str().unwrap()), "to {frame}: {error}");
        assert!(error["message"].is_string(), "to {frame}: {error}");
        assert_alive(&mut connection).await;
    }
}

#[tokio::test]
async fn wrong_field_types_are_invalid_and_the_field_is_named() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut connection = alice.connect().await;
    let bad = [
        (json!({"type": "subscribe", "conversations": "all"}), "conversations"),
        (json!({"type": "subscribe", "conversations": {conversation.id.clone(): "newest"}}), "conversations"),
        (json!({"type": "unsubscribe", "conversations": 5}), "conversations"),
        (json!({"type": "history", "conversation_id": 5}), "conversation_id"),
        (json!({"type": "history", "conversation_id": conversation.id, "limit": "many"}), "limit"),
        (json!({"type": "history"}), "conversation_id"),
        (json!({"type": "message.send", "conversation_id": [], "content": "x"}), "conversation_id"),
    ];

    for (command, field) in bad {
        let error = connection.request_refused(command, "INVALID").await;

        let errors = error["errors"].as_array().unwrap_or_else(|| panic!("{error}"));
        assert!(
            errors.iter().any(|error| error["field"].as_str().unwrap().starts_with(field)),
            "{field}: {error}"
        );
        assert_alive(&mut connection).await;
    }
}

#[tokio::test]
async fn an_unknown_conversation_is_not_found_and_the_connection_lives() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;
    let unknown = Uuid::now_v7().to_string();

    for command in [
        json!({"type": "subscribe", "conversations": {unknown.clone(): null}}),
        json!({"type": "history", "conversation_id": unknown}),
        json!({"type": "message.send", "conversation_id": unknown, "content": "hello?"}),
    ] {
        connection.request_refused(command, "NOT_FOUND").await;

        assert_alive(&mut connection).await;
    }
}

#[tokio::test]
async fn a_frame_over_32_kib_closes_the_connection() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;

    connection.send_text(json!({"type": "ping", "padding": "x".repeat(40 * 1024)}).to_string()).await;

    assert_eq!(connection.closed().await, 1009);
}

#[tokio::test]
async fn a_frame_just_under_32_kib_is_answered() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;

    let pong = connection.request(json!({"type": "ping", "padding": "x".repeat(31 * 1024)})).await;

    assert_eq!(pong["type"], "pong");
}

#[tokio::test]
async fn a_binary_frame_closes_the_connection() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;

    connection.send_binary(br#"{"type": "ping"}"#.to_vec()).await;

    assert_eq!(connection.closed().await, 1003);
}

#[tokio::test]
async fn subscribing_answers_with_the_newest_messages_and_ones_role() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let one = alice.send(&conversation, "one").await;
    let two = bob.send(&conversation, "two").await;

    let for_alice = alice.connect().await.subscribe(&conversation).await;
    let for_bob = bob.connect().await.subscribe(&conversation).await;

    assert_eq!(for_alice["role"], "admin");
    assert_eq!(for_bob["role"], "member");
    for answer in [for_alice, for_bob] {
        assert_eq!(messages_in(&answer["messages"]), [one.clone(), two.clone()]);
        assert_eq!(answer["through"], two.seq);
        assert_eq!(answer["complete"], true);
    }
}

#[tokio::test]
async fn one_command_subscribes_to_several_conversations() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let first = alice.start_conversation_with([&bob]).await;
    let second = alice.start_conversation_with([&bob]).await;
    let one = alice.send(&first, "one").await;
    let mut phone = bob.connect().await;

    let command =
        json!({"type": "subscribe", "conversations": {first.id.clone(): null, second.id.clone(): null}});
    let answer = phone.request(command).await;

    assert_eq!(answer["conversations"].as_object().unwrap().len(), 2, "{answer}");
    assert_eq!(messages_in(&answer["conversations"][&first.id]["messages"]), [one]);
    assert_eq!(messages_in(&answer["conversations"][&second.id]["messages"]), []);
    let two = alice.send(&second, "two").await;
    assert_eq!(phone.next_message().await, two);
}

#[tokio::test]
async fn resuming_gives_exactly_what_was_missed() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let seen = alice.send(&conversation, "seen").await;
    let missed = alice.send(&conversation, "missed").await;
    alice.add(&conversation, &carol).await.expect(201);
    let also_missed = carol.send(&conversation, "also missed").await;

    let resumed = bob.connect().await.subscribe_from(&conversation, Some(seen.seq)).await;

    let entries = resumed["messages"].as_array().unwrap();
    assert_eq!(entries.len(), 3, "{resumed}");
    assert_eq!(entries[0]["id"], missed.id.as_str());
    assert_eq!(entries[1]["type"], "participant.added");
    assert_eq!(entries[1]["participant"]["user_id"], carol.id.as_str());
    assert_eq!(entries[1]["seq"], missed.seq + 1);
    assert_eq!(entries[1]["conversation_id"], conversation.id.as_str());
    assert_eq!(entries[2]["id"], also_missed.id.as_str());
    assert_eq!(resumed["through"], also_missed.seq);
    assert_eq!(resumed["complete"], true);
}

#[tokio::test]
async fn resuming_with_nothing_missed_is_complete_and_empty() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let last = alice.send(&conversation, "the last").await;

    let resumed = alice.connect().await.subscribe_from(&conversation, Some(last.seq)).await;

    assert_eq!(resumed["messages"], json!([]));
    assert_eq!(resumed["through"], last.seq);
    assert_eq!(resumed["complete"], true);
}

#[tokio::test]
async fn a_number_that_the_log_never_reached_is_treated_as_none() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let only = alice.send(&conversation, "the only one").await;

    let resumed = alice.connect().await.subscribe_from(&conversation, Some(only.seq + 1000)).await;

    assert_eq!(messages_in(&resumed["messages"]), [only]);
}

#[tokio::test]
async fn after_unsubscribing_no_event_comes() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;
    let mut laptop = bob.connect_to(&conversation).await;

    let answer = phone.request(json!({"type": "unsubscribe", "conversations": [conversation.id]})).await;
    let sent = alice.send(&conversation, "only to the laptop").await;

    assert_eq!(answer["type"], "unsubscribed");
    assert_eq!(laptop.next_message().await, sent);
    assert_eq!(phone.unread_events().await, Vec::<Value>::new());
    assert_eq!(phone.ping().await["heads"], json!({}));
}

#[tokio::test]
async fn history_over_a_connection_goes_both_ways() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut sent = Vec::new();
    for number in 0..5 {
        sent.push(alice.send(&conversation, &format!("number {number}")).await);
    }
    let mut connection = bob.connect().await;
    let mut history = async |arguments: Value| {
        let mut command = json!({"type": "history", "conversation_id": conversation.id});
        command.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        let answer = connection.request(command).await;
        assert_eq!(answer["type"], "history", "{answer}");
        (messages_in(&answer["messages"]), answer["complete"].as_bool().unwrap())
    };

    assert_eq!(history(json!({})).await, (sent.clone(), true));
    assert_eq!(history(json!({"limit": 2})).await, (sent[3..].to_vec(), false));
    assert_eq!(history(json!({"before": sent[3].id, "limit": 2})).await, (sent[1..3].to_vec(), false));
    assert_eq!(history(json!({"before": sent[1].id})).await, (sent[..1].to_vec(), true));
    assert_eq!(history(json!({"after": sent[1].id, "limit": 2})).await, (sent[2..4].to_vec(), false));
    assert_eq!(history(json!({"after": sent[3].id})).await, (sent[4..].to_vec(), true));
}

#[tokio::test]
async fn limits_of_history_over_a_connection_are_checked() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut connection = alice.connect().await;

    for arguments in
        [json!({"limit": 0}), json!({"limit": 101}), json!({"before": "nonsense"}), json!({"after": 5})]
    {
        let mut command = json!({"type": "history", "conversation_id": conversation.id});
        command.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());

        connection.request_refused(command, "INVALID").await;
    }
}

#[tokio::test]
async fn a_closed_connection_harms_nobody() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = bob.connect_to(&conversation).await;
    bob.connect_to(&conversation).await.close().await;
    // Dropped without a closing handshake, as by a lost network.
    drop(bob.connect_to(&conversation).await);

    let sent = alice.send(&conversation, "to whoever is there").await;

    assert_eq!(phone.next_message().await, sent);
}

#[tokio::test]
async fn a_connection_that_the_server_has_forgotten_is_told_and_closed() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let alice = chat.user("alice").await;
    let mut connection = alice.connect().await;

    chat.stack.wipe_redis().await;
    connection.send_command(&json!({"type": "ping", "ref": "lost"})).await;

    let error = connection.next_event_of("error").await;
    assert_eq!(error["code"], "UNAUTHENTICATED");
    assert_eq!(error["ref"], "lost");
    assert_eq!(connection.closed().await, 1000);
}

#[tokio::test]
async fn every_command_over_a_forgotten_connection_is_told_so() {
    let chat = TestChat::alone(StackOptions::default()).await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let sent = alice.send(&conversation, "hello").await;
    let commands = [
        json!({"type": "subscribe", "conversations": {conversation.id.clone(): null}}),
        json!({"type": "history", "conversation_id": conversation.id}),
        json!({"type": "message.send", "conversation_id": conversation.id, "content": "still here"}),
        json!({"type": "message.send", "content": "still here"}),
        about("message.edit", &sent, json!({"content": "changed"})),
        about("message.delete", &sent, json!({})),
        about("message.react", &sent, json!({"emoji": "👍", "on": true})),
        json!({"type": "typing", "conversation_id": conversation.id}),
        about("read", &sent, json!({})),
        json!({"type": "ping"}),
    ];

    for command in commands {
        let mut connection = alice.connect_to(&conversation).await;
        chat.stack.wipe_redis().await;

        connection.send_command(&command).await;

        let error = connection.next_event_of("error").await;
        assert_eq!(error["code"], "UNAUTHENTICATED", "to {command}");
        assert_eq!(connection.closed().await, 1000);
    }
    assert_eq!(alice.history(&conversation).await, [sent]);
}

#[tokio::test]
async fn one_connection_more_than_a_person_may_have_costs_the_oldest() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let mut oldest = alice.connect().await;

    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(alice.connect().await);
    }

    assert_eq!(oldest.closed().await, 1000);
    others[0].ping().await;
    others[19].ping().await;
}

#[tokio::test]
async fn a_page_that_is_too_large_for_a_frame_is_cut_and_says_so() {
    let chat =
        TestChat::alone(StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() })
            .await;
    let alice = chat.user("alice").await;
    let conversation = alice.start_conversation_with([]).await;
    let mut last = 0;
    for _ in 0..20 {
        last = alice.send(&conversation, &"語".repeat(2000)).await.seq;
    }
    let mut connection = alice.connect().await;

    let newest = connection.request(json!({"type": "history", "conversation_id": conversation.id})).await;
    let first = connection
        .request(json!({"type": "history", "conversation_id": conversation.id, "after": "1-0"}))
        .await;

    let (newest_messages, first_messages) =
        (newest["messages"].as_array().unwrap(), first["messages"].as_array().unwrap());
    assert!((10..20).contains(&newest_messages.len()));
    assert_eq!(newest_messages.last().unwrap()["seq"], last);
    assert_eq!(first_messages[0]["seq"], 2);
    assert_eq!((&newest["complete"], &first["complete"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn signing_out_closes_the_connections_of_that_session_and_no_other() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let elsewhere = chat.log_in("email", &alice.email, &alice.password).await.expect(200);
    let mut here = alice.connect().await;
    let other_session = Handshake::new().bearer(elsewhere["access_token"].as_str().unwrap());
    let mut there = alice.connect_by(other_session).await;

    alice.log_out().await.expect(204);

    assert_eq!(here.closed().await, 1000);
    assert_alive(&mut there).await;
}

#[tokio::test]
async fn a_channel_that_does_not_exist_cannot_be_subscribed_to() {
    let chat = TestChat::start().await;
    let alice = chat.user("alice").await;
    let named = Handshake::new().bearer(&alice.access_token).channel("news");

    let refused = chat.connect(named).await;
    let subscription = json!({"type": "subscribe", "channels": {"news": null}});
    let error = alice.connect().await.request_refused(subscription, "NOT_FOUND").await;

    assert_eq!(refused.err(), Some(404));
    assert_eq!(error["errors"][0]["field"], "channels.news");
}

#[test]
fn a_frame_that_the_document_does_not_describe_fails_a_story() {
    let lag = json!({"type": "lag", "conversation_id": "01890a5d-ac96-774b-bcce-b302099a805b", "latest": 3});
    support::check_frame(&lag);

    for (field, value) in [("latest", json!("3")), ("since", json!(1)), ("type", json!("lags"))] {
        let mut other = lag.clone();
        other[field] = value;
        assert!(std::panic::catch_unwind(|| support::check_frame(&other)).is_err(), "{other}");
    }
    let mut less = lag.clone();
    less.as_object_mut().unwrap().remove("latest");
    assert!(std::panic::catch_unwind(|| support::check_frame(&less)).is_err(), "{less}");
}
