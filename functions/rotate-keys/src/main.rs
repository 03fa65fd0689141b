//! `rotate-keys`: the steps in which Secrets Manager rotates the key ring of the access tokens. Each may come twice.

use anyhow::{Context, bail, ensure};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use shared::secrets::{CURRENT, PENDING, Secrets, Versions};
use shared::tokens::keys::{self, KeyRing};
use shared::{config, telemetry};

/// What Secrets Manager asks for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    step: Step,
    secret_id: String,
    /// The id of the version that becomes the current one.
    client_request_token: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Step {
    #[serde(rename = "createSecret")]
    Create,
    #[serde(rename = "setSecret")]
    Set,
    #[serde(rename = "testSecret")]
    Test,
    #[serde(rename = "finishSecret")]
    Finish,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init()?;
    let secrets = Secrets::new(config::Secrets::from_env()?);
    let handler = async |event: LambdaEvent<Event>| {
        // With all that led to it: of an error Lambda shows the outermost alone.
        rotate(&secrets, event.payload).await.map_err(|error| Error::from(format!("{error:#}")))
    };
    lambda_runtime::run(service_fn(handler)).await
}

async fn rotate(secrets: &Secrets, event: Event) -> anyhow::Result<()> {
    let Event { step, secret_id: secret, client_request_token: version } = &event;
    let Versions { rotates, stages } = secrets.versions(secret).await?;
    ensure!(rotates, "no rotation of {secret} is configured");
    let own = stages.get(version).with_context(|| format!("{secret} has no version {version}"))?;
    let is_at = |stages: &[String], stage| stages.iter().any(|own| own == stage);
    if is_at(own, CURRENT) {
        tracing::info!(?step, version, "this version is the current one already");
        return Ok(());
    }
    ensure!(is_at(own, PENDING), "version {version} of {secret} is not the pending one");
    match step {
        Step::Create => {
            if secrets.pending(secret, version).await?.is_none() {
                let ring = keys::rotated(&secrets.current(secret).await?)?;
                secrets.put_pending(secret, version, ring).await?;
            }
        }
        // The handlers read the secret themselves.
        Step::Set => {}
        Step::Test => {
            let Some(ring) = secrets.pending(secret, version).await? else {
                bail!("version {version} of {secret} holds nothing yet");
            };
            KeyRing::parse(&ring).with_context(|| format!("version {version} of {secret} is no key ring"))?;
        }
        Step::Finish => {
            let current = stages.iter().find(|(_, stages)| is_at(stages, CURRENT)).map(|(id, _)| id.as_str());
            secrets.make_current(secret, version, current).await?;
        }
    }
    tracing::info!(?step, version, "rotating");
    Ok(())
}
