//! Mails to people, through SES. A request starts a job, an asynchronous invocation of `mail`, and does not wait for it;
//! a job names a person and a purpose, never an address or a token.

mod ses;
mod text;

use serde::{Deserialize, Serialize};

pub use self::ses::Mailer;
use crate::accounts::recovery::{self, Purpose};
use crate::ids::UserId;
use crate::telemetry::Fact;
use crate::{App, Error, Result, telemetry};

/// What the function `mail` is invoked with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What the mail is for.
    pub kind: Purpose,
    /// Whom it is for.
    pub user_id: UserId,
}

/// Starts a job. One that cannot be started is logged and missed, and the mail can be asked for again: nothing else
/// fails with it.
pub async fn start(app: &App, kind: Purpose, user_id: UserId) {
    if let Err(error) = app.push().start(app.mail_function(), &Job { kind, user_id }).await {
        let cause = error.cause().map(|cause| format!("{cause:#}"));
        tracing::warn!(user_id = %user_id, cause, "no mail was started");
    }
}

/// The same for whoever has an address. Nobody having it makes no difference that could be measured: somebody drawn is
/// sent the mail, whom the job does not find.
pub async fn start_for_address(app: &App, kind: Purpose, address: &str) -> Result<()> {
    let user = crate::accounts::find_id_by_email(app, address).await?;
    start(app, kind, user.unwrap_or_else(UserId::generate)).await;
    Ok(())
}

/// Runs a job: draws a token and mails the link with it. Repeated, it mails another one, which is as good.
pub async fn send(app: &App, job: Job) -> Result<()> {
    telemetry::note(Fact::User(job.user_id));
    let Some((address, token)) = recovery::issue(app, job.user_id, job.kind).await? else { return Ok(()) };
    let Some(address) = deliverable(&address) else {
        tracing::warn!(user_id = %job.user_id, "no mail was sent: SES takes no address with such a local part");
        return Ok(());
    };
    let mailer = app.mailer();
    let text = text::write(job.kind, &mailer.public_url, &token);
    let sent = async { mailer.send(address, text).await.map_err(Error::Internal) };
    let sent = telemetry::traced(telemetry::Call::Mail, sent, Result::is_err);
    // Nothing here asks Redis, so what was counted is told while SES is asked.
    let (sent, ()) = tokio::join!(sent, app.redis.tell());
    app.metrics.mail(sent.is_ok());
    sent
}

/// The address as SES takes it: the domain in ASCII. None if the part before it is not ASCII.
fn deliverable(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let domain = idna::domain_to_ascii(domain).ok()?;
    local.is_ascii().then(|| format!("{local}@{domain}"))
}

#[cfg(test)]
mod tests {
    use super::deliverable;

    #[test]
    fn a_domain_is_written_as_ses_takes_it() {
        assert_eq!(deliverable("Ada.L@example.com").as_deref(), Some("Ada.L@example.com"));
        assert_eq!(deliverable("ada@müller.example").as_deref(), Some("ada@xn--mller-kva.example"));
        assert_eq!(deliverable("ü@example.com"), None);
    }
}
