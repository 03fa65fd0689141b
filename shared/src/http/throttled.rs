//! Routes by who asks the throttles, and the check of each request.

use axum::Extension;
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa::openapi::{OpenApi, OpenApiBuilder};

use super::{Client, CurrentRequest, OptionalCaller, Route};
use crate::throttle::{Admission, Who};
use crate::{App, Error, Result};

/// A function's routes. Every request is throttled by its user or, without a valid access token, its address.
pub struct Routes<S = App> {
    checked: Router<S>,
    asking: Router<S>,
    descriptions: Vec<fn(&mut OpenApi)>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { checked: Router::new(), asking: Router::new(), descriptions: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Those that are asked for before they run, by nothing else.
    pub fn new(checked: impl IntoIterator<Item = Route<S>>) -> Self {
        Self::default().and(checked)
    }

    /// And more of them.
    #[must_use]
    pub fn and(mut self, checked: impl IntoIterator<Item = Route<S>>) -> Self {
        for route in checked {
            self.descriptions.push(route.describe);
            self.checked = route.add_to(self.checked);
        }
        self
    }

    /// And those whose operations ask, for more or in a call that they make anyway; their handlers take the [`Admission`].
    #[must_use]
    pub fn asking(mut self, routes: impl IntoIterator<Item = Route<S>>) -> Self {
        for route in routes {
            self.descriptions.push(route.describe);
            self.asking = route.add_to(self.asking);
        }
        self
    }

    /// And what is no operation of the API, hence not described: pages and their files.
    #[must_use]
    pub fn beside(mut self, pages: Router<S>) -> Self {
        self.checked = self.checked.merge(pages);
        self
    }

    /// What the handlers of all routes so far may take as an [`Extension`].
    #[must_use]
    pub fn with<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.checked = self.checked.layer(Extension(value.clone()));
        self.asking = self.asking.layer(Extension(value));
        self
    }

    /// What the published document says of them.
    pub fn described(&self) -> OpenApi {
        let mut document = OpenApiBuilder::new().build();
        for describe in &self.descriptions {
            describe(&mut document);
        }
        document
    }

    /// All of them without checks; and what is none of them.
    pub fn unchecked(self) -> Router<S> {
        let unknown = async || Error::NotFound("path");
        self.checked.merge(self.asking).fallback(unknown).method_not_allowed_fallback(unknown)
    }
}

impl Routes {
    /// All of them, behind their checks; and what is none of them.
    pub(super) fn checked(self, app: &App) -> Router<App> {
        let before = || middleware::from_fn_with_state(app.clone(), check_before);
        let unknown = (async || Error::NotFound("path")).layer(before());
        let asking = self.asking.layer(middleware::from_fn_with_state(app.clone(), check_after));
        let routes = self.checked.layer(before()).merge(asking);
        routes.fallback(unknown.clone()).method_not_allowed_fallback(unknown)
    }
}

/// Whoever is refused has caused nothing, not even a read.
async fn check_before(State(app): State<App>, request: Request, next: Next) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    admission(&app, &mut parts).await?.pass(&app).await?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn check_after(State(app): State<App>, request: Request, next: Next) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let admission = admission(&app, &mut parts).await?;
    parts.extensions.insert(admission.clone());
    let answer = next.run(Request::from_parts(parts, body)).await;
    if !admission.was_asked() {
        // It failed before its operation asked: that is a request, too.
        admission.pass(&app).await?;
    }
    Ok(answer)
}

async fn admission(app: &App, parts: &mut Parts) -> Result<Admission> {
    let CurrentRequest(id) = CurrentRequest::from_request_parts(parts, app).await?;
    let Client(device) = Client::from_request_parts(parts, app).await?;
    // A bad token is none here; what it is to the route, the route says.
    let caller = OptionalCaller::from_request_parts(parts, app).await.ok().and_then(|caller| caller.0);
    let admission = Admission::of(&id);
    Ok(match caller {
        Some(caller) => admission.and(&app.throttles.user, Who::User(caller.user)),
        None => admission.and(&app.throttles.anonymous, Who::Address(device.address())),
    })
}

impl<S: Sync> FromRequestParts<S> for Admission {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let admission = parts.extensions.get().cloned();
        admission.ok_or_else(|| {
            Error::Internal(anyhow::anyhow!("a route that is not among the function's Routes"))
        })
    }
}
