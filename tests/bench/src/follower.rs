//! One member's connection, which keeps to the client rule: apply what follows, drop what is known, and close a jump by
//! subscribing again from the last entry before it.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{Conversation, User};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};

use crate::{
    ledger::{Ledger, Told},
    socket::{self, Receiver, Sender},
};

/// How long a jump waits for stragglers before it is closed.
const STRAGGLE: Duration = Duration::from_millis(500);

/// What a member is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send the message with this number, and so much more text.
    Say { number: usize, more: Arc<str> },
    /// Leave in the socket what comes.
    StopReading,
    /// Read what has come, and go on.
    ReadAgain,
    /// Make sure that nothing is missing, then tell what was heard since the last time.
    CatchUp { until: Instant, answer: oneshot::Sender<Heard> },
}

/// What a member heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// From the send to this receipt, of every message by somebody else.
    pub(crate) latencies: Vec<Duration>,
    /// Messages that were pushed.
    pub(crate) pushed: usize,
    /// Messages that came only by subscribing again.
    pub(crate) fetched: usize,
    /// Frames with pushed messages.
    pub(crate) frames: usize,
    /// Subscriptions made again, for a jump, a `lag` or an entry that the server's heads show.
    pub(crate) resubscribed: usize,
    /// New connections for some that were lost.
    pub(crate) reconnected: usize,
    /// Frames that refuse something.
    pub(crate) refused: usize,
    /// Messages this member has of all that were ever sent.
    pub(crate) has: usize,
}

pub(crate) struct Follower {
    place: usize,
    user: User,
    conversation: Conversation,
    url: String,
    receive_buffer: Option<u32>,
    ledger: Arc<Ledger>,
    sender: Sender,
    receiver: Receiver,
    subscribed: bool,
    reading: bool,
    /// Nothing up to here is missing.
    last: u64,
    /// Entries above `last` that have come already.
    held: BTreeSet<u64>,
    /// Whether an answer to `subscribe` is awaited.
    asked: bool,
    /// The log goes at least this far, by the server's word.
    latest: u64,
    /// When to subscribe again unless the jump closes by itself, or the answer comes.
    due: Option<Instant>,
    patience: Duration,
    /// By number, whether it has come.
    known: Vec<bool>,
    has: usize,
    own: HashSet<usize>,
    heard: Heard,
    asked_to_catch_up: Option<(Instant, oneshot::Sender<Heard>)>,
}

impl Follower {
    /// Connects somebody, and subscribes them if they are to listen.
    pub(crate) async fn join(
        place: usize,
        user: User,
        conversation: Conversation,
        url: String,
        receive_buffer: Option<u32>,
        listens: bool,
        ledger: Arc<Ledger>,
    ) -> Result<Self> {
        let (sender, receiver) = socket::connect(&url, &user, receive_buffer).await?;
        let mut follower = Self {
            place,
            user,
            conversation,
            url,
            receive_buffer,
            ledger,
            sender,
            receiver,
            subscribed: false,
            reading: true,
            last: 0,
            held: BTreeSet::new(),
            asked: false,
            latest: 0,
            due: None,
            patience: STRAGGLE,
            known: Vec::new(),
            has: 0,
            own: HashSet::new(),
            heard: Heard::default(),
            asked_to_catch_up: None,
        };
        if listens {
            follower.subscribe().await?;
            while !follower.subscribed {
                let frame = follower.receiver.next_frame().await?;
                follower.read(&frame).await?;
                anyhow::ensure!(follower.heard.refused == 0, "subscribing was answered with {frame}");
            }
            follower.heard = Heard::default();
        }
        Ok(follower)
    }

    /// Follows until there are no more orders.
    pub(crate) async fn run(mut self, orders: mpsc::UnboundedReceiver<Order>) {
        let ledger = Arc::clone(&self.ledger);
        if let Err(error) = self.follow(orders).await {
            ledger.tell(Told::Failed(error.context(format!("member {}", self.place))));
        }
    }

    async fn follow(&mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> Result<()> {
        loop {
            let due = self.due.unwrap_or_else(Instant::now);
            let until = self.asked_to_catch_up.as_ref().map_or_else(Instant::now, |(until, _)| *until);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => return Ok(()),
                },
                frame = self.receiver.next_frame(), if self.reading => match frame {
                    Ok(frame) => self.read(&frame).await?,
                    Err(_) => self.reconnect().await?,
                },
                () = sleep_until(due.into()), if self.due.is_some() => self.subscribe().await?,
                () = sleep_until(until.into()), if self.asked_to_catch_up.is_some() => self.tell(),
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Say { number, more } => {
                self.own.insert(number);
                self.sender.send_with(&self.conversation, number, &more).await?;
            }
            Order::StopReading => self.reading = false,
            Order::ReadAgain => self.reading = true,
            Order::CatchUp { until, answer } => {
                self.asked_to_catch_up = Some((until, answer));
                if !self.subscribed {
                    self.tell();
                } else if self.ping().await.is_err() {
                    self.reconnect().await?;
                }
            }
        }
        Ok(())
    }

    async fn read(&mut self, frame: &str) -> Result<()> {
        let at = Instant::now();
        // Nearly all frames are pushes, and those are not worth parsing.
        if frame.starts_with(r#"{"type":"message","#) || frame.starts_with(r#"{"type":"batch","#) {
            self.pushed(frame, at);
            return Ok(());
        }
        let answer: Value = serde_json::from_str(frame).with_context(|| format!("not JSON: {frame}"))?;
        match answer["type"].as_str() {
            Some("message" | "batch") => self.pushed(frame, at),
            Some("ack") => {
                for number in socket::numbers(frame) {
                    self.receive(number);
                    self.ledger.tell(Told::Acked { by: self.place });
                }
                self.apply(frame);
            }
            Some("subscribed") => {
                self.resumed(frame, at, &answer["conversations"][&self.conversation.id]).await?;
            }
            Some("pong") => {
                let head = answer["heads"][&self.conversation.id].as_u64();
                if head == Some(self.last) && self.held.is_empty() && answer["resync"] == false {
                    self.tell();
                } else if !self.asked {
                    self.subscribe().await?;
                }
            }
            Some("lag") => {
                self.latest =
                    self.latest.max(answer["latest"].as_u64().context("lag tells how far the log goes")?);
                if self.latest > self.last && !self.asked {
                    self.subscribe().await?;
                }
            }
            Some("error") | None => self.heard.refused += 1,
            Some(_) => {}
        }
        Ok(())
    }

    fn pushed(&mut self, frame: &str, at: Instant) {
        let numbers = socket::numbers(frame);
        self.heard.frames += usize::from(!numbers.is_empty());
        for number in numbers {
            if self.receive(number) {
                self.heard.pushed += 1;
                self.heard.latencies.push(self.ledger.received(number, at));
            }
        }
        self.apply(frame);
    }

    /// The answer to subscribing: all from `last` through somewhere, and nothing of that is missing.
    async fn resumed(&mut self, frame: &str, at: Instant, answer: &Value) -> Result<()> {
        for number in socket::numbers(frame) {
            if self.receive(number) {
                self.heard.fetched += 1;
                self.heard.latencies.push(self.ledger.received(number, at));
            }
        }
        let through = answer["through"].as_u64().context("subscribed tells how far it goes")?;
        (self.subscribed, self.asked, self.due) = (true, false, None);
        self.last = self.last.max(through);
        self.advance();
        if answer["complete"] == false || self.latest > self.last {
            self.subscribe().await
        } else if self.asked_to_catch_up.is_some() {
            self.ping().await
        } else {
            Ok(())
        }
    }

    /// Whether this message was not known yet and is by somebody else.
    fn receive(&mut self, number: usize) -> bool {
        if self.known.len() <= number {
            self.known.resize(number + 1, false);
        }
        let new = !std::mem::replace(&mut self.known[number], true);
        self.has += usize::from(new);
        new && !self.own.contains(&number)
    }

    fn apply(&mut self, frame: &str) {
        if self.subscribed {
            self.held.extend(socket::seqs(frame).filter(|seq| *seq > self.last));
            self.advance();
        }
    }

    fn advance(&mut self) {
        while let Some(seq) = self.held.first().copied().filter(|seq| *seq <= self.last + 1) {
            self.held.pop_first();
            self.last = self.last.max(seq);
        }
        if self.held.is_empty() && !self.asked {
            (self.due, self.patience) = (None, STRAGGLE);
        } else if self.due.is_none() {
            self.due = Some(Instant::now() + self.patience);
        }
    }

    async fn subscribe(&mut self) -> Result<()> {
        self.heard.resubscribed += 1;
        // Backs off while a jump stays open or no answer comes: 1, 2, 4 s.
        self.patience = (self.patience * 2).min(Duration::from_secs(4));
        (self.asked, self.due) = (true, Some(Instant::now() + self.patience));
        let id = &self.conversation.id;
        let last = self.subscribed.then_some(self.last);
        let mut command = json!({"type": "subscribe", "conversations": {id: last}});
        if let Some(seen) = self.held.last() {
            command["seen"] = json!({id: seen});
        }
        self.sender.send_text(command.to_string()).await
    }

    async fn ping(&mut self) -> Result<()> {
        self.sender.send_text(r#"{"type":"ping"}"#.to_owned()).await
    }

    async fn reconnect(&mut self) -> Result<()> {
        self.heard.reconnected += 1;
        (self.sender, self.receiver) =
            socket::connect(&self.url, &self.user, self.receive_buffer).await.context("connecting again")?;
        if self.subscribed { self.subscribe().await } else { Ok(()) }
    }

    fn tell(&mut self) {
        if let Some((_, answer)) = self.asked_to_catch_up.take() {
            let heard = Heard { has: self.has, ..std::mem::take(&mut self.heard) };
            // The meeting may have failed meanwhile.
            let _ended = answer.send(heard);
        }
    }
}
