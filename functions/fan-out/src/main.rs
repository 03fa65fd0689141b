//! `fan-out`: push on where an invocation has pushed for long enough and to the many of a big room, and commit the sends
//! of a burst together.

use shared::log::{self, Job};
use shared::telemetry::Fact;
use shared::{App, Need, job, telemetry, websocket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init()?;
    let app = App::from_env(&[Need::FanOut]).await?;
    let handle = async |app: &App, job: Job| {
        telemetry::note(Fact::Conversation(job.conversation()));
        match job {
            Job::Push { conversation_id, bucket, token } => {
                log::resume(app, conversation_id, bucket, &token).await
            }
            Job::Combine { conversation_id, token } => {
                websocket::answer_burst(app, conversation_id, token).await
            }
        }
    };
    job::serve(app, handle).await
}
