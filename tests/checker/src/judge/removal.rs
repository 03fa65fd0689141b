//! Removal is immediate: from a conversation, by its log; from a session, by the clock.

use std::collections::HashMap;

use super::findings::{Findings, Promise};
use crate::{
    record::ClientRecord,
    truth::{Truth, What},
};

/// Nobody was shown an entry after their removal's, until they were added again.
pub(super) fn reaches_nobody(number: usize, client: &ClientRecord, truth: &Truth, findings: &mut Findings) {
    let mut absences: HashMap<usize, Vec<Absence>> = HashMap::new();
    for shown in &client.shown {
        let of_room =
            absences.entry(shown.room).or_insert_with(|| absences_of(&client.user, truth, shown.room));
        let Some(absence) = of_room.iter().find(|absence| absence.covers(shown.seq)) else { continue };
        if absence.until.is_none_or(|(_, at)| shown.at < at) {
            findings.add(Promise::RemovalIsImmediate, || {
                format!(
                    "client {number}, conversation {}: {:?} {} after the removal {}",
                    shown.room, shown.way, shown.seq, absence.after
                )
            });
        }
    }
}

/// From a removal to the next addition.
struct Absence {
    after: u64,
    /// The addition's number and time.
    until: Option<(u64, i64)>,
}

impl Absence {
    fn covers(&self, seq: u64) -> bool {
        self.after < seq && self.until.is_none_or(|(until, _)| seq < until)
    }
}

fn absences_of(user: &str, truth: &Truth, room: usize) -> Vec<Absence> {
    let mut absences: Vec<Absence> = Vec::new();
    for entry in truth.rooms.get(room).map(|room| &room.log).into_iter().flatten() {
        match &entry.what {
            What::Removed(who) if who == user => absences.push(Absence { after: entry.seq, until: None }),
            What::Added(who) if who == user => {
                if let Some(absence) = absences.last_mut().filter(|absence| absence.until.is_none()) {
                    absence.until = Some((entry.seq, entry.at));
                }
            }
            _ => {}
        }
    }
    absences
}

/// Nobody was shown anything over a session that had ended when it was written.
pub(super) fn signed_out_is_told_nothing(
    number: usize,
    client: &ClientRecord,
    truth: &Truth,
    findings: &mut Findings,
) {
    for (from, until) in &client.signed_out {
        let first = client.shown.partition_point(|shown| shown.at < *from);
        for shown in client.shown[first..].iter().take_while(|shown| shown.at <= *until) {
            let entry = truth.rooms.get(shown.room).and_then(|room| room.entry(shown.seq));
            if entry.is_some_and(|entry| entry.at > *from) {
                findings.add(Promise::RemovalIsImmediate, || {
                    format!(
                        "client {number}, conversation {}: {:?} {}, written after the sign-out",
                        shown.room, shown.way, shown.seq
                    )
                });
            }
        }
    }
}
