//! Recipients that are slow or gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use futures_util::future;
use redis::AsyncCommands as _;
use serde_json::Value;
use support::{Connection, Conversation, PATIENCE, StackOptions, TestChat, User, messages_in};
use tokio::time::{interval, timeout};
use uuid::Uuid;

/// Registers connections that ended long ago without a `$disconnect`, and gives their ids.
pub(crate) async fn register_dead(
    chat: &TestChat,
    conversation: &Conversation,
    users: [&User; 2],
    count: usize,
) -> BTreeSet<String> {
    let key = chat.stack.redis_key(conversation, "connections").await;
    let mut redis = chat.stack.redis().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut dead = BTreeSet::new();
    for (number, user) in users.iter().cycle().take(count).enumerate() {
        let id = URL_SAFE.encode(&Uuid::new_v4().as_bytes()[..11]);
        let (session, connected_at, expires_at) = (Uuid::new_v4(), now - 60_000, now + 3_600_000);
        let registration = format!("{}|{session}|{connected_at}|{expires_at}|{number}", user.id);
        let () = redis.hset(&key, &id, registration).await.unwrap();
        dead.insert(id);
    }
    dead
}

async fn registered(chat: &TestChat, conversation: &Conversation) -> BTreeSet<String> {
    let key = chat.stack.redis_key(conversation, "connections").await;
    chat.stack.redis().await.hkeys(key).await.unwrap()
}

#[tokio::test]
async fn one_slow_or_dead_recipient_harms_nobody_not_even_forty_of_them() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut phone = alice.connect().await;
    let mut live = Vec::new();
    for user in [&bob, &carol].into_iter().cycle().take(40) {
        live.push(user.connect_to(&conversation).await);
    }
    let dead = register_dead(&chat, &conversation, [&bob, &carol], 40).await;
    assert_eq!(registered(&chat, &conversation).await.len(), 80, "half of them are gone");

    let sent = phone.send(&conversation, "to whoever is there").await;

    for connection in &mut live {
        assert_eq!(connection.next_message().await, sent);
    }
    let healed = async {
        let mut again = interval(Duration::from_millis(20));
        while !registered(&chat, &conversation).await.is_disjoint(&dead) {
            again.tick().await;
        }
    };
    timeout(PATIENCE, healed).await.expect("one message has cleared the registry of the dead");
    assert_eq!(registered(&chat, &conversation).await.len(), 40, "and only of them");
    let next = phone.send(&conversation, "again").await;
    for connection in &mut live {
        assert_eq!(connection.next_message().await, next);
    }
}

/// How many `$disconnect` the gateway says it has lost.
pub(crate) fn lost_disconnects(chat: &TestChat) -> usize {
    let records = fs::read_to_string(chat.stack.logs().join("gateway.jsonl")).unwrap_or_default();
    records.lines().filter(|record| record.contains("dropped, as --strict=drop-disconnect says")).count()
}

/// Puts back the time at which all connections were registered, as if that had been a minute ago.
pub(crate) async fn a_minute_later(chat: &TestChat, conversation: &Conversation) {
    let key = chat.stack.redis_key(conversation, "connections").await;
    let mut redis = chat.stack.redis().await;
    let registrations: BTreeMap<String, String> = redis.hgetall(&key).await.unwrap();
    for (id, registration) in registrations {
        let mut parts: Vec<_> = registration.split('|').map(str::to_owned).collect();
        parts[2] = (parts[2].parse::<u64>().unwrap() - 60_000).to_string();
        let () = redis.hset(&key, &id, parts.join("|")).await.unwrap();
    }
}

#[tokio::test]
async fn a_disconnect_that_is_never_told_is_healed_by_the_next_message() {
    let options = StackOptions { strict: Some("drop-disconnect"), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    let mut phone = alice.connect_to(&conversation).await;
    let first = phone.send(&conversation, "before you leave").await;
    let mut leaving = Vec::new();
    for _ in 0..16 {
        leaving.push(bob.connect_to(&conversation).await);
    }
    future::join_all(leaving.into_iter().map(Connection::close)).await;
    let online = async || {
        let presence = alice.get(&conversation.path("/presence")).await.expect(200);
        let of_bob =
            presence["items"].as_array().unwrap().iter().find(|one| one["user_id"] == bob.id.as_str());
        of_bob.unwrap()["online"].clone()
    };
    let left = async {
        let mut again = interval(Duration::from_millis(20));
        while registered(&chat, &conversation).await.len() != 1 + lost_disconnects(&chat) {
            again.tick().await;
        }
    };
    timeout(PATIENCE, left).await.expect("whoever was told of has left");
    assert!((1..16).contains(&lost_disconnects(&chat)), "{}", lost_disconnects(&chat));
    assert_eq!(online().await, true, "nobody knows better yet");

    a_minute_later(&chat, &conversation).await;
    let second = phone.send(&conversation, "after you have left").await;

    let healed = async {
        let mut again = interval(Duration::from_millis(20));
        while registered(&chat, &conversation).await.len() != 1 || online().await == true {
            again.tick().await;
        }
    };
    timeout(PATIENCE, healed).await.expect("one message has cleared the registry of who has left");
    let mut back = bob.connect().await;
    let answer = back.subscribe_from(&conversation, Some(first.seq)).await;
    assert_eq!(messages_in(&answer["messages"]), [second]);
    let third = phone.send(&conversation, "welcome back").await;
    assert_eq!(back.next_message().await, third);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_that_does_not_read_delays_nobody_and_learns_that_it_lags() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let mut reading_nothing = bob.connect_to(&conversation).await;
    let mut watching = carol.connect_to(&conversation).await;
    let writers = future::join_all((0..4).map(|_| alice.connect())).await;
    // More than the sockets on the way and the platform hold for somebody.
    let content = "語".repeat(2000);

    let writing = writers.into_iter().map(async |mut writer| {
        for _ in 0..400 {
            writer.send(&conversation, &content).await;
        }
    });
    let reading = async {
        let mut read = BTreeSet::new();
        while read.len() < 1600 {
            read.insert(watching.next_message().await.seq);
        }
    };
    future::join(future::join_all(writing), reading).await;

    let mut received = BTreeSet::new();
    let lagging = async {
        loop {
            let event = reading_nothing.next_event().await;
            if event["type"] == "lag" {
                break event;
            }
            received.insert(event["seq"].as_u64().unwrap());
        }
    };
    let waking = async {
        let mut again = interval(Duration::from_millis(100));
        loop {
            again.tick().await;
            alice.send(&conversation, "are you back?").await;
        }
    };
    let lag = tokio::select! {
        lag = lagging => lag,
        () = waking => unreachable!("she asks on and on"),
    };

    assert_eq!(lag["conversation_id"], conversation.id.as_str());
    let latest = lag["latest"].as_u64().unwrap();
    assert!(received.len() < 1600, "it was told only as much as there was room for");
    let mut last = 0;
    while received.contains(&(last + 1)) {
        last += 1;
    }
    loop {
        let missed = reading_nothing.subscribe_from(&conversation, Some(last)).await;
        for (entry, seq) in missed["messages"].as_array().unwrap().iter().zip(last + 1..) {
            assert_eq!(entry["seq"], seq, "exactly what was missed");
        }
        last = missed["through"].as_u64().unwrap();
        if missed["complete"] == Value::Bool(true) {
            break;
        }
    }
    assert!(last >= latest, "{last}, {latest}");
}
