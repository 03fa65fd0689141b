//! Lambda authorizers: of the HTTP API, with the cache of their answers; and what both APIs share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::policy::Policy;
use super::{Refusal, identity};
use crate::events::{self, HttpCall};
use crate::gateway::Gateway;
use crate::journal::Record;
use crate::template::{ACCOUNT_ID, LambdaConfiguration};

/// The longest an authorizer's function may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One authorizer of the HTTP API with the answers it may give again.
#[derive(Debug)]
pub(super) struct Authorizer {
    name: String,
    configuration: LambdaConfiguration,
    cache: Mutex<HashMap<Vec<String>, (Instant, Answer)>>,
}

/// What an authorizer's function said.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    rule: Rule,
    context: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// Yes or no, to whatever is asked.
    Simple(bool),
    Policy(Policy),
}

impl Authorizer {
    /// An authorizer that was asked nothing yet.
    pub(super) fn new(name: String, configuration: LambdaConfiguration) -> Self {
        Self { name, configuration, cache: Mutex::default() }
    }

    /// Asks the function, or its cached answer, and gives the context it told.
    pub(super) async fn authorize(
        &self,
        gateway: &Gateway,
        call: &HttpCall<'_>,
        trace_root: &str,
    ) -> Result<Value, Refusal> {
        let sources = self.configuration.identity.iter();
        let identity: Option<Vec<String>> = sources.map(|source| identity(source, call)).collect();
        let identity = identity.ok_or(Refusal::Unidentified)?;
        let arn = format!(
            "arn:aws:execute-api:{}:{ACCOUNT_ID}:{}/{}/{}{}",
            gateway.region, call.api_id, call.stage, call.method, call.path_in_stage
        );
        let answer = if let Some(answer) = self.cached(&identity) {
            answer
        } else {
            let event = events::http_authorization(call, &arn, &identity);
            let question = Question {
                authorizer: &self.name,
                function: self.configuration.function,
                api_request_id: call.request_id,
                connection_id: None,
            };
            let simple = self.configuration.simple;
            let read = |answer: &Bytes| Answer::read(answer, simple);
            let answer = ask(gateway, &question, event, trace_root, read).await;
            let answer = answer.map_err(|_| Refusal::Failed)?;
            self.remember(identity, &answer);
            answer
        };
        let allowed = match &answer.rule {
            Rule::Simple(allowed) => *allowed,
            Rule::Policy(policy) => policy.allows(&arn),
        };
        if allowed { Ok(answer.context) } else { Err(Refusal::Denied) }
    }

    fn cached(&self, identity: &[String]) -> Option<Answer> {
        let cache = self.lock();
        let (until, answer) = cache.get(identity)?;
        (*until > Instant::now()).then(|| answer.clone())
    }

    fn remember(&self, identity: Vec<String>, answer: &Answer) {
        if self.configuration.ttl.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut cache = self.lock();
        cache.retain(|_, (until, _)| *until > now);
        cache.insert(identity, (now + self.configuration.ttl, answer.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<String>, (Instant, Answer)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn read(answer: &Bytes, simple: bool) -> Result<Self, String> {
        let mut answer = object(answer)?;
        let context = match answer.remove("context") {
            None | Some(Value::Null) => Value::Null,
            Some(context @ Value::Object(_)) => context,
            Some(_) => return Err("context is no object".to_owned()),
        };
        let rule = if simple {
            let allowed = answer.get("isAuthorized").and_then(Value::as_bool);
            Rule::Simple(allowed.ok_or("isAuthorized is neither true nor false")?)
        } else {
            Rule::Policy(Policy::read(answer.get("policyDocument").unwrap_or(&Value::Null))?)
        };
        Ok(Self { rule, context })
    }
}

/// An answer of an authorizer's function, which is always an object.
pub(super) fn object(answer: &Bytes) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(answer).map_err(|_| "the authorizer's answer is no object".to_owned())
}

/// Who is asked, on whose behalf.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) authorizer: &'a str,
    pub(super) function: usize,
    pub(super) api_request_id: &'a str,
    pub(super) connection_id: Option<&'a str>,
}

/// That an authorizer gave no usable answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The function failed with this message.
    Error(String),
    /// It took too long, or what it said means nothing.
    Other,
}

/// Invokes an authorizer's function and reads its answer.
pub(super) async fn ask<T>(
    gateway: &Gateway,
    question: &Question<'_>,
    event: Bytes,
    trace_root: &str,
    read: impl FnOnce(&Bytes) -> Result<T, String>,
) -> Result<T, Failure> {
    let mut report = gateway.journal.report(Record {
        function: gateway.name(question.function).to_owned(),
        route: format!("authorizer {}", question.authorizer),
        api_request_id: question.api_request_id.to_owned(),
        connection_id: question.connection_id.map(str::to_owned),
        ..Record::default()
    });
    let pending = gateway.functions.submit(question.function, event, trace_root, PATIENCE);
    report.follow(&pending);
    let Some(answer) = pending.answer().await else {
        report.record().error = Some("authorizer timeout".to_owned());
        return Err(Failure::Other);
    };
    report.executed(answer.execution);
    match answer.result {
        Ok(answer) => read(&answer).map_err(|problem| {
            report.record().error = Some(problem);
            Failure::Other
        }),
        Err(error) => {
            report.record().error = Some(String::from_utf8_lossy(&error).into_owned());
            let error: Value = serde_json::from_slice(&error).unwrap_or_default();
            Err(Failure::Error(error["errorMessage"].as_str().unwrap_or_default().to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: &Value, simple: bool) -> Result<Answer, String> {
        Answer::read(&answer.to_string().into(), simple)
    }

    #[test]
    fn a_simple_answer_is_yes_or_no_with_a_context_of_any_types() {
        let context = json!({"who": "ann", "level": 3, "rooms": ["a"]});

        let answer = read(&json!({"isAuthorized": true, "context": context}), true).unwrap();

        assert_eq!((answer.rule, answer.context), (Rule::Simple(true), context));
        assert_eq!(read(&json!({"isAuthorized": false}), true).unwrap().rule, Rule::Simple(false));
    }

    #[test]
    fn an_answer_in_the_other_format_is_none() {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let policy = json!({"principalId": "ann", "policyDocument": {"Statement": [statement]}});
        let simple = json!({"isAuthorized": true});

        assert!(read(&policy, true).is_err() && read(&simple, false).is_err());
        assert!(read(&policy, false).is_ok());
        for invalid in
            [json!("yes"), json!({"isAuthorized": "true"}), json!({"isAuthorized": true, "context": 1})]
        {
            assert!(read(&invalid, true).is_err(), "{invalid}");
        }
    }
}
