//! Starting and ending: wires a template, its functions and the listeners together.
//!
//! Ports are bound before anything is told about them, and the line on stdout is printed when requests can
//! be served. Nothing the gateway started outlives it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::asynchronous::Queue;
use crate::authorization::Authorizers;
use crate::cargo_lambda::CargoLambda;
use crate::console::{FunctionFacts, Setup};
use crate::env_vars::EnvVars;
use crate::functions::Functions;
use crate::gateway::{Gateway, Names};
use crate::hosted::{Function, Launch};
use crate::journal::Journal;
use crate::mail::Inbox;
use crate::options::{InvokeOptions, ServeOptions, TemplateOptions};
use crate::routing::Router;
use crate::strict::Strict;
use crate::template::{Function as Declared, LocalAddresses, Template, function_arn};
use crate::throttling::Throttles;
use crate::websocket::Connections;
use crate::{console, http, ids, schedules, server};

/// The most files that are asked for; functions inherit the limit, and some programs visit each possible one.
const OPEN_FILES: u64 = 65_536;

/// How much of a handshake's head is looked at: more than an HTTP request's may have.
const HEAD_LIMIT: usize = 16 * 1024;

/// What a client's first bytes may take to come.
const FIRST_BYTES: Duration = Duration::from_mins(1);

/// How long open connections get to be closed in order.
const CLOSE_LIMIT: Duration = Duration::from_millis(1500);

/// How long functions get to end, a little more than they have until SIGKILL.
const END_LIMIT: Duration = Duration::from_millis(2500);

/// Serves until SIGINT, SIGTERM or the end of stdin.
pub(crate) fn serve(options: &ServeOptions) -> Result<ExitCode> {
    let (journal, writer) = Journal::open(options.logs_dir.as_deref(), options.quiet)?;
    allow_open_files();
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(run(options, journal));
    runtime.shutdown_background();
    writer.close();
    result.map(|()| ExitCode::SUCCESS)
}

/// Raises the limit of open files, which is often 1,024 and thereby less than the connections that are wanted.
fn allow_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it there are fewer connections; accepting goes on when one ends.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_FILES).max(soft), hard);
    }
}

async fn run(options: &ServeOptions, journal: Journal) -> Result<()> {
    let (listener, port) = server::bind(options.listen, options.template.port)
        .context("--listen, --port (0 takes a free one)")?;
    let (console_listener, console_port) = server::bind(Ipv4Addr::LOCALHOST, options.template.console_port)
        .context("--console-port (0 takes a free one)")?;
    let local = LocalAddresses { port, console_port };
    let (stop, end_functions, processes) =
        (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let (mut template, env_vars) = load(&options.template)?;
    let strict = Strict::new(options.invocations.strict.clone(), options.invocations.strict_seed);
    let strict = Arc::new(strict);
    template.notes.iter().cloned().chain(strict.announcement()).for_each(|note| journal.note(note));
    let functions = if let Some(url) = &options.cargo_lambda {
        let binaries = template.functions.iter().map(|function| function.binary.as_str());
        let watch = Box::new(CargoLambda::new(url, binaries, Arc::clone(journal.activity()))?);
        if options.invocations.deliver_twice {
            Functions::CargoLambdaTwice(watch)
        } else {
            Functions::CargoLambda(watch)
        }
    } else {
        let host = Host {
            directory: &options.functions_dir,
            env_vars: &env_vars,
            concurrency: options.concurrency,
            journal: &journal,
            strict: &strict,
            end: &end_functions,
            processes: &processes,
        };
        let functions = host.functions(&template, local, None)?;
        if options.invocations.deliver_twice {
            let others = host.functions(&template, local, None)?;
            Functions::HostedTwice(functions.into_iter().zip(others).map(Into::into).collect())
        } else {
            Functions::Hosted(functions)
        }
    };
    let queue = Queue::new(
        template.functions.iter().map(|function| function.asynchronous.clone()).collect(),
        options.invocations.async_retry_wait,
    );
    let throttles = Throttles::new(
        template.http_api.as_ref(),
        template.websocket_api.as_ref(),
        options.posts.post_limit,
        options.posts.post_latency,
    );
    let authorizers = template.http_api.as_ref().map_or(&[][..], |api| &api.authorizers);
    let authorizers = Authorizers::new(authorizers)?;
    let http_api = template.http_api.take().map(|api| {
        let router = Router::new(&api.routes);
        (api, router)
    });
    let gateway = Arc::new(Gateway {
        names: template.functions.iter().map(names).collect(),
        functions,
        queue,
        http_api,
        authorizers,
        websocket_api: template.websocket_api.take(),
        connections: Connections::default(),
        inbox: Inbox::default(),
        journal,
        region: template.region().to_owned(),
        port,
        console_port,
        setup: setup(options, &template, &strict),
        idle_timeout: options.idle_timeout,
        connection_lifetime: options.connection_lifetime,
        strict,
        throttles,
        stop: stop.clone(),
    });
    tokio::spawn(accept_public(Arc::clone(&gateway), listener));
    tokio::spawn(accept_console(Arc::clone(&gateway), console_listener));
    if !options.invocations.no_schedules {
        for (index, function) in template.functions.iter_mut().enumerate() {
            for schedule in function.schedules.drain(..) {
                let every = options.invocations.schedule_every.unwrap_or(schedule.every);
                schedules::start(&gateway, index, schedule, region(), every);
            }
        }
    }
    if options.exit_with_parent {
        watch_stdin(stop.clone());
    }
    let stage = gateway.websocket_api.as_ref().map(|api| api.stage.as_str());
    announce(port, console_port, stage)?;
    wait_for_end(&stop).await?;

    stop.cancel();
    end(&gateway, &end_functions, &processes).await;
    Ok(())
}

/// Closes connections and ends functions, in this order.
async fn end(gateway: &Gateway, end_functions: &CancellationToken, processes: &TaskTracker) {
    gateway.connections.close_all();
    let _ = tokio::time::timeout(CLOSE_LIMIT, gateway.connections.closed()).await;
    end_functions.cancel();
    processes.close();
    let _ = tokio::time::timeout(END_LIMIT, processes.wait()).await;
    match gateway.queue.len() {
        0 => {}
        lost => gateway.journal.note(format!("asynchronous events lost with the gateway's end: {lost}")),
    }
}

/// What the console tells of the start.
fn setup(options: &ServeOptions, template: &Template, strict: &Strict) -> Setup {
    let facts = template.functions.iter().map(|function| FunctionFacts {
        memory_size: function.memory_size,
        architecture: function.architecture,
        timeout: function.timeout.as_secs(),
    });
    let twice = options.invocations.deliver_twice.then(|| "--deliver-twice".to_owned());
    let limit = options.posts.post_limit.map(|limit| format!("--post-limit {},{}", limit.rate, limit.burst));
    let latency = options.posts.post_latency;
    let latency = (!latency.is_zero()).then(|| format!("--post-latency {} ms", latency.as_millis()));
    Setup {
        functions: facts.collect(),
        concurrency: options.concurrency,
        cargo_lambda: options.cargo_lambda.is_some(),
        faults: strict.announcement().into_iter().chain(twice).chain(limit).chain(latency).collect(),
    }
}

/// The line on stdout that says where everything is.
fn announce(port: u16, console_port: u16, stage: Option<&str>) -> Result<()> {
    let console = format!("http://127.0.0.1:{console_port}");
    let ready = serde_json::json!({
        "ready": true,
        "url": format!("http://127.0.0.1:{port}"),
        "websocket_url": stage.map(|stage| format!("ws://127.0.0.1:{port}/{stage}")),
        "management_url": stage.map(|stage| format!("{console}/{stage}")),
        "console_url": console,
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")?;
    stdout.flush().context("cannot tell that the gateway is ready")
}

async fn wait_for_end(stop: &CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

/// A thread, because a read of stdin cannot be cancelled; it ends with the process.
fn watch_stdin(stop: CancellationToken) {
    std::thread::spawn(move || {
        let mut ignored = [0; 256];
        while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
        stop.cancel();
    });
}

async fn accept_public(gateway: Arc<Gateway>, listener: TcpListener) {
    let stop = gateway.stop.clone();
    server::accept(listener, stop, |stream, peer| {
        let gateway = Arc::clone(&gateway);
        async move {
            let head = handshake_head(&gateway, &stream).await;
            let head = head.as_deref();
            server::serve(stream, |request| {
                let gateway = &gateway;
                async move { Ok(http::serve(gateway, peer, head, request).await) }
            })
            .await;
        }
    })
    .await;
}

/// The head of a connection's first request, if it is for the WebSocket stage: events repeat header names in
/// the case the client wrote them, which is lost once they are parsed. It is left in the socket.
async fn handshake_head(gateway: &Gateway, stream: &TcpStream) -> Option<Vec<u8>> {
    let stage = &gateway.websocket_api.as_ref()?.stage;
    let mut head = vec![0; HEAD_LIMIT];
    let size = tokio::time::timeout(FIRST_BYTES, stream.peek(&mut head)).await.ok()?.ok()?;
    let head = &head[..size];
    head.strip_prefix(b"GET /")?.strip_prefix(stage.as_bytes())?;
    // It may be kept for as long as the connection is open.
    Some(head.to_vec())
}

async fn accept_console(gateway: Arc<Gateway>, listener: TcpListener) {
    let stop = gateway.stop.clone();
    server::accept(listener, stop, |stream, _| {
        let gateway = Arc::clone(&gateway);
        async move {
            server::serve(stream, |request| {
                let gateway = &gateway;
                async move { Ok(console::serve(gateway, request).await) }
            })
            .await;
        }
    })
    .await;
}

/// Runs one function once.
pub(crate) fn invoke(options: &InvokeOptions) -> Result<ExitCode> {
    let event: serde_json::Value = serde_json::from_str(&options.payload).context("--payload is not JSON")?;
    let (journal, writer) = Journal::open(None, false)?;
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(run_once(options, event.to_string().into(), journal));
    runtime.shutdown_background();
    writer.close();
    let (result, code) = match result? {
        Ok(result) => (result, ExitCode::SUCCESS),
        Err(error) => (error, ExitCode::FAILURE),
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&result)?;
    stdout.write_all(b"\n")?;
    Ok(code)
}

async fn run_once(options: &InvokeOptions, event: Bytes, journal: Journal) -> Result<Result<Bytes, Bytes>> {
    let (template, env_vars) = load(&options.template)?;
    let index = template
        .find_function(&options.function)
        .with_context(|| format!("the template has no function {}", options.function))?;
    let (end, processes) = (CancellationToken::new(), TaskTracker::new());
    let host = Host {
        directory: &options.functions_dir,
        env_vars: &env_vars,
        concurrency: 1,
        journal: &journal,
        strict: &Arc::default(),
        end: &end,
        processes: &processes,
    };
    let local = LocalAddresses { port: options.template.port, console_port: options.template.console_port };
    let functions = Functions::Hosted(host.functions(&template, local, Some(index))?);
    let trace_root = ids::trace_root(time::OffsetDateTime::now_utc().unix_timestamp());
    let pending =
        functions.submit(0, event, &trace_root, template.functions[index].timeout + Duration::from_mins(1));
    let answer = pending.answer().await.context("the function gave no answer")?;
    end.cancel();
    processes.close();
    let _ = tokio::time::timeout(END_LIMIT, processes.wait()).await;
    Ok(answer.result)
}

/// Prints the union of all functions' variables.
pub(crate) fn environment(options: &TemplateOptions) -> Result<ExitCode> {
    let (template, env_vars) = load(options)?;
    let local = LocalAddresses { port: options.port, console_port: options.console_port };
    let mut union: BTreeMap<String, String> = BTreeMap::new();
    for function in &template.functions {
        for (name, value) in template.environment(function, local, given(&env_vars, function))? {
            let known = union.get(&name);
            ensure!(
                known.is_none_or(|known| *known == value),
                "functions declare different values of {name}, so no one environment suits them all"
            );
            union.insert(name, value);
        }
    }
    println!("{}", serde_json::to_string_pretty(&union)?);
    Ok(ExitCode::SUCCESS)
}

fn names(function: &Declared) -> Names {
    Names { logical: function.name.clone(), binary: function.binary.clone(), alias: function.alias.clone() }
}

/// Where a function's variables come from before the template is asked.
fn given<'a>(env_vars: &'a EnvVars, function: &'a Declared) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| env_vars.value(function, name).or_else(|| variable(name))
}

fn load(options: &TemplateOptions) -> Result<(Template, EnvVars)> {
    let path = &options.template;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {} (--template names another)", path.display()))?;
    let template =
        Template::parse(&text, &region(), &options.choices()).with_context(|| path.display().to_string())?;
    ensure!(
        !template.functions.is_empty(),
        "{}: there is no AWS::Serverless::Function, so there is nothing to run",
        path.display()
    );
    let env_vars = match &options.env_vars {
        Some(file) => EnvVars::read(file, &template)?,
        None => EnvVars::default(),
    };
    Ok((template, env_vars))
}

#[expect(clippy::disallowed_methods, reason = "which variables are read is for the template to say")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn region() -> String {
    variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| "us-east-1".to_owned())
}

/// What all functions of one run are started with.
struct Host<'a> {
    directory: &'a Path,
    env_vars: &'a EnvVars,
    concurrency: usize,
    journal: &'a Journal,
    strict: &'a Arc<Strict>,
    end: &'a CancellationToken,
    processes: &'a TaskTracker,
}

impl Host<'_> {
    /// The template's functions, or one of them.
    fn functions(
        &self,
        template: &Template,
        local: LocalAddresses,
        only: Option<usize>,
    ) -> Result<Vec<Arc<Function>>> {
        let chosen =
            template.functions.iter().enumerate().filter(|(index, _)| only.is_none_or(|only| only == *index));
        chosen
            .map(|(_, function)| {
                let declared = template.environment(function, local, given(self.env_vars, function))?;
                let environment = process_environment(function, declared, self.directory);
                let launch = Launch {
                    name: function.name.as_str().into(),
                    executable: self.executable(function)?,
                    arn: function_arn(&region(), &function.name),
                    timeout: function.timeout,
                    environment,
                    concurrency: function.concurrency(self.concurrency),
                    strict: Arc::clone(self.strict),
                };
                Ok(Function::new(launch, self.journal.clone(), self.end.clone(), self.processes.clone()))
            })
            .collect()
    }

    /// Where a function's binary is; it may also be built later.
    fn executable(&self, function: &Declared) -> Result<PathBuf> {
        let directory = std::path::absolute(self.directory).context("--functions-dir is no path")?;
        let path = directory.join(&function.binary);
        // As `cargo lambda build` and `sam build` lay out what they build.
        let built = [path.join("bootstrap"), directory.join(&function.name).join("bootstrap")];
        if let Some(bootstrap) = built.into_iter().find(|bootstrap| bootstrap.is_file()) {
            return Ok(bootstrap);
        }
        if !path.is_file() {
            self.journal.note(format!(
                "{}: there is no binary {} yet: build it",
                function.name,
                path.display()
            ));
        }
        Ok(path)
    }
}

/// The declared variables and those that Lambda sets (Lambda Developer Guide, "Defined runtime
/// environment variables").
fn process_environment(
    function: &Declared,
    declared: BTreeMap<String, String>,
    directory: &Path,
) -> BTreeMap<String, String> {
    let region = region();
    let mut environment = BTreeMap::new();
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_size.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("_HANDLER", function.handler.clone()),
        ("LAMBDA_TASK_ROOT", std::path::absolute(directory).unwrap_or_default().display().to_string()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_SESSION_TOKEN", "local".to_owned()),
        ("PATH", variable("PATH").unwrap_or_default()),
        ("TZ", ":UTC".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
    ] {
        environment.insert(name.to_owned(), value);
    }
    // A function may set PATH, TZ and LANG itself; the template is refused if it sets any other.
    environment.extend(declared);
    environment
}
