//! The routes under `/api/v1/admin`, for global admins.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared::accounts::{self, Profile, Session};
use shared::administration::{self, Deed, Figures, Overview, UserChange};
use shared::http::answers::{Conflict, NotFound};
use shared::http::{Admin, InConversation, Json, OfUser, Query, RequestKey, Route};
use shared::ids::{ConversationId, UserId};
use shared::page::{Listing, Page};
use shared::{App, Result, connections};
use utoipa::IntoParams;

pub(crate) fn routes() -> impl IntoIterator<Item = Route> {
    shared::routes![
        list_users,
        change_user,
        list_user_sessions,
        end_user_sessions,
        list_all_conversations,
        delete_any_conversation,
        list_audit,
        show_stats,
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// What the username begins with, or the whole address.
    search: Option<String>,
}

/// Lists all users, newest first, or finds some.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users",
    tag = "administration",
    params(Search, Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Profile>),
    ),
    security(("bearer" = ["admin"])),
)]
async fn list_users(
    State(app): State<App>,
    _: Admin,
    Query(Search { search }): Query<Search>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Profile>>> {
    let cursor = listing.cursor.as_deref();
    administration::list_users(&app, search.as_deref(), cursor, listing.limit).await.map(Json)
}

/// Changes a user's role, or disables them, which ends their sessions, or enables them.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/users/{id}",
    tag = "administration",
    params(("id" = UserId, Path)),
    request_body = UserChange,
    responses(
        (status = 200, description = "The account.", body = Profile),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = ["admin"])),
)]
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

/// Lists a user's live sessions, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users/{id}/sessions",
    tag = "administration",
    params(("id" = UserId, Path), Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Session>),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = ["admin"])),
)]
async fn list_user_sessions(
    State(app): State<App>,
    Admin(admin): Admin,
    OfUser(user): OfUser,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Session>>> {
    administration::require_user(&app, user).await?;
    accounts::list_sessions(&app, admin, user, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

/// Ends all of a user's sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/users/{id}/sessions",
    tag = "administration",
    params(("id" = UserId, Path)),
    responses(
        (status = 204, description = "All have ended."),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = ["admin"])),
)]
async fn end_user_sessions(
    State(app): State<App>,
    Admin(admin): Admin,
    OfUser(user): OfUser,
) -> Result<StatusCode> {
    let ended = administration::end_sessions(&app, admin.user, user).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists all conversations, newest first, without what is said in them.
#[utoipa::path(
    get,
    path = "/api/v1/admin/conversations",
    tag = "administration",
    params(Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Overview>),
    ),
    security(("bearer" = ["admin"])),
)]
async fn list_all_conversations(
    State(app): State<App>,
    _: Admin,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Overview>>> {
    administration::list_conversations(&app, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

/// Deletes a conversation with its messages.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/conversations/{id}",
    tag = "administration",
    params(("id" = ConversationId, Path)),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = ["admin"])),
)]
async fn delete_any_conversation(
    State(app): State<App>,
    Admin(admin): Admin,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
) -> Result<StatusCode> {
    administration::delete_conversation(&app, admin.user, id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists what admins did, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/admin/audit",
    tag = "administration",
    params(Listing),
    responses(
        (status = 200, description = "A page of it.", body = Page<Deed>),
    ),
    security(("bearer" = ["admin"])),
)]
async fn list_audit(
    State(app): State<App>,
    _: Admin,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Deed>>> {
    administration::list_audit(&app, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

/// Counts what there is.
#[utoipa::path(
    get,
    path = "/api/v1/admin/stats",
    tag = "administration",
    responses(
        (status = 200, description = "The figures.", body = Figures),
    ),
    security(("bearer" = ["admin"])),
)]
async fn show_stats(State(app): State<App>, _: Admin) -> Result<Json<Figures>> {
    administration::figures(&app).await.map(Json)
}
