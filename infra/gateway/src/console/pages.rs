//! The shell of every page. Its script fetches JSON and builds the page from text nodes, so no data is ever markup.

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderValue};
use http_body_util::Full;

/// The one style sheet.
pub(super) const STYLE: &str = include_str!("assets/console.css");

/// The one script.
pub(super) const SCRIPT: &str = include_str!("assets/console.js");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The frames of mails inherit it: they may have styles of their own, but pictures that are not in the mail are not
/// fetched.
const INBOX_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// What there is and how it fares.
    Overview,
    /// What ran.
    Invocations,
    /// Who is connected, and the frames.
    Connections,
    /// The mails.
    Inbox,
    /// What it would cost.
    Cost,
}

impl Page {
    const ALL: [Self; 5] = [Self::Overview, Self::Invocations, Self::Connections, Self::Inbox, Self::Cost];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Invocations => "Invocations",
            Self::Connections => "Connections",
            Self::Inbox => "Inbox",
            Self::Cost => "Cost",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Invocations => "/invocations",
            Self::Connections => "/connections",
            Self::Inbox => "/inbox",
            Self::Cost => "/cost",
        }
    }

    /// The page with markup in it that is ready, or empty for the script to fill.
    pub(super) fn render(self, content: &str) -> Response<Full<Bytes>> {
        let name = self.name();
        let links = Self::ALL.map(|page| {
            let current = if page == self { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{}\"{current}>{}</a>", page.path(), page.name())
        });
        let links = links.concat();
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name} · gateway</title>\n\
             <link rel=\"stylesheet\" href=\"/console.css\">\n<script src=\"/console.js\" defer></script>\n\
             </head>\n<body data-page=\"{name}\">\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
             <header><strong>gateway</strong><nav aria-label=\"Pages\">{links}</nav>\
             <span id=\"live\" role=\"status\"></span></header>\n\
             <main id=\"main\">\n<h1>{name}</h1>\n{content}\n\
             <noscript><p class=\"note\">Without scripts this page stays empty; the same is at <a href=\"/functions\">\
             /functions</a>, <a href=\"/invocations.json\">/invocations.json</a>, <a href=\"/connections.json\">\
             /connections.json</a> and <a href=\"/cost.json\">/cost.json</a>.</p></noscript>\n</main>\n\
             <footer>Events, logs, frames and mails may hold secrets. They are kept in memory only, the newest of \
             them, and shown to this machine alone.</footer>\n</body>\n</html>\n"
        );
        let mut response = asset("text/html; charset=utf-8", html);
        let policy = if self == Self::Inbox { INBOX_POLICY } else { POLICY };
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        response
    }
}

/// A file of a type.
pub(super) fn asset(kind: &'static str, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Text as markup.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
