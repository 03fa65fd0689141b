//! One invocation: what all that is told of it has in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::logs;
use super::traces::{self, Parent, Span};
use crate::ids::{ConnectionId, ConversationId, UserId};

tokio::task_local! {
    static CURRENT: Arc<Invocation>;
}

/// What an edge knows of an invocation when it begins.
#[derive(Default)]
pub struct Arrival<'a> {
    /// The request's id: of HTTP and WebSocket API Gateway's, which clients see; otherwise Lambda's.
    pub request_id: String,
    /// The `traceparent` header (W3C Trace Context), if there is one.
    pub traceparent: Option<&'a str>,
    /// The trace header of AWS, `Root=1-…`, if there is one.
    pub amazon_trace: Option<&'a str>,
    /// Whose request started this job, if one did.
    pub origin: Option<Origin>,
    /// The client's address.
    pub ip: Option<String>,
    /// What the client says it is.
    pub user_agent: Option<String>,
}

/// One invocation.
pub struct Invocation {
    request_id: String,
    trace_id: Option<String>,
    traceparent: Option<String>,
    /// The client's request at the beginning of it all, when that is not this one.
    caused_by: Option<String>,
    began: Instant,
    is_cold_start: bool,
    noted: Mutex<Vec<(&'static str, Option<String>)>>,
    span: Option<Span>,
}

/// Which request a job was started by, handed along with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    request_id: String,
    trace_id: Option<String>,
    traceparent: Option<String>,
}

/// A job and where it comes from.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handed<J> {
    /// The request that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The job.
    #[serde(flatten)]
    pub job: J,
}

/// Something that is learnt of an invocation while it runs.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// Who acts.
    User(UserId),
    /// In which conversation.
    Conversation(ConversationId),
    /// Over which connection.
    Connection(&'a ConnectionId),
}

impl Invocation {
    /// Begins one.
    pub fn begin(arrival: Arrival<'_>) -> Self {
        static COLD: AtomicBool = AtomicBool::new(true);
        let Arrival { request_id, traceparent, amazon_trace, origin, ip, user_agent } = arrival;
        let traceparent = origin.as_ref().and_then(|origin| origin.traceparent.as_deref()).or(traceparent);
        let parent = traceparent
            .and_then(Parent::of_traceparent)
            .or_else(|| amazon_trace.and_then(Parent::of_amazon_trace));
        let span = traces::begin(parent.as_ref(), origin.is_some());
        let handed_id = origin.as_ref().and_then(|origin| origin.trace_id.clone());
        let trace_id = span.as_ref().map(Span::trace_id).or(handed_id);
        let facts = [("ip", ip), ("user_agent", user_agent)];
        Self {
            trace_id: trace_id.or_else(|| parent.as_ref().map(Parent::trace_id)),
            traceparent: span.as_ref().map(Span::traceparent).or_else(|| parent?.traceparent()),
            caused_by: origin.map(|origin| origin.request_id).filter(|cause| *cause != request_id),
            began: Instant::now(),
            is_cold_start: COLD.swap(false, Ordering::Relaxed),
            noted: Mutex::new(facts.to_vec()),
            request_id,
            span,
        }
    }

    /// Runs it. When this returns its trace is on its way.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        let done = CURRENT.scope(Arc::new(self), Box::pin(work)).await;
        traces::export().await;
        done
    }

    /// What is said of it in each of its lines.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let own = [("request_id", Some(&self.request_id)), ("trace_id", self.trace_id.as_ref())];
        let own = own.into_iter().chain([("caused_by", self.caused_by.as_ref())]);
        let own = own.filter_map(|(name, fact)| Some((name, fact?.clone())));
        let noted = self.noted.lock().expect(UNPOISONED);
        own.chain(noted.iter().filter_map(|(name, fact)| Some((*name, fact.clone()?)))).collect()
    }
}

/// What an invocation turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Served<'a> {
    /// An HTTP request.
    Request {
        /// Its method.
        method: &'a str,
        /// The template of its path.
        route: &'a str,
        /// The status of its answer.
        status: u16,
    },
    /// A WebSocket's handshake.
    Handshake {
        /// The status of its answer.
        status: u16,
    },
    /// A WebSocket's frame.
    Frame {
        /// Its command.
        command: &'a str,
        /// `OK`, or the code of the error.
        code: &'a str,
    },
    /// A WebSocket's end.
    Disconnect,
    /// A job.
    Job,
}

/// Ends the current invocation but for its answer: its span, and the one line that tells of it as a whole. Returns how
/// long it took.
pub fn end(served: Served<'_>, failed: bool) -> Duration {
    let ended = CURRENT.try_with(|invocation| {
        if let Some(span) = &invocation.span {
            // Where the client is, and what it says it is, stays in the log.
            let facts = invocation.facts().into_iter();
            let facts = facts.filter(|(name, _)| !["ip", "user_agent", "trace_id"].contains(name));
            span.end(served, failed, facts);
        }
        (invocation.began.elapsed(), invocation.is_cold_start)
    });
    let (latency, cold_start) = ended.unwrap_or_default();
    logs::tell(served, latency, failed, cold_start);
    latency
}

const UNPOISONED: &str = "nobody panics while holding it";

/// Notes a fact of the current invocation. Who acts stays as it was said first; which conversation it is about is not
/// known of one that is about several.
pub fn note(fact: Fact<'_>) {
    let (name, value) = match fact {
        Fact::User(user) => ("user_id", user.to_string()),
        Fact::Conversation(conversation) => ("conversation_id", conversation.to_string()),
        Fact::Connection(connection) => ("connection_id", connection.to_string()),
    };
    let _outside_of_invocations_nothing_is_noted = CURRENT.try_with(|invocation| {
        let mut noted = invocation.noted.lock().expect(UNPOISONED);
        match noted.iter_mut().find(|(known, _)| *known == name) {
            None => noted.push((name, Some(value))),
            Some((_, known)) if matches!(fact, Fact::Conversation(_)) && *known != Some(value) => {
                *known = None;
            }
            Some(_) => {}
        }
    });
}

/// What is said of the current invocation in each of its lines.
pub(super) fn facts() -> Vec<(&'static str, String)> {
    CURRENT.try_with(|invocation| invocation.facts()).unwrap_or_default()
}

/// A future that is run by itself, as a part of the current invocation.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let invocation = CURRENT.try_with(Arc::clone).ok();
    async move {
        match invocation {
            Some(invocation) => CURRENT.scope(invocation, work).await,
            None => work.await,
        }
    }
}

/// The span that is under way, for those within it.
pub(super) fn with_span<T>(act: impl FnOnce(&Span) -> T) -> Option<T> {
    CURRENT.try_with(|invocation| invocation.span.as_ref().map(act)).ok().flatten()
}

/// A job that the current invocation hands on, with the request that all of it is for.
pub fn hand<J>(job: J) -> Handed<J> {
    let origin = CURRENT.try_with(|invocation| Origin {
        request_id: invocation.caused_by.clone().unwrap_or_else(|| invocation.request_id.clone()),
        trace_id: invocation.trace_id.clone(),
        traceparent: invocation.traceparent.clone(),
    });
    Handed { origin: origin.ok(), job }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arrival(request_id: &str) -> Arrival<'static> {
        Arrival { request_id: request_id.to_owned(), ..Arrival::default() }
    }

    fn fact(name: &str) -> Option<String> {
        facts().into_iter().find_map(|(known, fact)| (known == name).then_some(fact))
    }

    #[tokio::test]
    async fn a_job_names_the_first_request_however_often_it_is_handed_on() {
        let first = Invocation::begin(arrival("first")).run(async { hand(json!({"job": 1})) }).await;
        let again = Arrival { origin: first.origin, ..arrival("second") };

        let (caused_by, second) =
            Invocation::begin(again).run(async { (fact("caused_by"), hand(json!({}))) }).await;

        assert_eq!(caused_by.as_deref(), Some("first"));
        assert_eq!(second.origin.map(|origin| origin.request_id).as_deref(), Some("first"));
    }

    #[tokio::test]
    async fn a_trace_goes_on_from_either_header() {
        let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let amazon_trace = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
        let trace_id = async |arrival| Invocation::begin(arrival).run(async { fact("trace_id") }).await;

        let of_both = trace_id(Arrival { traceparent, amazon_trace, ..arrival("a") }).await;
        let of_amazon = trace_id(Arrival { amazon_trace, ..arrival("b") }).await;
        let root_alone = Some("Root=1-5759e988-bd862e3fe1be46a994272793");
        let of_root = trace_id(Arrival { amazon_trace: root_alone, ..arrival("c") }).await;
        let of_neither = trace_id(Arrival { traceparent: Some("00-zz"), ..arrival("d") }).await;

        assert_eq!(of_both.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(of_amazon.as_deref(), Some("5759e988bd862e3fe1be46a994272793"));
        assert_eq!(of_root, of_amazon);
        assert_eq!(of_neither, None);
    }

    #[tokio::test]
    async fn what_is_known_of_an_invocation_stays_as_it_was_first_said() {
        let (first, second) = (UserId::generate(), UserId::generate());

        let user = Invocation::begin(arrival("a"))
            .run(async {
                note(Fact::User(first));
                note(Fact::User(second));
                fact("user_id")
            })
            .await;

        assert_eq!(user, Some(first.to_string()));
        assert_eq!(fact("user_id"), None);
    }

    #[tokio::test]
    async fn one_that_is_about_several_conversations_is_about_none_by_name() {
        let [one, other] = [ConversationId::generate(), ConversationId::generate()];
        let about = async |conversations: &[ConversationId]| {
            let note_all = async {
                for one in conversations {
                    note(Fact::Conversation(*one));
                }
                fact("conversation_id")
            };
            Invocation::begin(arrival("a")).run(note_all).await
        };

        assert_eq!(about(&[one, one]).await, Some(one.to_string()));
        assert_eq!(about(&[one, other, one]).await, None);
    }

    #[tokio::test]
    async fn what_is_carried_elsewhere_is_a_part_of_the_invocation() {
        let elsewhere = Invocation::begin(arrival("a")).run(async {
            tokio::spawn(carry(async { fact("request_id") })).await.expect("it does not panic")
        });

        assert_eq!(elsewhere.await.as_deref(), Some("a"));
    }
}
