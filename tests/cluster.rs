//! Over a Redis cluster: the same chat, its conversations spread over three primaries, one of which may be missing.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::future;
use serde_json::{Map, Value, json};
use support::{
    Answer, Conversation, Handshake, Message, PATIENCE, RedisCluster, StackOptions, TestChat, User,
    messages_in,
};
use tokio::time::{Instant, sleep};

const PRIMARIES: usize = 3;

/// A chat over a cluster that the story may harm.
async fn chat_over(cluster: &RedisCluster) -> TestChat {
    let redis_cluster = Some(cluster.url());
    let throttle_messages = "off".to_owned();
    TestChat::alone(StackOptions { redis_cluster, throttle_messages, ..StackOptions::default() }).await
}

/// Conversations with a first message each, so many on every primary.
async fn conversations_on_each(
    cluster: &RedisCluster,
    alice: &User,
    bob: &User,
    wanted: usize,
) -> [Vec<Conversation>; PRIMARIES] {
    let mut found: [Vec<Conversation>; PRIMARIES] = Default::default();
    while found.iter().any(|conversations| conversations.len() < wanted) {
        let conversation = alice.start_conversation_with([bob]).await;
        alice.send(&conversation, "first").await;
        let primary = cluster.server_with(&format!("conversation:{}", conversation.id)).await;
        found[primary.expect("a conversation in use is in Redis")].push(conversation);
    }
    found
}

async fn post(user: &User, conversation: &Conversation, client_id: &str) -> Answer {
    user.post_message(conversation, json!({"content": client_id, "client_id": client_id})).await
}

/// Repeats a send until it is durable, as clients are asked to, and says how often the outcome was open.
async fn post_until_durable(user: &User, conversation: &Conversation, client_id: &str) -> usize {
    let deadline = Instant::now() + 2 * PATIENCE;
    for open in 0.. {
        let answer = post(user, conversation, client_id).await;
        if matches!(answer.status, 200 | 201) {
            return open;
        }
        answer.expect_error(503, "unavailable");
        assert!(Instant::now() < deadline, "{client_id} was never durable");
        sleep(Duration::from_millis(50)).await;
    }
    unreachable!("the deadline comes first")
}

async fn contents(user: &User, conversation: &Conversation) -> Vec<String> {
    let history = user.history_page(conversation, "?limit=100").await.items;
    assert!(history.is_sorted_by_key(|message| message.seq), "{history:?}");
    history.into_iter().map(|message| message.content).collect()
}

#[tokio::test]
async fn a_chat_over_a_cluster_works_from_ticket_to_disconnect() {
    let chat = TestChat::on_cluster().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversations = [
        alice.direct_with(&bob).await,
        alice.start_conversation_with([&bob]).await,
        alice.start_conversation_with([&bob]).await,
    ];
    let ticket = bob.ticket().await;
    let mut phone = bob.connect_by(Handshake::new().ticket(&ticket)).await;
    assert_eq!(chat.connect(Handshake::new().ticket(&ticket)).await.err(), Some(401), "a ticket opens once");
    let mut laptop = alice.connect().await;

    for conversation in &conversations {
        phone.subscribe(conversation).await;
        let sent = laptop.send(conversation, "hello").await;
        assert_eq!(phone.next_message().await, sent);
        let posted = alice.send(conversation, "and again").await;
        assert_eq!(phone.next_message().await, posted);
        assert_eq!(bob.history(conversation).await, [sent, posted.clone()]);
        assert_eq!(phone.ping().await["heads"][&conversation.id], posted.seq);
    }
    let [_, group, other] = &conversations;
    alice.remove(group, &bob).await.expect(204);
    let removed = phone.next_event_of("participant.removed").await;
    assert_eq!(removed["conversation_id"], group.id);
    laptop.send(group, "among ourselves").await;
    laptop.send(other, "to bob as well").await;

    assert_eq!(phone.next_message().await.content, "to bob as well");
    assert_eq!(phone.ping().await["heads"].as_object().map(Map::len), Some(2), "what bob is subscribed to");
    phone.close().await;
    let mut again = bob.connect().await;
    assert_eq!(again.ping().await["heads"], json!({}));
    bob.log_out().await.expect(204);
    again.closed().await;
}

#[tokio::test]
async fn conversations_in_all_parts_of_a_cluster_are_served_at_once() {
    let cluster = RedisCluster::shared().await;
    let chat = TestChat::on_cluster().await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let mut conversations = Vec::new();
    for _ in 0..40 {
        conversations.push(alice.start_conversation_with([&bob]).await);
    }
    let mut phone = bob.connect().await;
    let all: Map<String, Value> =
        conversations.iter().map(|conversation| (conversation.id.clone(), Value::Null)).collect();

    let first = phone.request(json!({"type": "subscribe", "conversations": all})).await;
    let sending = conversations.iter().map(|conversation| alice.send(conversation, "to all"));
    let sent = future::join_all(sending).await;
    let pushed: HashMap<_, _> = phone
        .next_messages(conversations.len())
        .await
        .into_iter()
        .map(|one| (one.conversation_id.clone(), one))
        .collect();
    let pong = phone.ping().await;
    let second = phone.request(json!({"type": "subscribe", "conversations": all})).await;

    let mut primaries = HashSet::new();
    for (conversation, sent) in conversations.iter().zip(sent) {
        let id = &conversation.id;
        assert_eq!(first["conversations"][id]["complete"], true, "{first}");
        assert_eq!(pushed[id], sent);
        assert_eq!(pong["heads"][id], sent.seq);
        assert_eq!(messages_in(&second["conversations"][id]["messages"]), std::slice::from_ref(&sent));
        assert_eq!(alice.history(conversation).await, [sent]);
        primaries.extend(cluster.server_with(&format!("conversation:{id}")).await);
    }
    assert_eq!(pong["resync"], false);
    assert_eq!(primaries.len(), PRIMARIES, "every primary has some of them");
}

#[tokio::test]
async fn without_one_primary_the_others_go_on_and_nothing_is_lost() {
    let cluster = RedisCluster::start().await;
    let chat = chat_over(&cluster).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let [first, second, lost] = conversations_on_each(&cluster, &alice, &bob, 2).await;

    cluster.kill(2);
    let mut open = 0;
    for conversation in &lost {
        let asked = Instant::now();
        let answer = post(&alice, conversation, "while it is down").await;
        assert!(asked.elapsed() < Duration::from_secs(8), "answered after {:?}", asked.elapsed());
        if answer.status != 201 {
            answer.expect_error(503, "unavailable");
            open += 1;
        }
    }
    for conversation in first.iter().chain(&second) {
        post(&alice, conversation, "while it is down").await.expect(201);
        assert_eq!(contents(&bob, conversation).await, ["first", "while it is down"]);
    }
    cluster.restart(2).await;
    for conversation in &lost {
        post_until_durable(&alice, conversation, "while it is down").await;
        post_until_durable(&alice, conversation, "after it").await;
    }

    assert!(open > 0, "the primary was missed");
    for conversation in &lost {
        assert_eq!(contents(&bob, conversation).await, ["first", "while it is down", "after it"]);
        let mut phone = bob.connect_to(conversation).await;
        let sent = alice.send(conversation, "and pushed").await;
        assert_eq!(phone.next_message().await, sent);
    }
}

#[tokio::test]
async fn after_a_failover_the_replica_serves_its_conversations() {
    let cluster = RedisCluster::start_with_replica_of(2).await;
    let chat = chat_over(&cluster).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let [_, _, failing] = conversations_on_each(&cluster, &alice, &bob, 1).await;
    let conversation = &failing[0];

    cluster.kill(2);
    post_until_durable(&alice, conversation, "after the failover").await;
    let mut phone = bob.connect_to(conversation).await;
    let sent = alice.send(conversation, "and pushed").await;

    assert_eq!(phone.next_message().await, sent);
    assert_eq!(contents(&bob, conversation).await, ["first", "after the failover", "and pushed"]);
    let home = cluster.server_with(&format!("conversation:{}", conversation.id)).await;
    assert_eq!(home, Some(3), "it is on the replica now");
}

#[tokio::test]
async fn a_primary_that_hangs_holds_up_its_own_conversations_alone() {
    let cluster = RedisCluster::start().await;
    let chat = chat_over(&cluster).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let [first, _, hung] = conversations_on_each(&cluster, &alice, &bob, 1).await;

    let pid = cluster.hang(2).await;
    let held_up = async {
        let answer = post(&alice, &hung[0], "while it hangs").await;
        (answer, Instant::now())
    };
    let going_on = async {
        post(&alice, &first[0], "while another hangs").await.expect(201);
        Instant::now()
    };
    let ((held_up, late), early) = future::join(held_up, going_on).await;
    // The process that has met the one that hangs serves the others, and does not wait out its 2 s.
    for number in 0..8 {
        let asked = Instant::now();
        post(&alice, &first[0], &format!("then {number}")).await.expect(201);
        assert!(asked.elapsed() < Duration::from_secs(2), "answered after {:?}", asked.elapsed());
    }
    cluster.resume(pid).await;
    post_until_durable(&alice, &hung[0], "while it hangs").await;

    held_up.expect_error(503, "unavailable");
    assert!(early < late, "it waited for the one that hangs");
    assert_eq!(contents(&bob, &hung[0]).await, ["first", "while it hangs"]);
}

#[tokio::test]
async fn a_conversation_that_moves_between_primaries_while_messages_flow_loses_nothing() {
    let cluster = RedisCluster::start().await;
    let chat = chat_over(&cluster).await;
    let [alice, bob] = chat.users(["alice", "bob"]).await;
    let conversation = alice.start_conversation_with([&bob]).await;
    alice.send(&conversation, "first").await;
    let name = format!("conversation:{}", conversation.id);
    let home = cluster.server_with(&name).await.unwrap();
    let mut phone = bob.connect_to(&conversation).await;

    let moving = async {
        let slot = cluster.begin_move(&name).await;
        cluster.move_keys(&slot).await;
        cluster.end_move(slot).await;
    };
    let sending = async {
        for number in 0..30 {
            post_until_durable(&alice, &conversation, &number.to_string()).await;
        }
    };
    future::join(moving, sending).await;
    post(&alice, &conversation, "last").await.expect(201);
    let mut pushed: Vec<Message> = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while pushed.last().is_none_or(|message| message.content != "last") {
        assert!(Instant::now() < deadline, "pushed so far: {pushed:?}");
        for event in phone.unread_events().await {
            let message = Message::read(&event["message"]);
            // What was under way when a primary did not answer is pushed again.
            if pushed.last().is_none_or(|last| message.seq > last.seq) {
                pushed.push(message);
            }
        }
    }

    let pushed: Vec<_> = pushed.into_iter().map(|message| message.content).collect();
    let all = contents(&bob, &conversation).await;
    assert_eq!(all.len(), 32, "each once: {all:?}");
    assert_eq!(pushed, all[1..]);
    assert_ne!(cluster.server_with(&name).await, Some(home), "it has moved");
}
