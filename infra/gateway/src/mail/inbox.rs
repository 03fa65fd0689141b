//! The inbox: the newest mails in memory, as a page to read and as JSON.
//!
//! A mail is foreign text. The page escapes it, and shows the HTML of one in a frame without scripts or an origin,
//! whose links open in a tab of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde::Serialize;

use crate::console::escape;
use crate::responses::json;

/// How many mails are kept; older ones are forgotten.
const KEPT: usize = 1000;

/// What they may take together.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// How many of them the page shows.
const SHOWN: usize = 100;

/// One mail.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    /// All recipients.
    pub(crate) to: Vec<String>,
    /// The sender.
    pub(crate) from: String,
    /// Whom an answer goes to, if not the sender.
    pub(crate) reply_to: Vec<String>,
    /// The subject.
    pub(crate) subject: String,
    /// The body as plain text.
    pub(crate) text: Option<String>,
    /// The body as HTML.
    pub(crate) html: Option<String>,
    /// When it was sent.
    pub(crate) at: String,
}

impl Mail {
    fn bytes(&self) -> usize {
        let addresses = self.to.iter().chain(&self.reply_to).chain([&self.from]);
        let texts = addresses.chain([&self.subject, &self.at]).chain(&self.text).chain(&self.html);
        texts.map(String::len).sum()
    }
}

/// The mails, newest first.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Arc<Mail>>,
    bytes: usize,
    delivered: u64,
    recipients: u64,
}

impl Inbox {
    /// Puts a mail on top.
    pub(crate) fn deliver(&self, mail: Mail) {
        let mut kept = self.lock();
        kept.delivered += 1;
        kept.recipients += mail.to.len() as u64;
        kept.bytes += mail.bytes();
        kept.mails.push_front(Arc::new(mail));
        // The newest one stays, however large it is.
        while kept.mails.len() > KEPT || (kept.bytes > KEPT_BYTES && kept.mails.len() > 1) {
            let Some(oldest) = kept.mails.pop_back() else { break };
            kept.bytes -= oldest.bytes();
        }
    }

    /// How many mails were sent since the start.
    pub(crate) fn count(&self) -> u64 {
        self.lock().delivered
    }

    /// To how many recipients.
    pub(crate) fn recipients(&self) -> u64 {
        self.lock().recipients
    }

    fn newest(&self, limit: usize, wanted: impl Fn(&Mail) -> bool) -> Vec<Arc<Mail>> {
        self.lock().mails.iter().filter(|mail| wanted(mail)).take(limit).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mails as JSON; `?to=` asks for those of one address, ignoring case.
pub(crate) fn list(inbox: &Inbox, query: &str) -> Response<Full<Bytes>> {
    let mails = find(inbox, query);
    json(&mails.iter().map(|mail| &**mail).collect::<Vec<&Mail>>())
}

fn find(inbox: &Inbox, query: &str) -> Vec<Arc<Mail>> {
    let to = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
    inbox.newest(KEPT, |mail| {
        to.as_ref().is_none_or(|(_, to)| mail.to.iter().any(|address| address.eq_ignore_ascii_case(to)))
    })
}

/// The newest mails as markup.
pub(crate) fn articles(inbox: &Inbox) -> String {
    match inbox.newest(SHOWN, |_| true).as_slice() {
        [] => "<p class=\"empty\">No mail has been sent yet.</p>".to_owned(),
        mails => mails.iter().map(|mail| article(mail)).collect(),
    }
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
    let reply_to = match mail.reply_to.as_slice() {
        [] => String::new(),
        addresses => format!(" · reply to {}", escape(&addresses.join(", "))),
    };
    format!(
        "<article><h2>{}</h2><p>To {} · from {}{reply_to} · {} UTC</p>{}{}</article>",
        escape(&mail.subject),
        escape(&mail.to.join(", ")),
        escape(&mail.from),
        escape(&mail.at.get(..19).unwrap_or(&mail.at).replace('T', " ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail {
            to: vec![to.to_owned()],
            from: "chat@example.com".to_owned(),
            reply_to: vec!["<desk@example.com>".to_owned()],
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

        let subjects =
            |query| find(&inbox, query).iter().map(|mail| mail.subject.clone()).collect::<Vec<_>>();

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

        let mails = find(&inbox, "");

        assert_eq!(mails.len(), KEPT);
        assert_eq!(mails[0].subject, KEPT.to_string());
        assert_eq!(mails[KEPT - 1].subject, "1");
    }

    #[test]
    fn large_mails_are_forgotten_earlier_but_never_the_newest() {
        let inbox = Inbox::default();
        let large =
            || Mail { text: Some("x".repeat(KEPT_BYTES / 2 - 1000)), ..mail("ada@example.com", "large") };
        for _ in 0..3 {
            inbox.deliver(large());
        }
        assert_eq!(find(&inbox, "").len(), 2);

        inbox.deliver(Mail { html: Some("x".repeat(KEPT_BYTES)), ..mail("ada@example.com", "huge") });

        assert_eq!(find(&inbox, "").len(), 1);
        assert_eq!((inbox.count(), inbox.recipients()), (4, 4));
    }

    #[test]
    fn every_text_of_a_mail_counts() {
        let large = || "x".repeat(KEPT_BYTES / 2);
        for change in [
            |mail: &mut Mail, text| mail.from = text,
            |mail: &mut Mail, text| mail.to = vec![text],
            |mail: &mut Mail, text| mail.reply_to = vec![text],
            |mail: &mut Mail, text| mail.subject = text,
            |mail: &mut Mail, text| mail.html = Some(text),
        ] {
            let inbox = Inbox::default();
            for _ in 0..2 {
                let mut mail = mail("ada@example.com", "large");
                change(&mut mail, large());
                inbox.deliver(mail);
            }
            assert_eq!(find(&inbox, "").len(), 1);
        }
    }

    #[test]
    fn the_page_escapes_what_a_mail_says() {
        let inbox = Inbox::default();
        inbox.deliver(mail("ada@example.com", "<script>alert(1)</script>"));

        let page = articles(&inbox);

        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("or <b>"), "{page}");
        assert!(page.contains("reply to &lt;desk@example.com&gt; ·"), "{page}");
        assert!(
            page.contains("srcdoc=\"&lt;base target=&quot;_blank&quot;&gt;&lt;p title=&quot;x&quot;&gt;"),
            "{page}"
        );
        assert!(page.contains("<a href=\"https://chat.example/a?b&amp;c\""), "{page}");
    }
}
