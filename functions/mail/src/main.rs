//! `mail`: write the mails that verify an address or let somebody set a new password.

use shared::mail::{self, Job};
use shared::{App, Need, job, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::Mailer]).await?;
    job::serve(app, async |app, job: Job| mail::send(app, job).await).await
}
