//! The management API, asked by the AWS SDK.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::curl::Request;
use crate::support::sdk::{management, management_at};
use crate::support::socket::{Handshake, Socket, UPGRADE};
use crate::support::{PATIENCE, Target, at, returning, text};

/// The pause of those who ask until an answer changes.
const BETWEEN_ASKING: Duration = Duration::from_millis(50);

/// The status, the type in its header, and the body of a refusal.
macro_rules! refusal {
    ($result:expr) => {{
        let error: SdkError<_> = $result.unwrap_err();
        let raw = error.raw_response().expect("an answer").clone();
        let kind = raw.headers().get("x-amzn-errortype").unwrap_or_default().to_owned();
        let kind = kind.split(':').next().unwrap_or_default().to_owned();
        let body = raw.body().bytes().unwrap_or_default().to_vec();
        (raw.status().as_u16(), kind, body, error.into_service_error())
    }};
}

/// The id of a connection that is closed again, as the API knows.
async fn closed() -> String {
    let (mut socket, connect, mut watcher) = Socket::open_watched().await;
    socket.close(None).await;
    watcher.watched("DISCONNECT").await;
    text(&connect, "requestContext.connectionId").to_owned()
}

async fn post(id: &str, text: &str) {
    management().post_to_connection().connection_id(id).data(Blob::new(text)).send().await.unwrap();
}

/// Source: DG "Use @connections commands in your backend service"; API Gateway Management API reference,
/// "`PostToConnection`".
#[tokio::test]
async fn a_post_is_a_text_frame() {
    let (mut socket, id) = Socket::open_with_id().await;

    post(&id, r#"{"posted":"é 🦀"}"#).await;

    assert_eq!(socket.text().await, r#"{"posted":"é 🦀"}"#);
}

/// Source: DG "Use @connections commands in your backend service": from within a function.
#[tokio::test]
async fn a_function_posts_to_its_own_connection() {
    let told = Socket::open().await.ask(&json!({ "do": "tell" })).await;

    assert_eq!(text(&told, "told.requestContext.routeKey"), "twoWay");
}

/// Source: DG "Use @connections commands in your backend service"; whoever waits for each answer has posted in
/// order.
#[tokio::test]
async fn posts_one_after_the_other_arrive_in_order() {
    let (mut socket, id) = Socket::open_with_id().await;

    for number in 0..20 {
        post(&id, &number.to_string()).await;
    }

    for number in 0..20 {
        assert_eq!(socket.next().await, number);
    }
}

/// Source: DG "Quotas for configuring and running a WebSocket API": 128 KB, via @connections too.
#[tokio::test]
async fn a_post_may_be_as_large_as_a_message() {
    let (mut socket, id) = Socket::open_with_id().await;

    post(&id, &"x".repeat(128_000)).await;

    assert_eq!(socket.text().await.len(), 128_000);
}

/// Source: API Gateway Management API reference, "`PostToConnection`": `PayloadTooLargeException`.
#[tokio::test]
async fn a_larger_post_is_refused_by_type() {
    let (_socket, id) = Socket::open_with_id().await;

    let sent =
        management().post_to_connection().connection_id(id).data(Blob::new(vec![b'x'; 135_000])).send().await;

    let (status, kind, _, error) = refusal!(sent);
    assert_eq!((status, kind.as_str()), (413, "PayloadTooLargeException"));
    assert!(error.is_payload_too_large_exception());
}

/// Source: API Gateway Management API reference, "`GetConnection`".
#[tokio::test]
async fn a_connection_is_described() {
    let (mut socket, _) = Socket::open_with_id().await;
    let event = socket.event().await;

    let id = text(&event, "requestContext.connectionId");
    let described = management().get_connection().connection_id(id).send().await.unwrap();

    let connected_at = at(&event, "requestContext.connectedAt").as_i64().unwrap();
    let told = described.connected_at().unwrap().to_millis().unwrap();
    assert!((told - connected_at).abs() < 2_000, "{told} and {connected_at}");
    assert!(described.last_active_at().unwrap().to_millis().unwrap() >= told);
    assert_eq!(
        described.identity().unwrap().source_ip(),
        Some(text(&event, "requestContext.identity.sourceIp"))
    );
}

/// Source: API Gateway Management API reference, "`GetConnection`": `lastActiveAt`.
#[tokio::test]
async fn a_message_makes_a_connection_active() {
    let (mut socket, id) = Socket::open_with_id().await;
    let last_active = async || {
        let described = management().get_connection().connection_id(&id).send().await.unwrap();
        described.last_active_at().unwrap().to_millis().unwrap()
    };

    let before = last_active().await;
    // The time may be told in whole seconds.
    sleep(Duration::from_millis(1200)).await;
    socket.order("oneWay", &returning(&json!({ "statusCode": 200 }))).await;

    let deadline = Instant::now() + PATIENCE;
    while last_active().await <= before {
        assert!(Instant::now() < deadline, "it was last active when it was before");
        sleep(BETWEEN_ASKING).await;
    }
}

/// Source: API Gateway Management API reference, "`DeleteConnection`"; aws/aws-sdk-js issue 3636: the code is
/// 1000.
#[tokio::test]
async fn a_deleted_connection_is_closed_with_1000() {
    let (mut socket, id) = Socket::open_with_id().await;

    management().delete_connection().connection_id(&id).send().await.unwrap();

    assert_eq!(socket.close_code().await, Some(1000));
}

/// Source: boto/boto3 issue 3789; aws/chalice issue 2060.
#[tokio::test]
async fn a_deleted_connection_has_its_disconnect() {
    let (_socket, connected, mut watcher) = Socket::open_watched().await;

    let id = text(&connected, "requestContext.connectionId");
    management().delete_connection().connection_id(id).send().await.unwrap();

    let event = watcher.watched("DISCONNECT").await;
    assert_eq!(text(&event, "requestContext.connectionId"), id);
    assert_eq!(at(&event, "requestContext.disconnectStatusCode"), 1000);
    assert_eq!(text(&event, "requestContext.disconnectReason"), "Connection Closed Normally");
}

/// Source: API Gateway Management API reference, "`PostToConnection`": `GoneException`; issue 9 of
/// georgeboot/laravel-echo-api-gateway and aws/aws-sdk-java issue 2200: there is no body.
#[tokio::test]
async fn a_post_to_a_closed_connection_is_gone_without_a_body() {
    let id = closed().await;

    let sent = management().post_to_connection().connection_id(id).data(Blob::new("late")).send().await;

    let (status, kind, body, error) = refusal!(sent);
    assert_eq!((status, kind.as_str(), body.len()), (410, "GoneException", 0));
    assert!(error.is_gone_exception());
}

/// Source: API Gateway Management API reference, "`GetConnection`" and "`DeleteConnection`": `GoneException`.
#[tokio::test]
async fn a_closed_connection_is_neither_described_nor_deleted() {
    let id = closed().await;

    let described = management().get_connection().connection_id(&id).send().await;
    let deleted = management().delete_connection().connection_id(&id).send().await;

    assert!(described.unwrap_err().into_service_error().is_gone_exception());
    assert!(deleted.unwrap_err().into_service_error().is_gone_exception());
}

/// Source: API Gateway Management API reference, "`DeleteConnection`": after a deletion the connection is gone.
#[tokio::test]
async fn a_deleted_connection_is_gone() {
    let (mut socket, id) = Socket::open_with_id().await;
    management().delete_connection().connection_id(&id).send().await.unwrap();
    socket.close_code().await;

    let sent = management().post_to_connection().connection_id(id).data(Blob::new("late")).send().await;

    assert!(sent.unwrap_err().into_service_error().is_gone_exception());
}

/// Source: dherault/serverless-offline issue 749; localstack/localstack issue 4694.
#[tokio::test]
async fn an_id_of_another_shape_is_a_bad_request() {
    let sent =
        management().post_to_connection().connection_id("no-such-id").data(Blob::new("x")).send().await;

    let (status, kind, body, error) = refusal!(sent);
    assert_eq!((status, kind.as_str()), (400, "BadRequestException"));
    assert_eq!(error.code(), Some("BadRequestException"));
    assert!(String::from_utf8_lossy(&body).contains("Invalid connectionId: no-such-id"));
}

/// Source: API Gateway Management API reference, "`PostToConnection`": `ForbiddenException`; DG "Use @connections
/// commands in your backend service": the stage is part of the address.
#[tokio::test]
async fn another_stage_is_forbidden() {
    let (_socket, id) = Socket::open_with_id().await;
    let url = format!("{}elsewhere", Target::get().management_url);

    let sent = management_at(&url).post_to_connection().connection_id(id).data(Blob::new("x")).send().await;

    let (status, kind, _, error) = refusal!(sent);
    assert_eq!((status, kind.as_str()), (403, "ForbiddenException"));
    assert!(error.is_forbidden_exception());
}

/// Source: DG "Use @connections commands in your backend service": requests are signed.
#[tokio::test]
async fn a_request_without_a_signature_is_forbidden() {
    let (mut socket, id) = Socket::open_with_id().await;
    let url = format!("{}/@connections/{}", Target::get().management_url, id.replace('=', "%3D"));

    let answer = Request::to("POST", &url).body("unsigned").send().await;

    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(socket.id().await, id);
}

/// Source: DG "Manage connected users and client apps: $connect and $disconnect routes": when `$disconnect` runs,
/// the connection is closed already.
#[tokio::test]
async fn a_post_after_the_clients_end_is_gone_soon() {
    let (mut socket, id) = Socket::open_with_id().await;
    socket.close(Some((1000, ""))).await;
    socket.close_code().await;

    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let sent = management().post_to_connection().connection_id(&id).data(Blob::new("late")).send().await;
        match sent {
            Err(error) => return assert!(error.into_service_error().is_gone_exception()),
            Ok(_) => assert!(Instant::now() < deadline, "it is still posted to"),
        }
        sleep(BETWEEN_ASKING).await;
    }
}

/// Source: API Gateway Management API reference, "`PostToConnection`": `LimitExceededException`, also when the
/// buffer of the client is full.
#[tokio::test]
async fn posts_to_a_client_that_does_not_read_are_refused_by_type() {
    let (mut watcher, watcher_id) = Socket::open_with_id().await;
    let user_agent = format!("User-Agent: suite watcher={watcher_id}");
    let lines = [&UPGRADE[..], &[user_agent.as_str()]].concat();
    let (head, _unread) = Handshake::new().raw(&lines).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let event = watcher.watched("CONNECT").await;
    let id = text(&event, "requestContext.connectionId");
    let (client, frame) = (management(), "x".repeat(120_000));

    for _ in 0..500 {
        let sent = client.post_to_connection().connection_id(id).data(Blob::new(frame.clone())).send().await;
        if let Err(error) = sent {
            let raw = error.raw_response().unwrap().status().as_u16();
            let error = error.into_service_error();
            assert!(error.is_limit_exceeded_exception(), "{error:?}");
            return assert_eq!(raw, 429);
        }
    }
    panic!("what waits for a client is not bounded");
}
