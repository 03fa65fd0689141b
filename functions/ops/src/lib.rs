//! `ops`: health, metrics and the documents of the API. Nothing here is throttled or needs a user's token.

mod documents;
mod health;

use shared::http::Routes;

pub use crate::health::Guard;

/// The routes.
pub fn routes(guard: Guard) -> Routes {
    Routes::new(documents::routes()).and(health::routes()).with(guard)
}
