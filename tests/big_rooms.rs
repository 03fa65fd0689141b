//! Conversations with more connections than one invocation pushes to: jobs do, each for a part of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future;
use serde_json::{Value, json};
use support::{Connection, Conversation, PATIENCE, Stack, StackOptions, TestChat, User};
use tokio::{
    join,
    time::{interval, timeout},
};

/// How many connections each of the many has: all that a person may have.
const EACH: usize = 20;

/// Somebody, a conversation of theirs, and many who are connected to it.
struct Room {
    chat: TestChat,
    alice: User,
    conversation: Conversation,
    phone: Connection,
    people: Vec<User>,
    /// The connections of each of the people.
    connections: Vec<Vec<Connection>>,
}

impl Room {
    async fn of(people: usize) -> Self {
        let options =
            StackOptions { throttle_messages: "off".to_owned(), concurrency: 2, ..StackOptions::default() };
        let chat = TestChat::alone(options).await;
        let alice = chat.user("alice").await;
        let conversation = alice.start_conversation_with([]).await;
        let phone = alice.connect_to(&conversation).await;
        let mut room = Self { chat, alice, conversation, phone, people: Vec::new(), connections: Vec::new() };
        for _ in 0..people {
            room.enter().await;
        }
        room.phone.unread_events().await;
        for connection in room.connections.iter_mut().flatten() {
            connection.unread_events().await;
        }
        room
    }

    async fn enter(&mut self) {
        let user = self.chat.user("somebody").await;
        self.alice.add(&self.conversation, &user).await.expect(201);
        let mut connections = Vec::new();
        for _ in 0..EACH {
            connections.push(user.connect_to(&self.conversation).await);
        }
        self.people.push(user);
        self.connections.push(connections);
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.connections.iter_mut().flatten()
    }

    /// Waits until every one of these has come to everybody.
    async fn all_receive(&mut self, seqs: &BTreeSet<u64>) {
        future::join_all(self.all().map(|connection| receive(connection, seqs))).await;
    }
}

/// Reads until every one of these has come, in whatever order and how often ever.
async fn receive(connection: &mut Connection, seqs: &BTreeSet<u64>) {
    let mut missing = seqs.clone();
    while !missing.is_empty() {
        let event = connection.next_event().await;
        missing
            .remove(&event["seq"].as_u64().unwrap_or_else(|| panic!("still missing {missing:?}: {event}")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_in_a_big_room_receives_everything() {
    let mut room = Room::of(8).await;
    let conversation = room.conversation.clone();

    let one = room.phone.send(&conversation, "to all of you").await;
    room.all_receive(&BTreeSet::from([one.seq])).await;

    let mut laptop = room.alice.connect().await;
    let burst = async |connection: &mut Connection| {
        let mut sent = BTreeSet::new();
        for number in 0..25 {
            sent.insert(connection.send(&conversation, &format!("number {number}")).await.seq);
        }
        sent
    };
    let (by_phone, by_laptop) = join!(burst(&mut room.phone), burst(&mut laptop));
    let all_of_it: BTreeSet<_> = by_phone.union(&by_laptop).copied().collect();
    room.all_receive(&all_of_it).await;

    let edited = room.phone.edit(&one, "to each of you").await;
    let reacted = laptop.react(&edited, "👍", true).await;
    assert_eq!(reacted.content, "to each of you");
    let last = *all_of_it.last().unwrap();
    let changes = BTreeSet::from([last + 1, last + 2]);
    room.all_receive(&changes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_room_that_shrinks_and_grows_misses_nothing() {
    let mut room = Room::of(8).await;
    let conversation = room.conversation.clone();
    let one = room.phone.send(&conversation, "many of you").await;
    room.all_receive(&BTreeSet::from([one.seq])).await;

    let mut removed = room.connections.pop().unwrap();
    let out = room.people.pop().unwrap();
    room.alice.remove(&conversation, &out).await.expect(204);
    let two = room.phone.send(&conversation, "without one").await;
    room.all_receive(&BTreeSet::from([two.seq])).await;
    for connection in &mut removed {
        let removal = connection.next_event_of("participant.removed").await["seq"].as_u64();
        assert_eq!(removal, Some(two.seq - 1));
        // What came before it may come once more.
        let mut later = connection.unread_events().await;
        later.retain(|event| event["seq"].as_u64().is_none_or(|seq| Some(seq) > removal));
        assert_eq!(later, Vec::<Value>::new());
    }

    // Fewer than need jobs, and more again, while messages flow.
    let leaving = room.connections.split_off(2);
    let mut seqs = BTreeSet::new();
    let ends = leaving.into_iter().flatten().map(Connection::close);
    let sending = async {
        for number in 0..10 {
            seqs.insert(room.phone.send(&conversation, &format!("while they leave {number}")).await.seq);
        }
    };
    join!(future::join_all(ends), sending);
    let alone = room.phone.send(&conversation, "few of you").await.seq;
    seqs.insert(alone);
    room.all_receive(&seqs).await;
    for _ in 0..6 {
        room.enter().await;
    }
    let many = room.phone.send(&conversation, "many again").await;
    room.all_receive(&BTreeSet::from([many.seq])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_send_name_its_request() {
    let mut room = Room::of(7).await;
    let body = json!({"content": "to all of you"});

    let answer = room.alice.post_message(&room.conversation, body).await;

    let id = answer.header("x-request-id").unwrap().to_owned();
    let stack = &room.chat.stack;
    let job = stack.line("FanOutFunction", |line| line["caused_by"] == id.as_str()).await;
    let request = stack.line("HistoryFunction", |line| line["request_id"] == id.as_str()).await;
    assert_eq!(job["conversation_id"], room.conversation.id.as_str());
    assert_eq!(job["trace_id"], request["trace_id"]);
    room.all_receive(&BTreeSet::from([answer.expect(201)["seq"].as_u64().unwrap()])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_killed_leave_nobody_without_a_message() {
    let mut room = Room::of(7).await;
    let conversation = room.conversation.clone();
    let warm = room.phone.send(&conversation, "so that jobs run").await;
    room.all_receive(&BTreeSet::from([warm.seq])).await;
    let Room { chat, phone, connections, .. } = &mut room;

    let mut seqs = BTreeSet::new();
    let mut killed = 0;
    for number in 0..30 {
        seqs.insert(phone.send(&conversation, &format!("number {number}")).await.seq);
        if number % 5 == 0 {
            for process in chat.stack.processes("fan-out").await {
                Stack::kill(&process);
                killed += 1;
            }
        }
    }
    assert!(killed > 0, "there were jobs to be killed");
    // Whatever script next runs on the conversation takes what they left, once their leases are over.
    let receiving = future::join_all(connections.iter_mut().flatten().map(|one| receive(one, &seqs)));
    let asking = async {
        let mut again = interval(Duration::from_millis(200));
        loop {
            again.tick().await;
            phone.ping().await;
        }
    };
    let received = async {
        tokio::select! {
            _all = receiving => (),
            () = asking => unreachable!("it asks on and on"),
        }
    };
    timeout(PATIENCE, received).await.expect("everybody receives everything");
}

#[tokio::test]
async fn above_a_hundred_connected_nobody_is_told_who_comes_and_goes() {
    let mut room = Room::of(6).await;

    let presences = room.phone.unread_presences().await;

    let online: BTreeMap<_, _> = presences
        .iter()
        .map(|presence| (presence["user_id"].as_str().unwrap().to_owned(), presence["online"].clone()))
        .collect();
    // The sixth comes when 101 are connected already.
    let told: BTreeMap<_, _> = room.people[..5].iter().map(|user| (user.id.clone(), json!(true))).collect();
    assert_eq!(online, told, "in all");
}
