//! The routes under `/api/v1/users`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;
use shared::accounts::{self, Seen};
use shared::http::{Caller, Json, OfUser, Query};
use shared::page::Page;
use shared::{App, Error, Result};

use crate::routes::Listing;

pub(crate) fn router() -> Router<App> {
    Router::new().route("/api/v1/users", get(search)).route("/api/v1/users/{id}", get(show))
}

#[derive(Deserialize)]
struct Search {
    search: Option<String>,
}

async fn search(
    State(app): State<App>,
    caller: Caller,
    Query(Search { search }): Query<Search>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Seen>>> {
    let text = search.ok_or_else(|| Error::invalid("search", "is required"))?;
    let cursor = listing.cursor.as_deref();
    accounts::search_people(&app, caller.user(), &text, cursor, listing.limit).await.map(Json)
}

async fn show(State(app): State<App>, caller: Caller, OfUser(id): OfUser) -> Result<Json<Seen>> {
    accounts::find_person(&app, caller.user(), id).await.map(Json)
}
