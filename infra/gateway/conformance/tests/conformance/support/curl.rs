//! Requests by curl, of which every byte of the answer is seen.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::settings::Settings;
use super::{PATIENCE, Target};

/// A request to be sent.
#[derive(Debug)]
pub(crate) struct Request {
    url: String,
    arguments: Vec<String>,
    body: Option<Vec<u8>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request to a path of the HTTP API.
pub(crate) fn request(method: &str, path: &str) -> Request {
    Request::to(method, &format!("{}{path}", Target::get().http_url))
}

/// A request to a path of the stage of the bare HTTP API.
pub(crate) fn bare(method: &str, path: &str) -> Request {
    Request::to(method, &format!("{}{path}", Target::get().bare_http_url))
}

/// Asks the probe to do something about a GET request.
pub(crate) async fn order(path: &str, order: &Value) -> Answer {
    request("GET", path).order(order).send().await
}

impl Request {
    pub(crate) fn to(method: &str, url: &str) -> Self {
        let method = if method == "HEAD" { vec!["--head"] } else { vec!["--request", method] };
        let arguments = method.into_iter().map(str::to_owned).collect();
        Self { url: url.to_owned(), arguments, body: None }
    }

    /// Adds a header; an empty one is not sent at all, not even curl's own.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend(["--header".to_owned(), format!("{name}: {value}")]);
        self
    }

    /// Asks the probe to do something.
    pub(crate) fn order(self, order: &Value) -> Self {
        self.header("x-order", &ascii(order))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let settings = Settings::get();
        let mut command = Command::new(&settings.curl);
        if let Some(path) = &settings.curl_library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        command.args([
            "--disable",
            "--http1.1",
            "--silent",
            "--show-error",
            "--include",
            "--path-as-is",
            "--globoff",
        ]);
        command.args(["--noproxy", "*", "--header", "Expect:"]).args(&self.arguments);
        if self.body.is_some() {
            command.args(["--data-binary", "@-"]);
        }
        command.arg(&self.url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let body = self.body.unwrap_or_default();
        let write = async move {
            // A server may refuse a large body before it has read it all.
            let _ = stdin.write_all(&body).await;
        };
        let (output, ()) = tokio::join!(timeout(PATIENCE, child.wait_with_output()), write);
        let output = output.expect("an answer in time").unwrap();
        assert!(output.status.success(), "{}: {}", self.url, String::from_utf8_lossy(&output.stderr));
        Answer::read(&output.stdout)
    }

    /// Sends it and gives the event that the probe was invoked with.
    pub(crate) async fn event(self) -> Value {
        let answer = self.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// A value as JSON that can be sent in a header, where only ASCII means the same to everybody.
fn ascii(value: &Value) -> String {
    let mut ascii = String::new();
    for character in value.to_string().chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            ascii.extend(units.into_iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    ascii
}

impl Answer {
    fn read(output: &[u8]) -> Self {
        let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(output[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.expect("a status"),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
            body: output[end + 4..].to_vec(),
        }
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header; none if it is missing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name}: {all:?}");
        all.first().copied()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Holds it against a status and a message, which is how API Gateway answers itself.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, message: &str) {
        assert_eq!(
            (self.status, self.json()["message"].as_str()),
            (status, Some(message)),
            "{}",
            self.text()
        );
    }
}
