//! The inbox: the newest mails in memory, as a page to read and as JSON.
//!
//! A mail is foreign text. The page escapes it, and shows the HTML of one in a frame without scripts or an origin,
//! whose links open in a tab of their own.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderValue};
use http_body_util::Full;
use serde::Serialize;

/// How many mails are kept; older ones are forgotten.
const KEPT: usize = 1000;

/// How many of them the page shows.
const SHOWN: usize = 100;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;\
    background:#f6f6f4;color:#222}article{background:#fff;border:1px solid #ddd;border-radius:8px;padding:1rem;\
    margin:0 0 1.5rem}h2{font-size:1.1rem;margin:0}p{margin:.25rem 0;color:#555}iframe{width:100%;height:22rem;\
    border:1px solid #eee;border-radius:4px;margin-top:.5rem}pre{white-space:pre-wrap;overflow-wrap:anywhere}";

/// One mail.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mail {
    /// All recipients.
    pub(crate) to: Vec<String>,
    /// The sender.
    pub(crate) from: String,
    /// The subject.
    pub(crate) subject: String,
    /// The body as plain text.
    pub(crate) text: Option<String>,
    /// The body as HTML.
    pub(crate) html: Option<String>,
    /// When it was sent.
    pub(crate) at: String,
}

/// The mails, newest first.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<VecDeque<Mail>>);

impl Inbox {
    /// Puts a mail on top.
    pub(crate) fn deliver(&self, mail: Mail) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.push_front(mail);
        mails.truncate(KEPT);
    }

    fn newest(&self, wanted: impl Fn(&Mail) -> bool) -> Vec<Mail> {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().filter(|mail| wanted(mail)).cloned().collect()
    }
}

/// The mails as JSON; `?to=` asks for those of one address, ignoring case.
pub(crate) fn list(inbox: &Inbox, query: &str) -> Vec<Mail> {
    let to = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
    inbox.newest(|mail| {
        to.as_ref().is_none_or(|(_, to)| mail.to.iter().any(|address| address.eq_ignore_ascii_case(to)))
    })
}

/// The mails as a page.
pub(crate) fn page(inbox: &Inbox) -> Response<Full<Bytes>> {
    let mut mails = inbox.newest(|_| true);
    mails.truncate(SHOWN);
    let mut response = Response::new(Full::new(render(&mails).into()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // The frames of mails inherit it: pictures that are not in the mail are not fetched.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; form-action 'none'",
        ),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn render(mails: &[Mail]) -> String {
    let shown = match mails {
        [] => "<p>No mail has been sent yet.</p>".to_owned(),
        mails => mails.iter().map(article).collect(),
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Inbox</title><style>{STYLE}</style>\
         <h1>Inbox</h1>{shown}"
    )
}

fn article(mail: &Mail) -> String {
    let frame = mail.html.as_ref().map(|html| {
        let framed = escape(&format!("<base target=\"_blank\">{html}"));
        let sandbox = "allow-popups allow-popups-to-escape-sandbox";
        format!("<iframe title=\"The mail\" sandbox=\"{sandbox}\" srcdoc=\"{framed}\"></iframe>")
    });
    let plain = mail.text.as_ref().map(|text| {
        let open = if mail.html.is_none() { " open" } else { "" };
        let text = with_links(text);
        format!("<details{open}><summary>As plain text</summary><pre>{text}</pre></details>")
    });
    format!(
        "<article><h2>{}</h2><p>To {} · from {} · {}</p>{}{}</article>",
        escape(&mail.subject),
        escape(&mail.to.join(", ")),
        escape(&mail.from),
        escape(&mail.at),
        frame.unwrap_or_default(),
        plain.unwrap_or_default()
    )
}

/// Plain text as HTML, its web addresses as links.
fn with_links(text: &str) -> String {
    let linked = text.split_inclusive(char::is_whitespace).map(|word| {
        let address = word.trim_end();
        if address.starts_with("https://") || address.starts_with("http://") {
            let (address, rest) = (escape(address), &word[address.len()..]);
            format!("<a href=\"{address}\" target=\"_blank\" rel=\"noreferrer\">{address}</a>{rest}")
        } else {
            escape(word)
        }
    });
    linked.collect()
}

fn escape(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail {
            to: vec![to.to_owned()],
            from: "chat@example.com".to_owned(),
            subject: subject.to_owned(),
            text: Some("see https://chat.example/a?b&c\nor <b>".to_owned()),
            html: Some("<p title=\"x\">see</p><script>alert(1)</script>".to_owned()),
            at: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn mails_are_listed_newest_first_and_by_recipient() {
        let inbox = Inbox::default();
        for (to, subject) in [("ada@example.com", "1"), ("b+c@example.com", "2"), ("ada@example.com", "3")] {
            inbox.deliver(mail(to, subject));
        }

        let subjects = |query| list(&inbox, query).into_iter().map(|mail| mail.subject).collect::<Vec<_>>();

        assert_eq!(subjects(""), ["3", "2", "1"]);
        assert_eq!(subjects("to=ADA%40example.com"), ["3", "1"]);
        assert_eq!(subjects("to=b%2Bc%40example.com"), ["2"]);
        assert!(subjects("to=nobody%40example.com").is_empty());
    }

    #[test]
    fn only_so_many_mails_are_kept() {
        let inbox = Inbox::default();
        for number in 0..=KEPT {
            inbox.deliver(mail("ada@example.com", &number.to_string()));
        }

        let mails = list(&inbox, "");

        assert_eq!(mails.len(), KEPT);
        assert_eq!(mails[0].subject, KEPT.to_string());
        assert_eq!(mails[KEPT - 1].subject, "1");
    }

    #[test]
    fn the_page_escapes_what_a_mail_says() {
        let page = render(&[mail("ada@example.com", "<script>alert(1)</script>")]);

        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("or <b>"), "{page}");
        assert!(
            page.contains("srcdoc=\"&lt;base target=&quot;_blank&quot;&gt;&lt;p title=&quot;x&quot;&gt;"),
            "{page}"
        );
        assert!(page.contains("<a href=\"https://chat.example/a?b&amp;c\""), "{page}");
    }
}
