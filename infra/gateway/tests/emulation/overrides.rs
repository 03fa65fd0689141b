//! Values that replace those of the template.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{EMULATION, Gateway, run};

/// A file for `--env-vars`, which goes with the test.
struct EnvVars(PathBuf);

impl EnvVars {
    fn new(name: &str, values: &Value) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()));
        std::fs::write(&path, values.to_string()).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for EnvVars {
    fn drop(&mut self) {
        let _may_stay = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_served_function_gets_the_value_of_the_file() {
    let file = EnvVars::new("served", &json!({"Probe": {"PEER": "Careful"}}));
    let gateway = Gateway::start(&["--env-vars", file.path()]);

    gateway.post("/", &json!({"invoke": {"marker": "overridden"}})).await;

    let given = gateway.given_when(|given| given.len() == 2).await;
    assert_eq!(given[1].function, "Careful");
}

#[test]
fn the_environment_that_is_printed_is_that_of_the_file() {
    let file = EnvVars::new("printed", &json!({"Parameters": {"PEER": 7}}));

    let printed = run(&EMULATION, "environment", &["--env-vars", file.path()]);

    let environment: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(environment["PEER"], "7");
}

#[test]
fn a_file_that_names_what_the_template_does_not_have_is_refused() {
    let file = EnvVars::new("refused", &json!({"Prob": {"PEER": "x"}}));

    let refused = run(&EMULATION, "environment", &["--env-vars", file.path()]);

    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(error.contains(file.path()) && error.contains("no function Prob"), "{error}");
}
