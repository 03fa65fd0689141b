//! Who may do what: every route, every field of GraphQL and every command, against everybody who might ask, in one table.
//!
//! Each request is valid but for its caller. The routes are read from the published document, the fields from the schema and the
//! commands from the published document, so one without a row fails, and a row without a route does too.

mod callers;
mod commands;
mod fields;
mod requests;
mod sources;

use std::collections::BTreeSet;

use callers::{Caller, Cast};
use futures_util::{StreamExt as _, stream};
use support::TestChat;

/// What each caller is answered: the status of a route, by a field of GraphQL 200 or the status that its error's code has
/// elsewhere, and to a command the frame's type or an error's code, or 401 and 403 where the handshake is refused before.
///
/// - `none`, `expired`, `forged`, `foreign`: without a token, or with one that has expired, that another key signed, or
///   that is for another audience; by a good one they would be the conversation's admin, or under `/admin` a global one.
/// - `disabled`: a global admin and admin of the conversation who was disabled, by an access token that still lives. Over
///   HTTP it is good for what is left of its 15 minutes, but not for an admin's deeds, nor for signing in or refreshing.
///   An open connection is `closed` by the disabling, before any command.
/// - Of the routes under `/oauth` those for clients take a client's credentials, and refuse a person's token beside them; at the
///   page people sign in, whatever their token.
/// - Pages are without data, hence everybody's; what a page of admins asks for is under `/api/v1/admin`.
/// - `/metrics` is open only in development, as here; who may read it elsewhere is in `metrics.rs`.
/// - `stranger`, `removed`: not in the conversation; never, or not any more.
/// - `member`, who sent the message in question, and `admin`: of the conversation.
/// - `global`: a global admin, who is not in the conversation, which is no channel.
#[rustfmt::skip]
const TABLE: &str = "
                                                        none expired forged foreign  disabled    stranger   removed       member     admin      global

POST   /api/v1/auth/signup                               201   201   201   201        201          201        201          201        201        201
POST   /api/v1/auth/login                                200   200   200   200        403          200        200          200        200        200
POST   /api/v1/auth/refresh                              200   200   200   200        401          200        200          200        200        200
POST   /api/v1/auth/logout                               204   401   401   401        204          204        204          204        204        204
GET    /api/v1/auth/sessions                             401   401   401   401        200          200        200          200        200        200
DELETE /api/v1/auth/sessions                             401   401   401   401        204          204        204          204        204        204
DELETE /api/v1/auth/sessions/{id}                        401   401   401   401        404          404        404          204        404        404
GET    /api/v1/auth/profile                              401   401   401   401        200          200        200          200        200        200
PATCH  /api/v1/auth/profile                              401   401   401   401        200          200        200          200        200        200
DELETE /api/v1/auth/profile                              401   401   401   401        204          204        204          204        204        204
GET    /api/v1/auth/profile/export                       401   401   401   401        200          200        200          200        200        200
POST   /api/v1/auth/password                             401   401   401   401        204          204        204          204        204        204
POST   /api/v1/auth/ws-ticket                            401   401   401   401        201          201        201          201        201        201
POST   /api/v1/auth/verify-email                         204   204   204   204        204          204        204          204        204        204
GET    /api/v1/auth/verify-email/{token}                 200   200   200   200        200          200        200          200        200        200
POST   /api/v1/auth/verify-email/{token}                 200   200   200   200        200          200        200          200        200        200
POST   /api/v1/auth/resend-verification                  202   401   401   401        202          202        202          202        202        202
POST   /api/v1/auth/password-reset                       202   202   202   202        202          202        202          202        202        202
POST   /api/v1/auth/password-reset/confirm               204   204   204   204        204          204        204          204        204        204
GET    /api/v1/auth/password-reset/{token}               200   200   200   200        200          200        200          200        200        200
POST   /api/v1/auth/password-reset/{token}               200   200   200   200        200          200        200          200        200        200

GET    /api/v1/users                                     401   401   401   401        200          200        200          200        200        200
GET    /api/v1/users/{id}                                401   401   401   401        200          200        200          200        200        200
GET    /api/v1/admin/users                               401   401   401   401        403          403        403          403        403        200
PATCH  /api/v1/admin/users/{id}                          401   401   401   401        403          403        403          403        403        200
GET    /api/v1/admin/users/{id}/sessions                 401   401   401   401        403          403        403          403        403        200
DELETE /api/v1/admin/users/{id}/sessions                 401   401   401   401        403          403        403          403        403        204
GET    /api/v1/admin/conversations                       401   401   401   401        403          403        403          403        403        200
DELETE /api/v1/admin/conversations/{id}                  401   401   401   401        403          403        403          403        403        204
GET    /api/v1/admin/audit                               401   401   401   401        403          403        403          403        403        200
GET    /api/v1/admin/stats                               401   401   401   401        403          403        403          403        403        200

GET    /api/v1/admin/oauth-clients                       401   401   401   401        403          403        403          403        403        200
POST   /api/v1/admin/oauth-clients                       401   401   401   401        403          403        403          403        403        201
GET    /api/v1/admin/oauth-clients/{client_id}           401   401   401   401        403          403        403          403        403        200
PATCH  /api/v1/admin/oauth-clients/{client_id}           401   401   401   401        403          403        403          403        403        200
DELETE /api/v1/admin/oauth-clients/{client_id}           401   401   401   401        403          403        403          403        403        204
POST   /api/v1/admin/oauth-clients/{client_id}/secret    401   401   401   401        403          403        403          403        403        201

POST   /oauth/token                                      200   400   400   400        400          400        400          400        400        400
POST   /oauth/revoke_token                               200   400   400   400        400          400        400          400        400        400
POST   /oauth/introspect                                 200   400   400   400        400          400        400          400        400        400
GET    /oauth/authorize                                  200   200   200   200        200          200        200          200        200        200
POST   /oauth/authorize                                  303   303   303   303        403          303        303          303        303        303

GET    /api/v1/conversations                             401   401   401   401        200          200        200          200        200        200
POST   /api/v1/conversations                             401   401   401   401        201          201        201          201        201        201
POST   /api/v1/conversations/direct                      401   401   401   401        201          201        201          201        201        201
GET    /api/v1/conversations/{id}                        401   401   401   401        200          404        404          200        200        404
PUT    /api/v1/conversations/{id}                        401   401   401   401        200          404        404          403        200        404
PATCH  /api/v1/conversations/{id}                        401   401   401   401        200          404        404          403        200        404
DELETE /api/v1/conversations/{id}                        401   401   401   401        204          404        404          403        204        404
POST   /api/v1/conversations/{id}/read                   401   401   401   401        204          404        404          204        204        404
PATCH  /api/v1/conversations/{id}/settings               401   401   401   401        200          404        404          200        200        404
GET    /api/v1/conversations/{id}/presence               401   401   401   401        200          404        404          200        200        404
GET    /api/v1/conversations/{id}/participants           401   401   401   401        200          404        404          200        200        404
POST   /api/v1/conversations/{id}/participants           401   401   401   401        201          404        404          403        201        404
PATCH  /api/v1/conversations/{id}/participants/{user_id} 401   401   401   401        200          404        404          403        200        404
DELETE /api/v1/conversations/{id}/participants/{user_id} 401   401   401   401        204          404        404          403        204        404

GET    /api/v1/conversations/{id}/messages               401   401   401   401        200          404        404          200        200        404
POST   /api/v1/conversations/{id}/messages               401   401   401   401        201          404        404          201        201        404
PATCH  /api/v1/conversations/{id}/messages/{message_id}  401   401   401   401        403          404        404          200        403        404
DELETE /api/v1/conversations/{id}/messages/{message_id}  401   401   401   401        204          404        404          204        204        404
PUT    /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}
                                                         401   401   401   401        204          404        404          204        204        404
DELETE /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}
                                                         401   401   401   401        204          404        404          204        204        404
GET    /api/v1/conversations/{id}/messages/search        401   401   401   401        200          404        404          200        200        404
GET    /api/v1/search                                    401   401   401   401        200          200        200          200        200        200

GET    /healthz                                          200   200   200   200        200          200        200          200        200        200
GET    /metrics                                          200   200   200   200        200          200        200          200        200        200
GET    /openapi.json                                     200   200   200   200        200          200        200          200        200        200
GET    /asyncapi.json                                    200   200   200   200        200          200        200          200        200        200
GET    /                                                 200   200   200   200        200          200        200          200        200        200
GET    /admin                                            200   200   200   200        200          200        200          200        200        200
GET    /docs                                             200   200   200   200        200          200        200          200        200        200
GET    /client.js                                        200   200   200   200        200          200        200          200        200        200
GET    /graphql                                          200   200   200   200        200          200        200          200        200        200
POST   /graphql                                          200   200   200   200        200          200        200          200        200        200
FIELD  me                                                401   401   401   401        200          200        200          200        200        200
FIELD  users                                             401   401   401   401        403          403        403          403        403        200
FIELD  chats                                             401   401   401   401        200          200        200          200        200        200
FIELD  chat                                              401   401   401   401        200          404        404          200        200        404
FIELD  messages                                          401   401   401   401        200          404        404          200        200        404
FIELD  createChat                                        401   401   401   401        403          403        403          403        403        200
FIELD  assignUserToChat                                  401   401   401   401        200          404        404          403        200        404
FIELD  sendMessage                                       401   401   401   401        200          404        404          200        200        404

FRAME  $connect                                          401   401   401   401        403         open       open         open       open       open
FRAME  ping                                              401   401   401   401     closed         pong       pong         pong       pong       pong
FRAME  subscribe                                         401   401   401   401     closed    NOT_FOUND  NOT_FOUND   subscribed subscribed  NOT_FOUND
FRAME  unsubscribe                                       401   401   401   401     closed unsubscribed unsubscribed unsubscribed unsubscribed unsubscribed
FRAME  history                                           401   401   401   401     closed    NOT_FOUND  NOT_FOUND      history    history  NOT_FOUND
FRAME  message.send                                      401   401   401   401     closed    NOT_FOUND  NOT_FOUND          ack        ack  NOT_FOUND
FRAME  message.edit                                      401   401   401   401     closed    NOT_FOUND  NOT_FOUND          ack  FORBIDDEN  NOT_FOUND
FRAME  message.delete                                    401   401   401   401     closed    NOT_FOUND  NOT_FOUND          ack        ack  NOT_FOUND
FRAME  message.react                                     401   401   401   401     closed    NOT_FOUND  NOT_FOUND          ack        ack  NOT_FOUND
FRAME  typing                                            401   401   401   401     closed    NOT_FOUND  NOT_FOUND       typing     typing  NOT_FOUND
FRAME  read                                              401   401   401   401     closed    NOT_FOUND  NOT_FOUND          ack        ack  NOT_FOUND
";

/// A route, or as the method `FIELD` a field of GraphQL and as `FRAME` a command, and what each caller is answered.
struct Row {
    method: &'static str,
    path: &'static str,
    outcomes: [&'static str; Caller::ALL.len()],
}

impl Row {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whose part of the table this is.
    fn group(&self) -> Group {
        match self.path {
            _ if self.method == "FRAME" => Group::Commands,
            _ if self.method == "FIELD" => Group::Fields,
            path if path.starts_with("/api/v1/users") || path.starts_with("/api/v1/admin") => Group::People,
            path if path.contains("/messages") || path == "/api/v1/search" => Group::Messages,
            path if path.starts_with("/api/v1/conversations") => Group::Conversations,
            _ => Group::Accounts,
        }
    }

    /// What becomes of it: every cell that is not as the table has it.
    async fn hold(&self, cast: &Cast) -> Vec<String> {
        let mut wrong = Vec::new();
        // Whoever is refused changes nothing, so all of them may try the same.
        let untouched = cast.scene(self).await;
        for (caller, expected) in Caller::ALL.into_iter().zip(self.outcomes) {
            let own = if is_refusal(expected) { None } else { Some(cast.scene(self).await) };
            let scene = own.as_ref().unwrap_or(&untouched);
            let actual = match self.group() {
                Group::Commands => {
                    let account = cast.account(caller, self);
                    let scene = scene.as_ref().expect("a command has one");
                    cast.command(self.path, expected, caller, account, scene).await
                }
                Group::Fields => {
                    let account = cast.account(caller, self);
                    let scene = scene.as_ref().expect("a field has one");
                    cast.field(self.path, caller, account, scene).await
                }
                _ => cast.request(self, own.is_some(), caller, scene.as_ref()).await,
            };
            if actual != expected {
                wrong.push(format!("{}: {caller:?}: {actual} in place of {expected}", self.name()));
            }
        }
        wrong
    }
}

fn is_refusal(outcome: &str) -> bool {
    match outcome.parse::<u16>() {
        Ok(status) => status >= 400,
        Err(_) => outcome.starts_with(char::is_uppercase),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Accounts,
    People,
    Conversations,
    Messages,
    Fields,
    Commands,
}

fn table() -> Vec<Row> {
    let mut words = TABLE.split_whitespace();
    let columns: Vec<_> = words.by_ref().take(Caller::ALL.len()).collect();
    let callers = Caller::ALL.map(|caller| format!("{caller:?}").to_lowercase());
    assert_eq!(columns, callers.each_ref().map(|caller| caller.replace("nobody", "none")));
    let mut rows = Vec::new();
    while let Some(method) = words.next() {
        let mut word = || words.next().unwrap_or_else(|| panic!("the last row is not whole"));
        let row = Row { method, path: word(), outcomes: [(); Caller::ALL.len()].map(|()| word()) };
        assert!(
            row.path.starts_with(['/', '$']) || ["FIELD", "FRAME"].contains(&method),
            "{} has a path",
            row.name()
        );
        rows.push(row);
    }
    rows
}

async fn hold(group: Group) {
    let chat = TestChat::start().await;
    let cast = Cast::gather(&chat).await;
    let rows: Vec<_> = table().into_iter().filter(|row| row.group() == group).collect();
    assert!(!rows.is_empty());

    let held = stream::iter(&rows).map(|row| row.hold(&cast)).buffer_unordered(4);
    let wrong: Vec<_> = held.collect::<Vec<_>>().await.concat();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn accounts_answer_whom_the_table_says() {
    hold(Group::Accounts).await;
}

#[tokio::test]
async fn people_and_administration_answer_whom_the_table_says() {
    hold(Group::People).await;
}

#[tokio::test]
async fn conversations_answer_whom_the_table_says() {
    hold(Group::Conversations).await;
}

#[tokio::test]
async fn messages_answer_whom_the_table_says() {
    hold(Group::Messages).await;
}

#[tokio::test]
async fn fields_answer_whom_the_table_says() {
    hold(Group::Fields).await;
}

#[tokio::test]
async fn commands_answer_whom_the_table_says() {
    hold(Group::Commands).await;
}

#[test]
fn every_route_field_and_command_has_one_row_and_every_row_is_of_one() {
    let rows: Vec<_> = table().iter().map(Row::name).collect();
    let mut there_are = sources::routes();
    there_are.extend(sources::commands().iter().map(|command| format!("FRAME {command}")));
    there_are.extend(sources::fields().iter().map(|field| format!("FIELD {field}")));
    // Before any command comes the handshake, which has a function of its own.
    there_are.insert("FRAME $connect".to_owned());

    let told: BTreeSet<_> = rows.iter().cloned().collect();

    assert_eq!(rows.len(), told.len(), "no row stands twice");
    let without_row: Vec<_> = there_are.difference(&told).collect();
    let of_nothing: Vec<_> = told.difference(&there_are).collect();
    assert!(
        without_row.is_empty() && of_nothing.is_empty(),
        "without a row: {without_row:?}; rows of nothing: {of_nothing:?}"
    );
}
