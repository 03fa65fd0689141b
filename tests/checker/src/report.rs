//! What came of a run, for reading.

use std::{collections::HashSet, fmt, time::Duration};

use crate::{
    judge::Violation,
    record::{ClientRecord, Records, Way},
    truth::{Truth, What},
};

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What its choices were drawn from.
    pub seed: u64,
    /// How many conversations there were.
    pub conversations: usize,
    /// How many clients there were.
    pub clients: usize,
    /// Messages sent, each counted once.
    pub sent: u64,
    /// Messages refused because their sender was no participant any more.
    pub refused: u64,
    /// How often one was sent again.
    pub retries: u64,
    /// Messages acked, each counted once.
    pub acked: u64,
    /// Acks that came.
    pub acks: u64,
    /// Acks that said that the message had been there already.
    pub duplicates: u64,
    /// Entries that were pushed.
    pub pushed: u64,
    /// Entries that answers to `subscribe` brought.
    pub resumed: u64,
    /// Connections after each client's first.
    pub reconnects: u64,
    /// Sign-outs.
    pub sign_outs: u64,
    /// Removals and additions in the logs.
    pub membership_changes: u64,
    /// How often a client noticed that it missed something.
    pub gaps_noticed: u64,
    /// How often it got that.
    pub gaps_closed: u64,
    /// How often it was removed before it did.
    pub gaps_abandoned: u64,
    /// For how long messages were sent.
    pub sent_in: Duration,
    /// How long it took from then until every client had everything.
    pub converged_in: Duration,
    /// Whether every client had everything in time.
    pub converged: bool,
    /// Which promises were broken.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Adds up what was written down.
    pub(crate) fn of(records: &Records, truth: &Truth) -> Self {
        let sum =
            |count: fn(&ClientRecord) -> usize| records.clients.iter().map(|one| count(one) as u64).sum();
        let gaps = |count: fn(&crate::record::View) -> u64| {
            records.clients.iter().flat_map(|client| &client.views).map(count).sum()
        };
        let changes = truth.rooms.iter().flat_map(|room| &room.log);
        let changes = changes.filter(|entry| matches!(entry.what, What::Added(_) | What::Removed(_)));
        Self {
            seed: 0,
            conversations: truth.rooms.len(),
            clients: records.clients.len(),
            sent: sum(|client| client.sent.len()),
            refused: records.clients.iter().map(|client| client.refused).sum(),
            retries: records.clients.iter().map(|client| client.retries).sum(),
            acked: sum(|client| client.acks.iter().map(|ack| ack.number).collect::<HashSet<_>>().len()),
            acks: sum(|client| client.acks.len()),
            duplicates: sum(|client| client.acks.iter().filter(|ack| ack.duplicate).count()),
            pushed: sum(|client| came(client, Way::Pushed)),
            resumed: sum(|client| came(client, Way::Resumed)),
            reconnects: sum(|client| client.connections.len().saturating_sub(1)),
            sign_outs: sum(|client| client.signed_out.len()),
            membership_changes: changes.count() as u64,
            gaps_noticed: gaps(|view| view.gaps_noticed),
            gaps_closed: gaps(|view| view.gaps_closed),
            gaps_abandoned: gaps(|view| view.gaps_abandoned),
            sent_in: Duration::ZERO,
            converged_in: Duration::ZERO,
            converged: false,
            violations: Vec::new(),
        }
    }

    /// Messages acked per second, from the first to the last.
    pub fn messages_per_second(&self) -> f64 {
        let acked = u32::try_from(self.acked).unwrap_or(u32::MAX);
        f64::from(acked) / self.sent_in.as_secs_f64()
    }
}

fn came(client: &ClientRecord, way: Way) -> usize {
    client.shown.iter().filter(|shown| shown.way == way).count()
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, result: String| writeln!(formatter, "  {what:<24} {result}");
        line("seed", self.seed.to_string())?;
        line("conversations, clients", format!("{}, {}", self.conversations, self.clients))?;
        line(
            "messages sent",
            format!(
                "{}, {} of them refused to people who had been removed; {} times again",
                self.sent, self.refused, self.retries
            ),
        )?;
        line(
            "messages acked",
            format!("{} by {} acks, {} of them as duplicates", self.acked, self.acks, self.duplicates),
        )?;
        line("deliveries", format!("{} pushed, {} resumed", self.pushed, self.resumed))?;
        line("reconnects", format!("{}, and {} sign-outs", self.reconnects, self.sign_outs))?;
        line("membership changes", self.membership_changes.to_string())?;
        line(
            "gaps",
            format!(
                "{} noticed, {} closed, {} ended by a removal",
                self.gaps_noticed, self.gaps_closed, self.gaps_abandoned
            ),
        )?;
        line(
            "duration",
            format!(
                "{:.1} s, and {:.1} s more until all had everything{}",
                self.sent_in.as_secs_f64(),
                self.converged_in.as_secs_f64(),
                if self.converged { "" } else { ": they NEVER had" }
            ),
        )?;
        line("messages per second", format!("{:.0}", self.messages_per_second()))?;
        let violations = self.violations.iter().map(|violation| violation.count).sum::<usize>();
        line("VIOLATIONS", violations.to_string())?;
        for violation in &self.violations {
            writeln!(formatter, "    {:<24} {}", violation.promise, violation.count)?;
            for example in &violation.examples {
                writeln!(formatter, "      {example}")?;
            }
        }
        Ok(())
    }
}
