//! An HTTP answer, held against the published document and the conventions that all of them keep.

use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderMap, LOCATION, WWW_AUTHENTICATE},
};
use serde_json::Value;

use crate::{canaries, document};

/// What the HTTP API answered to a request.
#[derive(Debug)]
pub struct Answer {
    /// Method and path of the request, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The JSON body; null when there is none, a string when it is no JSON.
    pub body: Value,
}

impl Answer {
    pub(crate) async fn read(request: String, response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes =
            response.bytes().await.unwrap_or_else(|err| panic!("{request}: the body broke off: {err}"));
        let body = match bytes.as_ref() {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into()),
        };
        canaries::note_json(&body);
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        if let Some(location) = location.and_then(|location| Url::parse(location).ok()) {
            canaries::note_pairs(&location);
        }
        let answer = Self { request, status, headers, body };
        document::hold(&answer);
        answer
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body of an answer that has this status, which a function must have given.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        assert!(self.header("x-request-id").is_some(), "{}: no x-request-id", self.request);
        assert_eq!(
            status == 204,
            self.body.is_null(),
            "{}: only a 204 is without a body: {}",
            self.request,
            self.body
        );
        self.body
    }

    /// The problem in an answer that refuses with this status and code, as RFC 9457 has it.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Value {
        let Self { request, status: actual, body, .. } = &self;
        assert_eq!(*actual, status, "{request}: {body}");
        assert_eq!(body["code"], code, "{request}: {body}");
        assert_eq!(body["status"], status, "{request}: {body}");
        for key in ["type", "title", "detail"] {
            assert!(body[key].is_string(), "{request}: a problem has a {key}: {body}");
        }
        let content_type =
            self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(content_type.starts_with("application/problem+json"), "{request}: {content_type}");
        assert!(self.header("x-request-id").is_some(), "{request}: no x-request-id");
        if status == 401 {
            assert!(self.headers.contains_key(WWW_AUTHENTICATE), "{request}: a 401 says how to authenticate");
        }
        self.body
    }

    /// The problem in an answer that refuses bad input and names this field.
    #[track_caller]
    pub fn expect_invalid(self, field: &str) -> Value {
        let request = self.request.clone();
        let problem = self.expect_error(422, "invalid");
        assert_names_field(&request, &problem, field);
        problem
    }

    /// The problem in an answer that refuses a conflict over this field.
    #[track_caller]
    pub fn expect_conflict(self, field: &str) -> Value {
        let request = self.request.clone();
        let problem = self.expect_error(409, "conflict");
        assert_names_field(&request, &problem, field);
        problem
    }
}

#[track_caller]
fn assert_names_field(request: &str, problem: &Value, field: &str) {
    let errors = problem["errors"].as_array();
    let errors = errors.unwrap_or_else(|| panic!("{request}: bad input has errors: {problem}"));
    for error in errors {
        assert!(error["field"].is_string() && error["message"].is_string(), "{request}: {error}");
    }
    let named = |error: &Value| {
        error["field"].as_str().is_some_and(|name| name == field || name.starts_with(&format!("{field}[")))
    };
    assert!(errors.iter().any(named), "{request}: {field} is named: {problem}");
}
