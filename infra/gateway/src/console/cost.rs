//! What the invocations, messages and mails so far would have cost on AWS.
//!
//! The prices are the public ones for US East (N. Virginia), first tier, in US dollars, of the pages "AWS Lambda
//! pricing", "Amazon API Gateway pricing" and "Amazon SES pricing" in 2025. They are figures to compare by and no bill:
//! data transfer, logs, databases, NAT, schedules and all free tiers are left out.

use std::time::Duration;

use serde::Serialize;

use crate::template::Architecture;

/// When the prices below were those of AWS.
const AS_OF: &str = "2025";

/// AWS Lambda pricing: 0.20 per million requests.
const LAMBDA_REQUEST: f64 = 0.20 / 1e6;

/// AWS Lambda pricing: a second of a gigabyte.
const GIGABYTE_SECOND_ARM: f64 = 0.000_013_333_4;
const GIGABYTE_SECOND_X86: f64 = 0.000_016_666_7;

/// Amazon API Gateway pricing, HTTP APIs: 1.00 per million, each begun 512 KB counts.
const HTTP_REQUEST: f64 = 1.00 / 1e6;
const HTTP_INCREMENT: usize = 512 * 1024;

/// The same, WebSocket APIs: 1.00 per million messages in either direction, each begun 32 KB counts.
const MESSAGE: f64 = 1.00 / 1e6;
const MESSAGE_INCREMENT: usize = 32 * 1024;

/// The same: 0.25 per million minutes of a connection.
const CONNECTION_MINUTE: f64 = 0.25 / 1e6;

/// Amazon SES pricing: 0.10 per thousand mails; one to several recipients counts as several.
const MAIL: f64 = 0.10 / 1e3;

/// From when on a rate is told.
const SHORTEST_RATE: Duration = Duration::from_mins(1);

const SECONDS_PER_MONTH: f64 = 730.0 * 3600.0;

/// How many requests a request and its answer of these sizes are billed as.
pub(crate) fn http_requests(request: usize, response: usize) -> u64 {
    increments(request.max(response), HTTP_INCREMENT)
}

/// How many messages a message of a size is billed as.
pub(crate) fn messages(size: usize) -> u64 {
    increments(size, MESSAGE_INCREMENT)
}

fn increments(size: usize, increment: usize) -> u64 {
    u64::try_from(size.div_ceil(increment).max(1)).unwrap_or(u64::MAX)
}

/// What one function used.
#[derive(Debug)]
pub(crate) struct FunctionUse<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its processor.
    pub(crate) architecture: Architecture,
    /// Its memory in MB.
    pub(crate) memory_size: u32,
    /// Its invocations.
    pub(crate) invocations: u64,
    /// The milliseconds they are billed.
    pub(crate) billed_milliseconds: u64,
}

/// What everything used since the start.
#[derive(Debug)]
pub(crate) struct Use<'a> {
    /// How long ago the start was.
    pub(crate) uptime: Duration,
    /// The functions.
    pub(crate) functions: Vec<FunctionUse<'a>>,
    /// Requests of the HTTP API, in increments.
    pub(crate) http_requests: u64,
    /// Messages of the WebSocket API in both directions, in increments.
    pub(crate) messages: u64,
    /// Minutes of connections.
    pub(crate) connection_minutes: f64,
    /// Recipients of mails.
    pub(crate) mails: u64,
}

/// The estimate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Estimate<'a> {
    region: &'static str,
    prices_as_of: &'static str,
    currency: &'static str,
    uptime_seconds: f64,
    /// The sum since the start.
    pub(crate) total: f64,
    /// The same for 730 hours at this rate; none while it would tell of cold starts only.
    pub(crate) per_month: Option<f64>,
    items: Vec<Item<'a>>,
    left_out: [&'static str; 6],
}

/// One line of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    service: &'static str,
    what: &'static str,
    /// The function, if it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    quantity: f64,
    unit: &'static str,
    price: f64,
    cost: f64,
}

impl<'a> Item<'a> {
    fn new(service: &'static str, what: &'static str, quantity: f64, unit: &'static str, price: f64) -> Self {
        Self { service, what, function: None, quantity, unit, price, cost: quantity * price }
    }

    fn of(self, function: &'a str) -> Self {
        Self { function: Some(function), ..self }
    }
}

/// Adds up what was used.
pub(crate) fn estimate<'a>(used: &Use<'a>) -> Estimate<'a> {
    let mut items = Vec::new();
    for function in used.functions.iter().filter(|function| function.invocations > 0) {
        let seconds = float(function.billed_milliseconds) / 1e3;
        let gigabyte_seconds = seconds * f64::from(function.memory_size) / 1024.0;
        let (what, price) = match function.architecture {
            Architecture::Arm => ("Duration, arm64", GIGABYTE_SECOND_ARM),
            Architecture::X86 => ("Duration, x86_64", GIGABYTE_SECOND_X86),
        };
        items.push(Item::new("Lambda", what, gigabyte_seconds, "GB-seconds", price).of(function.name));
        let requests = float(function.invocations);
        items.push(Item::new("Lambda", "Requests", requests, "requests", LAMBDA_REQUEST).of(function.name));
    }
    items.extend([
        Item::new("API Gateway", "HTTP API", float(used.http_requests), "requests of 512 KB", HTTP_REQUEST),
        Item::new("API Gateway", "WebSocket messages", float(used.messages), "messages of 32 KB", MESSAGE),
        Item::new("API Gateway", "WebSocket time", used.connection_minutes, "minutes", CONNECTION_MINUTE),
        Item::new("SES", "Mails", float(used.mails), "recipients", MAIL),
    ]);
    let total: f64 = items.iter().map(|item| item.cost).sum();
    let uptime_seconds = used.uptime.as_secs_f64();
    let per_month = (used.uptime >= SHORTEST_RATE).then(|| total / uptime_seconds * SECONDS_PER_MONTH);
    Estimate {
        region: "us-east-1",
        prices_as_of: AS_OF,
        currency: "USD",
        uptime_seconds,
        total,
        per_month,
        items,
        left_out: ["free tiers", "data transfer", "logs", "databases and caches", "NAT", "schedules"],
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 on one machine")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(architecture: Architecture) -> FunctionUse<'static> {
        FunctionUse {
            name: "Chat",
            architecture,
            memory_size: 256,
            invocations: 1_000_000,
            billed_milliseconds: 4_000_000,
        }
    }

    fn nothing() -> Use<'static> {
        Use {
            uptime: Duration::from_hours(1),
            functions: Vec::new(),
            http_requests: 0,
            messages: 0,
            connection_minutes: 0.0,
            mails: 0,
        }
    }

    fn total(used: &Use) -> f64 {
        estimate(used).total
    }

    #[track_caller]
    fn assert_close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn a_function_costs_its_requests_and_its_gigabyte_seconds() {
        // A million requests: 0.20. 4,000 s of 0.25 GB: 1,000 GB-s, 0.0133334 or 0.0166667.
        let arm = Use { functions: vec![function(Architecture::Arm)], ..nothing() };
        let x86 = Use { functions: vec![function(Architecture::X86)], ..nothing() };

        assert_close(total(&arm), 0.213_333_4);
        assert_close(total(&x86), 0.216_666_7);
    }

    #[test]
    fn each_other_thing_has_its_price() {
        assert_close(total(&nothing()), 0.0);
        assert_close(total(&Use { http_requests: 3_000_000, ..nothing() }), 3.0);
        assert_close(total(&Use { messages: 2_000_000, ..nothing() }), 2.0);
        // 100 connections for a 30-day month: 4.32 million minutes.
        assert_close(total(&Use { connection_minutes: 4_320_000.0, ..nothing() }), 1.08);
        assert_close(total(&Use { mails: 500, ..nothing() }), 0.05);
    }

    #[test]
    fn a_sum_is_that_of_its_items_and_a_month_has_730_hours() {
        let used = Use { http_requests: 1_000, messages: 500, mails: 1, ..nothing() };

        let estimate = estimate(&used);

        assert_close(estimate.total, 0.0016);
        assert_close(estimate.per_month.unwrap(), 0.0016 * 730.0);
        assert_close(estimate.items.iter().map(|item| item.cost).sum(), estimate.total);
    }

    #[test]
    fn a_month_is_told_from_the_first_minute_on() {
        let per_month = |seconds| {
            let uptime = Duration::from_secs(seconds);
            estimate(&Use { uptime, http_requests: 60, ..nothing() }).per_month
        };

        assert_eq!((per_month(0), per_month(59)), (None, None));
        assert_close(per_month(60).unwrap(), 2.628);
    }

    #[test]
    fn what_is_large_counts_as_several() {
        assert_eq!((messages(0), messages(32 * 1024), messages(32 * 1024 + 1)), (1, 1, 2));
        assert_eq!(messages(128 * 1024), 4);
        assert_eq!((http_requests(10, 512 * 1024), http_requests(512 * 1024 + 1, 10)), (1, 2));
    }
}
