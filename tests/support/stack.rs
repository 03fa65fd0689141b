//! A running system: a private database, a numbered Redis database or a cluster, and a gateway with its functions.
//!
//! The gateway is a plain child process, tied to no async runtime, because one stack is shared by tests
//! that each have their own. It ends when its stdin does: at drop, or when the test process dies.

use std::{
    fmt::Write as _,
    fs::{self, File, Permissions},
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex, Once,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use crate::{ALLOWED_ORIGIN, Mode, PATIENCE, Settings, canaries, cargo_lambda::CargoLambda};

/// How many numbered databases the Redis of the stories has: more than a run has stacks.
const REDIS_DATABASES: u32 = 256;

/// In what a stack differs from the one all stories share.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// `THROTTLE_MESSAGES`, as `<count>/<seconds>` or `off`.
    pub throttle_messages: String,
    /// The other throttles that are on, by what follows `THROTTLE_` in their setting.
    pub throttles: Vec<(&'static str, String)>,
    /// `ENVIRONMENT`, `development` or `production`.
    pub environment: &'static str,
    /// `METRICS_TOKEN`, when not empty.
    pub metrics_token: &'static str,
    /// `EMAIL_VERIFICATION`, `optional` or `required`.
    pub email_verification: &'static str,
    /// `MAIL_FROM`, the sender of mails.
    pub mail_from: &'static str,
    /// Other settings of the functions, by their names.
    pub variables: Vec<(&'static str, String)>,
    /// Processes per function.
    pub concurrency: u16,
    /// As whom and how the functions reach Postgres, when not as the stories do; still without a database.
    pub postgres: Option<Url>,
    /// The same for Redis.
    pub redis: Option<Url>,
    /// Where the functions reach Postgres, when not directly.
    pub postgres_through: Option<SocketAddr>,
    /// Where the functions reach Redis, when not directly.
    pub redis_through: Option<SocketAddr>,
    /// What the gateway does of what AWS may do at any time, in whatever mode it hosts the functions; otherwise the mode
    /// says.
    pub strict: Option<&'static str>,
    /// What else the gateway is told.
    pub gateway_args: Vec<String>,
    /// `REDIS_URL` of a cluster, in place of a numbered database of the Redis that all share.
    pub redis_cluster: Option<String>,
    /// Shell scripts that are run in place of functions, by their binaries; all other binaries lie beside them.
    pub stand_ins: Vec<(&'static str, String)>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            throttle_messages: "10/60".to_owned(),
            throttles: Vec::new(),
            environment: "development",
            metrics_token: "",
            email_verification: "optional",
            mail_from: "Chat <chat@example.com>",
            variables: Vec::new(),
            concurrency: 4,
            postgres: None,
            redis: None,
            postgres_through: None,
            redis_through: None,
            strict: None,
            gateway_args: Vec::new(),
            redis_cluster: None,
            stand_ins: Vec::new(),
        }
    }
}

/// One process of a function, as the gateway's console shows it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Whether it is handling an invocation.
    pub busy: bool,
    /// How many invocations it has been given.
    pub invocations: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    functions: Vec<Function>,
    /// Those that no process has taken yet among them.
    asynchronous_events: u64,
}

#[derive(Deserialize)]
struct Function {
    binary: String,
    given: u64,
    running: u64,
    waiting: u64,
    processes: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    /// None while it is about to start.
    pid: Option<u32>,
    busy: bool,
    invocations: u64,
}

#[derive(Deserialize)]
struct Started {
    ready: bool,
    url: String,
    websocket_url: String,
    console_url: String,
}

/// A running system of one's own.
#[derive(Debug)]
pub struct Stack {
    /// Where the HTTP API is.
    pub url: String,
    /// Where connections are opened.
    pub websocket_url: String,
    /// The stack's own database, as a story reaches it.
    pub database_url: String,
    /// The stack's own Redis database or its cluster, as a story reaches it.
    pub redis_url: String,
    console_url: String,
    database: String,
    /// None on a cluster, which has no numbered ones.
    redis_database: Option<u32>,
    logs: PathBuf,
    gateway: Mutex<Child>,
    /// It ends when its standard input does.
    cargo_lambda: Option<Child>,
}

impl Stack {
    /// Makes a database from the migrated template and starts a gateway over it.
    pub async fn start(options: StackOptions) -> Self {
        let settings = Settings::get();
        let number = next_number();
        let database = format!("stories_{}", Uuid::new_v4().simple());
        administer(&format!("create database {database} template {}", settings.template_database)).await;
        let postgres_at = |base: &Url| at(base, options.postgres_through, &database);
        let database_url = postgres_at(&settings.postgres_url);
        let (redis_url, redis_database) = if let Some(url) = options.redis_cluster.clone() {
            (url, None)
        } else {
            // Each may empty its own without disturbing the others.
            assert!(number < REDIS_DATABASES, "a run has more stacks than Redis has databases");
            (at(&settings.redis_url, options.redis_through, &number.to_string()), Some(number))
        };
        let logs = make_logs_dir(number);
        let functions = functions_dir(&options.stand_ins, &logs);
        let functions = functions.unwrap_or_else(|err| panic!("{}: {err}", logs.display()));

        let of_functions = (
            options.postgres.as_ref().map_or_else(|| database_url.clone(), postgres_at),
            options.redis.as_ref().map_or_else(
                || redis_url.clone(),
                |base| at(base, options.redis_through, &number.to_string()),
            ),
        );
        let variables = variables(&options, &of_functions.0, &of_functions.1);
        let gateway = |subcommand| {
            let mut command = Command::new(settings.bin_dir.join("gateway"));
            command
                .arg(subcommand)
                .arg("--template")
                .arg(&settings.template_file)
                .arg("--leave-out")
                .args(&settings.left_out)
                .arg("--parameter-overrides")
                .args(&settings.parameters)
                .arg(format!("AllowedOrigins={ALLOWED_ORIGIN}"))
                .envs(variables.iter().map(|(name, value)| (name, value)));
            command
        };
        let mut command = gateway("serve");
        command
            .args(["--port", "0", "--console-port", "0"])
            .arg("--functions-dir")
            .arg(functions)
            .arg("--logs-dir")
            .arg(&logs)
            .args(["--quiet", "--exit-with-parent"])
            .args(&options.gateway_args)
            .env("CONCURRENCY", options.concurrency.to_string());
        let cargo_lambda = match &settings.mode {
            Mode::Hosted => {
                if let Some(what) = options.strict {
                    command.args([&format!("--strict={what}"), "--strict-seed", "1"]);
                }
                None
            }
            Mode::Strict { seed } => {
                let what =
                    options.strict.map_or_else(|| "--strict".to_owned(), |what| format!("--strict={what}"));
                command.args([what, "--strict-seed".to_owned(), seed_of_story(*seed).to_string()]);
                None
            }
            Mode::CargoLambda { program, tools } => Some(CargoLambda::new(program, tools)),
        };
        if let Some(cargo_lambda) = &cargo_lambda {
            command.args(cargo_lambda.gateway_args());
        }

        let log = logs.clone();
        // On a thread of its own: a proxy that the functions connect through may run on this one.
        let started = tokio::task::spawn_blocking(move || start_gateway(command, &log)).await;
        let (gateway_process, at) = started.unwrap_or_else(|err| std::panic::resume_unwind(err.into_panic()));
        let mut running_functions = None;
        if let Some(cargo_lambda) = cargo_lambda {
            let mut environment = gateway("environment");
            environment.args(["--port", &port_of(&at.url), "--console-port", &port_of(&at.console_url)]);
            running_functions = Some(cargo_lambda.start(environment, options.concurrency, &logs).await);
        }

        Self {
            url: at.url,
            websocket_url: at.websocket_url,
            database_url,
            redis_url,
            console_url: at.console_url,
            database,
            redis_database,
            logs,
            gateway: Mutex::new(gateway_process),
            cargo_lambda: running_functions,
        }
    }

    /// The process id of the gateway.
    pub fn gateway_pid(&self) -> u32 {
        self.gateway.lock().expect("nobody panics while holding it").id()
    }

    /// The binaries of this stack's functions.
    pub async fn functions(&self) -> Vec<String> {
        self.state().await.functions.into_iter().map(|function| function.binary).collect()
    }

    /// The processes that run a function now.
    pub async fn processes(&self, binary: &str) -> Vec<Process> {
        let functions = self.state().await.functions;
        let function = functions.into_iter().find(|function| function.binary == binary);
        let function = function.unwrap_or_else(|| panic!("the console knows no function {binary}"));
        let started = function.processes.into_iter().filter_map(|Listed { pid, busy, invocations }| {
            pid.map(|pid| Process { pid, busy, invocations })
        });
        started.collect()
    }

    /// How many invocations of a function are over.
    pub async fn finished_invocations(&self, binary: &str) -> u64 {
        let functions = self.state().await.functions;
        let own = functions.iter().filter(|function| function.binary == binary);
        own.map(|function| function.given - function.running).sum()
    }

    /// How many invocations a function has been given, once none of any function is under way.
    pub async fn settled_invocations(&self, binary: &str) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let State { functions, asynchronous_events } = self.state().await;
            let idle = functions.iter().all(|function| function.running == 0 && function.waiting == 0);
            if idle && asynchronous_events == 0 {
                let own = functions.iter().filter(|function| function.binary == binary);
                return own.map(|function| function.given).sum();
            }
            assert!(Instant::now() < deadline, "functions are still busy after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Invokes a function by Lambda's API, as a schedule does, and waits until it has returned.
    pub async fn invoke(&self, binary: &str) {
        self.invoke_with(binary, serde_json::json!({})).await;
    }

    /// The same with an event, and what it returns.
    pub async fn invoke_with(&self, binary: &str, event: Value) -> Value {
        let returned = self.try_invoke_with(binary, event).await;
        returned.unwrap_or_else(|error| panic!("{binary} failed: {error}"))
    }

    /// The same, and what it returns or the error that it fails with.
    pub async fn try_invoke_with(&self, binary: &str, event: Value) -> Result<Value, Value> {
        canaries::note_json(&event);
        let url = self.console(&format!("/2015-03-31/functions/{binary}/invocations"));
        let request = console_client().post(&url).json(&event);
        let answer = request.send().await.unwrap_or_else(|err| panic!("{url}: {err}"));
        let failed = answer.headers().contains_key("x-amz-function-error");
        let status = answer.status();
        let body = answer.text().await.unwrap_or_else(|err| panic!("{url}: {err}"));
        assert_eq!(status, 200, "{binary}: {body}");
        let said = serde_json::from_str(&body).unwrap_or_else(|err| panic!("{binary}: {err}: {body}"));
        if failed { Err(said) } else { Ok(said) }
    }

    /// Kills a process as the kernel would when memory runs out: no handler sees it coming.
    pub fn kill(process: &Process) {
        // It may have died or been replaced since it was listed; then there is nothing to kill.
        let killed =
            Command::new("kill").args(["-9", &process.pid.to_string()]).stderr(Stdio::null()).status();
        killed.expect("`kill` is on every system");
    }

    /// Empties this stack's Redis database, as a failover without a replica would.
    pub async fn wipe_redis(&self) {
        let database = self.redis_database.expect("a cluster has no database of this stack's own to empty");
        let address = address_of(&Settings::get().redis_url);
        let stream = TcpStream::connect(address).await.expect("Redis must accept connections");
        redis_commands(stream, &[&format!("SELECT {database}"), "FLUSHDB"]).await;
    }

    /// A Postgres connection as a function has it, for the fault of an extra statement.
    pub async fn postgres_connection(&self, through: Option<SocketAddr>) -> tokio_postgres::Client {
        connect_postgres(&at(&Settings::get().postgres_url, through, &self.database)).await
    }

    /// The directory with the gateway's and the functions' logs.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The lines that functions have logged, each with the file's name, which is the function's.
    pub fn lines(&self) -> Vec<(String, Value)> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(&self.logs).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(function) = name.strip_suffix(".jsonl").filter(|function| *function != "gateway") {
                let own = self.lines_of(function).into_iter();
                lines.extend(own.map(|line| (function.to_owned(), line)));
            }
        }
        lines
    }

    /// The lines that a function has logged.
    pub fn lines_of(&self, function: &str) -> Vec<Value> {
        // None before its first line.
        let text = fs::read_to_string(self.logs.join(format!("{function}.jsonl"))).unwrap_or_default();
        // The last one may be written only in part yet.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let parsed =
            |line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{function}: {err}: {line}"));
        whole.map(parsed).collect()
    }

    /// Waits for a line of a function.
    pub async fn line(&self, function: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.lines_of(function).into_iter().find(&matches) {
                return line;
            }
            assert!(Instant::now() < deadline, "{function} has not logged it within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An address on the gateway's console port.
    pub fn console(&self, path: &str) -> String {
        format!("{}{path}", self.console_url.trim_end_matches('/'))
    }

    async fn state(&self) -> State {
        let url = self.console("/");
        let answer = console_client().get(&url).send().await.unwrap_or_else(|err| panic!("{url}: {err}"));
        answer.json().await.unwrap_or_else(|err| panic!("{url}: {err}"))
    }
}

/// A seed of the story's own, by its name: which stack is started when differs from run to run.
fn seed_of_story(seed: u64) -> u64 {
    let story = thread::current().name().unwrap_or_default().to_owned();
    story.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}

/// What the functions are given.
fn variables(options: &StackOptions, database_url: &str, redis_url: &str) -> Vec<(String, String)> {
    let fixed = [
        ("DATABASE_URL", database_url),
        ("REDIS_URL", redis_url),
        ("JWT_KEYS", &Settings::get().jwt_keys),
        ("ENVIRONMENT", options.environment),
        ("METRICS_TOKEN", options.metrics_token),
        ("METRICS_NAMESPACE", ""),
        ("PUBLIC_URL", "http://localhost"),
        ("ALLOWED_ORIGINS", ALLOWED_ORIGIN),
        ("MAIL_FROM", options.mail_from),
        ("EMAIL_VERIFICATION", options.email_verification),
        ("LOG_LEVEL", "info"),
        ("THROTTLE_MESSAGES", &options.throttle_messages),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let throttle = |(throttle, windows): (&str, String)| (format!("THROTTLE_{throttle}"), windows);
    let off = ["SIGNUP", "LOGIN", "CONVERSATIONS", "READS", "ANONYMOUS", "USER", "CLIENTS", "COMMANDS"];
    let off = off.map(|name| throttle((name, "off".to_owned())));
    let own = options.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    fixed.into_iter().chain(off).chain(options.throttles.iter().cloned().map(throttle)).chain(own).collect()
}

fn port_of(url: &str) -> String {
    let port = Url::parse(url).ok().and_then(|url| url.port());
    port.unwrap_or_else(|| panic!("{url} has no port")).to_string()
}

pub(crate) fn console_client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    client.expect("a client without TLS can be built")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a drop cannot be awaited, and nothing tells of a child's end but asking"
)]
impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(cargo_lambda) = &mut self.cargo_lambda {
            drop(cargo_lambda.stdin.take());
            let _status = cargo_lambda.wait();
        }
        let gateway = self.gateway.get_mut().expect("nobody panics while holding it");
        drop(gateway.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while !matches!(gateway.try_wait(), Ok(Some(_))) {
            if Instant::now() > deadline {
                eprintln!(
                    "the gateway did not end within 10 s of its stdin's end; its log ends:\n{}",
                    tail(&self.logs)
                );
                let _already_gone = gateway.kill();
                let _status = gateway.wait();
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let statement = format!("drop database if exists {} with (force)", self.database);
        // Drop may run inside a runtime, which cannot be entered twice.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(administer(&statement));
        });
        if dropped.join().is_err() {
            eprintln!("database {} could not be dropped", self.database);
        }
    }
}

/// Where the gateway finds its functions: among the binaries, or beside the stand-ins for some of them.
fn functions_dir(stand_ins: &[(&str, String)], logs: &Path) -> io::Result<PathBuf> {
    let binaries = &Settings::get().bin_dir;
    if stand_ins.is_empty() {
        return Ok(binaries.clone());
    }
    let dir = logs.join("functions");
    let _left_by_an_earlier_process_of_this_id = fs::remove_dir_all(&dir);
    fs::create_dir(&dir)?;
    for binary in fs::read_dir(binaries)? {
        let binary = binary?;
        if !stand_ins.iter().any(|(name, _)| binary.file_name() == *name) {
            symlink(binary.path(), dir.join(binary.file_name()))?;
        }
    }
    for (name, script) in stand_ins {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(dir)
}

/// Sends commands in Redis' inline form, each answered by one line without an error.
pub(crate) async fn redis_commands(stream: TcpStream, commands: &[&str]) {
    let mut stream = stream;
    let url = &Settings::get().redis_url;
    let login = match (url.username(), url.password()) {
        (_, None) => None,
        ("", Some(password)) => Some(format!("AUTH {password}")),
        (user, Some(password)) => Some(format!("AUTH {user} {password}")),
    };
    for command in login.iter().map(String::as_str).chain(commands.iter().copied()) {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.expect("Redis must take a command");
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n") {
            let more = stream.read_buf(&mut reply).await.expect("Redis must answer");
            assert!(more > 0, "Redis hung up on {command}");
        }
        assert!(!reply.starts_with(b"-"), "Redis refused {command}: {}", String::from_utf8_lossy(&reply));
    }
}

/// The socket address of a store's URL.
pub(crate) fn address_of(url: &Url) -> SocketAddr {
    let port = url.port().unwrap_or(if url.scheme() == "redis" { 6379 } else { 5432 });
    let host = url.host_str().unwrap_or("127.0.0.1");
    let mut found =
        std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).unwrap_or_else(|err| panic!("{host}: {err}"));
    found.next().unwrap_or_else(|| panic!("{host} has no address"))
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    static FIRST: Once = Once::new();
    FIRST.call_once(remove_logs_of_the_dead);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn at(store: &Url, through: Option<SocketAddr>, path: &str) -> String {
    let mut url = store.clone();
    if let Some(address) = through {
        url.set_host(Some(&address.ip().to_string())).expect("a store's URL has a host");
        url.set_port(Some(address.port())).expect("a store's URL has a port");
    }
    url.set_path(path);
    url.into()
}

async fn administer(statement: &str) {
    let client = connect_postgres(&at(&Settings::get().postgres_url, None, "postgres")).await;
    client.batch_execute(statement).await.unwrap_or_else(|err| panic!("{statement}: {err:?}"));
}

pub(crate) async fn connect_postgres(url: &str) -> tokio_postgres::Client {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap_or_else(|err| panic!("Postgres of TEST_POSTGRES_URL: {err}"));
    tokio::spawn(connection);
    client
}

fn start_gateway(mut command: Command, logs: &Path) -> (Child, Started) {
    let stderr = File::create(logs.join("gateway.stderr")).expect("the logs directory can be written");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    let mut child =
        command.spawn().unwrap_or_else(|err| panic!("{}: {err}", command.get_program().display()));
    let stdout = child.stdout.take().expect("it was piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || read_lines(stdout, &sender));
    let Ok(line) = receiver.recv_timeout(Duration::from_secs(30)) else {
        let _already_gone = child.kill();
        let status = child.wait();
        panic!("the gateway was not ready within 30 s ({status:?}); its log ends:\n{}", tail(logs))
    };
    let started: Started = serde_json::from_str(&line)
        .unwrap_or_else(|err| panic!("the gateway says {line:?} instead of being ready: {err}"));
    assert!(started.ready, "the gateway says {line}");
    (child, started)
}

/// Hands over every line: a pipe that nobody empties would stop the gateway one day.
fn read_lines(stdout: ChildStdout, lines: &mpsc::Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let _only_the_first_is_awaited = lines.send(line);
    }
}

fn tail(logs: &Path) -> String {
    let text = fs::read_to_string(logs.join("gateway.stderr")).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let mut tail = String::new();
    for line in &lines[lines.len().saturating_sub(40)..] {
        let _infallible = writeln!(tail, "  {line}");
    }
    tail
}

pub(crate) fn logs_root() -> PathBuf {
    Settings::get().bin_dir.join("stack-logs")
}

fn make_logs_dir(number: u32) -> PathBuf {
    let dir = logs_root().join(format!("{}-{number}", std::process::id()));
    fs::create_dir_all(&dir).unwrap_or_else(|err| panic!("{}: {err}", dir.display()));
    dir
}

/// The logs of a run, and the secrets that must not be in them, stay until the next one.
fn remove_logs_of_the_dead() {
    for entry in fs::read_dir(logs_root()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_string_lossy().split('-').next().unwrap_or_default().to_owned();
        if !Path::new("/proc").join(pid).exists() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = entry.path();
            let _may_stay = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}
