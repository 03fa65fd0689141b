//! `maintenance`: each minute, bring forward what a handler that died or a Redis that was rewound left behind.

use serde_json::Value;
use shared::{App, Need, job, maintenance, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Push]).await?;
    // What the schedule says of itself does not matter.
    job::serve(app, async |app, _: Value| maintenance::run(app).await).await
}
