//! The routes under `/api/v1/conversations/{id}/messages`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use shared::http::{Caller, CurrentRequest, InConversation, Json, Query};
use shared::log::{Actor, Message};
use shared::messages::{self, NewMessage, PageOf};
use shared::page::Page;
use shared::{App, Result};

/// The router.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/api/v1/conversations/{id}/messages", get(page).post(send))
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
