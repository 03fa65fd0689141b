//! The routes under `/api/v1/conversations`, but for the messages.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use serde::Deserialize;
use shared::conversations::{
    self, Conversation, NewConversation, NewDirect, NewParticipant, NewRole, NewSettings, ReadThrough,
    Rename, Started,
};
use shared::http::{Caller, InConversation, Json, OfParticipant, Query, RequestKey, Routes};
use shared::log::{self, Event, Participant};
use shared::page::{Limit, Page};
use shared::presence::Presence;
use shared::throttle::{Admission, Who};
use shared::{App, Result};

/// The routes.
pub(crate) fn routes() -> Routes {
    Routes::new(router()).asking(
        Router::new()
            .route("/api/v1/conversations", post(start))
            .route("/api/v1/conversations/direct", post(start_direct)),
    )
}

fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/conversations", get(list))
        .route("/api/v1/conversations/{id}", get(show).put(rename).patch(rename).delete(delete))
        .route("/api/v1/conversations/{id}/read", post(mark_read))
        .route("/api/v1/conversations/{id}/settings", patch(set))
        .route("/api/v1/conversations/{id}/presence", get(list_presence))
        .route("/api/v1/conversations/{id}/participants", get(list_participants).post(add_participant))
        .route(
            "/api/v1/conversations/{id}/participants/{user_id}",
            patch(set_role).delete(remove_participant),
        )
}

#[derive(Deserialize)]
struct Listing {
    cursor: Option<String>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

async fn list(
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

async fn start(
    State(app): State<App>,
    caller: Caller,
    admission: Admission,
    Json(new): Json<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>)> {
    admission.and(&app.throttles.conversations, Who::User(caller.user())).pass(&app).await?;
    let conversation = conversations::start(&app, caller.user(), new).await?;
    Ok((StatusCode::CREATED, Json(conversation)))
}

async fn start_direct(
    State(app): State<App>,
    caller: Caller,
    admission: Admission,
    Json(new): Json<NewDirect>,
) -> Result<(StatusCode, Json<Conversation>)> {
    admission.and(&app.throttles.conversations, Who::User(caller.user())).pass(&app).await?;
    let (conversation, started) = conversations::start_direct(&app, caller.user(), new.user_id).await?;
    Ok((created_or_ok(started), Json(conversation)))
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
) -> Result<Json<Conversation>> {
    conversations::show(&app, caller.user(), id).await.map(Json)
}

async fn rename(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
    Json(new): Json<Rename>,
) -> Result<Json<Conversation>> {
    conversations::rename(&app, caller.user(), id, new.name, &key).await.map(Json)
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    RequestKey(key): RequestKey,
) -> Result<StatusCode> {
    conversations::delete(&app, caller.user(), id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

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

async fn set(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Json(new): Json<NewSettings>,
) -> Result<Json<Conversation>> {
    conversations::set(&app, caller.user(), id, new).await.map(Json)
}

async fn list_presence(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Presence>>> {
    let cursor = listing.cursor.as_deref();
    conversations::list_presence(&app, caller.user(), id, cursor, listing.limit).await.map(Json)
}

async fn list_participants(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Participant>>> {
    let cursor = listing.cursor.as_deref();
    conversations::list_participants(&app, caller.user(), id, cursor, listing.limit).await.map(Json)
}

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

async fn set_role(
    State(app): State<App>,
    caller: Caller,
    InConversation(id): InConversation,
    OfParticipant(user): OfParticipant,
    RequestKey(key): RequestKey,
    Json(new): Json<NewRole>,
) -> Result<Json<Participant>> {
    conversations::set_role(&app, caller.user(), id, user, new.role, &key).await.map(Json)
}

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
