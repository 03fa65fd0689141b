//! Clients that ask again and again, each for one thing at a time.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// How long each answer took, sorted, and all of them together.
pub(crate) type Times = (Vec<Duration>, Duration);

/// Has every client ask for so long. The check of an answer is no part of its time.
pub(crate) async fn repeat<Client, Asking, Answer>(
    clients: Vec<Client>,
    lasting: Duration,
    ask: impl Fn(Client) -> Asking + Clone + Send + 'static,
    check: impl Fn(Answer) -> Result<()> + Clone + Send + 'static,
) -> Result<Times>
where
    Client: Send + 'static,
    Asking: Future<Output = Result<(Client, Answer)>> + Send,
    Answer: Send,
{
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for mut client in clients {
        let (ask, check) = (ask.clone(), check.clone());
        asking.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < lasting {
                let begun = Instant::now();
                let answer;
                (client, answer) = ask(client).await?;
                latencies.push(begun.elapsed());
                check(answer)?;
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(outcome) = asking.join_next().await {
        latencies.extend(outcome??);
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    Ok((latencies, took))
}
