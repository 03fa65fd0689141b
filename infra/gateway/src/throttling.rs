//! Requests beyond a rate: token buckets of routes, and a fault for posts (API Gateway Developer Guide, "Throttle
//! requests to your HTTP APIs for better throughput in API Gateway").
//!
//! A bucket is full at the start and holds the burst; it fills with the rate. The account's own limits are not
//! emulated, because a laptop does not reach them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::template::{HttpApi, WebSocketApi};

/// How many requests something takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Throttle {
    /// Requests per second.
    pub(crate) rate: f64,
    /// The most at once.
    pub(crate) burst: u32,
}

/// The buckets of all that is throttled.
#[derive(Debug, Default)]
pub(crate) struct Throttles {
    http_routes: HashMap<String, Bucket>,
    websocket_routes: HashMap<String, Bucket>,
    posts: Option<Bucket>,
    post_latency: Duration,
}

impl Throttles {
    /// The buckets of the APIs' routes, and the faults of posts to connections.
    pub(crate) fn new(
        http_api: Option<&HttpApi>,
        websocket_api: Option<&WebSocketApi>,
        posts: Option<Throttle>,
        post_latency: Duration,
    ) -> Self {
        let of_route = |(key, throttle): (String, Option<Throttle>)| Some((key, Bucket::new(throttle?)));
        let http_routes = http_api.into_iter().flat_map(|api| &api.routes);
        let websocket_routes = websocket_api.into_iter().flat_map(|api| &api.routes);
        Self {
            http_routes: http_routes
                .map(|route| (route.key(), route.throttle))
                .filter_map(of_route)
                .collect(),
            websocket_routes: websocket_routes
                .map(|(key, route)| (key.clone(), route.throttle))
                .filter_map(of_route)
                .collect(),
            posts: posts.map(Bucket::new),
            post_latency,
        }
    }

    /// Whether a route of the HTTP API takes one more request now.
    pub(crate) fn admits_request(&self, route_key: &str) -> bool {
        self.http_routes.get(route_key).is_none_or(|bucket| bucket.take(Instant::now()))
    }

    /// Whether a route of the WebSocket API takes one more event now.
    pub(crate) fn admits_event(&self, route_key: &str) -> bool {
        self.websocket_routes.get(route_key).is_none_or(|bucket| bucket.take(Instant::now()))
    }

    /// Lets a post to a connection take its time, and tells whether it may go on.
    pub(crate) async fn admits_post(&self) -> bool {
        if !self.post_latency.is_zero() {
            sleep(self.post_latency).await;
        }
        self.posts.as_ref().is_none_or(|bucket| bucket.take(Instant::now()))
    }
}

#[derive(Debug)]
struct Bucket {
    throttle: Throttle,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(throttle: Throttle) -> Self {
        let level = Level { tokens: f64::from(throttle.burst), at: Instant::now() };
        Self { throttle, level: Mutex::new(level) }
    }

    /// Takes a token, if there is one.
    fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        // Two threads may come here in another order than they looked at the clock.
        let since = now.saturating_duration_since(level.at);
        let tokens = level.tokens + since.as_secs_f64() * self.throttle.rate;
        level.tokens = tokens.min(f64::from(self.throttle.burst));
        level.at = level.at.max(now);
        let is_there = level.tokens >= 1.0;
        if is_there {
            level.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &Bucket, tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let bucket = Bucket::new(Throttle { rate: 10.0, burst: 3 });
        let start = Instant::now();

        assert_eq!(taken(&bucket, 5, start), 3);
        assert_eq!(taken(&bucket, 5, start + Duration::from_millis(250)), 2);
        assert_eq!(taken(&bucket, 5, start + Duration::from_millis(310)), 1);
        // However long it rests, it holds no more than the burst.
        assert_eq!(taken(&bucket, 5, start + Duration::from_hours(1)), 3);
    }

    #[test]
    fn an_earlier_moment_fills_nothing() {
        let bucket = Bucket::new(Throttle { rate: 1.0, burst: 1 });
        let start = Instant::now();

        assert_eq!(taken(&bucket, 1, start + Duration::from_secs(5)), 1);
        assert_eq!(taken(&bucket, 1, start), 0);
        assert_eq!(taken(&bucket, 1, start + Duration::from_secs(5)), 0);
        assert_eq!(taken(&bucket, 1, start + Duration::from_secs(6)), 1);
    }

    #[test]
    fn no_burst_means_no_request() {
        assert_eq!(taken(&Bucket::new(Throttle { rate: 100.0, burst: 0 }), 3, Instant::now()), 0);
    }
}
