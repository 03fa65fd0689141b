//! Frames as RFC 6455 has them, and what API Gateway takes of it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::support::socket::{Handshake, Socket, UPGRADE};
use crate::support::{PATIENCE, at, text};

/// A message of so many bytes for the two-way route, which answers how many it saw.
fn long(size: usize) -> String {
    let empty = json!({ "action": "twoWay", "do": "size", "filler": "" }).to_string();
    json!({ "action": "twoWay", "do": "size", "filler": "x".repeat(size - empty.len()) }).to_string()
}

/// Sends bytes after a handshake and gives the code of the close frame that comes back, if one does; nothing else may.
async fn code_after(bytes: &[u8]) -> Option<u16> {
    let (head, mut stream) = Handshake::new().raw(&UPGRADE).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset may follow the close frame, or come instead.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    match answer.as_slice() {
        [] | [0x88, 0] => None,
        [0x88, length, high, low, ..] if *length >= 2 => Some(u16::from_be_bytes([*high, *low])),
        other => panic!("neither a close frame nor the end: {other:?}"),
    }
}

fn code_in(event: &Value) -> &Value {
    at(event, "requestContext.disconnectStatusCode")
}

/// Source: DG "Working with binary media types for WebSocket APIs".
#[tokio::test]
async fn a_binary_frame_ends_the_connection_with_1003() {
    let (mut socket, _, mut watcher) = Socket::open_watched().await;

    socket.send(Message::binary(vec![1, 2, 3])).await;

    assert_eq!(socket.close_code().await, Some(1003));
    assert_eq!(code_in(&watcher.watched("DISCONNECT").await), 1003);
}

/// Source: DG "Quotas for configuring and running a WebSocket API": frames of at most 32 KB, else 1009.
#[tokio::test]
async fn a_frame_larger_than_the_quota_ends_the_connection_with_1009() {
    let (mut socket, _, mut watcher) = Socket::open_watched().await;

    socket.frame(long(33_500).as_bytes(), OpCode::Data(Data::Text), true).await;

    assert_eq!(socket.close_code().await, Some(1009));
    assert_eq!(code_in(&watcher.watched("DISCONNECT").await), 1009);
}

/// Source: DG "Quotas for configuring and running a WebSocket API".
#[tokio::test]
async fn a_frame_within_the_quota_is_taken() {
    let mut socket = Socket::open().await;

    socket.say(long(32_000)).await;

    assert_eq!(socket.next().await, 32_000);
}

/// Source: DG "Quotas for configuring and running a WebSocket API": messages of up to 128 KB, in frames of up to
/// 32 KB.
#[tokio::test]
async fn a_large_message_comes_in_several_frames() {
    let mut socket = Socket::open().await;

    socket.say_in_fragments(&long(128_000), 32_000).await;

    assert_eq!(socket.next().await, 128_000);
}

/// Source: DG "Quotas for configuring and running a WebSocket API".
#[tokio::test]
async fn a_message_larger_than_the_quota_ends_the_connection_with_1009() {
    let mut socket = Socket::open().await;

    socket.say_in_fragments(&long(135_000), 30_000).await;

    assert_eq!(socket.close_code().await, Some(1009));
}

/// Source: RFC 6455, section 5.4: control frames may stand between the fragments of a message.
#[tokio::test]
async fn fragments_are_joined_with_a_ping_between_them() {
    let mut socket = Socket::open().await;
    let message = json!({ "action": "twoWay", "do": "echo", "text": "é" }).to_string();
    // Within a character.
    let (first, second) = message.as_bytes().split_at(message.find('é').unwrap() + 1);

    socket.frame(first, OpCode::Data(Data::Text), false).await;
    socket.send(Message::Ping("between".into())).await;
    socket.frame(b"", OpCode::Data(Data::Continue), false).await;
    socket.frame(second, OpCode::Data(Data::Continue), true).await;

    assert!(matches!(socket.message().await, Some(Message::Pong(payload)) if payload == "between"));
    assert_eq!(text(&socket.next().await, "body"), message);
}

/// Source: RFC 6455, sections 5.5.2 and 5.5.3.
#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let mut socket = Socket::open().await;

    socket.send(Message::Ping("are you there?".into())).await;

    assert!(matches!(socket.message().await, Some(Message::Pong(payload)) if payload == "are you there?"));
}

/// Source: RFC 6455, section 5.5.3: an unsolicited pong expects no answer.
#[tokio::test]
async fn a_pong_is_no_message() {
    let mut socket = Socket::open().await;

    socket.send(Message::Pong("unasked".into())).await;

    assert_eq!(text(&socket.event().await, "requestContext.routeKey"), "twoWay");
}

/// Source: RFC 6455, sections 5.5.1 and 7.1.5: the answer to a close frame is one with its code.
#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    let mut socket = Socket::open().await;

    socket.close(Some((1000, "done"))).await;

    assert_eq!(socket.close_code().await, Some(1000));
}

/// Source: RFC 6455, section 8.1.
#[tokio::test]
async fn a_text_that_is_no_utf_8_ends_the_connection_with_1007() {
    let mut socket = Socket::open().await;

    socket.frame(&[b'a', 0xff, 0xfe], OpCode::Data(Data::Text), true).await;

    assert_eq!(socket.close_code().await, Some(1007));
}

/// Source: RFC 6455, section 5.1: a server closes the connection, and may say 1002.
#[tokio::test]
async fn a_frame_without_a_mask_ends_the_connection() {
    let code = code_after(b"\x81\x02{}").await;

    assert!(matches!(code, None | Some(1002)), "{code:?}");
}

/// Source: RFC 6455, section 5.2: the receiver fails the connection.
#[tokio::test]
async fn a_frame_with_a_reserved_bit_ends_the_connection() {
    let code = code_after(b"\xc1\x82\0\0\0\0{}").await;

    assert!(matches!(code, None | Some(1002)), "{code:?}");
}

/// Source: RFC 6455, section 5.2: the receiver fails the connection.
#[tokio::test]
async fn a_frame_of_an_unknown_kind_ends_the_connection() {
    let code = code_after(b"\x83\x82\0\0\0\0{}").await;

    assert!(matches!(code, None | Some(1002)), "{code:?}");
}

/// Source: RFC 6455, section 5.5: control frames are never fragmented.
#[tokio::test]
async fn a_ping_in_fragments_ends_the_connection() {
    let mut socket = Socket::open().await;

    socket.frame(b"half", OpCode::Control(Control::Ping), false).await;

    let code = socket.close_code().await;
    assert!(matches!(code, None | Some(1002)), "{code:?}");
}

/// Source: RFC 6455, section 5.4: a continuation follows a beginning.
#[tokio::test]
async fn a_continuation_of_nothing_ends_the_connection() {
    let mut socket = Socket::open().await;

    socket.frame(b"{}", OpCode::Data(Data::Continue), true).await;

    let code = socket.close_code().await;
    assert!(matches!(code, None | Some(1002)), "{code:?}");
}
