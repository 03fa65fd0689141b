//! The routes under `/api/v1/users`.

use axum::extract::State;
use serde::Deserialize;
use shared::accounts::{self, Seen};
use shared::http::answers::NotFound;
use shared::http::{Caller, Json, OfUser, Query, Route};
use shared::ids::UserId;
use shared::page::{Listing, Page};
use shared::{App, Error, Result};
use utoipa::IntoParams;

pub(crate) fn routes() -> impl IntoIterator<Item = Route> {
    shared::routes![search_users, show_user]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// What the username begins with, or the whole address.
    #[param(required, min_length = 1, max_length = 254)]
    search: Option<String>,
}

/// Finds people by the beginning of their username or by their e-mail address.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "users",
    params(Search, Listing),
    responses(
        (status = 200, description = "A page of them, in order of their usernames.", body = Page<Seen>),
    ),
    security(("bearer" = [])),
)]
async fn search_users(
    State(app): State<App>,
    caller: Caller,
    Query(Search { search }): Query<Search>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Seen>>> {
    let text = search.ok_or_else(|| Error::invalid("search", "is required"))?;
    let cursor = listing.cursor.as_deref();
    accounts::search_people(&app, caller.user(), &text, cursor, listing.limit).await.map(Json)
}

/// Shows somebody: to admins and to themselves the whole account.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = UserId, Path)),
    responses(
        (status = 200, description = "Who it is.", body = Seen),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn show_user(State(app): State<App>, caller: Caller, OfUser(id): OfUser) -> Result<Json<Seen>> {
    accounts::find_person(&app, caller.user(), id).await.map(Json)
}
