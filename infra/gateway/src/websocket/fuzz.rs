//! Any bytes on an open connection, and any frames: what comes of them is what RFC 6455 and the limits say.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Runtime;

use super::route_selection::tests::api;
use super::{MESSAGE_LIMIT, route_selection, socket};
use crate::events::ConnectionFacts;
use crate::fuzzing::fuzz;
use crate::gateway::Gateway;
use crate::journal::Journal;
use crate::template::StageVariables;

const FRAME_LIMIT: u64 = 32 * 1024;

/// A gateway whose WebSocket API has no routes, so that each message is answered with one frame.
struct Rig {
    runtime: Runtime,
    gateway: Arc<Gateway>,
}

/// What a client saw, and what `$disconnect` would tell.
#[derive(Debug)]
struct Seen {
    code: u16,
    answers: usize,
    /// The code of the server's close frame, 1005 if that has none.
    closed: Option<u16>,
}

impl Rig {
    fn new() -> Self {
        let (journal, _writer) = Journal::open(None, true).unwrap();
        let api = api("$request.body.type", &[]);
        let gateway = Gateway { websocket_api: Some(api), ..Gateway::bare(journal) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, gateway: Arc::new(gateway) }
    }

    /// Serves a connection on which a client sends bytes in pieces and then no more.
    fn serve(&self, sent: &[u8], piece: usize) -> Seen {
        self.runtime.block_on(async {
            let (client, server) = duplex(4096);
            let (mut read, mut write) = tokio::io::split(client);
            let (connection, outgoing) = self.gateway.connections.admit(facts());
            let sending = async {
                for piece in sent.chunks(piece) {
                    // Fails when the server has ended the connection, which is its right.
                    if write.write_all(piece).await.is_err() {
                        break;
                    }
                }
                let _ = write.shutdown().await;
            };
            let receiving = async {
                let mut received = Vec::new();
                read.read_to_end(&mut received).await.unwrap();
                received
            };
            let serving = socket::serve(&self.gateway, &connection, server, Bytes::new(), outgoing);
            let all = async { tokio::join!(sending, receiving, serving) };
            let ((), received, (code, _reason)) =
                tokio::time::timeout(Duration::from_secs(20), all).await.expect("the connection ends");
            assert!(self.gateway.connections.find(&connection.facts.id).is_none(), "it is still posted to");
            assert!(connection.queued_bytes.load(Ordering::Relaxed) <= 1024 * 1024);
            let (answers, closed) = taken_apart(&received);
            Seen { code, answers, closed }
        })
    }
}

fn facts() -> ConnectionFacts {
    ConnectionFacts {
        id: "L0SM9cOFvHcCIhw=".to_owned(),
        connected_at: 1_700_000_000_000,
        source_ip: "127.0.0.1".to_owned(),
        user_agent: None,
        domain_name: "localhost".to_owned(),
        api_id: "ws".to_owned(),
        stage: "ws".to_owned(),
        stage_variables: StageVariables::new(),
        authorizer: None,
    }
}

/// Reads what the server sent: whole, unmasked frames that no extension touched, and nothing after a close frame.
fn taken_apart(received: &[u8]) -> (usize, Option<u16>) {
    let (mut answers, mut closed, mut rest) = (0, None, received);
    while let [first, second, after @ ..] = rest {
        assert!(closed.is_none(), "a frame after the close frame");
        assert_eq!(first & 0xf0, 0x80, "a fragment, or an extension");
        let (length, after) = match second {
            126 => (usize::from(u16::from_be_bytes([after[0], after[1]])), &after[2..]),
            length => (usize::from(*length), after),
        };
        // A connection that the client broke may end within a frame.
        let Some(payload) = after.get(..length) else { break };
        match first & 0x0f {
            1 => {
                let answer: Value = serde_json::from_slice(payload).unwrap();
                assert_eq!(answer["message"], "Forbidden");
                answers += 1;
            }
            8 => {
                std::str::from_utf8(payload.get(2..).unwrap_or_default()).unwrap();
                closed = Some(payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]])));
            }
            10 => assert!(length <= 125),
            other => panic!("a frame with the opcode {other}"),
        }
        rest = &after[length..];
    }
    (answers, closed)
}

#[derive(Debug, Clone)]
struct Frame {
    is_final: bool,
    reserved: u8,
    opcode: u8,
    is_masked: bool,
    /// A length other than that of the payload, in eight bytes.
    claimed: Option<u64>,
    payload: Vec<u8>,
}

impl Frame {
    fn length(&self) -> u64 {
        self.claimed.unwrap_or(self.payload.len() as u64)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode);
        let mask = u8::from(self.is_masked) << 7;
        match (self.claimed, self.payload.len()) {
            (None, length @ 0..126) => bytes.push(mask | u8::try_from(length).unwrap()),
            (None, length @ 126..65_536) => {
                bytes.push(mask | 0x7e);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            (claimed, length) => {
                bytes.push(mask | 0x7f);
                bytes.extend(claimed.unwrap_or(length as u64).to_be_bytes());
            }
        }
        let key = [7, 77, 177, 200];
        if self.is_masked {
            bytes.extend(key);
        }
        let mask = |(at, byte): (usize, &u8)| if self.is_masked { byte ^ key[at % 4] } else { *byte };
        bytes.extend(self.payload.iter().enumerate().map(mask));
    }
}

/// What should come of frames: the code that ends the connection, whether the server says it, and the messages
/// before it.
#[derive(Debug)]
struct Expected {
    code: u16,
    by_server: bool,
    messages: usize,
}

/// RFC 6455 and the quotas of WebSocket APIs, frame by frame.
fn expected(frames: &[Frame]) -> Expected {
    let mut messages = 0;
    let mut message: Option<(u8, Vec<u8>)> = None;
    let mut end = None;
    for frame in frames {
        end = step(frame, &mut message, &mut messages);
        if end.is_some() {
            break;
        }
    }
    // The client has left without a close frame.
    let (code, by_server) = end.unwrap_or((1006, false));
    Expected { code, by_server, messages }
}

fn step(frame: &Frame, message: &mut Option<(u8, Vec<u8>)>, messages: &mut usize) -> Option<(u16, bool)> {
    if matches!(frame.opcode, 3..=7 | 11..=15) {
        return Some((1002, true));
    }
    if frame.length() > FRAME_LIMIT {
        return Some((1009, true));
    }
    // A frame that says it is longer than what is sent never ends; then the client leaves.
    if frame.claimed.is_some_and(|claimed| claimed > frame.payload.len() as u64) {
        return Some((1006, false));
    }
    let is_control = frame.opcode >= 8;
    if !frame.is_masked
        || frame.reserved != 0
        || (is_control && (!frame.is_final || frame.payload.len() > 125))
    {
        return Some((1002, true));
    }
    match (frame.opcode, message.as_mut()) {
        (8, _) => return Some(closing(&frame.payload)),
        (9 | 10, _) => return None,
        (0, Some((_, collected))) => collected.extend(&frame.payload),
        (0, None) | (1 | 2, Some(_)) => return Some((1002, true)),
        (opcode, None) => *message = Some((opcode, frame.payload.clone())),
        (opcode, Some(_)) => unreachable!("{opcode} is none of those above"),
    }
    let (opcode, collected) = message.as_ref()?;
    if collected.len() > MESSAGE_LIMIT {
        return Some((1009, true));
    }
    if *opcode == 1 {
        // What may still become a character is no error before the message's end.
        let error = std::str::from_utf8(collected).err();
        if error.is_some_and(|error| frame.is_final || error.error_len().is_some()) {
            return Some((1007, true));
        }
    } else if frame.is_final {
        return Some((1003, true));
    }
    if frame.is_final {
        *message = None;
        *messages += 1;
    }
    None
}

fn closing(payload: &[u8]) -> (u16, bool) {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { (1005, false) } else { (1002, true) };
    };
    if std::str::from_utf8(reason).is_err() {
        return (1007, true);
    }
    match u16::from_be_bytes([*high, *low]) {
        code @ (1000..=1003 | 1007..=1013 | 3000..=4999) => (code, false),
        // The answer to a close frame with a code that none may have is a close frame, too.
        _ => (1002, false),
    }
}

fn payload() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        6 => any::<String>().prop_map(String::into_bytes),
        4 => vec(any::<u8>(), 0..20),
        2 => select(vec![&b"\xf0\x9f"[..], b"\x98\x80", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"caf\xc3\xa9"]).prop_map(<[u8]>::to_vec),
        2 => (0..5_000_u16, ".{0,8}").prop_map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat()),
        1 => (120..130_usize).prop_map(|length| vec![b'x'; length]),
        1 => select(vec![32_767, 32_768, 32_769, 65_535, 65_536, 70_000]).prop_map(|length| vec![b'x'; length]),
    ]
    .boxed()
}

fn frame() -> impl Strategy<Value = Frame> {
    let opcode =
        prop_oneof![6 => Just(1_u8), 4 => Just(0), 1 => Just(2), 1 => Just(8), 2 => 9..=10_u8, 1 => 0..16_u8];
    let claimed = prop_oneof![
        40 => Just(None),
        1 => prop_oneof![any::<u64>(), 0..70_000_u64, Just(u64::MAX), Just(1 << 63)].prop_map(Some),
    ];
    (
        prop::bool::weighted(0.7),
        prop_oneof![40 => Just(0_u8), 1 => 1..8_u8],
        opcode,
        prop::bool::weighted(0.97),
        claimed,
        payload(),
    )
        .prop_map(|(is_final, reserved, opcode, is_masked, claimed, mut payload)| {
            // Too short a claim would make frames of the rest.
            if let Some(claimed) = claimed.and_then(|claimed| usize::try_from(claimed).ok()) {
                payload.truncate(claimed);
            }
            Frame { is_final, reserved, opcode, is_masked, claimed, payload }
        })
}

#[test]
fn frames_are_taken_as_the_protocol_says() {
    let rig = Rig::new();
    let inputs = (vec(frame(), 0..10), prop_oneof![1..8_usize, Just(100_000)]);
    fuzz("frames: sequences of frames", 35, &inputs, |(frames, piece)| {
        // What comes after a frame that says it is longer would be the rest of it.
        let short = |frame: &Frame| frame.claimed.is_some_and(|claimed| claimed > frame.payload.len() as u64);
        let frames: Vec<Frame> = match frames.iter().position(short) {
            Some(last) => frames[..=last].to_vec(),
            None => frames,
        };
        let mut sent = Vec::new();
        for frame in &frames {
            frame.write(&mut sent);
        }
        let expected = expected(&frames);

        let seen = rig.serve(&sent, if sent.len() > 1_000 { 100_000 } else { piece });

        assert_eq!(seen.code, expected.code, "{seen:?} {expected:?}");
        if expected.by_server {
            assert_eq!(seen.closed, Some(expected.code), "{seen:?} {expected:?}");
            assert_eq!(seen.answers, expected.messages, "{seen:?} {expected:?}");
        } else {
            // The client has left, perhaps before it was answered.
            assert!(seen.answers <= expected.messages, "{seen:?} {expected:?}");
        }
    });
}

#[test]
fn any_bytes_end_a_connection_by_a_code_that_there_is() {
    let rig = Rig::new();
    let inputs = (vec(any::<u8>(), 0..200), 1..64_usize);
    fuzz("frames: bytes", 15, &inputs, |(sent, piece)| {
        let seen = rig.serve(&sent, piece);

        assert!(matches!(seen.code, 1000..=1003 | 1005..=1013 | 3000..=4999), "{seen:?}");
        assert!(seen.code == 1006 || seen.closed.is_some(), "{seen:?}");
    });
}

#[test]
fn any_expression_selects_one_of_the_routes_by_any_message() {
    let name = || {
        prop_oneof![
            select(vec!["type", "a", "0", "", "$default", "é"]).prop_map(str::to_owned),
            "[a-z0-9]{0,3}"
        ]
    };
    let expression = prop_oneof![
        vec(name(), 0..4).prop_map(|names| format!("$request.body.{}", names.join("."))),
        vec((any::<bool>(), name()), 0..4).prop_map(|parts| {
            parts
                .iter()
                .map(|(is_open, name)| {
                    if *is_open {
                        format!("${{request.body.{name}")
                    } else {
                        format!("${{request.body.{name}}}-")
                    }
                })
                .collect()
        }),
        any::<String>(),
    ];
    let message = prop_oneof![
        any::<String>(),
        (name(), name(), name())
            .prop_map(|(key, inner, value)| serde_json::json!({key: value.clone(), "a": {inner: value}})
                .to_string()),
        vec(name(), 0..3).prop_map(|items| serde_json::json!({"type": items, "a": [items]}).to_string()),
        (1..1_000_usize).prop_map(|depth| "[".repeat(depth)),
    ];
    let inputs = (expression, message, any::<bool>());
    fuzz("frames: route selection", 15, &inputs, |(expression, message, has_default)| {
        let mut keys = vec!["$connect", "$disconnect", "a", "type", "0", "x"];
        keys.extend(has_default.then_some("$default"));
        let api = api(&expression, &keys);

        let selected = route_selection::select(&api, &message).map(|(key, _)| key);

        assert!(selected.is_none_or(|key| key == "$default" || !key.starts_with('$')), "{selected:?}");
        assert!(selected.is_some() || !has_default);
        if serde_json::from_str::<Value>(&message).is_err() {
            assert_eq!(selected, has_default.then_some("$default"));
        }
    });
}
