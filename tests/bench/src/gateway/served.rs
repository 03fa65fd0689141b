//! A gateway that serves nothing but the functions of `gateway.yaml`.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;
use support::Settings;

use crate::http;

/// The template, which names the functions' routes, too.
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.yaml");

/// A running gateway; it ends with this value.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) websocket_url: String,
    pub(crate) console_url: String,
    child: Child,
}

impl Served {
    /// Starts one that writes no logs.
    pub(crate) fn start(concurrency: u16) -> Result<Self> {
        let bin_dir = &Settings::get().bin_dir;
        let mut child = Command::new(bin_dir.join("gateway"))
            .args(["serve", "--port", "0", "--console-port", "0", "--quiet", "--exit-with-parent"])
            .args(["--template", TEMPLATE, "--concurrency", &concurrency.to_string(), "--functions-dir"])
            .arg(bin_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the gateway cannot be started")?;
        let stdout = child.stdout.take().context("the gateway has a stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the gateway did not start")?;
        let text = |key: &str| ready[key].as_str().map(str::to_owned).context("the gateway says where it is");
        Ok(Self {
            url: text("url")?,
            websocket_url: text("websocket_url")?,
            console_url: text("console_url")?,
            child,
        })
    }

    /// The process itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Who takes part, with what it is called in the report.
    pub(crate) async fn names(&self) -> Result<HashMap<u32, String>> {
        let mut names = HashMap::from([
            (std::process::id(), "load generator".to_owned()),
            (self.pid(), "gateway".to_owned()),
        ]);
        for process in self.processes("Empty").await? {
            let pid = process["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            names.extend(pid.map(|pid| (pid, "functions".to_owned())));
        }
        Ok(names)
    }

    /// How often a function was given an event.
    pub(crate) async fn invocations(&self, function: &str) -> Result<u64> {
        let processes = self.processes(function).await?;
        Ok(processes.iter().filter_map(|process| process["invocations"].as_u64()).sum())
    }

    async fn processes(&self, function: &str) -> Result<Vec<Value>> {
        let authority = http::authority(&self.console_url)?;
        let request = Request::get("/functions").header("host", authority).body(Full::default())?;
        let listed = http::ask(&mut http::open(authority).await?, request).await?;
        let mut listed: Value = serde_json::from_slice(&listed)?;
        let functions = listed["functions"].as_array_mut().context("the console lists functions")?;
        let found = functions.iter_mut().find(|listed| listed["name"] == function);
        let mut found = found.context("the console lists the function")?["processes"].take();
        Ok(found.as_array_mut().map(std::mem::take).unwrap_or_default())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
