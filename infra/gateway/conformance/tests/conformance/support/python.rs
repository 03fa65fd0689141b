//! A client of another language: Python's `websockets`, which shares no line of code with the gateway.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;
use super::settings::Settings;

/// A running client.
pub(crate) struct Python {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Python {
    pub(crate) fn start() -> Self {
        let settings = Settings::get();
        let mut command = Command::new(&settings.python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/support/client.py"));
        if let Some(path) = &settings.python_path {
            command.env("PYTHONPATH", path);
        }
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { orders, answers: BufReader::new(answers).lines(), _process: process }
    }

    /// Has it do something and gives what came of it.
    pub(crate) async fn ask(&mut self, order: &Value) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let line = timeout(PATIENCE, self.answers.next_line()).await.expect("an answer of Python in time");
        serde_json::from_str(&line.unwrap().expect("Python runs on")).unwrap()
    }
}
