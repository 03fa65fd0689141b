//! The routes under `/api/v1/conversations/{id}/messages`, and search.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, patch, put};
use shared::http::{Caller, CurrentRequest, InConversation, Json, OfEmoji, OfMessage, Query, Routes};
use shared::log::Message;
use shared::messages::{self, Edit, Editor, NewMessage, PageOf};
use shared::page::Page;
use shared::search::{self, Search};
use shared::throttle::{Admission, Who};
use shared::{App, Result};

/// The routes.
pub(crate) fn routes() -> Routes {
    let changes = Router::new()
        .route("/api/v1/conversations/{id}/messages/{message_id}", patch(edit).delete(delete))
        .route(
            "/api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
            put(react).delete(react_no_more),
        );
    let asking = Router::new()
        .route("/api/v1/conversations/{id}/messages", get(page).post(send))
        .route("/api/v1/conversations/{id}/messages/search", get(search_within))
        .route("/api/v1/search", get(search_everywhere));
    Routes::new(changes).asking(asking)
}

async fn page(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    admission: Admission,
    Query(of): Query<PageOf>,
) -> Result<Json<Page<Message>>> {
    messages::page(&app, caller.user(), conversation, of, Some(&reading(&app, &caller, admission)))
        .await
        .map(Json)
}

async fn send(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    admission: Admission,
    Json(new): Json<NewMessage>,
) -> Result<(StatusCode, Json<Message>)> {
    let sent = messages::send(&app, caller.user(), conversation, new, &admission).await?;
    let status = if sent.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(sent.message)))
}

async fn edit(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    OfMessage(message): OfMessage,
    CurrentRequest(request_id): CurrentRequest,
    Json(edit): Json<Edit>,
) -> Result<Json<Message>> {
    let by = editor(caller, &request_id);
    messages::edit(&app, &by, conversation, message, edit).await.map(|edited| Json(edited.message))
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    OfMessage(message): OfMessage,
    CurrentRequest(request_id): CurrentRequest,
) -> Result<StatusCode> {
    messages::retract(&app, &editor(caller, &request_id), conversation, message, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn react(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    OfMessage(message): OfMessage,
    OfEmoji(emoji): OfEmoji,
    CurrentRequest(request_id): CurrentRequest,
) -> Result<StatusCode> {
    let by = editor(caller, &request_id);
    messages::react(&app, &by, conversation, message, emoji, true, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn react_no_more(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    OfMessage(message): OfMessage,
    OfEmoji(emoji): OfEmoji,
    CurrentRequest(request_id): CurrentRequest,
) -> Result<StatusCode> {
    let by = editor(caller, &request_id);
    messages::react(&app, &by, conversation, message, emoji, false, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn editor(caller: Caller, request_id: &str) -> Editor<'_> {
    Editor { user: caller.user(), request_id }
}

async fn search_within(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    admission: Admission,
    Query(search): Query<Search>,
) -> Result<Json<Page<Message>>> {
    reading(&app, &caller, admission).pass(&app).await?;
    search::within(&app, caller.user(), conversation, search).await.map(Json)
}

async fn search_everywhere(
    State(app): State<App>,
    caller: Caller,
    admission: Admission,
    Query(search): Query<Search>,
) -> Result<Json<Page<Message>>> {
    reading(&app, &caller, admission).pass(&app).await?;
    search::everywhere(&app, caller.user(), search).await.map(Json)
}

/// What whoever reads messages has to pass.
fn reading(app: &App, caller: &Caller, admission: Admission) -> Admission {
    admission.and(&app.throttles.reads, Who::User(caller.user()))
}
