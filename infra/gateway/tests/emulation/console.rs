//! The console: its pages, its JSON, and who may ask for either.

use futures_util::{SinkExt, StreamExt};
use reqwest::header;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Gateway, Given, PATIENCE, until};

const PAGES: [&str; 5] = ["", "invocations", "connections", "inbox", "cost"];

const HOSTILE: &str = "<script>alert('1')</script>";

async fn page(gateway: &Gateway, path: &str) -> reqwest::Response {
    let url = format!("{}/{path}", gateway.console_url);
    gateway.http.get(url).header(header::ACCEPT, "text/html,application/xhtml+xml,*/*").send().await.unwrap()
}

/// The rows of the list once there are so many, all told their routes, the newest first.
async fn rows(gateway: &Gateway, query: &str, wanted: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    until("the console lists what ran", async || {
        let told = gateway.console(&format!("invocations.json?{query}")).await;
        rows.clone_from(told["invocations"].as_array().unwrap());
        rows.len() == wanted && rows.iter().all(|row| !row["route"].is_null())
    })
    .await;
    rows
}

async fn detail(gateway: &Gateway, row: &Value) -> Value {
    gateway.console(&format!("invocations/{}.json", row["requestId"].as_str().unwrap())).await
}

async fn connected(gateway: &Gateway, id: &str) -> Value {
    gateway.console(&format!("connections/{}.json", id.replace('=', "%3D"))).await
}

async fn post(gateway: &Gateway, id: &str, text: &str) -> u16 {
    let url = format!("{}/ws/@connections/{}", gateway.console_url, id.replace('=', "%3D"));
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/execute-api/aws4_request";
    let post = gateway.http.post(url).header("authorization", signature).body(text.to_owned());
    post.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_page_is_html_that_runs_no_script_but_its_own() {
    let gateway = Gateway::start(&[]);

    for path in PAGES {
        let answer = page(&gateway, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert!(policy.contains("base-uri 'none'; form-action 'none'; frame-ancestors 'none'"), "{path}");
        let html = answer.text().await.unwrap();
        assert!(html.starts_with("<!doctype html>") && html.contains("aria-current=\"page\""), "{path}");
        assert_eq!(html.matches("<script").count(), 1, "{path}");
        assert!(html.contains("<script src=\"/console.js\" defer></script>"), "{path}");
    }
    let style = page(&gateway, "console.css").await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    let script = page(&gateway, "console.js").await.text().await.unwrap();
    for markup in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "srcdoc", "eval(", "http:"]
    {
        assert!(!script.contains(markup), "{markup} would make markup of data, or ask elsewhere");
    }
}

#[tokio::test]
async fn a_program_gets_json_at_the_root_and_a_browser_the_page() {
    let gateway = Gateway::start(&[]);
    let kind = async |accept: &str| {
        let asked =
            gateway.http.get(&gateway.console_url).header(header::ACCEPT, accept).send().await.unwrap();
        asked.headers()["content-type"].to_str().unwrap().to_owned()
    };

    assert_eq!(kind("*/*").await, "application/json");
    assert_eq!(kind("application/json").await, "application/json");
    assert_eq!(kind("application/json, text/html").await, "application/json");
    assert_eq!(kind("text/html, application/json").await, "text/html; charset=utf-8");
    let told = gateway.console("").await;
    assert_eq!((told["url"].as_str(), told["connections"].as_u64()), (Some(gateway.url.as_str()), Some(0)));
    assert_eq!(told["functions"][0]["name"], "Probe");
}

#[tokio::test]
async fn hostile_text_is_data_in_json_and_escaped_in_a_mail() {
    let gateway = Gateway::start(&[]);
    let mail = json!({
        "FromEmailAddress": "chat@example.com",
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "Content": {"Simple": {"Subject": {"Data": HOSTILE}, "Body": {"Text": {"Data": HOSTILE}}}},
    });
    let signature = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/ses/aws4_request";
    let url = format!("{}/v2/email/outbound-emails", gateway.console_url);
    let sent = gateway.http.post(url).header("authorization", signature).json(&mail).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    gateway.post("/", &json!({"marker": HOSTILE, "print": [HOSTILE]})).await;

    let row = rows(&gateway, "", 1).await.remove(0);
    let answer = page(&gateway, &format!("invocations/{}.json", row["number"])).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert!(answer.text().await.unwrap().contains("<script>alert"));
    for path in PAGES {
        let html = page(&gateway, path).await.text().await.unwrap();
        assert!(!html.contains("<script>alert"), "{path}");
        assert_eq!(html.contains("&lt;script&gt;alert"), path == "inbox", "{path}");
    }
}

#[tokio::test]
async fn a_cold_and_a_warm_invocation_are_told_with_all_that_is_known() {
    let gateway = Gateway::start(&["--concurrency", "1"]);
    for marker in ["first", "second"] {
        let (status, _) =
            gateway.post("/", &json!({"marker": marker, "print": [format!("it is {marker}")]})).await;
        assert_eq!(status, 200);
    }

    let told = rows(&gateway, "function=Probe", 2).await;

    let (warm, cold) = (&told[0], &told[1]);
    assert_eq!((cold["coldStart"].as_bool(), warm["coldStart"].as_bool()), (Some(true), Some(false)));
    for (row, marker) in [(cold, "first"), (warm, "second")] {
        assert_eq!(row["function"], "Probe");
        assert_eq!((row["route"].as_str(), row["request"].as_str()), (Some("POST /"), Some("POST /")));
        assert_eq!((row["status"].as_u64(), row["state"].as_str()), (Some(200), Some("answered")));
        let took = row["duration"].as_f64().unwrap() + row["initDuration"].as_f64().unwrap_or(0.0);
        let billed = row["billedDuration"].as_f64().unwrap();
        // Durations are told in hundredths.
        assert!(took > 0.0 && billed + 0.02 >= took && billed < took + 1.02, "{billed} ms for {took} ms");
        assert_eq!(row["memorySize"], 128);
        until("its memory and its line are there", async || {
            let detail = detail(&gateway, row).await;
            detail["memoryUsed"].as_u64().is_some_and(|memory| memory > 0)
                && detail["logs"] == json!([format!("it is {marker}")])
        })
        .await;
        let detail = detail(&gateway, row).await;
        let event: Value = serde_json::from_str(detail["event"].as_str().unwrap()).unwrap();
        assert!(event["body"].as_str().unwrap().contains(marker));
        let response: Value = serde_json::from_str(detail["response"].as_str().unwrap()).unwrap();
        assert!(response["body"].as_str().unwrap().contains(marker));
        assert!(detail["traceId"].as_str().unwrap().starts_with("Root=1-"));
    }
    let functions = gateway.console("functions").await;
    let probe = &functions["functions"][0];
    let counts = ["invocations", "errors", "coldStarts", "waiting"].map(|name| probe[name].as_u64().unwrap());
    assert_eq!(counts, [2, 0, 1, 0]);
    assert!(probe["p50"].as_f64().unwrap() <= probe["p99"].as_f64().unwrap());
}

#[tokio::test]
async fn a_running_invocation_is_listed_and_a_cursor_tells_only_what_changed() {
    let gateway = Gateway::start(&[]);

    let waiting = json!({"wait": "released"});
    let ((status, _), cursor) = tokio::join!(gateway.post("/", &waiting), async {
        gateway.given_when(|given| given.len() == 1).await;
        let told = gateway.console("invocations.json").await;
        assert_eq!(
            (&told["invocations"][0]["state"], &told["invocations"][0]["duration"]),
            (&json!("running"), &Value::Null)
        );
        gateway.touch("released");
        told["cursor"].as_u64().unwrap()
    });

    assert_eq!(status, 200);
    let row = rows(&gateway, &format!("after={cursor}"), 1).await.remove(0);
    assert_eq!(row["state"], "answered");
    gateway.post("/", &json!({})).await;
    rows(&gateway, &format!("after={cursor}"), 2).await;
    let first = gateway.console(&format!("invocations.json?after={cursor}&limit=1")).await;
    assert_eq!((&first["invocations"][0]["number"], &first["more"]), (&json!(1), &json!(true)));
    let rest = gateway.console(&format!("invocations.json?after={}&limit=1", first["cursor"])).await;
    assert_eq!((&rest["invocations"][0]["number"], &rest["more"]), (&json!(2), &json!(false)));
    until("nothing changes any more", async || {
        let told = gateway.console("invocations.json").await;
        let after = gateway.console(&format!("invocations.json?after={}", told["cursor"])).await;
        after["invocations"].as_array().unwrap().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_number_that_is_none_is_refused() {
    let gateway = Gateway::start(&[]);

    for (path, name) in [
        ("invocations.json", "after"),
        ("invocations.json", "limit"),
        ("connections.json", "limit"),
        ("connections/any.json", "after"),
    ] {
        let url = format!("{}/{path}?{name}=soon", gateway.console_url);
        let refused = gateway.http.get(url).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{path}");
        let told = refused.text().await.unwrap();
        assert!(told.contains(&format!("{name} must be a whole number, not soon")), "{path}: {told}");
    }
}

#[tokio::test]
async fn a_page_can_tell_one_run_of_the_gateway_from_another() {
    let (gateway, other) = (Gateway::start(&[]), Gateway::start(&[]));
    let started_at = gateway.console("").await["startedAt"].clone();

    assert!(started_at.is_string());
    for path in ["functions", "invocations.json", "connections.json", "cost.json"] {
        assert_eq!(gateway.console(path).await["startedAt"], started_at, "{path}");
    }
    assert_ne!(other.console("invocations.json").await["startedAt"], started_at);
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body() {
    let gateway = Gateway::start(&[]);

    for path in ["invocations", "inbox.json", "console.css", "nothing"] {
        let url = format!("{}/{path}", gateway.console_url);
        let got = gateway.http.get(&url).send().await.unwrap();
        let head = gateway.http.head(&url).send().await.unwrap();
        assert_eq!(head.status(), got.status(), "{path}");
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.headers().get(name), got.headers().get(name), "{path}: {name}");
        }
        assert_eq!(head.text().await.unwrap(), "");
    }
}

#[tokio::test]
async fn a_failed_invocation_shows_its_error_and_every_attempt() {
    let gateway = Gateway::start(&["--async-retry-wait", "0.01"]);
    let request_id = gateway.send_event("Peer", &json!({"fails": 5})).await;
    gateway.post("/", &json!({"marker": "fine"})).await;

    // Three attempts, and that the event is given up for good.
    let failed = rows(&gateway, "errors=true", 4).await;

    let given_up = failed.iter().find(|row| row["discarded"].is_object()).unwrap();
    assert_eq!(given_up["discarded"]["condition"], "RetriesExhausted");
    let attempts: Vec<_> = failed.iter().filter(|row| row["state"] == "failed").collect();
    assert_eq!(attempts.len(), 3);
    for attempt in &attempts {
        assert_eq!(attempt["requestId"], request_id.as_str());
        assert!(attempt["error"].as_str().unwrap().contains("asked to fail"), "{attempt}");
    }
    let detail = gateway.console(&format!("invocations/{request_id}.json")).await;
    assert_eq!(detail["number"], attempts[0]["number"], "the newest of them");
    assert_eq!(detail["attempts"].as_array().unwrap().len(), 4);
    assert!(detail["response"].as_str().unwrap().contains("RuntimeError"));
    let functions = gateway.console("functions").await;
    assert_eq!(
        (&functions["functions"][1]["errors"], &functions["functions"][0]["errors"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn frames_are_shown_in_both_directions_and_a_closed_connection_stays() {
    let gateway = Gateway::start(&[]);
    let (mut socket, _) = tokio_tungstenite::connect_async(&gateway.websocket_url).await.unwrap();
    let said = json!({"marker": HOSTILE}).to_string();
    socket.send(Message::text(said.clone())).await.unwrap();
    let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    let id = serde_json::from_str::<Value>(answer.to_text().unwrap()).unwrap()["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(post(&gateway, &id, "posted").await, 200);

    let open = gateway.console("connections.json").await;
    assert_eq!(open["open"], 1);
    let none = gateway.console("connections.json?limit=0").await;
    assert_eq!((&none["open"], &none["connections"]), (&json!(1), &json!([])));
    let row = &open["connections"][0];
    assert_eq!((row["id"].as_str(), row["state"].as_str()), (Some(id.as_str()), Some("open")));
    assert_eq!(
        (&row["received"], &row["sent"], &row["sourceIp"]),
        (&json!(1), &json!(2), &json!("127.0.0.1"))
    );

    let frame = CloseFrame { code: CloseCode::Library(4321), reason: "enough".into() };
    socket.close(Some(frame)).await.unwrap();
    until("it is closed", async || connected(&gateway, &id).await["state"] == "closed").await;
    assert_eq!(post(&gateway, &id, "too late").await, 410);
    let closed = connected(&gateway, &id).await;
    assert_eq!((&closed["closed"]["code"], &closed["closed"]["reason"]), (&json!(4321), &json!("enough")));
    let frames: Vec<_> = closed["frames"].as_array().unwrap().iter().rev().collect();
    let told: Vec<_> = frames
        .iter()
        .map(|frame| {
            let text = |name: &str| frame[name].as_str().unwrap().to_owned();
            (text("direction"), text("kind"), frame["code"].as_u64(), text("text"))
        })
        .collect();
    let frame = |direction: &str, kind: &str, code, text: &str| {
        (direction.to_owned(), kind.to_owned(), code, text.to_owned())
    };
    assert_eq!(
        told,
        [
            frame("in", "text", None, &said),
            frame("out", "text", None, answer.to_text().unwrap()),
            frame("out", "text", None, "posted"),
            frame("in", "close", Some(4321), "enough"),
            frame("out", "refused", Some(410), "too late"),
        ]
    );
}

#[tokio::test]
async fn connections_that_ended_are_forgotten_earlier_when_their_user_agents_are_long() {
    let gateway = Gateway::start(&[]);
    let listed = async || gateway.console("connections.json").await["connections"].as_array().unwrap().len();

    let has_ended = |given: &Given| given.event["requestContext"]["eventType"] == "DISCONNECT";
    for number in 1..=5 {
        let mut request = gateway.websocket_url.as_str().into_client_request().unwrap();
        request.headers_mut().insert(header::USER_AGENT, "x".repeat(300 * 1024).parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        socket.close(None).await.unwrap();
        gateway.given_when(|given| given.iter().filter(|one| has_ended(one)).count() == number).await;
    }

    until("those of one MiB together are left", async || listed().await == 3).await;
}

#[tokio::test]
async fn a_connection_is_closed_from_its_page_and_from_no_other() {
    let gateway = Gateway::start(&[]);
    let (mut socket, _) = tokio_tungstenite::connect_async(&gateway.websocket_url).await.unwrap();
    let mut id = String::new();
    until("it is listed", async || {
        let told = gateway.console("connections.json").await;
        told["connections"][0]["id"].as_str().unwrap_or_default().clone_into(&mut id);
        !id.is_empty()
    })
    .await;
    let close = async |origin: &str| {
        let url = format!("{}/connections/{}", gateway.console_url, id.replace('=', "%3D"));
        gateway.http.delete(url).header(header::ORIGIN, origin).send().await.unwrap().status().as_u16()
    };

    assert_eq!(close(&gateway.url).await, 403, "the API's port is another origin");
    assert_eq!(connected(&gateway, &id).await["state"], "open");
    assert_eq!(close(&gateway.console_url).await, 204);

    let end = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(end, Message::Close(Some(frame)) if frame.code == CloseCode::Normal));
    until("it is closed", async || connected(&gateway, &id).await["closed"]["code"] == 1000).await;
    let frames = connected(&gateway, &id).await["frames"].clone();
    assert_eq!((&frames[0]["kind"], &frames[0]["direction"]), (&json!("close"), &json!("out")));
    assert_eq!(close(&gateway.console_url).await, 404);
}

#[tokio::test]
async fn foreign_hosts_origins_and_pages_are_refused_everywhere() {
    let gateway = Gateway::start(&[]);
    gateway.post("/", &json!({})).await;
    rows(&gateway, "", 1).await;
    let paths = PAGES.iter().chain(&[
        "functions",
        "invocations.json",
        "invocations/1.json",
        "connections.json",
        "connections/x.json",
        "inbox.json",
        "cost.json",
        "console.js",
        "console.css",
        "nothing",
        "ws/@connections/L0SM9cOFvHcCIhw%3D",
        "2015-03-31/functions/Probe/invocations",
        "v2/email/outbound-emails",
    ]);

    for path in paths {
        let url = format!("{}/{path}", gateway.console_url);
        for (name, value) in [
            ("host", "evil.example"),
            ("origin", "http://evil.example"),
            ("origin", &gateway.url),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for method in [reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::DELETE] {
                let asked = gateway.http.request(method.clone(), &url).header(name, value).body("{}");
                let status = asked.send().await.unwrap().status();
                assert_eq!(status, 403, "{method} {path} with {name}: {value}");
            }
        }
    }
    let own = gateway
        .http
        .get(format!("{}/cost.json", gateway.console_url))
        .header("sec-fetch-site", "same-origin");
    assert_eq!(own.send().await.unwrap().status(), 200);
    assert_eq!(gateway.given().len(), 1, "none of it invoked a function");
}

#[tokio::test]
async fn the_cost_is_that_of_what_ran() {
    let gateway = Gateway::start(&[]);
    for _ in 0..3 {
        gateway.post("/", &json!({})).await;
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(&gateway.websocket_url).await.unwrap();
    socket.send(Message::text(json!({}).to_string())).await.unwrap();
    let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    let id = serde_json::from_str::<Value>(answer.to_text().unwrap()).unwrap()["connectionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let item = |told: &Value, what: &str| {
        let items = told["items"].as_array().unwrap();
        items.iter().find(|item| item["what"] == what).unwrap().clone()
    };
    assert_eq!(item(&gateway.console("cost.json").await, "WebSocket messages")["quantity"], 2.0);
    // Longer than 32 KB, so it is billed as two messages.
    assert_eq!(post(&gateway, &id, &"x".repeat(32 * 1024 + 1)).await, 200);

    let told = gateway.console("cost.json").await;

    let item = |what: &str| item(&told, what);
    assert_eq!(item("HTTP API")["quantity"], 3.0);
    assert_eq!(item("WebSocket messages")["quantity"], 4.0);
    // Three requests, $connect and one message.
    assert_eq!(
        (&item("Requests")["quantity"], &item("Requests")["function"]),
        (&json!(5.0), &json!("Probe"))
    );
    assert!(item("WebSocket time")["quantity"].as_f64().unwrap() > 0.0);
    let functions = gateway.console("functions").await;
    let billed = functions["functions"][0]["billedDuration"].as_f64().unwrap();
    let gigabyte_seconds = item("Duration, x86_64")["quantity"].as_f64().unwrap();
    assert!((gigabyte_seconds - billed / 1000.0 / 8.0).abs() < 1e-9);
    let sum: f64 = told["items"].as_array().unwrap().iter().map(|item| item["cost"].as_f64().unwrap()).sum();
    assert!(sum > 0.0 && (sum - told["total"].as_f64().unwrap()).abs() < 1e-12);
    let at_a_glance = gateway.console("").await;
    assert!(
        told["perMonth"].is_null() && at_a_glance["cost"]["perMonth"].is_null(),
        "not a minute has passed"
    );
}

#[tokio::test]
async fn what_is_known_of_functions_behind_cargo_lambda_is_shown() {
    // Nobody listens there, which every invocation then tells.
    let gateway = Gateway::start(&["--cargo-lambda", "http://127.0.0.1:1"]);
    let (status, _) = gateway.post("/", &json!({})).await;
    assert_eq!(status, 500);

    let row = rows(&gateway, "errors=true", 1).await.remove(0);

    assert!(row["error"].as_str().unwrap().contains("CargoLambda.Unreachable"));
    assert!(row["duration"].is_number() && row["memoryUsed"].is_null() && row["coldStart"] == false);
    let told = gateway.console("").await;
    assert_eq!((&told["cargoLambda"], &told["functions"][0]["processes"]), (&json!(true), &json!([])));
    assert_eq!(told["functions"][0]["errors"], 1);
}

#[tokio::test]
async fn faults_that_are_on_are_told() {
    let gateway = Gateway::start(&["--strict=freeze", "--strict-seed", "7"]);
    let (_, answer) = gateway.post("/", &json!({})).await;
    assert!(answer["pid"].is_number());

    let told = gateway.console("").await;

    assert_eq!(told["faults"], json!(["strict: freeze; --strict-seed 7"]));
    let options = ["--deliver-twice", "--post-limit", "5,7", "--post-latency", "60"];
    let faulty = Gateway::start(&options).console("").await;
    assert_eq!(faulty["faults"], json!(["--deliver-twice", "--post-limit 5,7", "--post-latency 60 ms"]));
    let few = Gateway::start(&["--post-limit", "0.5"]).console("").await;
    assert_eq!(few["faults"], json!(["--post-limit 0.5,1"]));
    assert_eq!(Gateway::start(&[]).console("").await["faults"], json!([]));
    until("an idle process is told to be frozen", async || {
        gateway.console("functions").await["functions"][0]["processes"][0]["frozen"] == true
    })
    .await;
}
