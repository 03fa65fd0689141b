//! The routes under `/api/v1/admin/oauth-clients`, for global admins.

use axum::extract::State;
use axum::http::StatusCode;
use shared::http::answers::{Conflict, NotFound};
use shared::http::{Admin, Json, OfClient, Query, Route};
use shared::oauth::clients::{self, Client, ClientChange, NewClient, WithSecret};
use shared::page::{Listing, Page};
use shared::{App, Result, connections};

pub(crate) fn routes() -> impl IntoIterator<Item = Route> {
    shared::routes![
        list_oauth_clients,
        register_oauth_client,
        show_oauth_client,
        change_oauth_client,
        delete_oauth_client,
        replace_oauth_client_secret,
    ]
}

/// Lists the OAuth clients, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/admin/oauth-clients",
    tag = "administration",
    params(Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Client>),
    ),
    security(("bearer" = ["admin"])),
)]
async fn list_oauth_clients(
    State(app): State<App>,
    _: Admin,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Client>>> {
    clients::list(&app, listing.cursor.as_deref(), listing.limit).await.map(Json)
}

/// Registers an OAuth client. Its secret is shown this once.
#[utoipa::path(
    post,
    path = "/api/v1/admin/oauth-clients",
    tag = "administration",
    request_body = NewClient,
    responses(
        (status = 201, description = "The client.", body = WithSecret),
    ),
    security(("bearer" = ["admin"])),
)]
async fn register_oauth_client(
    State(app): State<App>,
    Admin(admin): Admin,
    Json(new): Json<NewClient>,
) -> Result<(StatusCode, Json<WithSecret>)> {
    Ok((StatusCode::CREATED, Json(clients::register(&app, admin.user, new).await?)))
}

/// Shows an OAuth client.
#[utoipa::path(
    get,
    path = "/api/v1/admin/oauth-clients/{client_id}",
    tag = "administration",
    params(("client_id" = String, Path)),
    responses(
        (status = 200, description = "The client.", body = Client),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = ["admin"])),
)]
async fn show_oauth_client(State(app): State<App>, _: Admin, OfClient(id): OfClient) -> Result<Json<Client>> {
    clients::show(&app, &id).await.map(Json)
}

/// Changes an OAuth client. Tokens that it has stay good.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/oauth-clients/{client_id}",
    tag = "administration",
    params(("client_id" = String, Path)),
    request_body = ClientChange,
    responses(
        (status = 200, description = "The client.", body = Client),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = ["admin"])),
)]
async fn change_oauth_client(
    State(app): State<App>,
    Admin(admin): Admin,
    OfClient(id): OfClient,
    Json(change): Json<ClientChange>,
) -> Result<Json<Client>> {
    clients::change(&app, admin.user, &id, change).await.map(Json)
}

/// Draws another secret for a confidential OAuth client, in place of the one it had. It is shown this once.
#[utoipa::path(
    post,
    path = "/api/v1/admin/oauth-clients/{client_id}/secret",
    tag = "administration",
    params(("client_id" = String, Path)),
    responses(
        (status = 201, description = "The client.", body = WithSecret),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = ["admin"])),
)]
async fn replace_oauth_client_secret(
    State(app): State<App>,
    Admin(admin): Admin,
    OfClient(id): OfClient,
) -> Result<(StatusCode, Json<WithSecret>)> {
    Ok((StatusCode::CREATED, Json(clients::replace_secret(&app, admin.user, &id).await?)))
}

/// Deletes an OAuth client, which ends the sessions of all its tokens.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/oauth-clients/{client_id}",
    tag = "administration",
    params(("client_id" = String, Path)),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = ["admin"])),
)]
async fn delete_oauth_client(
    State(app): State<App>,
    Admin(admin): Admin,
    OfClient(id): OfClient,
) -> Result<StatusCode> {
    let ended = clients::delete(&app, admin.user, &id).await?;
    connections::end(&app, &ended).await?;
    Ok(StatusCode::NO_CONTENT)
}
