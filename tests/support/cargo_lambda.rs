//! The `cargo lambda watch` that runs a stack's functions, when the stories are told so.
//!
//! It is the child of a shell that waits for the end of its own standard input, so it ends with its stack or with the
//! test process, however that happens. The functions end by themselves when it is gone.

use std::{
    collections::HashMap,
    fs::File,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::time::sleep;
use uuid::Uuid;

use crate::Settings;

const SERVE_AND_WATCH: &str = r#""$@" & read -r _; kill -9 $!; wait"#;
const READY_WITHIN: Duration = Duration::from_mins(1);
/// What Lambda gives every function.
const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_SESSION_TOKEN", "local"),
];

/// Where it will listen: the gateway is told first, because only it knows what the functions are to be given.
#[derive(Debug)]
pub(crate) struct CargoLambda<'a> {
    program: &'a [String],
    tools: &'a [(&'static str, String)],
    port: u16,
}

impl<'a> CargoLambda<'a> {
    pub(crate) fn new(program: &'a [String], tools: &'a [(&'static str, String)]) -> Self {
        Self { program, tools, port: free_port() }
    }

    /// What the gateway is told.
    pub(crate) fn gateway_args(&self) -> [String; 2] {
        ["--cargo-lambda".to_owned(), format!("http://127.0.0.1:{}", self.port)]
    }

    /// Starts it with what the gateway says that the functions are given.
    pub(crate) async fn start(&self, environment: Command, concurrency: u16, logs: &Path) -> Child {
        let said = tokio::process::Command::from(environment).output().await;
        let said = said.unwrap_or_else(|err| panic!("gateway environment: {err}"));
        let variables: HashMap<String, String> =
            serde_json::from_slice(&said.stdout).unwrap_or_else(|err| panic!("{err}: {said:?}"));
        let log = File::create(logs.join("cargo-lambda.log")).expect("the logs directory can be written");
        let root = Settings::get().template_file.parent().expect("the template is in the project's folder");
        let (port, concurrency) = (self.port.to_string(), concurrency.to_string());
        let mut command = Command::new("sh");
        command
            .args(["-c", SERVE_AND_WATCH, "sh"])
            .args(self.program)
            .args(["watch", "--release", "--ignore-changes", "--disable-cors"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &port, "--concurrency", &concurrency])
            .current_dir(root)
            .env_clear()
            .envs(self.tools.iter().map(|(name, value)| (name, value)))
            .envs(variables)
            .envs(CREDENTIALS)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file may be opened twice"))
            .stderr(log);
        let mut child = command.spawn().expect("`sh` is on every system");
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = child.try_wait().expect("a child may be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "cargo lambda watch: {}", logs.display());
            sleep(Duration::from_millis(20)).await;
        }
        child
    }
}

/// A port that no outgoing connection is given meanwhile, nor a node of a Redis cluster.
fn free_port() -> u16 {
    loop {
        let [high, low, ..] = *Uuid::new_v4().as_bytes();
        let port = 23_000 + u16::from_be_bytes([high, low]) % 7_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
