//! Which route of the HTTP API takes a request (API Gateway Developer Guide, "Create routes for HTTP APIs").
//!
//! Routes are kept from the most to the least specific, so the first match is the right one: static segments
//! before variables, full matches before greedy ones, the longest greedy prefix first, a method before ANY,
//! and `$default` last. A final slash counts, and `{proxy+}` does not match nothing.

use std::cmp::Reverse;

use crate::template::HttpRoute;

/// The routes of an HTTP API in the order they are tried.
#[derive(Debug)]
pub(crate) struct Router(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    route: HttpRoute,
    key: String,
    pattern: Pattern,
}

#[derive(Debug)]
enum Pattern {
    Default,
    Path { segments: Vec<Segment>, greedy: Option<String> },
}

#[derive(Debug)]
enum Segment {
    Static(String),
    Variable(String),
}

/// A route and the values of its path variables.
#[derive(Debug)]
pub(crate) struct Matched<'a> {
    /// The route.
    pub(crate) route: &'a HttpRoute,
    /// Its key, for example `GET /items/{id}`.
    pub(crate) key: &'a str,
    /// Names and values, the values as in the path.
    pub(crate) parameters: Vec<(&'a str, &'a str)>,
}

impl Router {
    /// Sorts routes by how specific they are.
    pub(crate) fn new(routes: &[HttpRoute]) -> Self {
        let mut entries: Vec<Entry> = routes.iter().cloned().map(Entry::new).collect();
        entries.sort_by_key(Entry::rank);
        Self(entries)
    }

    /// Finds the route of a request.
    pub(crate) fn find<'a>(&'a self, method: &str, path: &'a str) -> Option<Matched<'a>> {
        self.0.iter().find_map(|entry| entry.matches(method, path))
    }
}

impl Entry {
    fn new(route: HttpRoute) -> Self {
        Self { key: route.key(), pattern: Pattern::parse(&route.path), route }
    }

    /// Smaller is tried earlier.
    fn rank(&self) -> (bool, bool, Reverse<usize>, Vec<bool>, bool) {
        let any_method = self.route.method == "ANY";
        match &self.pattern {
            Pattern::Default => (true, true, Reverse(0), Vec::new(), any_method),
            Pattern::Path { segments, greedy } => {
                let variables =
                    segments.iter().map(|segment| matches!(segment, Segment::Variable(_))).collect();
                (false, greedy.is_some(), Reverse(segments.len()), variables, any_method)
            }
        }
    }

    fn matches<'a>(&'a self, method: &str, path: &'a str) -> Option<Matched<'a>> {
        if self.route.method != "ANY" && self.route.method != method {
            return None;
        }
        Some(Matched { route: &self.route, key: &self.key, parameters: self.pattern.matches(path)? })
    }
}

impl Pattern {
    fn parse(path: &str) -> Self {
        let Some(path) = path.strip_prefix('/') else { return Self::Default };
        let mut segments: Vec<Segment> = path.split('/').map(Segment::parse).collect();
        let greedy = match segments.last() {
            Some(Segment::Variable(name)) if name.ends_with('+') => {
                Some(name.trim_end_matches('+').to_owned())
            }
            _ => None,
        };
        if greedy.is_some() {
            segments.pop();
        }
        Self::Path { segments, greedy }
    }

    fn matches<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let Self::Path { segments, greedy } = self else { return Some(Vec::new()) };
        let mut rest = Some(path.strip_prefix('/')?);
        let mut parameters = Vec::new();
        for segment in segments {
            let (head, tail) = match rest?.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (rest?, None),
            };
            match segment {
                Segment::Static(name) if name == head => {}
                Segment::Variable(name) if !head.is_empty() => parameters.push((name.as_str(), head)),
                _ => return None,
            }
            rest = tail;
        }
        match (greedy, rest) {
            (None, None) => Some(parameters),
            (Some(name), Some(rest)) if !rest.is_empty() => {
                parameters.push((name.as_str(), rest));
                Some(parameters)
            }
            _ => None,
        }
    }
}

impl Segment {
    fn parse(segment: &str) -> Self {
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(name) => Self::Variable(name.to_owned()),
            None => Self::Static(segment.to_owned()),
        }
    }
}

/// The path that routes see: a named stage is the first segment of every path.
pub(crate) fn within_stage<'a>(path: &'a str, stage: &str) -> Option<&'a str> {
    if stage == "$default" {
        return Some(path);
    }
    let rest = path.strip_prefix('/')?.strip_prefix(stage)?;
    if rest.is_empty() { Some("/") } else { rest.starts_with('/').then_some(rest) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn router(keys: &[&str]) -> Router {
        let route = |key: &&str| {
            let (method, path) = key.split_once(' ').unwrap_or(("ANY", key));
            HttpRoute {
                method: method.to_owned(),
                path: path.to_owned(),
                function: 0,
                integration_timeout: Duration::from_secs(30),
                authorization: None,
                throttle: None,
            }
        };
        Router::new(&keys.iter().map(route).collect::<Vec<_>>())
    }

    #[test]
    fn the_most_specific_route_takes_the_request() {
        let router = router(&[
            "$default",
            "ANY /{proxy+}",
            "GET /pets/{proxy+}",
            "GET /pets/dog/{id}",
            "GET /pets/dog/1",
            "ANY /pets/dog/1",
        ]);
        let key = |method: &str, path: &'static str| {
            router.find(method, path).map(|matched| matched.key.to_owned())
        };

        assert_eq!(key("GET", "/pets/dog/1").as_deref(), Some("GET /pets/dog/1"));
        assert_eq!(key("PUT", "/pets/dog/1").as_deref(), Some("ANY /pets/dog/1"));
        assert_eq!(key("GET", "/pets/dog/2").as_deref(), Some("GET /pets/dog/{id}"));
        assert_eq!(key("GET", "/pets/cat/1").as_deref(), Some("GET /pets/{proxy+}"));
        assert_eq!(key("POST", "/pets/cat/1").as_deref(), Some("ANY /{proxy+}"));
        assert_eq!(key("GET", "/").as_deref(), Some("$default"));
    }

    #[test]
    fn path_variables_hold_the_segments_as_requested() {
        let router = router(&["ANY /conversations/{id}/messages/{proxy+}"]);

        let matched = router.find("GET", "/conversations/7%20/messages/a/b").unwrap();

        assert_eq!(matched.parameters, [("id", "7%20"), ("proxy", "a/b")]);
    }

    #[test]
    fn a_greedy_variable_does_not_match_nothing_and_a_final_slash_counts() {
        let router = router(&["ANY /a/{proxy+}", "ANY /b"]);

        assert!(router.find("GET", "/a").is_none());
        assert!(router.find("GET", "/a/").is_none());
        assert!(router.find("GET", "/b/").is_none());
        assert!(router.find("GET", "/b").is_some());
    }

    #[test]
    fn a_method_without_a_route_finds_none() {
        let router = router(&["GET /a"]);

        assert!(router.find("POST", "/a").is_none());
    }

    #[test]
    fn a_named_stage_is_the_first_segment_of_the_path() {
        assert_eq!(within_stage("/x", "$default"), Some("/x"));
        assert_eq!(within_stage("/dev/x", "dev"), Some("/x"));
        assert_eq!(within_stage("/dev", "dev"), Some("/"));
        assert_eq!(within_stage("/device", "dev"), None);
    }
}
