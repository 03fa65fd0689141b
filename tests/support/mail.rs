//! Mails as their recipients see them: what the gateway kept that functions sent.

use std::time::{Duration, Instant};

use reqwest::{Method, Url, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;

use crate::{Answer, PATIENCE, TestChat, canaries, stack::console_client};

/// A mail.
#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    /// Who sent it.
    pub from: String,
    /// Its recipients.
    pub to: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl Mail {
    /// The path of the link in it, which both forms of it must have.
    #[track_caller]
    pub fn link(&self) -> String {
        let mut links = self.text.lines().filter_map(|line| line.strip_prefix("http://localhost"));
        let link = links.next().unwrap_or_else(|| panic!("a mail has a link: {}", self.text)).to_owned();
        let href = format!("href=\"http://localhost{link}\"");
        assert!(self.html.contains(&href), "{href}: {}", self.html);
        assert_eq!(links.next(), None, "one link");
        link
    }

    /// The token at the end of the link.
    #[track_caller]
    pub fn token(&self) -> String {
        self.link().rsplit('/').next().expect("a path has a last segment").to_owned()
    }
}

impl TestChat {
    /// The mails that an address was sent, newest first.
    pub async fn inbox_of(&self, email: &str) -> Vec<Mail> {
        let inbox = Url::parse_with_params(&self.stack.console("/inbox.json"), [("to", email)]);
        let request = console_client().get(inbox.expect("the console has an address"));
        let answer = request.send().await.unwrap_or_else(|err| panic!("the inbox: {err}"));
        let mails: Vec<Mail> = answer.json().await.unwrap_or_else(|err| panic!("the inbox: {err}"));
        mails.iter().for_each(canaries::note_mail);
        mails
    }

    /// The newest mail that an address was sent whose link leads to this page, once there are so many of them.
    pub async fn mail_to(&self, email: &str, page: &str, number: usize) -> Mail {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut mails = self.inbox_of(email).await;
            mails.retain(|mail| mail.link().contains(page));
            if mails.len() >= number {
                return mails.swap_remove(0);
            }
            assert!(Instant::now() < deadline, "{email} was not sent {number} mails with {page}: {mails:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens a page as a browser does.
    pub async fn open_page(&self, path: &str) -> String {
        page_of(self.get(path).await)
    }

    /// Posts the form of an open page, which has these fields to fill in and posts to the page's own address.
    pub async fn post_form(&self, path: &str, page: &str, fields: &[(&str, &str)]) -> Answer {
        assert!(page.contains("<form method=\"post\">"), "{page}");
        for (name, _) in fields {
            assert!(page.contains(&format!("name=\"{name}\"")), "{name}: {page}");
        }
        let encoded = Url::parse_with_params("http://form", fields).expect("an address");
        let request = self.request(Method::POST, path, None);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.answer_to(request.body(encoded.query().unwrap_or_default().to_owned())).await
    }
}

/// The page of an answer, with the headers that keep its address and what is in it from others.
#[track_caller]
pub fn page_of(answer: Answer) -> String {
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    assert!(header("content-type").starts_with("text/html"), "{}: {}", answer.request, answer.body);
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let policy = header("content-security-policy");
    for directive in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(directive), "{policy}");
    }
    let Value::String(page) = answer.body else { panic!("{}: no page: {}", answer.request, answer.body) };
    page
}
