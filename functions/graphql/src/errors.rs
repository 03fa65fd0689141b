//! Errors as GraphQL has them: a sentence, where, and under `extensions` the code and the fields of the HTTP API.

use std::sync::Arc;

use async_graphql::{Context, ErrorExtensionValues, Pos, ServerError, Value};
use shared::{Error, FieldError, http};

/// More of them tell nobody more.
const MAX_ERRORS: usize = 30;

/// What a field answers: where it failed nothing, so that the other fields of the request keep their answers.
pub(crate) fn answer<T>(ctx: &Context<'_>, result: Result<T, impl Into<Arc<Error>>>) -> Option<T> {
    let refuse = |error: Arc<Error>| {
        let mut refusal = ServerError::new(error.to_string(), Some(ctx.item.pos));
        refusal.source = Some(error);
        ctx.add_error(ctx.set_error_path(refusal));
    };
    result.map_err(|error| refuse(error.into())).ok()
}

/// An error of the document, before any of it is run.
pub(crate) fn refusal(
    code: &str,
    message: impl Into<String>,
    at: impl IntoIterator<Item = Pos>,
) -> ServerError {
    let mut refusal = ServerError::new(message, None);
    refusal.locations.extend(at);
    set(&mut refusal, "code", code.into());
    refusal
}

/// The same, of something that is asked for and is too much.
pub(crate) fn invalid(message: &str) -> ServerError {
    refusal("invalid", message, None)
}

/// Gives each error what its cause says. Returns the first fault that is ours.
pub(crate) fn finish(errors: &mut Vec<ServerError>) -> Option<Arc<Error>> {
    let mut fault = None;
    for error in &mut *errors {
        let source = error.source.clone().and_then(|source| source.downcast::<Error>().ok());
        match source {
            Some(source) => {
                describe(error, &source);
                fault = fault.or(Some(source).filter(|source| source.cause().is_some()));
            }
            // What the library refuses is a document that the schema does not allow.
            None if error.extensions.is_none() => set(error, "code", "invalid".into()),
            None => {}
        }
    }
    errors.truncate(MAX_ERRORS);
    fault
}

fn describe(refusal: &mut ServerError, error: &Error) {
    let (_, code) = http::status_and_code(error);
    set(refusal, "code", code.into());
    let fields = match error {
        Error::InvalidContent | Error::ContentTooLong => vec![named("content", &error.to_string())],
        _ => error.fields().iter().map(as_argument).collect(),
    };
    if !fields.is_empty() {
        set(refusal, "errors", Value::List(fields));
    }
    if let Error::Throttled { retry_after, .. } = error {
        set(refusal, "retry_after", http::whole_seconds(*retry_after).into());
    }
}

/// A field of the HTTP API, as the argument that it is here.
fn as_argument(FieldError { field, message }: &FieldError) -> Value {
    match field.as_str() {
        "cursor" => named("after", "must be the `endCursor` of an earlier page"),
        "user_id" => named("userId", message),
        "reply_to" => named("replyTo", message),
        field => named(field, message),
    }
}

fn named(field: &str, message: &str) -> Value {
    async_graphql::value!({"field": field, "message": message})
}

fn set(error: &mut ServerError, name: &str, value: Value) {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set(name, value);
}
