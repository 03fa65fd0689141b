//! What the suite asks: three gateways that it starts itself and that end with it, or endpoints that run already.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::issuer::Issuer;
use super::settings::{Endpoints, Settings};

/// How long a connection of the limited gateway may be idle, and how long it may last.
const SHORT_IDLE: Duration = Duration::from_secs(2);
const SHORT_LIFETIME: Duration = Duration::from_secs(5);

/// How long before an asynchronous invocation is tried again.
const SHORT_RETRY_WAIT: Duration = Duration::from_millis(300);

/// The endpoints, and what is known about them.
#[derive(Debug)]
pub(crate) struct Target {
    at: Endpoints,
    _gateways: Vec<Child>,
}

impl Target {
    /// The one target of this run.
    pub(crate) fn get() -> &'static Endpoints {
        static TARGET: OnceLock<Target> = OnceLock::new();
        let target = TARGET.get_or_init(|| match &Settings::get().bin_dir {
            Some(bin_dir) => Self::start(bin_dir),
            None => Self { at: Endpoints::read(), _gateways: Vec::new() },
        });
        &target.at
    }

    fn start(bin_dir: &Path) -> Self {
        let issuer = Issuer::start();
        let (main, addresses) = gateway(
            bin_dir,
            "template.yaml",
            &["--parameter-overrides".to_owned(), format!("Issuer={}", issuer.url)],
        );
        let seconds = |duration: Duration| duration.as_secs_f64().to_string();
        let (bare, of_bare) = gateway(bin_dir, "bare.yaml", &[]);
        // A gateway of its own: no case but those about time may find its connections closed.
        let (limited, of_limited) = gateway(
            bin_dir,
            "bare.yaml",
            &[
                "--idle-timeout".to_owned(),
                seconds(SHORT_IDLE),
                "--connection-lifetime".to_owned(),
                seconds(SHORT_LIFETIME),
            ],
        );
        let text = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
        let console = text(&addresses, "console_url");
        let at = Endpoints {
            http_url: text(&addresses, "url"),
            websocket_url: text(&addresses, "websocket_url"),
            management_url: format!("{console}/live"),
            bare_http_url: format!("{}/v1", text(&of_bare, "url")),
            bare_websocket_url: text(&of_bare, "websocket_url"),
            limited_websocket_url: text(&of_limited, "websocket_url"),
            lambda_url: Some(console.clone()),
            ses_url: Some(console),
            probe_function: "ProbeFunction".to_owned(),
            brief_function: "BriefFunction".to_owned(),
            once_function: "OnceFunction".to_owned(),
            mail_from: "suite@example.com".to_owned(),
            mail_to: "somebody@example.com".to_owned(),
            token: issuer.token("read"),
            scoped_token: issuer.token("read write"),
            region: "us-east-1".to_owned(),
            access_key_id: "local".to_owned(),
            secret_access_key: "local".to_owned(),
            session_token: None,
            idle: SHORT_IDLE,
            lifetime: SHORT_LIFETIME,
            retry_wait: SHORT_RETRY_WAIT,
        };
        Self { at, _gateways: vec![main, bare, limited] }
    }
}

/// Starts a gateway, which ends when this process does.
fn gateway(bin_dir: &Path, template: &str, options: &[String]) -> (Child, Value) {
    let mut child = Command::new(bin_dir.join("gateway"))
        .args(["--template", &format!("{}/{template}", env!("CARGO_MANIFEST_DIR"))])
        .args(["--port", "0", "--console-port", "0", "--quiet", "--exit-with-parent", "--concurrency", "8"])
        .args(["--async-retry-wait", &SHORT_RETRY_WAIT.as_secs_f64().to_string(), "--functions-dir"])
        .arg(bin_dir)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("no gateway in TEST_BIN_DIR {}: {err}", bin_dir.display()));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the gateway says no address: {line}"));
    (child, ready)
}

/// The host of a URL as events tell it, without its port.
pub(crate) fn host(url: &str) -> String {
    Url::parse(url).unwrap().host_str().unwrap().to_owned()
}

/// The last segment of the path of a URL, which is the stage of a WebSocket API.
pub(crate) fn stage(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}
