//! A Secrets Manager of one secret, by what its API reference says of the calls that the functions make.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{canaries, server};

/// The secret's ARN.
pub const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:chat-AbCdEf";

/// A running one.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    versions: BTreeMap<String, Version>,
    /// How often each of its operations was asked for.
    asked: HashMap<String, usize>,
    fails: bool,
}

#[derive(Debug, Default)]
struct Version {
    text: Option<String>,
    stages: Vec<String>,
}

impl SecretsManager {
    /// Starts one whose secret holds this.
    pub async fn start(text: &str) -> Self {
        note(text);
        let first = Version { text: Some(text.to_owned()), stages: vec!["AWSCURRENT".to_owned()] };
        let state = State { versions: [("first".to_owned(), first)].into(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        let address = server::serve(move |asked| {
            let operation = asked.headers["x-amz-target"].trim_start_matches("secretsmanager.").to_owned();
            served.lock().expect(UNPOISONED).answer(operation, &asked.body)
        });
        Self { url: format!("http://{}", address.await), state }
    }

    /// What the secret holds.
    pub fn current(&self) -> Value {
        let state = self.state.lock().expect(UNPOISONED);
        let current = state.versions.values().find(|version| version.is_at("AWSCURRENT"));
        let text = current.and_then(|version| version.text.as_deref()).expect("a current version");
        serde_json::from_str(text).expect("it is JSON")
    }

    /// Whether a version holds something.
    pub fn holds(&self, version: &str) -> bool {
        let state = self.state.lock().expect(UNPOISONED);
        state.versions.get(version).is_some_and(|version| version.text.is_some())
    }

    /// Begins a rotation, as a schedule does: by an empty version.
    pub fn begin_rotation(&self, version: &str) {
        let mut state = self.state.lock().expect(UNPOISONED);
        for version in state.versions.values_mut() {
            version.stages.retain(|stage| stage != "AWSPENDING");
        }
        let pending = Version { text: None, stages: vec!["AWSPENDING".to_owned()] };
        state.versions.insert(version.to_owned(), pending);
    }

    /// How often an operation was asked for.
    pub fn times_asked(&self, operation: &str) -> usize {
        self.state.lock().expect(UNPOISONED).asked.get(operation).copied().unwrap_or_default()
    }

    /// From now on it answers with errors, or no longer.
    pub fn fail(&self, fails: bool) {
        self.state.lock().expect(UNPOISONED).fails = fails;
    }
}

/// What a secret holds no log may hold.
fn note(text: &str) {
    if let Ok(json) = serde_json::from_str(text) {
        canaries::note_json(&json);
    }
}

impl State {
    fn answer(&mut self, operation: String, body: &Value) -> (u16, Value) {
        let refused = |kind: &str| (400, json!({"__type": kind, "message": "refused"}));
        let text = |name: &str| body[name].as_str();
        let answer = if self.fails {
            refused("AccessDeniedException")
        } else if text("SecretId") != Some(SECRET) {
            refused("ResourceNotFoundException")
        } else {
            match operation.as_str() {
                "GetSecretValue" => {
                    let stage = text("VersionStage").or(text("VersionId").is_none().then_some("AWSCURRENT"));
                    let wanted = |(id, version): &(&String, &Version)| {
                        text("VersionId").is_none_or(|wanted| *id == wanted)
                            && stage.is_none_or(|stage| version.is_at(stage))
                    };
                    match self.versions.iter().find(wanted) {
                        Some((id, Version { text: Some(text), .. })) => {
                            (200, json!({"ARN": SECRET, "VersionId": id, "SecretString": text}))
                        }
                        _ => refused("ResourceNotFoundException"),
                    }
                }
                "DescribeSecret" => {
                    let stages =
                        self.versions.iter().map(|(id, version)| (id.clone(), json!(version.stages)));
                    let stages: serde_json::Map<_, _> = stages.collect();
                    (200, json!({"ARN": SECRET, "RotationEnabled": true, "VersionIdsToStages": stages}))
                }
                "PutSecretValue" => {
                    assert_eq!(body["VersionStages"], json!(["AWSPENDING"]));
                    note(text("SecretString").expect("a text"));
                    let id = text("ClientRequestToken").expect("an id").to_owned();
                    let version = self.versions.entry(id).or_default();
                    if version.text.is_some() && version.text.as_deref() != text("SecretString") {
                        refused("ResourceExistsException")
                    } else {
                        version.text = text("SecretString").map(str::to_owned);
                        (200, json!({"ARN": SECRET}))
                    }
                }
                "UpdateSecretVersionStage" => {
                    assert_eq!(text("VersionStage"), Some("AWSCURRENT"));
                    let current = self.versions.iter().find(|(_, version)| version.is_at("AWSCURRENT"));
                    if current.map(|(id, _)| id.as_str()) == text("RemoveFromVersionId") {
                        for (id, version) in &mut self.versions {
                            version.stages.retain(|stage| stage != "AWSCURRENT");
                            if Some(id.as_str()) == text("MoveToVersionId") {
                                version.stages.push("AWSCURRENT".to_owned());
                            }
                        }
                        (200, json!({"ARN": SECRET}))
                    } else {
                        refused("InvalidParameterException")
                    }
                }
                _ => refused("InvalidRequestException"),
            }
        };
        *self.asked.entry(operation).or_default() += 1;
        answer
    }
}

impl Version {
    fn is_at(&self, stage: &str) -> bool {
        self.stages.iter().any(|own| own == stage)
    }
}

const UNPOISONED: &str = "nobody panics while holding it";
