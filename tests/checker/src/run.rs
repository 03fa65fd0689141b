//! A run: people and conversations are made, traffic flows while things go wrong, all comes to rest, and is judged.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use futures_util::future;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use reqwest::Method;
use serde_json::{Value, json};
use support::TestChat;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    account::Account,
    churn::{self, Changing},
    client::{Client, Habits, Making, Phase, Progress, Shared},
    judge::judge,
    record::{ClientRecord, Records},
    report::Report,
    truth,
};

/// How many conversations change their people at the same time.
const CHURNS: usize = 4;
/// How often it is looked whether all have everything.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a run consists of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What its choices are drawn from; how tasks interleave is not among them.
    pub seed: u64,
    /// How many conversations.
    pub conversations: usize,
    /// How many people.
    pub people: usize,
    /// How many clients; beyond the people they are second devices.
    pub clients: usize,
    /// In how many conversations everybody takes part, beside those that they started.
    pub conversations_each: usize,
    /// How many messages are acked in the end; `None`: as many as go while faults last.
    pub messages: Option<u32>,
    /// How clients behave.
    pub habits: Habits,
    /// How often people come or go in a quarter of the conversations, about; `None`: never.
    pub churn_every: Option<Duration>,
    /// How long it may take until all have everything.
    pub converge_within: Duration,
}

/// Counts what a run has acked so far.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Shared>);

impl Meter {
    /// How many messages were acked.
    pub fn acked(&self) -> u64 {
        self.0.acked.load(Ordering::Relaxed)
    }
}

/// A run that is ready to start.
pub struct Run {
    chat: TestChat,
    plan: Plan,
    shared: Arc<Shared>,
    everybody: Arc<Vec<Account>>,
    clients: Vec<Making>,
    /// Where each person's clients are told that they were added to a conversation.
    joined: Arc<Vec<Vec<mpsc::UnboundedSender<usize>>>>,
    rooms: Vec<Changing>,
    phase: watch::Sender<Phase>,
}

impl Run {
    /// Makes the people, their sessions and the conversations.
    pub async fn prepare(chat: &TestChat, plan: Plan) -> Result<Self> {
        ensure!(plan.conversations > 0 && plan.people > 1, "a run needs conversations and people");
        ensure!(plan.clients >= plan.people, "everybody has a client");
        let mut random = StdRng::seed_from_u64(plan.seed);
        let mut everybody = Vec::with_capacity(plan.people);
        while everybody.len() < plan.people {
            let more = (plan.people - everybody.len()).min(8);
            everybody.extend(future::try_join_all((0..more).map(|_| Account::sign_up(chat))).await?);
        }
        let rooms = start_conversations(&plan, &everybody, &mut random).await?;
        let shared = Arc::new(Shared {
            url: chat.stack.websocket_url.clone(),
            rooms: rooms.iter().map(|room| (room.id.clone(), room.room)).collect(),
            ids: rooms.iter().map(|room| room.id.clone()).collect(),
            habits: plan.habits.clone(),
            budget: AtomicU64::new(u64::from(plan.messages.unwrap_or(u32::MAX))),
            acked: AtomicU64::new(0),
        });
        let (phase, watched) = watch::channel(Phase::Traffic);
        let mut joined = vec![Vec::new(); plan.people];
        let mut clients = Vec::with_capacity(plan.clients);
        for number in 0..plan.clients {
            let person = number % plan.people;
            let (sender, receiver) = mpsc::unbounded_channel();
            joined[person].push(sender);
            clients.push(Making {
                number,
                seed: plan.seed,
                shared: Arc::clone(&shared),
                account: Arc::new(Account::sign_in(chat, &everybody[person].user).await?),
                progress: Arc::new(Progress {
                    last: (0..plan.conversations).map(|_| AtomicU64::new(0)).collect(),
                    outstanding: AtomicUsize::new(0),
                }),
                phase: watched.clone(),
                joined: receiver,
                rooms: rooms
                    .iter()
                    .filter(|room| room.people.contains(&person))
                    .map(|room| room.room)
                    .collect(),
            });
        }
        Ok(Self {
            chat: chat.clone(),
            plan,
            shared,
            everybody: Arc::new(everybody),
            clients,
            joined: Arc::new(joined),
            rooms,
            phase,
        })
    }

    /// Counts its acks.
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }

    /// Lets traffic flow until `faults` are over and all messages are acked, waits until all have everything, and
    /// judges. `faults` gives when Postgres was stopped.
    pub async fn judged(self, faults: impl Future<Output = Result<Vec<(i64, i64)>>>) -> Result<Report> {
        let start = Instant::now();
        let mut churning = JoinSet::new();
        for number in 0..CHURNS {
            let Some(every) = self.plan.churn_every else { break };
            let rooms = self.rooms.iter().filter(|room| room.room % CHURNS == number).cloned().collect();
            let random = StdRng::seed_from_u64(self.plan.seed.rotate_left(32) ^ number as u64);
            let (everybody, clients) = (Arc::clone(&self.everybody), Arc::clone(&self.joined));
            churning.spawn(churn::change(rooms, everybody, clients, every, self.phase.subscribe(), random));
        }
        let people: Vec<_> = self.clients.iter().map(|client| client.account.user.id.clone()).collect();
        let progress: Vec<_> = self.clients.iter().map(|client| Arc::clone(&client.progress)).collect();
        let mut running = JoinSet::new();
        for (number, making) in self.clients.into_iter().enumerate() {
            running.spawn(async move { (number, Client::new(making).run().await) });
        }

        let traffic = async {
            let outages = faults.await?;
            let wanted = self.plan.messages.map_or(0, u64::from);
            while self.shared.acked.load(Ordering::Relaxed) < wanted {
                sleep(LOOK_EVERY).await;
            }
            anyhow::Ok(outages)
        };
        let outages = tokio::select! {
            outages = traffic => outages?,
            Some(ended) = running.join_next() => {
                ended?.1?;
                anyhow::bail!("a client ended before the run did")
            }
        };
        let sent_in = start.elapsed();
        self.phase.send_replace(Phase::Converge);
        while let Some(changed) = churning.join_next().await {
            changed??;
        }

        let ids: Vec<Uuid> = self.shared.ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
        let postgres = self.chat.stack.postgres_connection(None).await;
        let deadline = Instant::now() + self.plan.converge_within;
        let mut converged = false;
        while !converged && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
            let heads = truth::heads(&postgres, &ids).await?;
            converged = progress.iter().zip(&people).all(|(progress, person)| {
                progress.outstanding.load(Ordering::Relaxed) == 0 && has_everything(progress, person, &heads)
            });
        }
        let converged_in = start.elapsed().saturating_sub(sent_in);
        self.phase.send_replace(Phase::Over);

        let mut clients = vec![ClientRecord::default(); people.len()];
        while let Some(ended) = running.join_next().await {
            let (number, record) = ended?;
            clients[number] = record?;
        }
        let records = Records { clients, outages };
        let readers: Vec<_> = self.rooms.iter().map(|room| &self.everybody[room.people[0]]).collect();
        let truth = truth::read(&postgres, &ids, &readers).await?;
        Ok(Report {
            seed: self.plan.seed,
            sent_in,
            converged_in,
            converged,
            violations: judge(&records, &truth),
            ..Report::of(&records, &truth)
        })
    }
}

fn has_everything(progress: &Progress, person: &String, heads: &[(u64, Vec<String>)]) -> bool {
    heads.iter().zip(&progress.last).all(|((last_seq, participants), last)| {
        !participants.contains(person) || last.load(Ordering::Relaxed) == *last_seq
    })
}

/// Everybody is in some conversations, and each conversation has somebody who started it.
async fn start_conversations(
    plan: &Plan,
    everybody: &[Account],
    random: &mut StdRng,
) -> Result<Vec<Changing>> {
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    let all: Vec<_> = (0..plan.conversations).collect();
    for person in 0..plan.people {
        for room in all.sample(random, plan.conversations_each) {
            members.entry(*room).or_default().push(person);
        }
    }
    let mut rooms = Vec::with_capacity(plan.conversations);
    for room in 0..plan.conversations {
        let admin = room % plan.people;
        let mut others = members.remove(&room).unwrap_or_default();
        others.retain(|person| *person != admin);
        if others.is_empty() {
            others.push((admin + random.random_range(1..plan.people)) % plan.people);
        }
        let ids: Vec<_> = others.iter().map(|person| &everybody[*person].user.id).collect();
        let body = json!({"name": format!("conversation {room}"), "participant_ids": ids});
        let answer = everybody[admin].call(Method::POST, "/api/v1/conversations", Some(body), &[201]).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let id = answer["id"].as_str().unwrap_or_default().to_owned();
        let mut people = vec![admin];
        people.extend(others);
        rooms.push(Changing { room, id, people });
    }
    Ok(rooms)
}
