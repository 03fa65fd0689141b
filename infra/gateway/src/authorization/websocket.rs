//! The `REQUEST` authorizer of the WebSocket API, asked once for each handshake and never again.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::lambda::{Failure, Question, ask, object};
use super::policy::Policy;
use crate::events::{self, ConnectionFacts, NamedValues};
use crate::gateway::Gateway;
use crate::responses::message;
use crate::template::{ACCOUNT_ID, IdentitySource, WebSocketAuthorizer};

/// API Gateway Developer Guide, "Quotas for configuring and running a WebSocket API".
const RESULT_LIMIT: usize = 8 * 1024;

/// The error of a function that wants the client to hear 401.
const UNAUTHORIZED: &str = "Unauthorized";

/// What an authorizer's function said.
#[derive(Debug)]
struct Answer {
    policy: Policy,
    /// What every event of the connection tells as `requestContext.authorizer`.
    told: Map<String, Value>,
}

/// Lets a handshake pass with what the connection's events tell of it, or answers it.
pub(crate) async fn authorize(
    gateway: &Gateway,
    authorizer: &WebSocketAuthorizer,
    facts: &ConnectionFacts,
    request_id: &str,
    headers: &NamedValues,
    query: &NamedValues,
    trace_root: &str,
) -> Result<Map<String, Value>, Response<Full<Bytes>>> {
    let is_there = |source| identity(source, facts, request_id, headers, query).is_some();
    if !authorizer.identity.iter().all(is_there) {
        return Err(message(StatusCode::UNAUTHORIZED, "Unauthorized"));
    }
    let arn = format!(
        "arn:aws:execute-api:{}:{ACCOUNT_ID}:{}/{}/$connect",
        gateway.region, facts.api_id, facts.stage
    );
    let event = events::connect_authorization(facts, request_id, &arn, headers, query);
    let question = Question {
        authorizer: &authorizer.name,
        function: authorizer.function,
        api_request_id: request_id,
        connection_id: Some(&facts.id),
    };
    let begun = Instant::now();
    match ask(gateway, &question, event, trace_root, read).await {
        Ok(answer) if answer.policy.allows(&arn) => {
            let mut told = answer.told;
            let latency = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            told.insert("integrationLatency".to_owned(), latency.into());
            Ok(told)
        }
        Ok(_) => Err(message(StatusCode::FORBIDDEN, "Forbidden")),
        Err(Failure::Error(text)) if text == UNAUTHORIZED => {
            Err(message(StatusCode::UNAUTHORIZED, "Unauthorized"))
        }
        Err(_) => Err(message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
    }
}

/// What an identity source finds in a handshake. Names of headers are compared with their case, if that is known.
fn identity(
    source: &IdentitySource,
    facts: &ConnectionFacts,
    request_id: &str,
    headers: &NamedValues,
    query: &NamedValues,
) -> Option<String> {
    let found = match source {
        IdentitySource::Header(name) => headers.get(name)?.to_owned(),
        IdentitySource::Query(name) => query.get(name)?.to_owned(),
        IdentitySource::StageVariable(name) => facts.stage_variables.get(name).cloned()?,
        IdentitySource::Context(name) => events::websocket_context_variable(facts, request_id, name)?,
    };
    (!found.is_empty()).then_some(found)
}

/// Reads an answer; values of the context are texts, numbers and truth values, and told as texts.
fn read(answer: &Bytes) -> Result<Answer, String> {
    if answer.len() > RESULT_LIMIT {
        return Err(format!("the authorizer's answer is larger than {RESULT_LIMIT} bytes"));
    }
    let mut answer = object(answer)?;
    let policy = Policy::read(answer.get("policyDocument").unwrap_or(&Value::Null))?;
    let mut told = Map::new();
    let context = match answer.remove("context") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(context)) => context,
        Some(_) => return Err("context is no object".to_owned()),
    };
    for (key, value) in context {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => return Err(format!("context.{key} is neither text nor number nor truth value")),
        };
        told.insert(key, text.into());
    }
    match answer.remove("principalId") {
        None | Some(Value::Null) => {}
        Some(Value::String(principal)) => _ = told.insert("principalId".to_owned(), principal.into()),
        Some(_) => return Err("principalId is no text".to_owned()),
    }
    Ok(Answer { policy, told })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(answer: &Value) -> Result<Value, String> {
        read(&answer.to_string().into()).map(|answer| answer.told.into())
    }

    fn allowing(context: &Value) -> Value {
        let statement = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
        json!({"principalId": "ann", "policyDocument": {"Statement": [statement]}, "context": context})
    }

    #[test]
    fn a_context_is_told_as_texts_beside_the_principal() {
        let answer = allowing(&json!({"level": 3, "admin": true, "name": "Ann"}));

        assert_eq!(
            told(&answer),
            Ok(json!({"principalId": "ann", "level": "3", "admin": "true", "name": "Ann"}))
        );
    }

    #[test]
    fn a_nested_context_a_large_answer_and_one_without_policy_are_none() {
        assert!(told(&allowing(&json!({"rooms": ["a"]}))).is_err());
        assert!(told(&allowing(&json!("text"))).is_err());
        assert!(told(&allowing(&json!({"long": "x".repeat(RESULT_LIMIT)}))).is_err());
        assert!(told(&json!({"isAuthorized": true})).is_err());
    }
}
