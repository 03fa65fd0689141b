//! A cluster: each call goes to the node that serves its key's slot, and a wave to all of its nodes at once.
//!
//! This is not the `redis` crate's own cluster client, because that repeats a whole pipeline when one of its commands
//! is redirected or its connection breaks, and some commands must not run twice: a ticket is used up by reading it.
//! Here only what a node says it has not done is sent again; what a broken connection left open stays open. And a
//! node that hangs holds up its own calls alone.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{join_all, select_ok};
use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd,
};

use super::Call;
use super::keys::Partition;
use super::server::Server;
use super::slots::{Node, Slots, slot_of};
use crate::iam::Login;

/// How often a call is sent at most, and how long is waited before the third time; then twice as long each time,
/// 1.3 s in all. A script is put off while the keys of its slot are moving one by one.
const ATTEMPTS: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// What a start waits for a node; later only the calls on it wait.
const WARM_UP: Duration = Duration::from_millis(300);

/// The connections to a cluster's nodes, and who serves what.
pub(super) struct Cluster {
    seeds: Vec<ConnectionInfo>,
    login: Option<Arc<Login>>,
    /// Never held across an await.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: Slots,
    servers: HashMap<Node, Server>,
}

/// A call without a reply yet.
struct Pending<'a> {
    position: usize,
    call: &'a Call,
    redirect: Option<Redirect>,
}

/// What a node says of a call that it has not done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Redirect {
    /// The slot is served there.
    Moved(Node),
    /// The slot is moving there; of its keys, those of the call are not here any more.
    Ask(Node),
    /// The slot is moving, and the keys of the call are not all in one place.
    Wait,
}

impl Cluster {
    /// The cluster that these nodes belong to; nothing is opened yet.
    pub(super) fn of(seeds: Vec<ConnectionInfo>, login: Option<Arc<Login>>) -> Self {
        Self { seeds, login, known: Mutex::default() }
    }

    /// Opens the connections to all nodes, waiting but a moment for one that hangs.
    pub(super) async fn open(&self) -> RedisResult<()> {
        self.learn(self.nodes()).await?;
        let ping = cmd("PING");
        let opened = self.nodes().into_iter().map(async |node| {
            let server = self.server(node)?;
            let answered = tokio::time::timeout(WARM_UP, server.ask([&ping])).await;
            answered.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        });
        join_all(opened).await.into_iter().try_for_each(|replies| replies.map(drop))
    }

    /// Runs calls, those on one node in order, and returns their replies in the calls' order, errors of single
    /// commands among them. When a node does not answer, the calls on the others have run all the same.
    pub(super) async fn ask(&self, calls: &[&Call]) -> RedisResult<Vec<Value>> {
        let mut replies = vec![Value::Nil; calls.len()];
        let pending = calls.iter().enumerate();
        let mut pending: Vec<_> =
            pending.map(|(position, call)| Pending { position, call, redirect: None }).collect();
        let mut failure = None;
        for attempt in 1..=ATTEMPTS {
            let mut again = Vec::new();
            let asked = self.route(pending, &mut failure).await.into_iter();
            for (node, asked, answers) in
                join_all(asked.map(|(node, asked)| self.ask_node(node, asked))).await
            {
                let answers = match answers {
                    Ok(answers) => answers,
                    Err(error) => {
                        failure = Some(error);
                        continue;
                    }
                };
                for (call, reply) in asked.into_iter().zip(answers) {
                    match Redirect::of(&reply, &node) {
                        Some(redirect) if call.call.rides => {
                            self.note(call.call, redirect);
                            replies[call.position] = reply;
                        }
                        Some(redirect) if attempt < ATTEMPTS => {
                            again.push(Pending { redirect: Some(redirect), ..call });
                        }
                        _ => replies[call.position] = reply,
                    }
                }
            }
            if again.is_empty() {
                break;
            }
            again.sort_by_key(|call| call.position);
            self.follow(&again, attempt).await;
            pending = again;
        }
        match failure {
            None => Ok(replies),
            Some(error) => {
                // The node may have been replaced, which nobody else would tell. What was sent to it stays open.
                let _nobody_else_knows_better = self.learn(self.nodes()).await;
                Err(error)
            }
        }
    }

    /// The first partition that is served by the node that this call goes to, as far as that is known.
    pub(super) fn partition_beside(&self, call: &Call) -> Option<Partition> {
        let known = self.known.lock().expect(UNPOISONED);
        let owner = |key: &[u8]| known.slots.owner(slot_of(key));
        let node = owner(call.key())?;
        Partition::all().find(|partition| owner(partition.metrics().as_bytes()) == Some(node))
    }

    /// Remembers where the slot of a call that is not sent again is served now, without asking for all others.
    fn note(&self, call: &Call, redirect: Redirect) {
        if let Redirect::Moved(node) = redirect {
            self.known.lock().expect(UNPOISONED).slots.move_to(slot_of(call.key()), node);
        }
    }

    /// Sorts calls by the node to ask.
    async fn route<'a>(
        &self,
        calls: Vec<Pending<'a>>,
        failure: &mut Option<RedisError>,
    ) -> HashMap<Node, Vec<Pending<'a>>> {
        if calls.iter().any(|call| self.target(call).is_none())
            && let Err(error) = self.learn(self.nodes()).await
        {
            *failure = Some(error);
        }
        let mut routed: HashMap<_, Vec<_>> = HashMap::new();
        for call in calls {
            match self.target(&call) {
                Some(node) => routed.entry(node).or_default().push(call),
                None => {
                    failure.get_or_insert(
                        (ErrorKind::ClusterConnectionNotFound, "no node serves the slot").into(),
                    );
                }
            }
        }
        routed
    }

    fn target(&self, call: &Pending<'_>) -> Option<Node> {
        match &call.redirect {
            Some(Redirect::Moved(node) | Redirect::Ask(node)) => Some(node.clone()),
            Some(Redirect::Wait) | None => {
                self.known.lock().expect(UNPOISONED).slots.owner(slot_of(call.call.key())).cloned()
            }
        }
    }

    /// Prepares for the next attempt: who is said to serve a slot now knows best who serves what.
    async fn follow(&self, calls: &[Pending<'_>], attempt: u32) {
        let moved = calls.iter().find_map(|call| match &call.redirect {
            Some(Redirect::Moved(node)) => Some(node.clone()),
            _ => None,
        });
        if let Some(node) = moved {
            let _the_redirects_do = self.learn(vec![node]).await;
        }
        // Once round is a matter of course; more is a slot on its way, or news that have not reached all nodes.
        if attempt > 1 || calls.iter().any(|call| call.redirect == Some(Redirect::Wait)) {
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(2))).await;
        }
    }

    async fn ask_node<'a>(
        &self,
        node: Node,
        calls: Vec<Pending<'a>>,
    ) -> (Node, Vec<Pending<'a>>, RedisResult<Vec<Value>>) {
        let asking = cmd("ASKING");
        let mut commands: Vec<&Cmd> = Vec::with_capacity(calls.len());
        let mut own = Vec::with_capacity(calls.len());
        for call in &calls {
            if matches!(call.redirect, Some(Redirect::Ask(_))) {
                commands.push(&asking);
                own.push(false);
            }
            commands.push(&call.call.command);
            own.push(true);
        }
        let answers = match self.server(node.clone()) {
            Ok(server) => server.ask(commands).await,
            Err(error) => Err(error),
        };
        let answers = answers.map(|answers| {
            let answers = answers.into_iter().zip(own);
            answers.filter_map(|(answer, own)| own.then_some(answer)).collect()
        });
        (node, calls, answers)
    }

    /// Asks nodes who serves what, all at the same time, and believes the first to answer.
    async fn learn(&self, nodes: Vec<Node>) -> RedisResult<()> {
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let question = &question;
        let asked = nodes.into_iter().map(|node| {
            Box::pin(async move {
                let reply = self.server(node.clone())?.ask([question]).await?.pop().unwrap_or_default();
                Slots::read(reply.extract_error()?, &node)
            })
        });
        let (slots, _others) = select_ok(asked).await?;
        let mut known = self.known.lock().expect(UNPOISONED);
        let seeds: Vec<_> = self.seeds.iter().filter_map(node_of).collect();
        known.servers.retain(|node, _| seeds.contains(node) || slots.nodes().any(|serving| serving == node));
        known.slots = slots;
        Ok(())
    }

    /// All nodes that are known of.
    fn nodes(&self) -> Vec<Node> {
        let known = self.known.lock().expect(UNPOISONED);
        let mut nodes: Vec<_> = self.seeds.iter().filter_map(node_of).collect();
        for node in known.slots.nodes() {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    fn server(&self, node: Node) -> RedisResult<Server> {
        let mut known = self.known.lock().expect(UNPOISONED);
        if let Some(server) = known.servers.get(&node) {
            return Ok(server.clone());
        }
        let seed = self.seeds.first().ok_or((ErrorKind::InvalidClientConfig, "no node is named"))?;
        let address = match seed.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host: node.host.clone(),
                port: node.port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(node.host.clone(), node.port),
        };
        let server = Server::at(seed.clone().set_addr(address), self.login.as_ref())?;
        known.servers.insert(node, server.clone());
        Ok(server)
    }
}

const UNPOISONED: &str = "nobody panics while holding it";

fn node_of(seed: &ConnectionInfo) -> Option<Node> {
    match seed.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some(Node { host: host.clone(), port: *port })
        }
        _ => None,
    }
}

impl Redirect {
    fn of(reply: &Value, by: &Node) -> Option<Self> {
        let Value::ServerError(error) = reply else { return None };
        // MOVED and ASK name the slot and the node.
        let node = || Node::named(error.details()?.split_once(' ')?.1, by);
        match error.kind()? {
            ServerErrorKind::Moved => node().map(Self::Moved),
            ServerErrorKind::Ask => node().map(Self::Ask),
            ServerErrorKind::TryAgain => Some(Self::Wait),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_node_has_not_done_is_sent_again() {
        let by = Node { host: "here".to_owned(), port: 1 };
        let there = |host: &str, port| Node { host: host.to_owned(), port };
        let of = |reply: &str| Redirect::of(&redis::parse_redis_value(reply.as_bytes()).unwrap(), &by);

        assert_eq!(of("-MOVED 3999 there:7000\r\n"), Some(Redirect::Moved(there("there", 7000))));
        assert_eq!(of("-MOVED 3999 :7000\r\n"), Some(Redirect::Moved(there("here", 7000))));
        assert_eq!(of("-ASK 3999 ::1:7000\r\n"), Some(Redirect::Ask(there("::1", 7000))));
        assert_eq!(of("-TRYAGAIN Multiple keys request during rehashing of slot\r\n"), Some(Redirect::Wait));
        for done in ["+OK\r\n", "-NOSCRIPT none\r\n", "-LOADING\r\n", "-CLUSTERDOWN down\r\n", "-MOVED 1\r\n"]
        {
            assert_eq!(of(done), None, "{done}");
        }
    }
}
