//! What `make` tells the stories, the benchmark and the checker about the machine they run on.

use std::{env, path::PathBuf, sync::OnceLock};

use reqwest::Url;

/// The only reader of the environment in all of them.
#[derive(Debug)]
pub struct Settings {
    /// A Postgres where databases may be made, without a database in its path.
    pub postgres_url: Url,
    /// The migrated database that every stack's own one is copied from.
    pub template_database: String,
    /// A Redis whose numbered databases may be written and emptied.
    pub redis_url: Url,
    /// The `redis-server` that clusters are made of; missing where Docker runs the stores and it is not installed.
    pub redis_server: Option<PathBuf>,
    /// Where that finds its libraries, when it is not installed but unpacked.
    pub redis_library_path: Option<String>,
    /// Where the function binaries and the gateway are.
    pub bin_dir: PathBuf,
    /// The template the gateway takes its routes from.
    pub template_file: PathBuf,
    /// What of the template only a deployment needs.
    pub left_out: Vec<String>,
    /// Parameters of the template and their values.
    pub parameters: Vec<String>,
    /// The key ring of the access tokens, a JWK set.
    pub jwt_keys: String,
    /// A Python that has Authlib, a client library of OAuth, which only the stories need.
    pub authlib_python: Option<PathBuf>,
    /// Where it finds it, when that is not a virtual environment.
    pub authlib_path: Option<String>,
    /// Prometheus' own judge of what it can read, which only the stories need.
    pub promtool: Option<PathBuf>,
    /// A Node.js, which tells the stories in a browser.
    pub node: Option<PathBuf>,
    /// Where it finds what drives the browser.
    pub node_path: Option<String>,
    /// A Chromium, or Chrome.
    pub chromium: Option<PathBuf>,
    /// Where that finds its libraries, when it is not installed but unpacked.
    pub chromium_library_path: Option<String>,
    /// Where it finds its fonts, when not where all programs do.
    pub fontconfig_file: Option<String>,
    /// Whether somebody watches it.
    pub browser_visible: bool,
    /// Where whoever started the stores takes orders to break them, if they may be broken.
    pub store_orders: Option<PathBuf>,
    /// How the gateway runs the functions.
    pub mode: Mode,
}

/// How the gateway runs the functions of every stack.
#[derive(Debug)]
pub enum Mode {
    /// As processes of its own.
    Hosted,
    /// The same, and it does what AWS may do at any time, all but lose a `$disconnect`; drawn by the seed.
    Strict {
        /// What the seeds of the stacks are counted from.
        seed: u64,
    },
    /// By the `cargo lambda watch` of each stack.
    CargoLambda {
        /// Its executable and first arguments.
        program: Vec<String>,
        /// The variables by which cargo finds the compiler and what is built already.
        tools: Vec<(&'static str, String)>,
    },
}

const OF_CARGO: [&str; 8] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "LD_LIBRARY_PATH",
    "TMPDIR",
];

impl Settings {
    /// The settings of this test process.
    pub fn get() -> &'static Self {
        static SETTINGS: OnceLock<Settings> = OnceLock::new();
        SETTINGS.get_or_init(|| Self {
            postgres_url: url("TEST_POSTGRES_URL"),
            template_database: variable("TEST_TEMPLATE_DATABASE"),
            redis_url: url("TEST_REDIS_URL"),
            redis_server: optional("TEST_REDIS_SERVER").map(PathBuf::from),
            redis_library_path: optional("TEST_REDIS_LIBRARY_PATH"),
            bin_dir: variable("TEST_BIN_DIR").into(),
            template_file: variable("TEST_TEMPLATE_FILE").into(),
            parameters: variable("TEST_PARAMETERS").split(' ').map(str::to_owned).collect(),
            left_out: variable("TEST_LEFT_OUT").split(' ').map(str::to_owned).collect(),
            jwt_keys: variable("TEST_JWT_KEYS"),
            authlib_python: optional("TEST_AUTHLIB_PYTHON").map(PathBuf::from),
            authlib_path: optional("TEST_AUTHLIB_PATH"),
            promtool: optional("TEST_PROMTOOL").map(PathBuf::from),
            node: optional("TEST_NODE").map(PathBuf::from),
            node_path: optional("TEST_NODE_PATH"),
            chromium: optional("TEST_CHROMIUM").map(PathBuf::from),
            chromium_library_path: optional("TEST_CHROMIUM_LIBRARY_PATH"),
            fontconfig_file: optional("TEST_FONTCONFIG_FILE"),
            browser_visible: optional("TEST_BROWSER_VISIBLE").is_some(),
            store_orders: optional("TEST_STORE_ORDERS").map(PathBuf::from),
            mode: mode(),
        })
    }
}

fn mode() -> Mode {
    match optional("TEST_MODE").as_deref() {
        None | Some("hosted") => Mode::Hosted,
        Some("strict") => {
            let seed = variable("TEST_STRICT_SEED");
            Mode::Strict { seed: seed.parse().unwrap_or_else(|err| panic!("TEST_STRICT_SEED: {err}")) }
        }
        Some("cargo-lambda") => Mode::CargoLambda {
            program: variable("TEST_CARGO_LAMBDA").split('\n').map(str::to_owned).collect(),
            tools: OF_CARGO.iter().filter_map(|name| Some((*name, optional(name)?))).collect(),
        },
        Some(other) => panic!("TEST_MODE is {other}, and not hosted, strict or cargo-lambda"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the stories read what `make test` tells them here, and nowhere else"
)]
fn optional(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn variable(name: &str) -> String {
    optional(name).unwrap_or_else(|| {
        panic!("{name} is not set: run this with `make` (`make test`, `make bench`, `make soak`), which starts the stores and builds the functions")
    })
}

fn url(name: &str) -> Url {
    let text = variable(name);
    Url::parse(&text).unwrap_or_else(|err| panic!("{name} is no URL: {err}"))
}
