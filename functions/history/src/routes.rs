//! The routes under `/api/v1/conversations/{id}/messages`, and search.

use axum::extract::State;
use axum::http::StatusCode;
use shared::http::answers::{Conflict, Forbidden, Invalid, NotFound};
use shared::http::{Caller, CurrentRequest, InConversation, Json, OfEmoji, OfMessage, Query, Routes};
use shared::ids::{ConversationId, MessageId};
use shared::log::Message;
use shared::messages::{self, Edit, Editor, Emoji, NewMessage, PageOf};
use shared::page::Page;
use shared::search::{self, Search};
use shared::throttle::{Admission, Who};
use shared::{App, Result};

/// The routes.
pub fn routes() -> Routes {
    Routes::new(shared::routes![edit_message, delete_message, react, react_no_more]).asking(shared::routes![
        list_messages,
        send_message,
        search_conversation,
        search
    ])
}

/// A page of a conversation's messages, the newest unless one is named to go on from, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}/messages",
    tag = "messages",
    params(("id" = ConversationId, Path), PageOf),
    responses(
        (status = 200, description = "The page; `next` is the id to go on from in the same direction.", body = Page<Message>),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn list_messages(
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

/// Sends a message.
///
/// With a `client_id`, the same request again answers the message of the first.
#[utoipa::path(
    post,
    path = "/api/v1/conversations/{id}/messages",
    tag = "messages",
    params(("id" = ConversationId, Path)),
    request_body = NewMessage,
    responses(
        (status = 201, description = "The message.", body = Message),
        (status = 200, description = "The message that was sent under this `client_id` before.", body = Message),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn send_message(
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

/// Changes what one's own message says.
#[utoipa::path(
    patch,
    path = "/api/v1/conversations/{id}/messages/{message_id}",
    tag = "messages",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path)),
    request_body = Edit,
    responses(
        (status = 200, description = "The message.", body = Message),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn edit_message(
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

/// Takes a message back, which leaves its place in the conversation: one's own or, for the conversation's admins, anybody's.
#[utoipa::path(
    delete,
    path = "/api/v1/conversations/{id}/messages/{message_id}",
    tag = "messages",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path)),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn delete_message(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    OfMessage(message): OfMessage,
    CurrentRequest(request_id): CurrentRequest,
) -> Result<StatusCode> {
    messages::retract(&app, &editor(caller, &request_id), conversation, message, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reacts to a message.
#[utoipa::path(
    put,
    path = "/api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    tag = "messages",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path), ("emoji" = inline(Emoji), Path)),
    responses(
        (status = 204, description = "The caller reacts like this."),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
        (status = 422, response = Invalid),
    ),
    security(("bearer" = [])),
)]
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

/// Takes a reaction back.
#[utoipa::path(
    delete,
    path = "/api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    tag = "messages",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path), ("emoji" = inline(Emoji), Path)),
    responses(
        (status = 204, description = "The caller reacts like this no more."),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
        (status = 422, response = Invalid),
    ),
    security(("bearer" = [])),
)]
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

/// Searches the messages of one conversation, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}/messages/search",
    tag = "messages",
    params(("id" = ConversationId, Path), Search),
    responses(
        (status = 200, description = "A page of what was found.", body = Page<Message>),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn search_conversation(
    State(app): State<App>,
    caller: Caller,
    InConversation(conversation): InConversation,
    admission: Admission,
    Query(search): Query<Search>,
) -> Result<Json<Page<Message>>> {
    reading(&app, &caller, admission).pass(&app).await?;
    search::within(&app, caller.user(), conversation, search).await.map(Json)
}

/// Searches the messages of all conversations that the caller takes part in, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/search",
    tag = "messages",
    params(Search),
    responses(
        (status = 200, description = "A page of what was found.", body = Page<Message>),
    ),
    security(("bearer" = [])),
)]
async fn search(
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
