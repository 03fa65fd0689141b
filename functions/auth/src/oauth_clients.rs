//! The routes under `/api/v1/admin/oauth-clients`, for global admins.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use shared::http::{Admin, Json, OfClient, Query};
use shared::oauth::clients::{self, Client, ClientChange, NewClient, WithSecret};
use shared::page::Page;
use shared::{App, Result, connections};

use crate::routes::Listing;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/admin/oauth-clients", get(list).post(register))
        .route("/api/v1/admin/oauth-clients/{client_id}", get(show).patch(change).delete(remove))
        .route("/api/v1/admin/oauth-clients/{client_id}/secret", post(replace_secret))
}

async fn list(
    State(app): State<App>,
    _: Admin,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Client>>> {
    clients::list(&app, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

async fn register(
    State(app): State<App>,
    Admin(admin): Admin,
    Json(new): Json<NewClient>,
) -> Result<(StatusCode, Json<WithSecret>)> {
    Ok((StatusCode::CREATED, Json(clients::register(&app, admin.user, new).await?)))
}

async fn show(State(app): State<App>, _: Admin, OfClient(id): OfClient) -> Result<Json<Client>> {
    clients::show(&app, &id).await.map(Json)
}

async fn change(
    State(app): State<App>,
    Admin(admin): Admin,
    OfClient(id): OfClient,
    Json(change): Json<ClientChange>,
) -> Result<Json<Client>> {
    clients::change(&app, admin.user, &id, change).await.map(Json)
}

async fn replace_secret(
    State(app): State<App>,
    Admin(admin): Admin,
    OfClient(id): OfClient,
) -> Result<(StatusCode, Json<WithSecret>)> {
    Ok((StatusCode::CREATED, Json(clients::replace_secret(&app, admin.user, &id).await?)))
}

async fn remove(State(app): State<App>, Admin(admin): Admin, OfClient(id): OfClient) -> Result<StatusCode> {
    let ended = clients::delete(&app, admin.user, &id).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}
