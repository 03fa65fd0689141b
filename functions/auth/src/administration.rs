//! The routes under `/api/v1/admin`, for global admins.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, patch};
use serde::Deserialize;
use shared::accounts::{self, Profile, Session};
use shared::administration::{self, Deed, Figures, Overview, UserChange};
use shared::http::{Admin, InConversation, Json, OfUser, Query, RequestKey};
use shared::page::Page;
use shared::{App, Result, connections};

use crate::routes::Listing;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/admin/users", get(list_users))
        .route("/api/v1/admin/users/{id}", patch(change_user))
        .route("/api/v1/admin/users/{id}/sessions", get(list_sessions).delete(end_sessions))
        .route("/api/v1/admin/conversations", get(list_conversations))
        .route("/api/v1/admin/conversations/{id}", delete(delete_conversation))
        .route("/api/v1/admin/audit", get(list_audit))
        .route("/api/v1/admin/stats", get(figures))
}

#[derive(Deserialize)]
struct Search {
    search: Option<String>,
}

async fn list_users(
    State(app): State<App>,
    _: Admin,
    Query(Search { search }): Query<Search>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Profile>>> {
    let cursor = listing.cursor.as_deref();
    administration::list_users(&app, search.as_deref(), cursor, listing.limit).await.map(Json)
}

async fn change_user(
    State(app): State<App>,
    Admin(admin): Admin,
    OfUser(user): OfUser,
    Json(change): Json<UserChange>,
) -> Result<Json<Profile>> {
    let (changed, ended) = administration::change_user(&app, admin.user, user, change).await?;
    connections::end(&app, &ended).await?;
    Ok(Json(changed))
}

async fn list_sessions(
    State(app): State<App>,
    Admin(admin): Admin,
    OfUser(user): OfUser,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Session>>> {
    administration::require_user(&app, user).await?;
    accounts::list_sessions(&app, admin, user, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

async fn end_sessions(
    State(app): State<App>,
    Admin(admin): Admin,
    OfUser(user): OfUser,
) -> Result<StatusCode> {
    let ended = administration::end_sessions(&app, admin.user, user).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_conversations(
    State(app): State<App>,
    _: Admin,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Overview>>> {
    administration::list_conversations(&app, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

async fn delete_conversation(
    State(app): State<App>,
    Admin(admin): Admin,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
) -> Result<StatusCode> {
    administration::delete_conversation(&app, admin.user, id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_audit(
    State(app): State<App>,
    _: Admin,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Deed>>> {
    administration::list_audit(&app, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

async fn figures(State(app): State<App>, _: Admin) -> Result<Json<Figures>> {
    administration::figures(&app).await.map(Json)
}
