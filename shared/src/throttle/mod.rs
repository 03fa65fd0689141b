//! Throttles: who may do what how often. The windows slide, are counted in Redis by Redis' clock, and are exact under
//! any concurrency, because one script tries every window before it writes to any (`windows.lua`).
//!
//! What is counted is named by the request's id, a message by its idempotency key: what is delivered twice is paid once.
//! Who is refused by one throttle gives back the places that the others of the same wave gave them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Value;

use crate::ids::UserId;
use crate::redis::keys::{AddressKeys, ClaimKeys, ClientKeys, UserKeys};
use crate::redis::{Call, Script, Source, decode};
use crate::{App, Error, Result};

/// A script behind what all scripts that throttle share.
macro_rules! throttling_script {
    ($file:literal) => {
        std::sync::LazyLock::new(|| {
            crate::redis::Source::new(concat!(
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/throttle/windows.lua")),
                include_str!($file)
            ))
        })
    };
}
pub(crate) use throttling_script;

#[cfg(test)]
mod tests;

static TAKE: Script = throttling_script!("take.lua");
static GIVE_BACK: Script = LazyLock::new(|| Source::new(include_str!("give_back.lua")));

/// At most `count` in any `length` of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub count: u32,
    /// In how long.
    pub length: Duration,
}

/// A throttle: what clients know it by, and its windows. Without any it is off.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: &'static str,
    /// All of them have to have room.
    pub windows: Vec<Window>,
}

impl Policy {
    fn refusal(&self, retry_after: Duration) -> Error {
        Error::Throttled { policy: self.name, windows: self.windows.clone(), retry_after }
    }

    /// Adds the windows to a script's arguments, as the last of them.
    pub(crate) fn add_windows_to(&self, mut call: Call) -> Call {
        for Window { count, length } in &self.windows {
            call = call.arg(*count).arg(length.as_secs() * 1000);
        }
        call
    }
}

/// All throttles.
#[derive(Clone, Debug)]
pub struct Throttles {
    /// Messages, by user and conversation.
    pub messages: Policy,
    /// Signing up, by address.
    pub signup: Policy,
    /// Signing in, by address and by account.
    pub login: Policy,
    /// Starting conversations, by user.
    pub conversations: Policy,
    /// Reading messages over HTTP, by user.
    pub reads: Policy,
    /// Requests without a valid access token, by address.
    pub anonymous: Policy,
    /// Requests with one, by user.
    pub user: Policy,
    /// Requests of confidential OAuth clients, by client.
    pub clients: Policy,
    /// Commands over a WebSocket, by connection.
    pub commands: Policy,
}

impl Throttles {
    /// None of them.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        let off = |name| Policy { name, windows: Vec::new() };
        Self {
            messages: off("messages"),
            signup: off("signup"),
            login: off("login"),
            conversations: off("conversations"),
            reads: off("reads"),
            anonymous: off("anonymous"),
            user: off("user"),
            clients: off("clients"),
            commands: off("commands"),
        }
    }
}

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A user, also as the account that somebody claims.
    User(UserId),
    /// Whoever asks from this address.
    Address(&'a str),
    /// Whoever claims the account of this name, which nobody has.
    Claim(&'a str),
    /// An OAuth client.
    Client(&'a str),
}

impl Who<'_> {
    fn key(self, policy: &Policy) -> String {
        match self {
            Self::User(user) => UserKeys::of(user).throttle(policy.name),
            Self::Address(address) => AddressKeys::of(address).throttle(policy.name),
            Self::Claim(name) => ClaimKeys::of(name).throttle(policy.name),
            Self::Client(client) => ClientKeys::of(client).throttle(policy.name),
        }
    }
}

/// What a request has to pass before it may do anything.
#[derive(Clone, Debug)]
pub struct Admission {
    request: String,
    checks: Vec<(Policy, String)>,
    /// Whether somebody has asked: the edge and the operation share this.
    asked: Arc<AtomicBool>,
}

impl Admission {
    /// Of the request with this id; nothing to pass yet.
    pub fn of(request_id: &str) -> Self {
        Self { request: request_id.to_owned(), checks: Vec::new(), asked: Arc::default() }
    }

    /// Also this throttle, unless it is off.
    #[must_use]
    pub fn and(mut self, policy: &Policy, who: Who<'_>) -> Self {
        if !policy.windows.is_empty() {
            self.checks.push((policy.clone(), who.key(policy)));
        }
        self
    }

    /// What else there is to pass for the same request, so far nothing.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { checks: Vec::new(), ..self.clone() }
    }

    /// The request's id.
    pub fn request_id(&self) -> &str {
        &self.request
    }

    /// Whether it was asked already if the request may pass.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks, in one round trip; one more gives back what the others gave when one refuses.
    pub async fn pass(&self, app: &App) -> Result<()> {
        let replies = app.redis.wave(self.calls()).await?;
        settle(app, self.verdicts(replies)?).await
    }

    /// What [`Admission::pass`] asks, for a wave that is made anyway; the replies go to [`Admission::verdicts`].
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.asked.store(true, Ordering::Relaxed);
        let take = |(policy, key): &(Policy, String)| {
            let call = Call::script(&TAKE, std::slice::from_ref(key)).arg(&self.request);
            policy.add_windows_to(call)
        };
        self.checks.iter().map(take).collect()
    }

    pub(crate) fn verdicts(&self, replies: impl IntoIterator<Item = Value>) -> Result<Vec<Verdict>> {
        let checks = self.checks.iter().zip(replies);
        checks
            .map(|((policy, key), reply)| {
                let (wait, since): (u64, String) = decode(reply)?;
                let place = Place { key: key.clone(), entry: self.request.clone(), since };
                Ok(Verdict::of(policy, Duration::from_millis(wait), Some(place)))
            })
            .collect()
    }
}

/// What a throttle said.
pub(crate) enum Verdict {
    /// Come in; here is the place it gave, where it is not kept whatever others say.
    Admitted(Option<Place>),
    /// Too often.
    Refused { policy: Policy, wait: Duration },
}

/// A place that somebody takes in a throttle's windows.
pub(crate) struct Place {
    pub key: String,
    pub entry: String,
    /// Since when, in µs; empty when an earlier delivery took it.
    pub since: String,
}

impl Verdict {
    /// No wait is none.
    pub(crate) fn of(policy: &Policy, wait: Duration, place: Option<Place>) -> Self {
        if wait.is_zero() {
            Self::Admitted(place.filter(|place| !place.since.is_empty()))
        } else {
            Self::Refused { policy: policy.clone(), wait }
        }
    }
}

/// What is answered when one refuses: the longest wait.
pub(crate) fn refusal(verdicts: &[Verdict]) -> Option<Error> {
    let refused = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Refused { policy, wait } => Some((policy, *wait)),
        Verdict::Admitted(_) => None,
    });
    refused.max_by_key(|(_, wait)| *wait).map(|(policy, wait)| policy.refusal(wait))
}

/// Counts a refusal by its throttle.
pub(crate) fn count(app: &App, refusal: &Error) {
    if let Error::Throttled { policy, .. } = refusal {
        app.metrics.throttled(policy);
    }
}

/// Refuses when one refuses, and gives back what the others gave.
pub(crate) async fn settle(app: &App, verdicts: Vec<Verdict>) -> Result<()> {
    let Some(refusal) = refusal(&verdicts) else { return Ok(()) };
    count(app, &refusal);
    let places = verdicts.into_iter().filter_map(|verdict| match verdict {
        Verdict::Admitted(place) => place,
        Verdict::Refused { .. } => None,
    });
    let give_back =
        places.map(|Place { key, entry, since }| Call::script(&GIVE_BACK, &[key]).arg(entry).arg(since));
    app.redis.wave(give_back.collect()).await?;
    Err(refusal)
}
