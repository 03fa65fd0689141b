//! `ops`: health and metrics. Nothing here is throttled or needs a user's token.

mod health;

use shared::http::Routes;

pub use crate::health::Guard;

/// The routes.
pub fn routes(guard: Guard) -> Routes {
    Routes::new(health::routes()).with(guard)
}
