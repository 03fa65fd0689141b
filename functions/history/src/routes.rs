//! The routes under `/api/v1/conversations/{id}/messages`, and search.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use shared::http::{Caller, CurrentRequest, InConversation, Json, Query};
use shared::log::{Actor, Message};
use shared::messages::{self, NewMessage, PageOf};
use shared::page::Page;
use shared::search::{self, Search};
use shared::{App, Result};

/// The router.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/conversations/{id}/messages", get(page).post(send))
        .route("/api/v1/conversations/{id}/messages/search", get(search_within))
        .route("/api/v1/search", get(search_everywhere))
}

async fn page(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    Query(of): Query<PageOf>,
) -> Result<Json<Page<Message>>> {
    messages::page(&app, caller.user(), conversation, of).await.map(Json)
}

async fn send(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    CurrentRequest(request_id): CurrentRequest,
    Json(new): Json<NewMessage>,
) -> Result<(StatusCode, Json<Message>)> {
    let actor = Actor::User(caller.user());
    let sent = messages::send(&app, actor, conversation, new, &request_id).await?;
    let status = if sent.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(sent.message)))
}

async fn search_within(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    Query(search): Query<Search>,
) -> Result<Json<Page<Message>>> {
    search::within(&app, caller.user(), conversation, search).await.map(Json)
}

async fn search_everywhere(
    State(app): State<App>,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<Json<Page<Message>>> {
    search::everywhere(&app, caller.user(), search).await.map(Json)
}
