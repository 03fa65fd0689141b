//! CloudFormation's side of a deployment: a custom resource that is created and updated by migrating. Whatever becomes of
//! that, CloudFormation is told; it would wait for an hour otherwise (CloudFormation User Guide, "Custom resource request
//! and response reference").

use anyhow::Context;
use lambda_runtime::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::https;

/// What names the resource in all answers.
const MIGRATIONS: &str = "migrations";
/// How much of a reason is told: an answer has at most 4096 bytes.
const REASON_CHARS: usize = 500;

/// What CloudFormation asks for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Event {
    request_type: RequestType,
    /// Where the answer goes. It is signed, so whoever reads it could answer: it is never logged.
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    /// None at the creation.
    physical_resource_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

/// Migrates, but for a deletion, and answers.
pub(crate) async fn answer(
    event: Event,
    migrate: impl Future<Output = anyhow::Result<Value>>,
) -> Result<Value, Error> {
    let done = match event.request_type {
        // The data stay: what deletes them is the database's own resource.
        RequestType::Delete => Ok(Value::Null),
        RequestType::Create | RequestType::Update => migrate.await,
    };
    let (status, reason) = match done {
        Ok(_) => ("SUCCESS", "the schema is up to date".to_owned()),
        Err(error) => {
            let cause = format!("{error:#}");
            tracing::error!(cause, "the migration failed");
            ("FAILED", cause)
        }
    };
    let answer = json!({
        "Status": status,
        "Reason": reason.chars().take(REASON_CHARS).collect::<String>(),
        "PhysicalResourceId": event.physical_resource_id.as_deref().unwrap_or(MIGRATIONS),
        "StackId": event.stack_id,
        "RequestId": event.request_id,
        "LogicalResourceId": event.logical_resource_id,
    });
    https::put(&event.response_url, answer.to_string()).await.context("CloudFormation has no answer")?;
    // A failure that was told is none of this function: Lambda would run it again.
    Ok(json!({ "Status": status }))
}
