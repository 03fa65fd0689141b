//! What mails say: a template for each kind, as plain text with the subject on top, and as HTML.
//!
//! Nothing that somebody else wrote stands in a mail, such as a name: it would be sent to whatever address they give.

use crate::accounts::recovery::Purpose;
use crate::html::escape;
use crate::tokens::Secret;

/// A mail without its recipient.
pub(super) struct Mail {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Writes a mail; `public_url` is where its link leads.
pub(super) fn write(purpose: Purpose, public_url: &str, token: &Secret) -> Mail {
    let (template, html, page) = match purpose {
        Purpose::Verify => {
            (include_str!("templates/verify.txt"), include_str!("templates/verify.html"), "verify-email")
        }
        Purpose::Reset => {
            (include_str!("templates/reset.txt"), include_str!("templates/reset.html"), "password-reset")
        }
    };
    let site = public_url.trim_end_matches('/');
    let link = format!("{site}/api/v1/auth/{page}/{}", token.reveal());
    let (subject, text) = template.split_once("\n\n").expect("a template has a subject, then an empty line");
    let subject = subject.strip_prefix("Subject: ").expect("a template begins with its subject");
    let fill =
        |template: &str, site: &str, link: &str| template.replace("{{site}}", site).replace("{{link}}", link);
    Mail {
        subject: subject.to_owned(),
        text: fill(text, site, &link),
        html: fill(html, &escape(site), &escape(&link)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_mail_have_the_link_and_no_placeholder() {
        for (purpose, page) in [(Purpose::Verify, "verify-email"), (Purpose::Reset, "password-reset")] {
            let token = Secret::draw();
            let mail = write(purpose, "https://chat.example/", &token);

            let link = format!("https://chat.example/api/v1/auth/{page}/{}", token.reveal());
            assert!(!mail.subject.is_empty() && !mail.subject.contains('\n'), "{}", mail.subject);
            assert!(mail.text.lines().any(|line| line == link), "{}", mail.text);
            assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
            assert!(!(mail.text + &mail.html).contains("{{"));
        }
    }

    #[test]
    fn what_stands_in_html_is_escaped() {
        let mail = write(Purpose::Verify, "https://chat.example/\"><b>&", &Secret::draw());

        assert!(!mail.html.contains("<b>"), "{}", mail.html);
        assert!(mail.html.contains("chat.example/&quot;&gt;&lt;b&gt;&amp;/api"), "{}", mail.html);
    }
}
