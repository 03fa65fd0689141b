//! A conversation whose members are all connected: who says what when is the section's to decide, and what each of them
//! has heard is kept here.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use support::TestChat;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    crowd,
    follower::{Follower, Heard, Order},
    ledger::{Ledger, MOST, Told},
    spread,
};

/// How many connect at once.
const CONNECTING: usize = 16;
/// Nothing more comes by itself when it was quiet for so long.
const QUIET: Duration = Duration::from_secs(2);
/// How long the client rule may take to bring what is missing.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Who comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many members connect.
    pub(crate) members: usize,
    /// How many of them subscribe: the last ones.
    pub(crate) listeners: usize,
    /// How many of them have a small receive buffer, so that it fills when they stop reading: the last ones.
    pub(crate) slow: usize,
}

impl Plan {
    /// So many, and all of them subscribe.
    pub(crate) fn all(members: usize) -> Self {
        Self { members, listeners: members, slow: 0 }
    }
}

pub(crate) struct Meeting {
    members: Vec<mpsc::UnboundedSender<Order>>,
    told: mpsc::UnboundedReceiver<Told>,
    ledger: Arc<Ledger>,
    following: JoinSet<()>,
    sent: usize,
    pub(crate) acked: usize,
    whole: usize,
}

/// What some members heard since the last time, and what they lack of all that was acked since the beginning.
#[derive(Debug, Default)]
pub(crate) struct Total {
    /// Sorted, from the send to each receipt.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) pushed: usize,
    pub(crate) fetched: usize,
    pub(crate) frames: usize,
    pub(crate) missing: usize,
    resubscribed: usize,
    reconnected: usize,
    refused: usize,
    unacked: usize,
}

impl Meeting {
    /// Gathers people, connects them and lets the conversation warm up.
    pub(crate) async fn convene(chat: &TestChat, plan: Plan) -> Result<Self> {
        let Plan { members, listeners, slow } = plan;
        ensure!(
            members >= 2 && (1..=members).contains(&listeners),
            "a meeting takes two, of whom one listens"
        );
        let (people, conversation) = crowd::gather(chat, members).await?;
        let (teller, told) = mpsc::unbounded_channel();
        // Whoever says something hears it by an ack, not by a push; it is those who do not listen that speak, if any.
        let audience = if listeners == members { members - 1 } else { listeners };
        let ledger = Arc::new(Ledger::new(u32::try_from(audience)?, teller));
        let joining = people.into_iter().enumerate().map(|(place, user)| {
            let receive_buffer = (place >= members - slow).then_some(4096);
            let (conversation, ledger) = (conversation.clone(), Arc::clone(&ledger));
            let (url, listens) = (chat.stack.websocket_url.clone(), place >= members - listeners);
            Follower::join(place, user, conversation, url, receive_buffer, listens, ledger)
        });
        let joined: Vec<_> = stream::iter(joining).buffered(CONNECTING).try_collect().await?;
        let mut following = JoinSet::new();
        let members = joined
            .into_iter()
            .map(|follower| {
                let (order, orders) = mpsc::unbounded_channel();
                following.spawn(follower.run(orders));
                order
            })
            .collect();
        let mut meeting = Self { members, told, ledger, following, sent: 0, acked: 0, whole: 0 };
        for _ in 0..10 {
            meeting.say(0)?;
            meeting.until_whole(meeting.sent).await?;
        }
        meeting.settle(0..plan.members).await?;
        Ok(meeting)
    }

    /// How many are here.
    pub(crate) fn size(&self) -> usize {
        self.members.len()
    }

    /// How many messages were sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Lets the member at this place say something; the number of what is said.
    pub(crate) fn say(&mut self, by: usize) -> Result<usize> {
        self.say_with(by, &Arc::from(""))
    }

    /// The same with more text.
    pub(crate) fn say_with(&mut self, by: usize, more: &Arc<str>) -> Result<usize> {
        let number = self.sent;
        ensure!(number < MOST, "a meeting is over after {MOST} messages: measure for a shorter time");
        self.sent += 1;
        self.ledger.sent(number);
        self.order(by, Order::Say { number, more: Arc::clone(more) });
        Ok(number)
    }

    /// Makes the member at this place leave in the socket what comes.
    pub(crate) fn stop_reading(&self, place: usize) {
        self.order(place, Order::StopReading);
    }

    /// Lets them read again.
    pub(crate) fn read_again(&self, place: usize) {
        self.order(place, Order::ReadAgain);
    }

    /// What happens next, if anything does until then.
    pub(crate) async fn next(&mut self, until: Instant) -> Result<Option<Told>> {
        let wait = until.saturating_duration_since(Instant::now());
        let Ok(told) = timeout(wait, self.told.recv()).await else { return Ok(None) };
        let told = told.context("the ledger holds a sender")?;
        match told {
            Told::Acked { .. } => self.acked += 1,
            Told::Whole { .. } => self.whole += 1,
            Told::Failed(error) => return Err(error),
        }
        Ok(Some(told))
    }

    /// Waits until all have the first so many messages, or it was quiet for too long; when the last of them was
    /// received, if it was.
    pub(crate) async fn until_whole(&mut self, count: usize) -> Result<Option<Instant>> {
        let mut last = None;
        while self.whole < count {
            match self.next(Instant::now() + QUIET).await? {
                Some(Told::Whole { at, .. }) => last = last.max(Some(at)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(last)
    }

    /// Waits until all that was sent is acked, or it was quiet for too long.
    pub(crate) async fn until_acked(&mut self) -> Result<()> {
        while self.acked < self.sent && self.next(Instant::now() + QUIET).await?.is_some() {}
        Ok(())
    }

    /// Waits until nothing more comes by itself, then lets these members catch up.
    pub(crate) async fn settle(&mut self, places: Range<usize>) -> Result<Total> {
        while self.acked < self.sent || self.whole < self.sent {
            if self.next(Instant::now() + QUIET).await?.is_none() {
                break;
            }
        }
        self.catch_up(places).await
    }

    /// Lets these members make sure that nothing is missing, and sums up.
    pub(crate) async fn catch_up(&mut self, places: Range<usize>) -> Result<Total> {
        let mut total = Total { unacked: self.sent - self.acked, ..Total::default() };
        let until = Instant::now() + CATCH_UP;
        let answers: Vec<_> = places
            .map(|place| {
                let (answer, answered) = oneshot::channel();
                self.order(place, Order::CatchUp { until, answer });
                answered
            })
            .collect();
        for answered in answers {
            let Ok(heard) = answered.await else {
                while self.next(Instant::now() + QUIET).await?.is_some() {}
                bail!("a member left without telling why");
            };
            total.add(heard, self.acked);
        }
        // What came by catching up is whole now as well.
        while self.next(Instant::now()).await?.is_some() {}
        total.latencies.sort_unstable();
        Ok(total)
    }

    /// Lets everybody go, and waits until the functions have seen to it.
    pub(crate) async fn end(mut self, chat: &TestChat) -> Result<()> {
        self.members.clear();
        while let Some(left) = self.following.join_next().await {
            left?;
        }
        chat.stack.settled_invocations("ws-disconnect").await;
        Ok(())
    }

    fn order(&self, place: usize, order: Order) {
        // A member that left has told why, which comes with the next that is told.
        let _left = self.members[place].send(order);
    }
}

impl Total {
    fn add(&mut self, heard: Heard, acked: usize) {
        self.latencies.extend(heard.latencies);
        self.pushed += heard.pushed;
        self.fetched += heard.fetched;
        self.frames += heard.frames;
        self.missing += acked.saturating_sub(heard.has);
        self.resubscribed += heard.resubscribed;
        self.reconnected += heard.reconnected;
        self.refused += heard.refused;
    }

    /// How many receipts there were.
    pub(crate) fn deliveries(&self) -> usize {
        self.pushed + self.fetched
    }

    /// Frames with pushes by messages that were pushed.
    pub(crate) fn frames_per_delivery(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let ratio = self.frames as f64 / self.pushed.max(1) as f64;
        ratio
    }

    /// The median and the 99th of 100 receipts.
    pub(crate) fn receipt(&self) -> String {
        spread(&self.latencies)
    }

    /// What was not pushed at first hand, and what went wrong.
    pub(crate) fn account(&self) -> String {
        let Self { pushed, fetched, missing, .. } = self;
        let first = format!("{pushed} pushed, {fetched} fetched, {missing} missing (aim 0)");
        let seldom = [
            (self.resubscribed, "subscribed again"),
            (self.reconnected, "CONNECTED AGAIN"),
            (self.refused, "REFUSED"),
            (self.unacked, "NOT ACKED"),
        ];
        let happened = seldom.into_iter().filter(|(count, _)| *count > 0);
        happened.fold(first, |account, (count, what)| format!("{account}, {count} {what}"))
    }
}
