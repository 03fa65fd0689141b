//! Routes by how they are throttled, and the check before each request.

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::Response;
use futures_util::future::try_join;

use super::{Client, CurrentRequest, OptionalCaller};
use crate::throttle::{Admission, Who};
use crate::{App, Error, Result};

/// What throttles a route, beside what throttles every request: its user or, without a valid access token, its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// Nothing.
    Request,
    /// Signing up, by address.
    SignUp,
    /// Starting conversations, by user.
    Conversations,
    /// Reading messages, by user.
    Reads,
    /// Whatever its operation asks, and when: the handler hands it the [`Admission`].
    Operation,
}

/// A function's routes, each among those that are throttled alike.
pub struct Routes(Vec<(Throttle, Router<App>)>);

impl Routes {
    /// Those that nothing but [`Throttle::Request`] throttles.
    pub fn new(routes: Router<App>) -> Self {
        Self(vec![(Throttle::Request, routes)])
    }

    /// And these.
    #[must_use]
    pub fn throttled(mut self, throttle: Throttle, routes: Router<App>) -> Self {
        self.0.push((throttle, routes));
        self
    }

    /// All of them, behind their checks; and what is none of them.
    pub(super) fn checked(self, app: &App) -> Router<App> {
        let check = |throttle| middleware::from_fn_with_state((app.clone(), throttle), check);
        let unknown = (async || Error::NotFound("path")).layer(check(Throttle::Request));
        let routes = self.0.into_iter().map(|(throttle, routes)| routes.layer(check(throttle)));
        let routes = routes.fold(Router::new(), Router::merge);
        routes.fallback(unknown.clone()).method_not_allowed_fallback(unknown)
    }
}

async fn check(
    State((app, throttle)): State<(App, Throttle)>,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let admission = admission(&app, throttle, &mut parts).await?;
    parts.extensions.insert(admission.clone());
    let is_read = parts.method.is_safe();
    let answer = next.run(Request::from_parts(parts, body));
    if throttle == Throttle::Operation {
        let answer = answer.await;
        if !admission.was_asked() {
            // It failed before its operation asked: that is a request, too.
            admission.pass(&app).await?;
        }
        Ok(answer)
    } else if is_read {
        // It has no effect, so it need not wait to be let in, and is dropped when it is refused.
        let (answer, ()) = try_join(async { Ok(answer.await) }, admission.pass(&app)).await?;
        Ok(answer)
    } else {
        admission.pass(&app).await?;
        Ok(answer.await)
    }
}

async fn admission(app: &App, throttle: Throttle, parts: &mut Parts) -> Result<Admission> {
    let CurrentRequest(id) = CurrentRequest::from_request_parts(parts, app).await?;
    let Client(device) = Client::from_request_parts(parts, app).await?;
    // A bad token is none here; what it is to the route, the route says.
    let caller = OptionalCaller::from_request_parts(parts, app).await.ok().and_then(|caller| caller.0);
    let address = Who::Address(device.address());
    let user = caller.map(|caller| Who::User(caller.user));

    let (admission, policies) = (Admission::of(&id), &app.throttles);
    let admission = match user {
        Some(user) => admission.and(&policies.user, user),
        None => admission.and(&policies.anonymous, address),
    };
    Ok(match (throttle, user) {
        (Throttle::SignUp, _) => admission.and(&policies.signup, address),
        (Throttle::Conversations, Some(user)) => admission.and(&policies.conversations, user),
        (Throttle::Reads, Some(user)) => admission.and(&policies.reads, user),
        (Throttle::Request | Throttle::Operation, _) | (Throttle::Conversations | Throttle::Reads, None) => {
            admission
        }
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
