//! The totals: hashes in Redis, one where Redis is one server and one per node of a cluster, added up when somebody asks.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::exposition;
use super::families::{self, BOUNDS, Family, Kind};
use crate::Result;
use crate::redis::keys::{self, Partition};
use crate::redis::{Call, Redis, decode};

/// What a field counts of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    /// How often.
    Count,
    /// How many fell into this bucket and no lower one.
    Bucket(usize),
    /// How long all of them took together, in µs.
    Micros,
}

/// The field of a hash of totals, which says all there is to know of it.
pub(super) fn field(family: &Family, part: Part, labels: &[&str]) -> String {
    debug_assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
    serde_json::to_string(&(family.name, part, labels)).expect("texts and numbers are JSON")
}

/// A series' numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) count: i64,
    pub(super) buckets: [i64; BOUNDS.len() + 1],
    pub(super) micros: i64,
}

/// Of each family, by its place in the table, its series by their labels' values.
#[derive(Default)]
pub(super) struct Totals(BTreeMap<usize, BTreeMap<Vec<String>, Numbers>>);

impl Totals {
    /// Counters without labels are there from the beginning.
    pub(super) fn new() -> Self {
        let mut totals = Self::default();
        for family in families::ALL {
            if family.kind == Kind::Counter && family.labels.is_empty() {
                totals.set(family, 0);
            }
        }
        totals
    }

    /// Adds a field of a hash. One that this version does not know another one has written: it is left out.
    pub(super) fn add(&mut self, field: &str, count: i64) {
        let Ok((name, part, labels)) = serde_json::from_str::<(String, Part, Vec<String>)>(field) else {
            return;
        };
        let family = families::ALL.iter().find(|family| family.name == name);
        let Some(family) = family.filter(|family| family.labels.len() == labels.len()) else { return };
        let numbers = self.numbers(family, labels);
        let number = match part {
            Part::Count => Some(&mut numbers.count),
            Part::Bucket(bucket) => numbers.buckets.get_mut(bucket),
            Part::Micros => Some(&mut numbers.micros),
        };
        if let Some(number) = number {
            *number = number.saturating_add(count);
        }
    }

    /// Sets the only series of a family.
    pub(super) fn set(&mut self, family: &Family, value: i64) {
        self.numbers(family, Vec::new()).count = value;
    }

    /// The families that have series, in the table's order.
    pub(super) fn families(
        &self,
    ) -> impl Iterator<Item = (&'static Family, &BTreeMap<Vec<String>, Numbers>)> {
        self.0.iter().map(|(place, series)| (families::ALL[*place], series))
    }

    fn numbers(&mut self, family: &Family, labels: Vec<String>) -> &mut Numbers {
        let place = families::ALL.iter().position(|one| one.name == family.name);
        let place = place.expect("the table has all families");
        self.0.entry(place).or_default().entry(labels).or_default()
    }
}

/// The totals over all instances in Prometheus' text format, in one round trip.
pub async fn report(redis: &Redis) -> Result<String> {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    let of_partitions = Partition::all().flat_map(|partition| {
        let live = Call::command("ZCOUNT").arg(partition.live());
        [Call::command("HGETALL").arg(partition.metrics()), live.arg(now.to_string()).arg("+inf")]
    });
    let lag = Call::command("HGETALL").arg(keys::fold_lag());
    let mut replies = redis.wave([lag].into_iter().chain(of_partitions).collect()).await?.into_iter();

    let mut totals = Totals::new();
    let lag: HashMap<String, i64> = decode(replies.next().unwrap_or_default())?;
    for (field, family) in [("entries", &families::FOLD_LAG), ("at", &families::MAINTAINED)] {
        // Nobody knows before maintenance has run.
        if let Some(value) = lag.get(field) {
            totals.set(family, *value);
        }
    }
    let mut live = 0;
    while let (Some(counted), Some(connections)) = (replies.next(), replies.next()) {
        let counted: HashMap<String, i64> = decode(counted)?;
        for (field, count) in counted {
            totals.add(&field, count);
        }
        live += decode::<i64>(connections)?;
    }
    totals.set(&families::LIVE, live);
    Ok(exposition::text(&totals))
}
