//! Whatever a function returns makes a response that can be sent, or none.

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::fuzz;
use crate::responses;

/// Any JSON.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec![200, 101, 404, 599, 600, 0, 99, -1, 65_536]).prop_map(Value::from),
        select(vec!["aGVsbG8=", "hello", "caf\u{e9}\n", "\u{0}", "text/plain", "\r\n"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-zA-Z-]{0,8}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What looks like a proxy response, some of it wrong.
fn proxy_response() -> impl Strategy<Value = Value> {
    let keys = ["statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded", "extra"];
    let good = select(vec![
        json!(200),
        json!(204),
        json!({"content-type": "a/b", "Sec-WebSocket-Protocol": "x"}),
        json!({"X": 1, "x": true}),
        json!(["a=1", "b=\u{e9}"]),
        json!("aGVsbG8="),
        json!(true),
        json!(false),
        json!({"content-length": "9"}),
    ]);
    vec((select(keys.to_vec()), prop_oneof![good, value()]), 0..7).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    })
}

fn check(response: &Bytes, read: Option<&Map<String, Value>>) {
    for method in [Method::GET, Method::HEAD] {
        if let Some(answer) = responses::http(response, &method) {
            assert!(answer.status().as_u16() >= 200, "{}", answer.status());
            let collected = futures_util::FutureExt::now_or_never(answer.into_body().collect());
            let body = collected.unwrap().unwrap().to_bytes();
            let plain = read.filter(|read| {
                read.contains_key("statusCode") && read.get("isBase64Encoded") != Some(&json!(true))
            });
            if let Some(Value::String(text)) = plain.and_then(|read| read.get("body")) {
                assert_eq!(body, text.as_bytes());
            }
        } else {
            let is_json = serde_json::from_slice::<Value>(response).is_ok();
            assert!(
                !is_json || read.is_some_and(|read| read.contains_key("statusCode")),
                "no inferred response"
            );
        }
    }
    if let Some(answer) = responses::websocket(response) {
        assert!((100..=599).contains(&answer.status));
        if let Some(read) = read {
            assert_eq!(read["statusCode"], answer.status);
            assert!(!read.contains_key("extra"));
        }
    }
}

#[test]
fn what_a_function_returns_makes_a_response_or_none() {
    let inputs = prop_oneof![proxy_response(), value()];
    fuzz("frames: responses of functions", 25, &inputs, |value| {
        check(&value.to_string().into(), value.as_object());
    });
}

#[test]
fn what_is_no_json_makes_no_response() {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..40),
        r#"[{}"\[\]:,a-c0-9 ]{0,30}"#.prop_map(String::into_bytes),
        // Deeper than any reader may recur.
        (1..3_000_usize, select(vec!["[", r#"{"a":"#, r#"{"statusCode":200,"headers":{"a":"#]))
            .prop_map(|(n, open)| open.repeat(n).into_bytes()),
    ];
    fuzz("frames: bytes of functions", 10, &bytes, |bytes| check(&bytes.into(), None));
}
