//! What a request shows of who calls, where only some of what it asks for depends on that.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Admin, Caller, TOKEN_REQUIRED, claims};
use crate::tokens::access::Claims;
use crate::{App, Error, Result};

/// The access token, good or not: whoever needs a caller is told what is wrong with it.
pub struct Credentials(Result<Arc<Claims>, &'static str>);

impl Credentials {
    /// Who calls.
    pub fn caller(&self) -> Result<Caller> {
        self.claims().map(|claims| Caller(claims.identity()))
    }

    /// Who calls, if they are an admin now.
    pub async fn admin(&self, app: &App) -> Result<Admin> {
        Admin::by(self.claims()?, app).await
    }

    fn claims(&self) -> Result<&Claims> {
        self.0.as_deref().map_err(|why| Error::Unauthenticated(why))
    }
}

impl FromRequestParts<App> for Credentials {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match claims(parts, app).await.and_then(|claims| claims.ok_or(TOKEN_REQUIRED)) {
            Ok(claims) => Ok(Self(Ok(claims))),
            Err(Error::Unauthenticated(why)) => Ok(Self(Err(why))),
            Err(error) => Err(error),
        }
    }
}
