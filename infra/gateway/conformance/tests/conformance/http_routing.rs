//! Which route takes a request.

use crate::support::curl::{Request, bare, request};
use crate::support::{Target, text};

async fn route_of(method: &str, path: &str) -> String {
    text(&request(method, path).event().await, "routeKey").to_owned()
}

/// Source: DG "Create routes for HTTP APIs", "Routing API requests".
#[tokio::test]
async fn a_name_comes_before_a_variable() {
    assert_eq!(route_of("GET", "/things/special").await, "GET /things/special");
    assert_eq!(route_of("GET", "/things/other").await, "GET /things/{id}");
}

/// Source: DG "Create routes for HTTP APIs".
#[tokio::test]
async fn a_method_comes_before_any() {
    assert_eq!(route_of("GET", "/things/7").await, "GET /things/{id}");
    assert_eq!(route_of("DELETE", "/things/7").await, "ANY /things/{id}");
}

/// Source: DG "Create routes for HTTP APIs": a full match of method and path, else it is looked on.
#[tokio::test]
async fn a_name_with_another_method_leaves_the_request_to_a_variable() {
    assert_eq!(route_of("DELETE", "/things/special").await, "ANY /things/{id}");
}

/// Source: DG "Create routes for HTTP APIs": full matches before greedy ones.
#[tokio::test]
async fn a_full_match_comes_before_a_greedy_one() {
    assert_eq!(route_of("GET", "/files/one").await, "GET /files/one");
    assert_eq!(route_of("GET", "/files/two").await, "ANY /files/{proxy+}");
    assert_eq!(route_of("PUT", "/files/one").await, "ANY /files/{proxy+}");
}

/// Source: DG "Create routes for HTTP APIs".
#[tokio::test]
async fn the_longer_greedy_route_comes_first() {
    assert_eq!(route_of("GET", "/files/old/a/b").await, "ANY /files/old/{proxy+}");
    assert_eq!(route_of("GET", "/files/new/a/b").await, "ANY /files/{proxy+}");
}

/// Source: DG "Create routes for HTTP APIs": a variable is one segment.
#[tokio::test]
async fn a_variable_is_one_segment() {
    request("GET", "/things/7/8").send().await.is(404, "Not Found");
}

/// Source: DG "Create routes for HTTP APIs": `{"message":"Not Found"}` without any match.
#[tokio::test]
async fn a_path_without_a_route_is_not_found() {
    request("GET", "/nowhere").send().await.is(404, "Not Found");
}

/// Source: DG "Create routes for HTTP APIs": a route is a method and a path, and there is no 405.
#[tokio::test]
async fn a_method_without_a_route_is_not_found() {
    request("POST", "/read").send().await.is(404, "Not Found");
}

/// Source: RFC 3986, section 6.2.2.1: paths are case-sensitive; DG "Create routes for HTTP APIs".
#[tokio::test]
async fn paths_are_compared_with_their_case() {
    request("GET", "/Read").send().await.is(404, "Not Found");
}

/// Source: DG "Create routes for HTTP APIs": `$default` takes what no other route does.
#[tokio::test]
async fn the_default_route_takes_the_rest() {
    for (method, path) in [("GET", "/"), ("PATCH", "/any/depth/at/all"), ("POST", "/named/7")] {
        assert_eq!(text(&bare(method, path).event().await, "routeKey"), "$default", "{method} {path}");
    }
    assert_eq!(text(&bare("GET", "/named/7").event().await, "routeKey"), "GET /named/{item}");
}

/// Source: DG "Working with stages for HTTP APIs": a named stage is the first segment of every path.
#[tokio::test]
async fn without_its_stage_a_path_is_not_found() {
    let url =
        Target::get().bare_http_url.strip_suffix("/v1").expect("the bare API's URL ends with its stage, v1");

    Request::to("GET", &format!("{url}/named/7")).send().await.is(404, "Not Found");
}
