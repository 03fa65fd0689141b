//! `ops`: the documents of the API.

mod documents;

use shared::http::Routes;

/// The routes.
pub fn routes() -> Routes {
    Routes::new(documents::routes())
}
