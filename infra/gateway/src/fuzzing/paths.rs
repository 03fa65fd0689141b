//! Any path takes the route that it should, which a matcher without any cleverness tells.

use std::cmp::Ordering;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz;
use crate::ids;
use crate::routing::{Router, within_stage};
use crate::template::HttpRoute;

fn route((method, path): &(String, String)) -> HttpRoute {
    HttpRoute {
        method: method.clone(),
        path: path.clone(),
        function: 0,
        integration_timeout: Duration::from_secs(30),
        authorization: None,
        throttle: None,
    }
}

fn is_variable(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}') && segment.len() > 1
}

/// The segments of a route before its greedy variable, and whether it has one.
fn taken_apart(path: &str) -> (Vec<&str>, bool) {
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    let is_greedy = segments.last().is_some_and(|last| is_variable(last) && last.ends_with("+}"));
    if is_greedy {
        segments.pop();
    }
    (segments, is_greedy)
}

/// The values of a route's variables, if it takes the path.
fn values<'a>(route: &str, path: &'a str) -> Option<Vec<&'a str>> {
    if route == "$default" {
        return Some(Vec::new());
    }
    let (segments, is_greedy) = taken_apart(route);
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    if parts.len() < segments.len() || (!is_greedy && parts.len() != segments.len()) {
        return None;
    }
    let mut values = Vec::new();
    for (segment, part) in segments.iter().zip(&parts) {
        match is_variable(segment) {
            true if !part.is_empty() => values.push(*part),
            false if segment == part => {}
            _ => return None,
        }
    }
    if is_greedy {
        let before: usize = parts[..segments.len()].iter().map(|part| part.len() + 1).sum();
        let rest = path[1..].get(before..).filter(|rest| !rest.is_empty())?;
        values.push(rest);
    }
    Some(values)
}

/// Which of two routes that take a path is the better one.
fn compare(one: &HttpRoute, other: &HttpRoute) -> Ordering {
    let (is_default, is_any) =
        (|route: &HttpRoute| route.path == "$default", |route: &HttpRoute| route.method == "ANY");
    let ((one_segments, one_greedy), (other_segments, other_greedy)) =
        (taken_apart(&one.path), taken_apart(&other.path));
    let by_segment = |(one, other): (&&str, &&str)| is_variable(other).cmp(&is_variable(one));
    is_default(other)
        .cmp(&is_default(one))
        .then(other_greedy.cmp(&one_greedy))
        .then(one_segments.len().cmp(&other_segments.len()))
        .then_with(|| {
            let mut orders = one_segments.iter().zip(&other_segments).map(by_segment);
            orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        })
        .then(is_any(other).cmp(&is_any(one)))
}

#[test]
fn the_route_that_is_chosen_takes_the_path_and_is_the_most_specific_one() {
    let method = select(vec!["GET", "POST", "ANY"]).prop_map(str::to_owned);
    let segment = prop_oneof![
        8 => select(vec!["a", "b", "%61", "a%2Fb", "", "{x}", "{y}", "{}", "{", "+}", "é"]).prop_map(str::to_owned),
        1 => "[a-b{}+%]{0,4}",
    ];
    let last = prop_oneof![segment.clone(), Just("{proxy+}".to_owned()), Just("{+}".to_owned())];
    let path = prop_oneof![
        9 => (vec(segment, 0..4), last).prop_map(|(segments, last)| {
            segments.into_iter().chain([last]).fold(String::new(), |path, segment| path + "/" + &segment)
        }),
        1 => Just("$default".to_owned()),
    ];
    let requested = prop_oneof![
        8 => vec(select(vec!["a", "b", "%61", "a%2Fb", "", "c", "é", "{x}"]), 0..6).prop_map(|it| format!("/{}", it.join("/"))),
        1 => any::<String>(),
    ];
    let inputs = (vec((method.clone(), path), 0..8), method, requested);
    fuzz("paths: routes", 60, &inputs, |(routes, method, path)| {
        let routes: Vec<HttpRoute> = routes.iter().map(route).collect();
        let takes = |route: &&HttpRoute| {
            (route.method == "ANY" || route.method == method) && values(&route.path, &path).is_some()
        };

        let sorted = Router::new(&routes);
        let matched = sorted.find(&method, &path);

        let Some(matched) = matched else {
            assert!(!routes.iter().any(|route| takes(&route)), "a route takes it");
            return;
        };
        assert!(takes(&matched.route), "{} does not take it", matched.key);
        let parameters: Vec<&str> = matched.parameters.iter().map(|(_, value)| *value).collect();
        assert_eq!(Some(parameters), values(&matched.route.path, &path));
        for other in routes.iter().filter(takes) {
            assert!(compare(other, matched.route).is_le(), "{} would be better", other.key());
        }
    });
}

#[test]
fn a_path_is_in_its_stage_or_is_not() {
    let stage = prop_oneof![Just("$default".to_owned()), "[a-c-]{0,3}"];
    let inputs = (stage, prop_oneof!["[/a-c%-]{0,8}", any::<String>()]);
    fuzz("paths: stages", 15, &inputs, |(stage, path)| {
        let inside = within_stage(&path, &stage);

        if stage == "$default" {
            assert_eq!(inside, Some(&path[..]));
        } else if path == format!("/{stage}") {
            assert_eq!(inside, Some("/"));
        } else {
            let expected = path.starts_with(&format!("/{stage}/")).then(|| &path[1 + stage.len()..]);
            assert_eq!(inside, expected);
        }
    });
}

#[test]
fn a_connection_id_is_known_by_its_shape_however_it_is_encoded_and_no_other_text_is() {
    let encoding = vec(0..3_u8, 16);
    let inputs = (any::<[u8; 11]>(), encoding, prop_oneof!["[A-Za-z0-9_=%-]{0,20}", any::<String>()]);
    fuzz("paths: connection ids", 25, &inputs, |(bytes, encoding, other)| {
        use base64::Engine;
        let id = base64::engine::general_purpose::URL_SAFE.encode(bytes);
        let encoded: String = id
            .bytes()
            .zip(encoding)
            .map(|(byte, encoding)| match encoding {
                0 => char::from(byte).to_string(),
                1 => format!("%{byte:02x}"),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        assert_eq!(percent_decode_str(&encoded).decode_utf8_lossy(), id);
        assert!(ids::is_gateway_id(&id), "{id}");

        let decoded = percent_decode_str(&other).decode_utf8_lossy();
        let shaped = decoded.len() == 16
            && decoded.ends_with('=')
            && decoded[..15].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        assert!(shaped || !ids::is_gateway_id(&decoded), "{decoded}");
    });
}
