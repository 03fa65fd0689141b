//! Stories told in JavaScript, which act in a browser as people do, on a stack of ours.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::Command,
    sync::Semaphore,
    time::timeout,
};

use crate::{Settings, Stack, canaries};

/// A browser is many processes, and slow where there are not enough processors for them.
const BROWSERS_AT_ONCE: usize = 2;

/// A story ends by itself before that, and says what it waited for.
const LONGEST: Duration = Duration::from_secs(150);

/// Tells `tests/browser/<story>.js`.
pub async fn tell(stack: &Stack, story: &str) {
    static BROWSERS: Semaphore = Semaphore::const_new(BROWSERS_AT_ONCE);
    let _one_of_them = BROWSERS.acquire().await.expect("it is never closed");
    let settings = Settings::get();
    let mut command = Command::new(
        settings.node.as_ref().expect("`make test` brings Node.js for the stories in a browser"),
    );
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("browser/{story}.js")));
    let chromium = settings.chromium.as_ref();
    command.env("STORY_CHROMIUM", chromium.expect("the stories in a browser need Chrome, or Chromium"));
    command.env("STORY_FOLDER", stack.logs());
    // The pages are where the functions' PUBLIC_URL says, as far as the browser knows.
    command.env("STORY_ORIGIN", "http://localhost");
    command.env("STORY_URL", &stack.url);
    command.env("STORY_WEBSOCKET_URL", &stack.websocket_url);
    command.env("STORY_CONSOLE_URL", stack.console(""));
    command.env("STORY_NOTES", "yes");
    let optional = [
        ("NODE_PATH", &settings.node_path),
        ("LD_LIBRARY_PATH", &settings.chromium_library_path),
        ("FONTCONFIG_FILE", &settings.fontconfig_file),
    ];
    command.envs(optional.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?))));
    if settings.browser_visible {
        command.env("STORY_VISIBLE", "yes");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);

    let mut process = command.spawn().unwrap_or_else(|err| panic!("Node.js does not start: {err}"));
    let stdout = process.stdout.take().expect("it was piped");
    let mut stderr = process.stderr.take().expect("it was piped");
    let mut problems = String::new();
    let told = async { tokio::join!(said(stdout), stderr.read_to_string(&mut problems), process.wait()) };
    let (said, _as_far_as_it_is_text, status) =
        timeout(LONGEST, told).await.unwrap_or_else(|_| panic!("{story} hangs"));
    let status = status.expect("it was started");

    assert!(status.success(), "{story}: {status}\n{said}{problems}");
}

/// What a story says, without the secrets that it hands over to be noted.
async fn said(stdout: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stdout).lines();
    let mut said = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(mut order)) if order.contains_key("note") => {
                canaries::note_json(&order["note"].take());
            }
            _ => said.extend([&line, "\n"]),
        }
    }
    said
}
