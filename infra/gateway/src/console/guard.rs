//! Who may ask the console port: programs of this machine, and its own pages.

use http::header::{self, HeaderMap};
use http::{Method, Request};

/// Refuses names that a page could have pointed at this machine, and what pages of other origins ask for, except a
/// link to a page from another port of this machine.
pub(super) fn is_allowed<T>(request: &Request<T>, port: u16) -> bool {
    is_local(request.headers(), port) && is_no_foreign_page(request)
}

fn is_local(headers: &HeaderMap, port: u16) -> bool {
    // The port that is the scheme's own is left out.
    let is_own = |authority: &str| {
        ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|host| authority == format!("{host}:{port}") || (port == 80 && authority == *host))
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    host.is_some_and(is_own) && origin.is_none_or(|origin| origin.strip_prefix("http://").is_some_and(is_own))
}

/// What browsers say of who asks; programs do not say it. A script or a picture is fetched without an `Origin`.
fn is_no_foreign_page<T>(request: &Request<T>) -> bool {
    let said = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    match said("sec-fetch-site") {
        None | Some("none" | "same-origin") => true,
        Some("same-site") => request.method() == Method::GET && said("sec-fetch-dest") == Some("document"),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed_at(port: u16, headers: &[(&str, &str)]) -> bool {
        let request =
            headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        is_allowed(&request.body(()).unwrap(), port)
    }

    fn allowed(headers: &[(&str, &str)]) -> bool {
        allowed_at(8081, headers)
    }

    #[test]
    fn a_host_without_a_port_is_that_of_port_80() {
        let bare = [("host", "localhost"), ("origin", "http://127.0.0.1")];
        assert!(allowed_at(80, &bare) && allowed_at(80, &[("host", "[::1]:80")]));
        assert!(!allowed(&bare) && !allowed(&bare[..1]));
        assert!(!allowed_at(80, &[("host", "evil.example")]));
    }

    #[test]
    fn a_foreign_host_or_origin_is_not_local() {
        assert!(allowed(&[("host", "127.0.0.1:8081")]));
        assert!(allowed(&[("host", "localhost:8081"), ("origin", "http://localhost:8081")]));
        assert!(allowed(&[("host", "[::1]:8081")]));
        assert!(!allowed(&[("host", "evil.example:8081")]));
        assert!(!allowed(&[("host", "localhost:8080")]));
        assert!(!allowed(&[("host", "localhost:8081"), ("origin", "http://evil.example")]));
        assert!(!allowed(&[("host", "localhost:8081"), ("origin", "null")]));
        assert!(!allowed(&[]));
    }

    #[test]
    fn another_sites_page_gets_nothing_and_another_ports_page_may_only_link() {
        let from = |site, destination| {
            allowed(&[("host", "localhost:8081"), ("sec-fetch-site", site), ("sec-fetch-dest", destination)])
        };

        assert!(from("none", "document") && from("same-origin", "empty"));
        assert!(from("same-site", "document"));
        assert!(!from("same-site", "script") && !from("same-site", "iframe") && !from("same-site", "empty"));
        assert!(!from("cross-site", "document") && !from("cross-site", "image") && !from("", "document"));
    }
}
