//! The routes under `/api/v1/conversations`, but for the messages.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared::conversations::{
    self, Conversation, ListedParticipant, NewConversation, NewDirect, NewParticipant, NewRole, NewSettings,
    ReadThrough, Rename, Started,
};
use shared::http::answers::{Conflict, Forbidden, NotFound};
use shared::http::{Caller, InConversation, Json, OfParticipant, Query, RequestKey, Routes};
use shared::ids::{ConversationId, UserId};
use shared::log::{self, Event, Participant};
use shared::page::{Listing, Page};
use shared::presence::Presence;
use shared::throttle::{Admission, Who};
use shared::{App, Result};
use utoipa::IntoParams;

/// The routes.
pub fn routes() -> Routes {
    Routes::new(shared::routes![
        list_conversations,
        show_conversation,
        rename_conversation,
        delete_conversation,
        mark_read,
        change_settings,
        list_presence,
        list_participants,
        add_participant,
        change_participant,
        remove_participant,
    ])
    .asking(shared::routes![start_conversation, start_direct_conversation])
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Named {
    /// The name of a channel: finds the one that the caller takes part in.
    name: Option<String>,
}

/// Lists the caller's conversations, latest activity first.
#[utoipa::path(
    get,
    path = "/api/v1/conversations",
    tag = "conversations",
    params(Named, Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Conversation>),
    ),
    security(("bearer" = [])),
)]
async fn list_conversations(
    State(app): State<App>,
    caller: Caller,
    Query(Named { name }): Query<Named>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Conversation>>> {
    let found = match name {
        Some(name) => conversations::find_channel(&app, caller.user(), name).await,
        None => conversations::list(&app, caller.user(), listing.cursor.as_deref(), listing.limit).await,
    };
    found.map(Json)
}

/// Starts a group or, for global admins, a channel. The caller becomes its admin.
#[utoipa::path(
    post,
    path = "/api/v1/conversations",
    tag = "conversations",
    request_body = NewConversation,
    responses(
        (status = 201, description = "The conversation.", body = Conversation),
        (status = 403, response = Forbidden),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn start_conversation(
    State(app): State<App>,
    caller: Caller,
    admission: Admission,
    Json(new): Json<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>)> {
    admission.and(&app.throttles.conversations, Who::User(caller.user())).pass(&app).await?;
    let conversation = conversations::start(&app, caller.user(), new).await?;
    Ok((StatusCode::CREATED, Json(conversation)))
}

/// Starts the direct conversation with somebody, of which there is one for each pair of people.
#[utoipa::path(
    post,
    path = "/api/v1/conversations/direct",
    tag = "conversations",
    request_body = NewDirect,
    responses(
        (status = 201, description = "The conversation.", body = Conversation),
        (status = 200, description = "The conversation that there was.", body = Conversation),
    ),
    security(("bearer" = [])),
)]
async fn start_direct_conversation(
    State(app): State<App>,
    caller: Caller,
    admission: Admission,
    Json(new): Json<NewDirect>,
) -> Result<(StatusCode, Json<Conversation>)> {
    admission.and(&app.throttles.conversations, Who::User(caller.user())).pass(&app).await?;
    let (conversation, started) = conversations::start_direct(&app, caller.user(), new.user_id).await?;
    Ok((created_or_ok(started), Json(conversation)))
}

/// Shows a conversation.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}",
    tag = "conversations",
    params(("id" = ConversationId, Path)),
    responses(
        (status = 200, description = "The conversation.", body = Conversation),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn show_conversation(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
) -> Result<Json<Conversation>> {
    conversations::show(&app, caller.user(), id).await.map(Json)
}

/// Renames a group or a channel; for its admins.
#[utoipa::path(
    method(put, patch),
    path = "/api/v1/conversations/{id}",
    tag = "conversations",
    params(("id" = ConversationId, Path)),
    request_body = Rename,
    responses(
        (status = 200, description = "The conversation.", body = Conversation),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn rename_conversation(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
    Json(new): Json<Rename>,
) -> Result<Json<Conversation>> {
    conversations::rename(&app, caller.user(), id, new.name, &key).await.map(Json)
}

/// Deletes a group or a channel with its messages; for its admins.
#[utoipa::path(
    delete,
    path = "/api/v1/conversations/{id}",
    tag = "conversations",
    params(("id" = ConversationId, Path)),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn delete_conversation(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
) -> Result<StatusCode> {
    conversations::delete(&app, caller.user(), id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Moves the caller's read pointer forward to a message, never back.
#[utoipa::path(
    post,
    path = "/api/v1/conversations/{id}/read",
    tag = "conversations",
    params(("id" = ConversationId, Path)),
    request_body = ReadThrough,
    responses(
        (status = 204, description = "The caller has read at least as far."),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn mark_read(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Json(read): Json<ReadThrough>,
) -> Result<StatusCode> {
    if conversations::mark_read(&app, caller.user(), id, read.message_id).await? {
        log::tell(&app, id, caller.user(), None, Event::Read(read.message_id)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Mutes or archives a conversation for the caller alone, or no more.
#[utoipa::path(
    patch,
    path = "/api/v1/conversations/{id}/settings",
    tag = "conversations",
    params(("id" = ConversationId, Path)),
    request_body = NewSettings,
    responses(
        (status = 200, description = "The conversation.", body = Conversation),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn change_settings(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Json(new): Json<NewSettings>,
) -> Result<Json<Conversation>> {
    conversations::set(&app, caller.user(), id, new).await.map(Json)
}

/// Lists which of the participants are online, and when they last were.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}/presence",
    tag = "conversations",
    params(("id" = ConversationId, Path), Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<Presence>),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn list_presence(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Presence>>> {
    let cursor = listing.cursor.as_deref();
    conversations::list_presence(&app, caller.user(), id, cursor, listing.limit).await.map(Json)
}

/// Lists the participants, longest-standing first.
#[utoipa::path(
    get,
    path = "/api/v1/conversations/{id}/participants",
    tag = "conversations",
    params(("id" = ConversationId, Path), Listing),
    responses(
        (status = 200, description = "A page of them.", body = Page<ListedParticipant>),
        (status = 404, response = NotFound),
    ),
    security(("bearer" = [])),
)]
async fn list_participants(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<ListedParticipant>>> {
    let cursor = listing.cursor.as_deref();
    conversations::list_participants(&app, caller.user(), id, cursor, listing.limit).await.map(Json)
}

/// Adds somebody to a group or a channel; for its admins, and to a channel for global ones.
#[utoipa::path(
    post,
    path = "/api/v1/conversations/{id}/participants",
    tag = "conversations",
    params(("id" = ConversationId, Path)),
    request_body = NewParticipant,
    responses(
        (status = 201, description = "The participant.", body = Participant),
        (status = 200, description = "The participant, who was one already.", body = Participant),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn add_participant(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
    Json(new): Json<NewParticipant>,
) -> Result<(StatusCode, Json<Participant>)> {
    let (participant, started) = conversations::add_participant(&app, caller.user(), id, new, &key).await?;
    Ok((created_or_ok(started), Json(participant)))
}

/// Changes a participant's role; for the conversation's admins.
#[utoipa::path(
    patch,
    path = "/api/v1/conversations/{id}/participants/{user_id}",
    tag = "conversations",
    params(("id" = ConversationId, Path), ("user_id" = UserId, Path)),
    request_body = NewRole,
    responses(
        (status = 200, description = "The participant.", body = Participant),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn change_participant(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    OfParticipant(user): OfParticipant,
    RequestKey(key): RequestKey,
    Json(new): Json<NewRole>,
) -> Result<Json<Participant>> {
    conversations::set_role(&app, caller.user(), id, user, new.role, &key).await.map(Json)
}

/// Removes a participant, for the conversation's admins, or leaves, when it is the caller.
#[utoipa::path(
    delete,
    path = "/api/v1/conversations/{id}/participants/{user_id}",
    tag = "conversations",
    params(("id" = ConversationId, Path), ("user_id" = UserId, Path)),
    responses(
        (status = 204, description = "They take part no more."),
        (status = 403, response = Forbidden),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict),
    ),
    security(("bearer" = [])),
)]
async fn remove_participant(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    OfParticipant(user): OfParticipant,
    RequestKey(key): RequestKey,
) -> Result<StatusCode> {
    conversations::remove_participant(&app, caller.user(), id, user, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn created_or_ok(started: Started) -> StatusCode {
    match started {
        Started::Now => StatusCode::CREATED,
        Started::Before => StatusCode::OK,
    }
}
