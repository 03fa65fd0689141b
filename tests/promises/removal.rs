//! When somebody is out, they are out.

use support::{Connection, StackOptions, TestChat};
use tokio::{join, sync::Notify};

/// What the log's events say that are there to be read.
async fn seqs_of_unread(connection: &mut Connection) -> Vec<u64> {
    connection.unread_events().await.iter().filter_map(|event| event["seq"].as_u64()).collect()
}

#[tokio::test]
async fn removal_is_immediate() {
    let options = StackOptions { throttle_messages: "off".to_owned(), ..StackOptions::default() };
    let chat = TestChat::alone(options).await;
    let [alice, bob, carol] = chat.users(["alice", "bob", "carol"]).await;
    let conversation = alice.start_conversation_with([&carol]).await;
    let mut sending = carol.connect_to(&conversation).await;
    let mut seen_before = 0;

    for round in 0..20 {
        alice.add(&conversation, &bob).await.expect(201);
        let mut phone = bob.connect_to(&conversation).await;
        let mut laptop = bob.connect_to(&conversation).await;
        let begun = Notify::new();
        let busy = async {
            for _ in 0..10 {
                sending.send(&conversation, "all the while").await;
                begun.notify_one();
            }
        };
        let late = async {
            // Subscribing while being removed must not bring anybody back.
            let mut tablet = bob.connect().await;
            let command = serde_json::json!({"type": "subscribe", "conversations": {&conversation.id: null}});
            let answer = tablet.request(command).await;
            assert!(answer["type"] == "subscribed" || answer["code"] == "NOT_FOUND", "{answer}");
            tablet
        };
        let removing = async {
            begun.notified().await;
            if round % 2 == 0 {
                alice.remove(&conversation, &bob).await.expect(204);
            } else {
                bob.leave(&conversation).await.expect(204);
            }
            alice.send(&conversation, "he is out").await
        };
        let ((), mut tablet, out) = join!(busy, late, removing);
        alice.send(&conversation, "and stays out").await;

        let mut removed_at = None;
        for connection in [&mut phone, &mut laptop] {
            let mut before = Vec::new();
            let removed = loop {
                let event = connection.next_event().await;
                if event["type"] == "participant.removed" {
                    break event["seq"].as_u64().unwrap();
                }
                before.push(event["seq"].as_u64().unwrap());
            };
            before.extend(seqs_of_unread(connection).await);
            assert!(before.iter().all(|seq| *seq < removed), "round {round}: {before:?} with {removed}");
            assert!(removed < out.seq);
            assert!(removed_at.replace(removed).is_none_or(|at| at == removed));
            seen_before += before.len();
        }
        let by_tablet = seqs_of_unread(&mut tablet).await;
        assert!(by_tablet.iter().all(|seq| Some(*seq) <= removed_at), "round {round}: {by_tablet:?}");
        for connection in [phone, laptop, tablet] {
            connection.close().await;
        }
    }

    assert!(seen_before > 0, "he was removed amid what others said");
}
