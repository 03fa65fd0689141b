//! What `make` tells the suite about its target and about this machine.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// The only reader of the environment in the suite.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the gateway and the functions' binary are, if the suite is to start them itself.
    pub(crate) bin_dir: Option<PathBuf>,
    /// curl, and where it finds its libraries when it is not installed but unpacked.
    pub(crate) curl: PathBuf,
    pub(crate) curl_library_path: Option<String>,
    /// A Python that has `websockets`, and where it finds it when that is not a virtual environment.
    pub(crate) python: PathBuf,
    pub(crate) python_path: Option<String>,
}

/// The endpoints that are asked, and what is known about them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) http_url: String,
    pub(crate) websocket_url: String,
    pub(crate) management_url: String,
    pub(crate) bare_http_url: String,
    pub(crate) bare_websocket_url: String,
    /// Where `idle` and `lifetime` hold.
    pub(crate) limited_websocket_url: String,
    /// Unset: AWS's own.
    pub(crate) lambda_url: Option<String>,
    pub(crate) ses_url: Option<String>,
    pub(crate) probe_function: String,
    pub(crate) brief_function: String,
    pub(crate) once_function: String,
    pub(crate) mail_from: String,
    pub(crate) mail_to: String,
    /// A token that the template's issuer made out for the audience `conformance`, without the scope `write`.
    pub(crate) token: String,
    /// One that has it.
    pub(crate) scoped_token: String,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    /// How long a connection may be idle, and how long it may last.
    pub(crate) idle: Duration,
    pub(crate) lifetime: Duration,
    /// How long before the second attempt at an event.
    pub(crate) retry_wait: Duration,
}

impl Settings {
    /// The settings of this run.
    pub(crate) fn get() -> &'static Self {
        static SETTINGS: OnceLock<Settings> = OnceLock::new();
        SETTINGS.get_or_init(|| Self {
            bin_dir: optional("TEST_BIN_DIR").map(PathBuf::from),
            curl: variable("TEST_CURL").into(),
            curl_library_path: optional("TEST_CURL_LIBRARY_PATH"),
            python: variable("TEST_WEBSOCKETS_PYTHON").into(),
            python_path: optional("TEST_WEBSOCKETS_PATH"),
        })
    }
}

impl Endpoints {
    /// The endpoints that the environment names.
    pub(crate) fn read() -> Self {
        let or = |name: &str, otherwise: &str| optional(name).unwrap_or_else(|| otherwise.to_owned());
        let seconds = |name: &str, otherwise: &str| {
            let text = or(name, otherwise);
            Duration::from_secs_f64(text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
        };
        Self {
            http_url: variable("CONFORMANCE_TARGET").trim_end_matches('/').to_owned(),
            websocket_url: variable("CONFORMANCE_WEBSOCKET_URL"),
            management_url: variable("CONFORMANCE_MANAGEMENT_URL"),
            bare_http_url: variable("CONFORMANCE_BARE_HTTP_URL"),
            bare_websocket_url: variable("CONFORMANCE_BARE_WEBSOCKET_URL"),
            limited_websocket_url: optional("CONFORMANCE_LIMITED_WEBSOCKET_URL")
                .unwrap_or_else(|| variable("CONFORMANCE_BARE_WEBSOCKET_URL")),
            lambda_url: optional("CONFORMANCE_LAMBDA_URL"),
            ses_url: optional("CONFORMANCE_SES_URL"),
            probe_function: or("CONFORMANCE_FUNCTION", "ProbeFunction"),
            brief_function: or("CONFORMANCE_BRIEF_FUNCTION", "BriefFunction"),
            once_function: or("CONFORMANCE_ONCE_FUNCTION", "OnceFunction"),
            mail_from: variable("CONFORMANCE_MAIL_FROM"),
            mail_to: or("CONFORMANCE_MAIL_TO", "success@simulator.amazonses.com"),
            token: variable("CONFORMANCE_TOKEN"),
            scoped_token: variable("CONFORMANCE_SCOPED_TOKEN"),
            region: optional("AWS_REGION").unwrap_or_else(|| or("AWS_DEFAULT_REGION", "us-east-1")),
            access_key_id: variable("AWS_ACCESS_KEY_ID"),
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY"),
            session_token: optional("AWS_SESSION_TOKEN"),
            idle: seconds("CONFORMANCE_IDLE_SECONDS", "600"),
            lifetime: seconds("CONFORMANCE_LIFETIME_SECONDS", "7200"),
            retry_wait: seconds("CONFORMANCE_RETRY_SECONDS", "60"),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the suite reads what `make` and its user tell it here, and nowhere else"
)]
fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn variable(name: &str) -> String {
    optional(name).unwrap_or_else(|| {
        panic!("{name} is not set: run this with `make conformance`, and see the README for another target")
    })
}
