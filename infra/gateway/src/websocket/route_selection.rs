//! Which WebSocket route takes a message (API Gateway Developer Guide, "WebSocket selection expressions").
//!
//! A message that is no JSON, or selects no route, goes to `$default`; the reserved keys are never selected
//! by a message.

use serde_json::Value;

use crate::template::{WebSocketApi, WebSocketRoute};

/// Selects the route of a message; none if the API has no `$default` either.
pub(crate) fn select<'a>(api: &'a WebSocketApi, message: &str) -> Option<(&'a str, &'a WebSocketRoute)> {
    let custom = |key: &&String| !key.starts_with('$');
    // Without routes of its own, every message is for $default whatever it says.
    let body =
        api.routes.keys().any(|key| custom(&key)).then(|| serde_json::from_str(message).ok()).flatten();
    let selected = body.map(|body| evaluate(&api.route_selection_expression, &body));
    let route = selected.and_then(|key| api.routes.get_key_value(&key)).filter(|(key, _)| custom(key));
    let (key, route) = route.or_else(|| api.routes.get_key_value("$default"))?;
    Some((key, route))
}

/// Evaluates a selection expression on a message's body; what is missing counts as empty.
fn evaluate(expression: &str, body: &Value) -> String {
    if !expression.contains("${") {
        return variable(expression, body);
    }
    let mut key = String::new();
    let mut rest = expression;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        key.push_str(before);
        key.push_str(&variable(&format!("${}", name.trim_start_matches('$')), body));
        rest = tail;
    }
    key + rest
}

/// The value of `$request.body.path.to.value`, or the text itself if it is no variable.
fn variable(text: &str, body: &Value) -> String {
    let Some(path) = text.strip_prefix("$request.body") else { return text.to_owned() };
    let mut value = Some(body);
    for name in path.split('.').filter(|name| !name.is_empty()) {
        value = value.and_then(|value| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        });
    }
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;
    use crate::template::StageVariables;

    /// An API with these routes.
    pub(in crate::websocket) fn api(expression: &str, keys: &[&str]) -> WebSocketApi {
        let route = WebSocketRoute {
            function: 0,
            integration_timeout: Duration::from_secs(29),
            two_way: false,
            throttle: None,
        };
        WebSocketApi {
            id: "ws".to_owned(),
            stage: "ws".to_owned(),
            stage_variables: StageVariables::new(),
            authorizer: None,
            route_selection_expression: expression.to_owned(),
            routes: keys.iter().map(|key| ((*key).to_owned(), route)).collect::<HashMap<_, _>>(),
        }
    }

    fn key(api: &WebSocketApi, message: &str) -> Option<String> {
        select(api, message).map(|(key, _)| key.to_owned())
    }

    #[test]
    fn a_message_selects_its_route_by_the_expression() {
        let flat = api("$request.body.type", &["$connect", "$default", "send", "7"]);
        assert_eq!(key(&flat, r#"{"type":"send"}"#).as_deref(), Some("send"));
        assert_eq!(key(&flat, r#"{"type":7}"#).as_deref(), Some("7"));

        let nested = api("$request.body.a.b", &["$default", "send"]);
        assert_eq!(key(&nested, r#"{"a":{"b":"send"}}"#).as_deref(), Some("send"));

        let joined = api("${request.body.a}${request.body.b}", &["$default", "xy"]);
        assert_eq!(key(&joined, r#"{"a":"x","b":"y"}"#).as_deref(), Some("xy"));
    }

    #[test]
    fn everything_else_goes_to_default() {
        let api = api("$request.body.type", &["$connect", "$default", "send"]);

        for message in ["not json", "", "{}", r#"{"type":"other"}"#, r#"{"type":"$connect"}"#, "[1]"] {
            assert_eq!(key(&api, message).as_deref(), Some("$default"), "{message}");
        }
    }

    #[test]
    fn without_default_a_message_may_have_no_route() {
        let api = api("$request.body.type", &["$connect", "send"]);

        assert_eq!(key(&api, r#"{"type":"other"}"#), None);
        assert_eq!(key(&api, r#"{"type":"$connect"}"#), None);
    }
}
