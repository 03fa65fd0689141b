//! `fan-out`: push on where an invocation has pushed for long enough, and to the many of a big room.

use shared::log::{self, Job};
use shared::{App, Need, job, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Push]).await?;
    job::serve(app, async |app, job: Job| log::resume(app, job).await).await
}
