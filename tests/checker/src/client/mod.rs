//! A client that keeps to the public client rule and writes down everything that it sees.
//!
//! It sends with client ids and several sends under way, sends again until acked, and loses its connection now and then.

mod outbox;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use outbox::Outbox;

use crate::{
    account::Account,
    frames::{self, Entry, Incoming},
    record::{self, Ack, ClientRecord, Shown, Way},
    view::View,
};

/// How long an answer to `subscribe` may take before it counts as lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(20);
/// How long a client that signed out still listens.
const LISTEN_ON: Duration = Duration::from_secs(1);
/// How many strange frames are kept.
const STRANGE: usize = 10;

type Socket = WebSocketStream<TcpStream>;

/// How clients behave.
#[derive(Debug, Clone)]
pub struct Habits {
    /// How many sends are under way at once.
    pub window: usize,
    /// The least time between two sends of a client.
    pub pace: Duration,
    /// How long an ack may take before the message is sent again.
    pub resend_after: Duration,
    /// How long a jump waits for stragglers.
    pub straggle: Duration,
    /// How often heads are asked for.
    pub ping_every: Duration,
    /// How long a connection lasts before its client drops it, about; `None`: it does not.
    pub drop_every: Option<Duration>,
    /// How long a client that dropped its connection stays away at most; one time in twenty it is ten times that.
    pub away: Duration,
    /// How often a client signs out and in again, about; `None`: never.
    pub sign_out_every: Option<Duration>,
}

/// What a run asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Send, lose connections, sign out.
    Traffic,
    /// Only finish what is under way and catch up.
    Converge,
    /// Stop.
    Over,
}

/// How far a client is, for whoever waits until all have converged.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The client's `last` in each conversation of the run.
    pub(crate) last: Vec<AtomicU64>,
    /// How many of its sends are not acked.
    pub(crate) outstanding: AtomicUsize,
}

/// What all clients of a run have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) url: String,
    /// The conversations of the run by their ids.
    pub(crate) rooms: HashMap<String, usize>,
    /// Their ids.
    pub(crate) ids: Vec<String>,
    pub(crate) habits: Habits,
    /// How many messages are still to be sent, by all together; one that is refused is replaced.
    pub(crate) budget: AtomicU64,
    /// How many were acked.
    pub(crate) acked: AtomicU64,
}

/// A client under way.
pub(crate) struct Client {
    shared: Arc<Shared>,
    account: Arc<Account>,
    progress: Arc<Progress>,
    phase: watch::Receiver<Phase>,
    /// Conversations that it was added to.
    joined: mpsc::UnboundedReceiver<usize>,
    random: StdRng,
    record: ClientRecord,
    views: Vec<View>,
    outbox: Outbox,
    asking: Option<Asking>,
    ask_after: Instant,
    ping_at: Instant,
    drop_at: Option<Instant>,
    sign_out_at: Option<Instant>,
    asked: u64,
}

/// A `subscribe` that is not answered.
struct Asking {
    reference: String,
    /// Which conversations, and how often the client had been added to each.
    views: Vec<(usize, u32)>,
    until: Instant,
}

/// What makes a client.
pub(crate) struct Making {
    pub(crate) number: usize,
    pub(crate) seed: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) account: Arc<Account>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) joined: mpsc::UnboundedReceiver<usize>,
    pub(crate) rooms: Vec<usize>,
}

impl Client {
    pub(crate) fn new(making: Making) -> Self {
        let now = Instant::now();
        let Making { number, seed, shared, account, progress, phase, joined, rooms } = making;
        let record = ClientRecord { user: account.user.id.clone(), ..ClientRecord::default() };
        let mut client = Self {
            outbox: Outbox::new(number),
            shared,
            account,
            progress,
            phase,
            joined,
            random: StdRng::seed_from_u64(seed ^ number as u64),
            record,
            views: rooms.into_iter().map(View::new).collect(),
            asking: None,
            ask_after: now,
            ping_at: now,
            drop_at: None,
            sign_out_at: None,
            asked: 0,
        };
        client.sign_out_at = client.about(client.shared.habits.sign_out_every);
        client
    }

    /// Runs until the run is over, and gives what was written down.
    pub(crate) async fn run(mut self) -> Result<ClientRecord> {
        let mut failures = 0;
        while self.phase() < Phase::Over {
            if let Some(socket) = self.connect().await {
                failures = 0;
                let from = record::now();
                let end = self.serve(socket).await?;
                self.record.connections.push((from, record::now()));
                self.stay_away(end).await?;
            } else {
                failures += 1;
                let pause = 100 * (1 << failures.min(4));
                sleep(Duration::from_millis(self.random.random_range(pause / 2..pause))).await;
            }
        }
        self.record.views = self.views.into_iter().map(|view| view.record).collect();
        Ok(self.record)
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// From half to one and a half of a duration, from now on.
    fn about(&mut self, duration: Option<Duration>) -> Option<Instant> {
        duration.map(|duration| Instant::now() + duration.mul_f64(self.random.random_range(0.5..1.5)))
    }

    async fn connect(&mut self) -> Option<Socket> {
        let mut request = self.shared.url.as_str().into_client_request().ok()?;
        let token = self.account.token().await;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().ok()?);
        let authority = request.uri().authority()?.to_string();
        let opening = async {
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            tokio_tungstenite::client_async(request, stream).await
        };
        match timeout(HANDSHAKE_WITHIN, opening).await {
            Ok(Ok((socket, _))) => Some(socket),
            Ok(Err(tungstenite::Error::Http(response))) if response.status() == 401 => {
                // The access token has expired.
                self.account.renew().await.ok()?;
                None
            }
            _ => None,
        }
    }

    /// Until the connection ends, whoever ends it.
    async fn serve(&mut self, mut socket: Socket) -> Result<End> {
        let now = Instant::now();
        self.asking = None;
        self.ask_after = now;
        self.ping_at = now + self.shared.habits.ping_every.mul_f64(self.random.random_range(0.5..1.0));
        self.drop_at = self.about(self.shared.habits.drop_every);
        for view in &mut self.views {
            view.wanted = view.joined;
        }
        self.outbox.send_again_at(now);
        let mut signing_out: Option<JoinHandle<Result<()>>> = None;
        let mut signed_out: Option<(i64, Instant)> = None;

        let end = loop {
            let now = Instant::now();
            let traffic = self.phase() == Phase::Traffic;
            if self.phase() == Phase::Over {
                break End::Lost;
            }
            if signed_out.is_some_and(|(_, until)| now >= until) {
                break End::Lost;
            }
            if signing_out.is_none() && signed_out.is_none() && traffic {
                if self.drop_at.is_some_and(|at| now >= at) {
                    break End::Dropped;
                }
                if self.sign_out_at.is_some_and(|at| now >= at) {
                    let account = Arc::clone(&self.account);
                    signing_out = Some(tokio::spawn(async move { account.sign_out().await }));
                }
            }
            if signed_out.is_none() {
                let frames = self.due(now);
                if !frames.is_empty() && write(&mut socket, frames).await.is_err() {
                    break End::Lost;
                }
            }
            let wakes_at = self.wakes_at(now, traffic, signed_out.map(|(_, until)| until));
            tokio::select! {
                incoming = socket.next() => match incoming {
                    Some(Ok(Message::Text(text))) => self.take(&text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break End::Lost,
                    Some(Ok(_)) => {}
                },
                Some(room) = self.joined.recv() => self.join(room),
                Ok(()) = self.phase.changed() => {}
                () = sleep_until(wakes_at) => {}
                answer = async { signing_out.as_mut().expect("it is under way").await }, if signing_out.is_some() => {
                    answer??;
                    signing_out = None;
                    signed_out = Some((record::now(), Instant::now() + LISTEN_ON));
                }
            }
        };
        if end == End::Dropped && self.random.random_bool(0.5) {
            // The other half of the time nobody says goodbye.
            let _whatever_comes_of_it = timeout(Duration::from_secs(1), socket.close(None)).await;
        }
        drop(socket);
        if let Some(signing_out) = signing_out {
            signing_out.await??;
            signed_out = Some((record::now(), now));
        }
        if let Some((from, _)) = signed_out {
            self.account.renew().await?;
            self.record.signed_out.push((from, record::now()));
            self.sign_out_at = self.about(self.shared.habits.sign_out_every);
        }
        Ok(end)
    }

    /// A client that dropped its connection is offline for some time.
    async fn stay_away(&mut self, end: End) -> Result<()> {
        if end == End::Lost {
            return Ok(());
        }
        let longest = self.shared.habits.away * if self.random.random_bool(0.05) { 10 } else { 1 };
        let until = Instant::now() + longest.mul_f64(self.random.random_range(0.0..1.0));
        while self.phase() == Phase::Traffic && Instant::now() < until {
            tokio::select! {
                Some(room) = self.joined.recv() => self.join(room),
                changed = self.phase.changed() => changed?,
                () = sleep_until(until) => {}
            }
        }
        Ok(())
    }

    /// The frames that are to be sent now.
    fn due(&mut self, now: Instant) -> Vec<String> {
        let mut frames = Vec::new();
        if self.asking.as_ref().is_some_and(|asking| now >= asking.until) {
            self.ask_again(now);
        }
        for view in &mut self.views {
            view.wanted |= view.ask_at().is_some_and(|at| now >= at);
        }
        if self.asking.is_none() && now >= self.ask_after && self.views.iter().any(|view| view.wanted) {
            frames.push(self.subscribe(now));
        }
        if now >= self.ping_at {
            self.ping_at = now + self.shared.habits.ping_every;
            frames.push(json!({"type": "ping", "ref": "p"}).to_string());
        }
        while self.phase() == Phase::Traffic
            && self.outbox.has_room(now, &self.shared.habits)
            && self.send_one(now)
        {}
        let ids = &self.shared.ids;
        self.record.retries += self.outbox.take_due(now, &self.shared.habits, ids, &mut frames);
        self.progress.outstanding.store(self.outbox.len(), Ordering::Relaxed);
        frames
    }

    fn subscribe(&mut self, now: Instant) -> String {
        self.asked += 1;
        let reference = format!("s{}", self.asked);
        let (mut conversations, mut seen, mut views) = (Map::new(), Map::new(), Vec::new());
        for (number, view) in self.views.iter_mut().enumerate().filter(|(_, view)| view.wanted) {
            let id = &self.shared.ids[view.record.room];
            conversations.insert(id.clone(), json!(view.last));
            if let Some(highest) = view.seen() {
                seen.insert(id.clone(), json!(highest));
            }
            view.asked(now);
            views.push((number, view.joins));
        }
        let frame =
            json!({"type": "subscribe", "ref": reference, "conversations": conversations, "seen": seen});
        self.asking = Some(Asking { reference, views, until: now + ANSWER_WITHIN });
        frame.to_string()
    }

    /// The answer to `subscribe` is lost or was an error.
    fn ask_again(&mut self, now: Instant) {
        for (number, _) in self.asking.take().map(|asking| asking.views).unwrap_or_default() {
            self.views[number].wanted = self.views[number].joined;
        }
        self.ask_after = now + Duration::from_millis(self.random.random_range(200..600));
    }

    /// Composes a message, if there is where to send it and one left to send.
    fn send_one(&mut self, now: Instant) -> bool {
        let joined: Vec<_> =
            self.views.iter().filter(|view| view.joined).map(|view| view.record.room).collect();
        let budget = &self.shared.budget;
        let one_less = |left| (left > 0).then(|| left - 1);
        if joined.is_empty() || budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            return false;
        }
        let room = joined[self.random.random_range(0..joined.len())];
        let sent = self.outbox.compose(room, &self.account.user.id, now, self.shared.habits.pace);
        self.record.sent.push(sent);
        true
    }

    fn wakes_at(&self, now: Instant, traffic: bool, more: Option<Instant>) -> Instant {
        let asks = self.views.iter().filter_map(View::ask_at).min();
        let asked = self.asking.as_ref().map(|asking| asking.until);
        let wants =
            (self.asking.is_none() && self.views.iter().any(|view| view.wanted)).then_some(self.ask_after);
        let leaves =
            traffic.then_some([self.drop_at, self.sign_out_at]).into_iter().flatten().flatten().min();
        let sends = traffic.then(|| self.outbox.may_send_at(&self.shared.habits)).flatten();
        let resends = self.outbox.next_due();
        let all = [asks.filter(|_| self.asking.is_none()), asked, wants, leaves, sends, resends, more];
        // A moment at least: what is overdue waits for something else then.
        let soonest = all.into_iter().flatten().fold(self.ping_at, Instant::min);
        soonest.max(now + Duration::from_millis(5))
    }

    fn take(&mut self, text: &str) {
        match frames::parse(text) {
            Ok(all) => all.into_iter().for_each(|incoming| self.take_one(incoming)),
            Err(error) => self.strange(format!("{error:#}: {text}")),
        }
    }

    fn take_one(&mut self, incoming: Incoming) {
        let now = Instant::now();
        match incoming {
            Incoming::Pushed { conversation, entry } => self.receive(&conversation, &entry, Way::Pushed, now),
            Incoming::Ack { reference, conversation, entry, duplicate } => {
                self.receive(&conversation, &entry, Way::Acked, now);
                let Some(number) =
                    outbox::number_of(&reference).filter(|number| *number < self.record.sent.len())
                else {
                    return self.strange(format!("an ack for {reference}"));
                };
                if self.outbox.take_out(number).is_some() {
                    self.shared.acked.fetch_add(1, Ordering::Relaxed);
                }
                self.record.acks.push(Ack { number, seq: entry.seq, duplicate, at: record::now() });
            }
            Incoming::Subscribed { reference, answers } => {
                if self.asking.as_ref().is_some_and(|asking| asking.reference == reference) {
                    self.asking = None;
                }
                for (conversation, answer) in answers {
                    for entry in &answer.entries {
                        self.write_down(&conversation, entry, Way::Resumed);
                    }
                    if let Some(view) = self.view(&conversation) {
                        view.answered(&answer, now);
                        self.show_progress(&conversation);
                    }
                }
            }
            Incoming::Pong { heads, resync } => {
                let ids = &self.shared.ids;
                for view in self.views.iter_mut().filter(|view| view.joined) {
                    match heads.get(&ids[view.record.room]) {
                        Some(head) => view.head(*head, now),
                        // Not among what the server takes the client to be subscribed to: a Redis that was rewound
                        // to before the subscription cannot know better, and says nothing of a resync.
                        None => view.wanted = true,
                    }
                }
                for view in self.views.iter_mut().filter(|view| resync && view.joined) {
                    view.wanted = true;
                }
            }
            Incoming::Lag { conversation, latest } => {
                if let Some(view) = self.view(&conversation).filter(|view| view.joined) {
                    view.lags(latest, now);
                }
            }
            Incoming::Error { code, reference, retry_after, refused } => {
                self.refused(&code, &reference, retry_after, &refused, now);
            }
            Incoming::Platform => {
                self.outbox.send_again_at(now + Duration::from_millis(300));
                self.ask_again(now);
            }
            Incoming::Unordered => {}
        }
    }

    fn receive(&mut self, conversation: &str, entry: &Entry, way: Way, now: Instant) {
        self.write_down(conversation, entry, way);
        let (ask_at, me) = (now + self.shared.habits.straggle, &self.account.user.id);
        let removes_me = entry.removes.as_ref() == Some(me);
        let Some(view) = self.view(conversation) else { return };
        // Whether it still stands, only the server knows: the answer to `subscribe` tells.
        view.wanted |= removes_me && view.joined && entry.seq > view.last;
        view.receive(entry, ask_at);
        self.show_progress(conversation);
    }

    fn refused(
        &mut self,
        code: &str,
        reference: &str,
        retry_after: Option<u64>,
        refused: &[String],
        now: Instant,
    ) {
        if let Some(number) = outbox::number_of(reference) {
            match (code, retry_after) {
                ("UNAVAILABLE" | "INTERNAL_ERROR" | "UNAUTHENTICATED", _) => {
                    self.outbox
                        .failed(number, now + Duration::from_millis(self.random.random_range(200..800)));
                }
                ("THROTTLED", Some(seconds)) => {
                    self.outbox.failed(number, now + Duration::from_secs(seconds));
                }
                ("NOT_FOUND", _) => {
                    // Removed meanwhile, or so it seems: the answer to `subscribe` tells.
                    let room = self.outbox.take_out(number);
                    if room.is_some() {
                        self.record.refused += 1;
                        // Another one takes its place.
                        self.shared.budget.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Some(room) = room
                        && let Some(view) = self.views.iter_mut().find(|view| view.record.room == room)
                    {
                        view.wanted = view.joined;
                    }
                }
                _ => self.strange(format!("{code} for a send")),
            }
        } else if self.asking.as_ref().is_some_and(|asking| asking.reference == reference) {
            let asking = self.asking.take().expect("it was there");
            let gone: Vec<_> = refused.iter().filter_map(|id| self.shared.rooms.get(id).copied()).collect();
            for (number, joins) in asking.views {
                let view = &mut self.views[number];
                if code == "NOT_FOUND" && gone.contains(&view.record.room) && view.joins == joins {
                    view.leave();
                } else {
                    view.wanted = view.joined;
                }
            }
            match code {
                "NOT_FOUND" => {}
                "UNAVAILABLE" | "INTERNAL_ERROR" | "UNAUTHENTICATED" => self.ask_again(now),
                _ => self.strange(format!("{code} for a subscribe")),
            }
        } else if reference.starts_with('s') {
            // To a `subscribe` that was given up: another one is under way or answered.
        } else if !["UNAVAILABLE", "INTERNAL_ERROR", "UNAUTHENTICATED"].contains(&code) {
            self.strange(format!("{code} for {reference}"));
        }
    }

    fn join(&mut self, room: usize) {
        match self.views.iter_mut().find(|view| view.record.room == room) {
            Some(view) => view.join(),
            None => self.views.push(View::new(room)),
        }
    }

    fn view(&mut self, conversation: &str) -> Option<&mut View> {
        let room = *self.shared.rooms.get(conversation)?;
        self.views.iter_mut().find(|view| view.record.room == room)
    }

    fn show_progress(&mut self, conversation: &str) {
        if let Some((room, last)) = self.view(conversation).map(|view| (view.record.room, view.last)) {
            self.progress.last[room].store(last, Ordering::Relaxed);
        }
    }

    fn write_down(&mut self, conversation: &str, entry: &Entry, way: Way) {
        match self.shared.rooms.get(conversation) {
            Some(&room) => {
                let Entry { seq, digest, .. } = *entry;
                self.record.shown.push(Shown { room, seq, digest, way, at: record::now() });
            }
            None => self.strange(format!("an entry of the unknown conversation {conversation}")),
        }
    }

    fn strange(&mut self, what: String) {
        if self.record.strange.len() < STRANGE {
            self.record.strange.push(what);
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By the client's own will.
    Dropped,
    /// By anything else.
    Lost,
}

async fn write(socket: &mut Socket, frames: Vec<String>) -> Result<(), tungstenite::Error> {
    for frame in frames {
        socket.feed(Message::text(frame)).await?;
    }
    socket.flush().await
}
