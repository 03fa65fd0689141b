//! People who are removed from conversations, leave them, and are added again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Result;
use rand::{RngExt as _, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::sleep,
};

use crate::{account::Account, client::Phase};

/// A conversation whose people change.
#[derive(Debug, Clone)]
pub(crate) struct Changing {
    pub(crate) room: usize,
    pub(crate) id: String,
    /// Positions of its people in the list of all; the first stays, as its admin.
    pub(crate) people: Vec<usize>,
}

/// Changes conversations until there is no more traffic. Some people are left out in the end.
pub(crate) async fn change(
    rooms: Vec<Changing>,
    everybody: Arc<Vec<Account>>,
    clients: Arc<Vec<Vec<UnboundedSender<usize>>>>,
    every: Duration,
    phase: watch::Receiver<Phase>,
    mut random: StdRng,
) -> Result<()> {
    let mut absent: HashSet<(usize, usize)> = HashSet::new();
    let rooms: Vec<_> = rooms.into_iter().filter(|room| room.people.len() > 1).collect();
    while !rooms.is_empty() && *phase.borrow() == Phase::Traffic {
        sleep(every.mul_f64(random.random_range(0.5..1.5))).await;
        let Changing { room, id, people } = &rooms[random.random_range(0..rooms.len())];
        let away = people.iter().copied().find(|person| absent.contains(&(*room, *person)));
        // Whoever is away mostly comes back, so that conversations do not run dry.
        let person = match away {
            Some(person) if random.random_bool(0.7) => person,
            _ => people[random.random_range(1..people.len())],
        };
        let (admin, user) = (&everybody[people[0]], &everybody[person].user.id);
        let path = format!("/api/v1/conversations/{id}/participants");
        if absent.remove(&(*room, person)) {
            admin.call(Method::POST, &path, Some(json!({"user_id": user})), &[200, 201]).await?;
            for client in &clients[person] {
                let _gone_at_the_end = client.send(*room);
            }
        } else {
            let by = if random.random_bool(0.25) { &everybody[person] } else { admin };
            by.call(Method::DELETE, &format!("{path}/{user}"), None, &[204, 404]).await?;
            absent.insert((*room, person));
        }
    }
    Ok(())
}
