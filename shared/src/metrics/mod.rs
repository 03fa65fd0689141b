//! Metrics: what an instance has counted, and the totals over all instances.
//!
//! An instance may be frozen or ended between two requests and is reached by no scraper, so the totals are in Redis: what
//! was counted since the last time rides there in the next wave that is made anyway ([`crate::redis::Redis::wave`]),
//! never in a trip of its own. An instance that ends takes along what it has counted since then. Where a wave's
//! outcome is open, what rode in it rides again: after an outage a total may be too high, never too low.
//!
//! No label comes from a client as it is: routes are templates, names that are not known are one.

mod exposition;
mod families;
mod totals;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use self::families::{BOUNDS, Family};
pub use self::totals::report;
use self::totals::{Part, field};
use crate::push::Posted;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In an HTTP request.
    Http,
    /// Over a connection.
    WebSocket,
}

impl Via {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
        }
    }
}

/// Field of the hash of totals → what is to be added.
type Tallies = HashMap<String, i64>;

/// What this instance has counted and not told yet.
pub struct Metrics {
    function: String,
    /// Never held across an await.
    untold: Mutex<Tallies>,
}

impl Metrics {
    /// Of an instance of this function that has just started.
    pub fn new(function: String) -> Self {
        let metrics = Self { function, untold: Mutex::default() };
        metrics.add(&families::COLD_STARTS, &[&metrics.function], 1);
        metrics
    }

    /// An HTTP request was answered; `route` is its template, if it has one.
    pub fn request(&self, method: &Method, route: Option<&str>, status: StatusCode, latency: Duration) {
        // A client may make up methods.
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let method = if known.contains(method) { method.as_str() } else { "other" };
        let route = route.unwrap_or("unmatched");
        self.add(&families::REQUESTS, &[method, route, status.as_str()], 1);
        self.observe(&families::REQUEST_DURATION, &[method, route], latency);
    }

    /// A command was answered; `None` is one that is not known.
    pub fn command(&self, command: Option<&str>, code: &str, latency: Duration) {
        let command = command.unwrap_or("unknown");
        self.add(&families::COMMANDS, &[command, code], 1);
        self.observe(&families::COMMAND_DURATION, &[command], latency);
    }

    /// A message was committed.
    pub fn sent(&self, via: Via) {
        self.add(&families::SENT, &[via.as_str()], 1);
    }

    /// A message was sent that was committed already.
    pub fn repeated(&self, via: Via) {
        self.add(&families::REPEATED, &[via.as_str()], 1);
    }

    /// A send made no message, for the error of this code.
    pub fn refused(&self, code: &'static str) {
        self.add(&families::REFUSED, &[code], 1);
    }

    /// Connections took so many messages, each counted for each connection.
    pub fn pushed(&self, messages: usize) {
        self.add(&families::PUSHED, &[], as_count(messages));
    }

    /// A frame was posted.
    pub fn posted(&self, posted: Posted) {
        let outcome = match posted {
            Posted::Taken => "taken",
            Posted::Gone => "gone",
            Posted::Failed => "failed",
        };
        self.add(&families::POSTS, &[outcome], 1);
    }

    /// So many connections were found gone.
    pub fn gone(&self, connections: usize) {
        self.add(&families::GONE, &[], as_count(connections));
    }

    /// A connection was let in.
    pub fn opened(&self) {
        self.add(&families::OPENED, &[], 1);
    }

    /// A connection was refused for the error of this code.
    pub fn turned_away(&self, code: &'static str) {
        self.add(&families::TURNED_AWAY, &[code], 1);
    }

    /// The throttle of this name refused somebody.
    pub fn throttled(&self, policy: &'static str) {
        self.add(&families::THROTTLED, &[policy], 1);
    }

    /// A job of this function is over.
    pub fn job(&self, done: bool) {
        self.add(&families::JOBS, &[&self.function, if done { "done" } else { "failed" }], 1);
    }

    /// SES took a mail or did not.
    pub fn mail(&self, sent: bool) {
        self.add(&families::MAILS, &[if sent { "sent" } else { "failed" }], 1);
    }

    /// Takes what is untold, to tell it; `None` when nothing is.
    pub(crate) fn tell(&self) -> Option<Telling<'_>> {
        let tallies = std::mem::take(&mut *self.untold());
        (!tallies.is_empty()).then_some(Telling { metrics: self, tallies })
    }

    fn observe(&self, family: &'static Family, labels: &[&str], took: Duration) {
        let bucket = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(BOUNDS.len());
        self.add_part(family, Part::Bucket(bucket), labels, 1);
        self.add_part(family, Part::Micros, labels, i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
    }

    fn add(&self, family: &'static Family, labels: &[&str], count: i64) {
        self.add_part(family, Part::Count, labels, count);
    }

    fn add_part(&self, family: &'static Family, part: Part, labels: &[&str], count: i64) {
        if count > 0 {
            add_up(&mut self.untold(), [(field(family, part, labels), count)]);
        }
    }

    fn untold(&self) -> MutexGuard<'_, Tallies> {
        self.untold.lock().expect("nobody panics while holding it")
    }
}

/// What is under way to the totals. Dropped before it is told, it is untold again.
pub(crate) struct Telling<'a> {
    metrics: &'a Metrics,
    tallies: Tallies,
}

impl Telling<'_> {
    /// What to add to which field.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&str, i64)> {
        self.tallies.iter().map(|(field, count)| (field.as_str(), *count))
    }

    /// It is told.
    pub(crate) fn told(mut self) {
        self.tallies.clear();
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.tallies.is_empty() {
            add_up(&mut self.metrics.untold(), self.tallies.drain());
        }
    }
}

fn add_up(tallies: &mut Tallies, more: impl IntoIterator<Item = (String, i64)>) {
    for (field, count) in more {
        let tally = tallies.entry(field).or_default();
        *tally = tally.saturating_add(count);
    }
}

fn as_count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config;
    use crate::redis::Redis;

    fn taken(metrics: &Metrics) -> Vec<(String, i64)> {
        let telling = metrics.tell();
        let mut tallies: Vec<_> = telling
            .iter()
            .flat_map(Telling::tallies)
            .map(|(field, count)| (field.to_owned(), count))
            .collect();
        tallies.sort();
        telling.into_iter().for_each(Telling::told);
        tallies
    }

    fn of(family: &'static Family, labels: &[&str], count: i64) -> (String, i64) {
        (field(family, Part::Count, labels), count)
    }

    #[test]
    fn an_instance_tells_that_it_has_started_and_everything_else_once() {
        let metrics = Metrics::new("auth".to_owned());
        metrics.sent(Via::Http);
        metrics.sent(Via::Http);

        let mut expected = [of(&families::COLD_STARTS, &["auth"], 1), of(&families::SENT, &["http"], 2)];
        expected.sort();
        assert_eq!(taken(&metrics), expected);
        assert_eq!(taken(&metrics), []);
    }

    #[test]
    fn what_could_not_be_told_is_told_with_what_was_counted_meanwhile() {
        let metrics = Metrics::new("auth".to_owned());
        taken(&metrics);
        metrics.pushed(3);
        let telling = metrics.tell();
        metrics.pushed(4);
        metrics.gone(1);

        drop(telling);

        let mut expected = [of(&families::PUSHED, &[], 7), of(&families::GONE, &[], 1)];
        expected.sort();
        assert_eq!(taken(&metrics), expected);
    }

    #[tokio::test]
    async fn what_redis_did_not_take_is_untold() {
        let metrics = Arc::new(Metrics::new("auth".to_owned()));
        let redis = Redis::new(config::Redis::at("redis://127.0.0.1:1".to_owned()), Arc::clone(&metrics))
            .expect("an address");

        assert!(redis.ping().await.is_err(), "nobody is there");
        metrics.sent(Via::Http);

        let mut expected = [of(&families::COLD_STARTS, &["auth"], 1), of(&families::SENT, &["http"], 1)];
        expected.sort();
        assert_eq!(taken(&metrics), expected);
    }

    #[test]
    fn what_clients_make_up_is_one_label() {
        let metrics = Metrics::new("auth".to_owned());
        taken(&metrics);
        for method in ["BREW", "WHEN"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a token");
            metrics.request(&method, None, StatusCode::NOT_FOUND, Duration::from_millis(3));
        }
        metrics.command(None, "INVALID_TYPE", Duration::from_secs(11));

        let mut expected = [
            of(&families::REQUESTS, &["other", "unmatched", "404"], 2),
            (field(&families::REQUEST_DURATION, Part::Bucket(2), &["other", "unmatched"]), 2),
            (field(&families::REQUEST_DURATION, Part::Micros, &["other", "unmatched"]), 6000),
            of(&families::COMMANDS, &["unknown", "INVALID_TYPE"], 1),
            (field(&families::COMMAND_DURATION, Part::Bucket(13), &["unknown"]), 1),
            (field(&families::COMMAND_DURATION, Part::Micros, &["unknown"]), 11_000_000),
        ];
        expected.sort();
        assert_eq!(taken(&metrics), expected);
    }
}
