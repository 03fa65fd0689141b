//! A project that is not the gateway's own: `examples/parcels`, as it is.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Gateway, PATIENCE, Project};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/parcels/template.yaml");

/// The project over the binaries that `cargo build --release --workspace --bins` put beside the gateway's.
fn start() -> Gateway {
    let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_gateway")).parent().unwrap();
    assert!(
        binaries.join("parcels-tracker").exists(),
        "build the example first: cargo build --release --workspace --bins"
    );
    let project = Project {
        template: TEMPLATE,
        functions: binaries.to_str().unwrap(),
        overrides: &[("CourierKeys", "ann:open,bob:sesame"), ("Depot", "south")],
    };
    Gateway::of(&project, &[])
}

async fn get(gateway: &Gateway, path: &str, key: Option<&str>) -> (u16, Value) {
    let request = gateway.http.get(format!("{}{path}", gateway.url));
    let request = key.into_iter().fold(request, |request, key| request.header("X-Depot-Key", key));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(gateway: &Gateway, key: &str) -> Result<Socket, Error> {
    let url = format!("{}{key}", gateway.websocket_url);
    tokio_tungstenite::connect_async(url).await.map(|(socket, _)| socket)
}

async fn next(socket: &mut Socket) -> Value {
    let frame = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    serde_json::from_str(frame.to_text().unwrap()).unwrap()
}

async fn send(socket: &mut Socket, message: &str) {
    socket.send(Message::text(message)).await.unwrap();
}

#[tokio::test]
async fn the_http_api_answers_couriers_in_its_stage() {
    let gateway = start();

    assert_eq!(get(&gateway, "/v1/health", None).await, (200, json!({"healthy": true})));
    assert_eq!(get(&gateway, "/v1/parcels/42", None).await, (401, json!({"message": "Unauthorized"})));
    assert_eq!(get(&gateway, "/v1/parcels/42", Some("shut")).await, (403, json!({"message": "Forbidden"})));
    assert_eq!(get(&gateway, "/parcels/42", Some("open")).await, (404, json!({"message": "Not Found"})));
    assert_eq!(
        get(&gateway, "/v1/parcels/42", Some("sesame")).await,
        (200, json!({"parcel": "42", "depot": "south", "askedBy": "bob"}))
    );
}

#[tokio::test]
async fn the_websocket_api_lets_couriers_in_and_nobody_else() {
    let gateway = start();

    for (key, expected) in [("", 401), ("?key=", 401), ("?key=shut", 403)] {
        let Err(Error::Http(refusal)) = connect(&gateway, key).await else { panic!("{key}") };
        assert_eq!(refusal.status().as_u16(), expected, "{key}");
    }
    assert!(connect(&gateway, "?key=open").await.is_ok());
}

#[tokio::test]
async fn each_message_goes_to_the_route_of_its_key_which_answers_or_does_not() {
    let gateway = start();
    let mut socket = connect(&gateway, "?key=open").await.unwrap();
    let place = json!({"parcel": "7", "depot": "south", "askedBy": "ann"});

    send(&mut socket, r#"{"do": "parcel/where", "parcel": "7"}"#).await;
    assert_eq!(next(&mut socket).await, place);
    send(&mut socket, r#"{"do": "parcel/follow", "parcel": "7"}"#).await;
    assert_eq!(next(&mut socket).await, json!({"followed": place}));
    for other in [r#"{"do": "parcel/lose"}"#, "not json", r#"{"do": "$connect"}"#] {
        // Nothing else has come meanwhile: the one-way route's own body is not sent.
        send(&mut socket, other).await;
        assert_eq!(next(&mut socket).await, json!({"error": "do parcel/where or parcel/follow"}), "{other}");
    }
}
