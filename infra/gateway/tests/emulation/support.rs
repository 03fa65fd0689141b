//! A gateway of one's own, what its functions were given, and its clients.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// How long something may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What a gateway serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Project<'a> {
    pub(crate) template: &'a str,
    pub(crate) functions: &'a str,
    /// Parameters; a `*` stands for the gateway's own folder.
    pub(crate) overrides: &'a [(&'a str, &'a str)],
}

/// The functions that do what they are told.
pub(crate) const EMULATION: Project = Project {
    template: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulation/template.yaml"),
    functions: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulation/functions"),
    overrides: &[("Dir", "*")],
};

/// One event as the function wrote it down.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) function: String,
    pub(crate) pid: i64,
    pub(crate) request_id: String,
    /// Seconds of the Unix epoch.
    pub(crate) at: f64,
    pub(crate) event: Value,
}

/// A running gateway; it ends with the test.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) websocket_url: String,
    pub(crate) console_url: String,
    pub(crate) http: reqwest::Client,
    folder: PathBuf,
    child: Child,
}

impl Gateway {
    /// Without schedules.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::of(&EMULATION, &[&["--no-schedules"], options].concat())
    }

    /// With schedules.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::of(&EMULATION, options)
    }

    /// Serves any project.
    pub(crate) fn of(project: &Project, options: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut child = command(project, &folder, "serve")
            .args(["--functions-dir", project.functions, "--quiet", "--exit-with-parent", "--logs-dir"])
            .arg(folder.join("logs"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stderr = || fs::read_to_string(folder.join("stderr")).unwrap_or_default();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}{}", stderr()));
        let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
        Self {
            url: text("url"),
            websocket_url: text("websocket_url"),
            console_url: text("console_url"),
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE * 2).build().unwrap(),
            folder,
            child,
        }
    }

    /// Asks the HTTP API's function to do something.
    pub(crate) async fn post(&self, path: &str, command: &Value) -> (u16, Value) {
        let sent = self.http.post(format!("{}{path}", self.url)).json(command).send().await.unwrap();
        let status = sent.status().as_u16();
        (status, sent.json().await.unwrap())
    }

    /// Calls the Invoke API.
    pub(crate) async fn invoke(&self, function: &str, kind: &str, payload: String) -> reqwest::Response {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.console_url);
        self.http.post(url).header("x-amz-invocation-type", kind).body(payload).send().await.unwrap()
    }

    /// Invokes asynchronously and gives the request id.
    pub(crate) async fn send_event(&self, function: &str, event: &Value) -> String {
        let accepted = self.invoke(function, "Event", event.to_string()).await;
        assert_eq!(accepted.status(), 202);
        let request_id = accepted.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
        assert_eq!(accepted.text().await.unwrap(), "");
        request_id
    }

    /// What the functions were given so far.
    pub(crate) fn given(&self) -> Vec<Given> {
        let text = fs::read_to_string(self.folder.join("invocations.jsonl")).unwrap_or_default();
        let read = |line: &str| {
            let entry: Value = serde_json::from_str(line).ok()?;
            Some(Given {
                function: entry["function"].as_str()?.to_owned(),
                pid: entry["pid"].as_i64()?,
                request_id: entry["requestId"].as_str()?.to_owned(),
                at: entry["at"].as_f64()?,
                event: entry["event"].clone(),
            })
        };
        text.lines().filter_map(read).collect()
    }

    /// Waits until what the functions were given meets a condition.
    pub(crate) async fn given_when(&self, condition: impl Fn(&[Given]) -> bool) -> Vec<Given> {
        let mut given = Vec::new();
        until("the functions are given what they should be", async || {
            given = self.given();
            condition(&given)
        })
        .await;
        given
    }

    /// Waits until every asynchronous event has succeeded or was discarded.
    pub(crate) async fn settled(&self) {
        until("the queue is empty", async || self.console("").await["asynchronousEvents"] == 0).await;
    }

    /// The records of discarded events, one at least.
    pub(crate) async fn discarded(&self) -> Vec<Value> {
        let mut records = Vec::new();
        until("an event is discarded", async || {
            records = self.records();
            records.retain(|record| record["discarded"].is_object());
            !records.is_empty()
        })
        .await;
        records
    }

    /// What the gateway wrote down of its invocations.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("logs/gateway.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The folder of its logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the gateway wrote to stderr.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap()
    }

    /// The memory that the gateway itself has.
    pub(crate) fn resident_megabytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1024
    }

    pub(crate) async fn console(&self, path: &str) -> Value {
        let url = format!("{}/{path}", self.console_url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// The one process of a function that is in a state.
    pub(crate) async fn process(&self, function: &str, state: &str) -> Pid {
        let mut found = None;
        until("a process is in its state", async || {
            let console = self.console("functions").await;
            let functions = console["functions"].as_array().unwrap();
            let of_it = functions.iter().find(|other| other["name"] == function).unwrap();
            let processes = of_it["processes"].as_array().unwrap();
            let pid = processes.iter().find(|process| process["state"] == state).map(|it| &it["pid"]);
            found = pid.and_then(Value::as_i64);
            found.is_some()
        })
        .await;
        Pid::from_raw(found.unwrap().try_into().unwrap())
    }

    /// Makes a file that a function waits for, or that holds it.
    pub(crate) fn touch(&self, name: &str) {
        fs::write(self.folder.join(name), "").unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.stderr());
        } else {
            let _may_stay = fs::remove_dir_all(&self.folder);
        }
    }
}

/// What `gateway environment` prints.
pub(crate) fn environment(console_port: &str) -> Value {
    let printed = run(&EMULATION, "environment", &["--console-port", console_port]);
    serde_json::from_slice(&printed.stdout).unwrap_or_else(|_| panic!("{printed:?}"))
}

/// Runs a subcommand that ends by itself.
pub(crate) fn run(project: &Project, subcommand: &str, options: &[&str]) -> Output {
    command(project, Path::new("/nowhere"), subcommand).args(options).output().unwrap()
}

fn command(project: &Project, folder: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .arg(subcommand)
        .args(["--template", project.template, "--port", "0"])
        .arg("--parameter-overrides")
        .args(project.overrides.iter().map(|(name, value)| match *value {
            "*" => format!("{name}={}", folder.display()),
            value => format!("{name}={value}"),
        }));
    if subcommand == "serve" {
        command.args(["--console-port", "0"]);
    }
    command
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn signal(process: Pid, signal: Signal) {
    kill(process, signal).unwrap();
}

/// A command without any wish.
pub(crate) fn nothing() -> Value {
    json!({})
}
