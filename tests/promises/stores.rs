//! Losing Redis, or most of it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::future;
use serde_json::json;
use support::{Message, StackOptions, TestChat, User};
use tokio::sync::watch;

use crate::crash::send_until_acked;

const MESSAGES: usize = 120;

/// Sends over HTTP until it is answered, with one client id, as clients are asked to.
async fn send_until_answered(user: &User, conversation: &support::Conversation, client_id: &str) -> Message {
    for _ in 0..20 {
        let message = json!({"content": format!("text of {client_id}"), "client_id": client_id});
        let answer = user.post_message(conversation, message).await;
        match answer.status {
            200 | 201 => return Message::read(&answer.body),
            status => assert!(status >= 500, "{status}: {}", answer.body),
        }
    }
    panic!("{client_id} was never answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_wiped_or_rewound_under_load() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let users = chat.users(["alice", "bob", "carol", "dan"]).await;
    let conversation = users[0].start_conversation_with([&users[1], &users[2], &users[3]]).await;
    let (progress, mut watched) = watch::channel(0);

    let writing = users.iter().enumerate().map(async |(writer, user)| {
        let mut connection = user.connect_to(&conversation).await;
        let mut acked = Vec::new();
        for number in 0..MESSAGES {
            let client_id = format!("{writer}-{number}");
            acked.push(if writer % 2 == 0 {
                send_until_acked(user, &mut connection, &conversation, &client_id).await
            } else {
                send_until_answered(user, &conversation, &client_id).await
            });
            progress.send_modify(|count| *count += 1);
        }
        acked
    });
    let losing = async {
        let mut copy = chat.stack.copy_redis().await;
        for loss in 1..=9 {
            let enough = loss * users.len() * MESSAGES / 10;
            watched.wait_for(|count| *count >= enough).await.unwrap();
            match loss % 3 {
                0 => chat.stack.wipe_redis().await,
                1 => copy = chat.stack.copy_redis().await,
                _ => chat.stack.rewind_redis(&copy).await,
            }
        }
    };
    let (acked, ()) = future::join(future::join_all(writing), losing).await;

    let acked: Vec<Message> = acked.into_iter().flatten().collect();
    let mut stored: HashMap<u64, Message> = HashMap::new();
    let mut query = "?limit=100".to_owned();
    loop {
        let page = users[0].history_page(&conversation, &query).await;
        for message in page.items {
            assert!(stored.insert(message.seq, message).is_none(), "no place is taken twice");
        }
        let Some(next) = page.next else { break };
        query = format!("?limit=100&before={next}");
    }
    for message in &acked {
        assert_eq!(stored.get(&message.seq), Some(message), "acked and lost");
    }
    assert_eq!(stored.len(), users.len() * MESSAGES, "each message is stored once");
    let client_ids: HashSet<_> = stored.values().map(|message| message.client_id.clone()).collect();
    assert_eq!(client_ids.len(), stored.len(), "under its own client id");
    let last = *stored.keys().max().unwrap();
    assert_eq!(users[1].details(&conversation).await["last_seq"], last);

    chat.stack.rewind_redis(&chat.stack.copy_redis().await).await;
    let next = users[2].send(&conversation, "it goes on").await;
    assert_eq!(next.seq, last + 1);
    let resumed = users[3].connect().await.subscribe_from(&conversation, Some(last)).await;
    assert_eq!(support::messages_in(&resumed["messages"]), [next]);
}

#[tokio::test]
async fn what_redis_was_rewound_behind_is_there_for_whoever_asks() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.direct_with(&bob).await;
    let one = alice.send(&conversation, "one").await;
    let mut watching = bob.connect_to(&conversation).await;
    let copy = chat.stack.copy_redis().await;
    let two = alice.send(&conversation, "two").await;
    assert_eq!(watching.next_message().await, two);

    chat.stack.rewind_redis(&copy).await;

    // The reader has seen more than Redis knows.
    let resumed = watching.subscribe_from(&conversation, Some(two.seq)).await;
    assert_eq!((&resumed["messages"], &resumed["through"]), (&json!([]), &json!(two.seq)));
    chat.stack.rewind_redis(&copy).await;
    let three = alice.send(&conversation, "three").await;
    assert_eq!(three.seq, two.seq + 1, "no number is used twice");
    let mut pushed = watching.next_message().await;
    while pushed == two {
        pushed = watching.next_message().await; // what was pushed before may be pushed again
    }
    assert_eq!(pushed, three);
    assert_eq!(bob.history(&conversation).await, [one, two, three]);
    tokio::time::timeout(Duration::from_secs(5), watching.ping()).await.unwrap();
}
