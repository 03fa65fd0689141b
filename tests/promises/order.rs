//! One sequence, and how everybody gets all of it.

use std::collections::BTreeMap;

use futures_util::future;
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use support::{Connection, Conversation, Message, StackOptions, TestChat, User, messages_in};
use tokio::join;

/// All entries after one, or the newest page, as a client that resumes gathers them.
async fn resume(user: &User, conversation: &Conversation, last: impl Into<Option<u64>>) -> Vec<Value> {
    let mut connection = user.connect().await;
    let (mut all, mut last) = (Vec::new(), last.into());
    loop {
        let missed = connection.subscribe_from(conversation, last).await;
        all.extend(missed["messages"].as_array().unwrap().iter().cloned());
        last = missed["through"].as_u64();
        if missed["complete"] == true {
            connection.close().await;
            return all;
        }
    }
}

fn seqs(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn one_order() {
    let chat = TestChat::start().await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&bob, &carol]).await;
    let (mut phone, mut tablet) =
        (carol.connect_to(&conversation).await, carol.connect_to(&conversation).await);
    let (mut of_alice, mut of_bob) = (alice.connect_to(&conversation).await, bob.connect().await);
    let write = async |connection: &mut Connection, who: &str| {
        for number in 0..8 {
            connection.send(&conversation, &format!("{who} {number}")).await;
        }
    };
    let over_http = async {
        for number in 0..8 {
            carol.send(&conversation, &format!("carol {number}")).await;
        }
    };
    let pushed = async |connection: &mut Connection, count: usize| {
        let mut pushed = BTreeMap::new();
        while pushed.len() < count {
            let message = connection.next_message().await;
            let before = pushed.insert(message.seq, message.clone());
            assert!(before.is_none_or(|before| before == message), "one place, one message");
        }
        pushed.into_values().collect::<Vec<_>>()
    };

    join!(write(&mut of_alice, "alice"), write(&mut of_bob, "bob"), over_http);

    let log = bob.history(&conversation).await;
    let places: Vec<_> = log.iter().map(|message| message.seq).collect();
    assert_eq!(places, (places[0]..places[0] + 24).collect::<Vec<_>>());
    assert_eq!(pushed(&mut phone, 24).await, log);
    assert_eq!(pushed(&mut tablet, 24).await, log);
    let of_others: Vec<_> =
        log.iter().filter(|message| message.user_id.as_ref() != Some(&alice.id)).cloned().collect();
    assert_eq!(pushed(&mut of_alice, 16).await, of_others);
    assert_eq!(messages_in(&json!(resume(&alice, &conversation, places[11]).await)), log[12..]);
    chat.stack.trim_stream(&conversation, 5).await;
    assert_eq!(messages_in(&json!(resume(&alice, &conversation, places[3]).await)), log[4..]);
    assert_eq!(carol.history(&conversation).await, log);
}

#[tokio::test]
async fn no_silent_gap() {
    let chat = TestChat::start().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let mut phone = bob.connect_to(&conversation).await;
    let one = alice.send(&conversation, "one").await;
    assert_eq!(phone.next_message().await, one);
    let mut redis = chat.stack.redis().await;
    let key = chat.stack.redis_key(&conversation, "connections").await;
    let registration: BTreeMap<String, String> = redis.hgetall(&key).await.unwrap();
    let registration: Vec<_> = registration.into_iter().collect();
    // A push that never arrives, as far as the client can see.
    let mut unseen = async |content: &str| {
        let () = redis.hdel(&key, &registration[0].0).await.unwrap();
        let unseen = alice.send(&conversation, content).await;
        let () = redis.hset_multiple(&key, &registration).await.unwrap();
        unseen
    };

    let two = unseen("two").await;
    let three = alice.send(&conversation, "three").await;
    let jump = phone.next_message().await;
    assert_eq!((&jump, jump.seq), (&three, one.seq + 2), "it misses one");
    let missed = phone.subscribe_from(&conversation, Some(one.seq)).await;
    assert_eq!(messages_in(&missed["messages"]), [two, three.clone()]);
    assert_eq!((&missed["through"], &missed["complete"]), (&json!(three.seq), &json!(true)));

    let four = unseen("four").await;
    let pong = phone.ping().await;
    assert_eq!(pong["heads"][&conversation.id], four.seq, "the last one was missed");
    let missed = phone.subscribe_from(&conversation, Some(three.seq)).await;
    assert_eq!(messages_in(&missed["messages"]), std::slice::from_ref(&four));

    let () = redis.hdel(&key, &registration[0].0).await.unwrap();
    let five = alice.send(&conversation, "five").await;
    assert_eq!(phone.ping().await["resync"], true, "the server has forgotten the subscription");
    let missed = phone.subscribe_from(&conversation, Some(four.seq)).await;
    assert_eq!(messages_in(&missed["messages"]), [five]);
    let six = alice.send(&conversation, "six").await;
    assert_eq!(phone.next_message().await, six);
}

#[tokio::test]
async fn resume_from_any_age() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    // Long ones, so that no single answer holds all; and more than messages.
    for number in 0..40 {
        let sent = alice.send(&conversation, &format!("{number} {}", "語".repeat(1900))).await;
        match number % 4 {
            0 => drop(alice.rename(&conversation, &format!("name {number}")).await.expect(200)),
            1 => drop(alice.react(&sent, "👍").await.expect(204)),
            2 => drop(alice.edit(&sent, &format!("{number} edited")).await),
            _ => {}
        }
    }
    let last = bob.details(&conversation).await["last_seq"].as_u64().unwrap();
    let log = resume(&bob, &conversation, 0).await;
    assert_eq!(seqs(&log), (1..=last).collect::<Vec<_>>(), "every entry, in order");

    for keep in [last, 20, 1] {
        chat.stack.trim_stream(&conversation, keep).await;
        let ages = [0, 1, last / 3, last - 21, last - 20, last - 19, last - 1, last].map(async |age| {
            let resumed = resume(&bob, &conversation, age).await;
            assert_eq!(
                resumed,
                log[usize::try_from(age).unwrap()..],
                "from {age}, with {keep} in the stream"
            );
        });
        future::join_all(ages).await;
    }
    chat.stack.wipe_redis().await;
    for age in [0, last / 2, last] {
        let resumed = resume(&alice, &conversation, age).await;
        assert_eq!(resumed, log[usize::try_from(age).unwrap()..], "from {age}, Redis knowing nothing");
    }
    let newest = resume(&bob, &conversation, None).await;
    assert_eq!(newest, log[log.len() - 50..], "the newest page, whole");
    let messages: Vec<Message> = messages_in(&json!(log));
    assert_eq!(bob.history(&conversation).await, messages);
}
