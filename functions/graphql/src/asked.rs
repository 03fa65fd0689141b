//! What is known of a request while its fields are resolved.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;
use shared::http::Credentials;
use shared::ids::UserId;
use shared::log::Key;
use shared::throttle::Admission;
use shared::{App, Result, telemetry};

use crate::loaders::People;

/// A request, and what its fields share.
pub(crate) struct Asked {
    /// The clients and settings.
    pub(crate) app: App,
    credentials: Credentials,
    request_id: String,
    /// How many fields asked for an id of their own.
    named: AtomicU32,
    people: Option<DataLoader<People>>,
}

impl Asked {
    /// Of the request with this id.
    pub(crate) fn new(app: App, request_id: String, credentials: Credentials) -> Self {
        let people = credentials.caller().ok().map(|caller| {
            let people = People { app: app.clone(), reader: caller.user() };
            // Nobody waits for more to ask: what is asked for in one go is there when the loader runs.
            DataLoader::new(people, |load| tokio::spawn(telemetry::carry(load))).delay(Duration::ZERO)
        });
        Self { app, credentials, request_id, named: AtomicU32::new(0), people }
    }

    /// The one of a field.
    pub(crate) fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> Result<UserId> {
        self.credentials.caller().map(|caller| caller.user())
    }

    /// Refuses whoever is no admin now.
    pub(crate) async fn require_admin(&self) -> Result<()> {
        self.credentials.admin(&self.app).await.map(drop)
    }

    /// What the next field has to pass, under an id of its own: several sends of a request are several, and each is the
    /// same one when the request is delivered again, because mutations run in the order of the document.
    pub(crate) fn admission(&self) -> Admission {
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        Admission::of(&format!("{}.{number}", self.request_id))
    }

    /// The idempotency key of the next field.
    pub(crate) fn key(&self) -> Key {
        Key::of_request(self.admission().request_id())
    }

    /// People by id, for whoever may see anybody.
    pub(crate) fn people(&self) -> Option<&DataLoader<People>> {
        self.people.as_ref()
    }
}
