//! SES: `SendEmail` (Amazon SES API v2 reference, under that name), and the inbox where mails end up.
//!
//! No mail leaves this machine. A request must be signed for `ses`, but the signature itself is not verified.

mod inbox;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use time::OffsetDateTime;

use crate::gateway::Gateway;
use crate::management::is_signed;
use crate::responses::{failure, timestamp};

pub(crate) use inbox::{Inbox, Mail, articles, list};

/// The largest request; SES takes mails of up to 40 MB, which nobody writes on this machine.
const REQUEST_LIMIT: usize = 10 * 1024 * 1024;

/// To, Cc and Bcc together (Amazon SES Developer Guide, "Service quotas in Amazon SES").
const RECIPIENT_LIMIT: usize = 50;

/// What has no meaning where nothing is sent is read and ignored: identities, configuration sets, tags, feedback.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendEmail {
    from_email_address: Option<String>,
    #[serde(default)]
    destination: Destination,
    reply_to_addresses: Option<Vec<String>>,
    content: Content,
    list_management_options: Option<Value>,
    #[serde(default, rename = "FromEmailAddressIdentityArn")]
    _identity: IgnoredAny,
    #[serde(default, rename = "FeedbackForwardingEmailAddress")]
    _feedback_address: IgnoredAny,
    #[serde(default, rename = "FeedbackForwardingEmailAddressIdentityArn")]
    _feedback_identity: IgnoredAny,
    #[serde(default, rename = "ConfigurationSetName")]
    _configuration_set: IgnoredAny,
    #[serde(default, rename = "EmailTags")]
    _tags: IgnoredAny,
    #[serde(default, rename = "EndpointId")]
    _endpoint: IgnoredAny,
    #[serde(default, rename = "TenantName")]
    _tenant: IgnoredAny,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    #[serde(rename = "ToAddresses", default)]
    to: Vec<String>,
    #[serde(rename = "CcAddresses", default)]
    cc: Vec<String>,
    #[serde(rename = "BccAddresses", default)]
    bcc: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Content {
    simple: Option<Simple>,
    raw: Option<Value>,
    template: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Simple {
    subject: Text,
    body: Body,
    headers: Option<Value>,
    attachments: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Body {
    text: Option<Text>,
    html: Option<Text>,
}

/// JSON is Unicode, so the character set says only how SES would write the mail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Text {
    data: String,
    #[serde(default, rename = "Charset")]
    _charset: IgnoredAny,
}

impl SendEmail {
    /// What a mail would have that is not emulated. An empty list asks for nothing.
    fn unsupported(&self) -> Option<&'static str> {
        let simple = self.content.simple.as_ref();
        let asked = [
            ("Content.Raw", self.content.raw.as_ref()),
            ("Content.Template", self.content.template.as_ref()),
            ("Content.Simple.Headers", simple.and_then(|simple| simple.headers.as_ref())),
            ("Content.Simple.Attachments", simple.and_then(|simple| simple.attachments.as_ref())),
            ("ListManagementOptions", self.list_management_options.as_ref()),
        ];
        let is_something = |value: &Value| value.as_array().is_none_or(|list| !list.is_empty());
        asked.into_iter().find(|(_, value)| value.is_some_and(is_something)).map(|(name, _)| name)
    }
}

/// Answers one `SendEmail`.
pub(crate) async fn send(gateway: &Arc<Gateway>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if !request.headers().contains_key(header::AUTHORIZATION) {
        let problem = "Missing Authentication Token";
        return failure(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", problem);
    }
    if !is_signed(request.headers(), "ses") {
        let problem = "Credential should be scoped to correct service: 'ses'.";
        return failure(StatusCode::FORBIDDEN, "SignatureDoesNotMatchException", problem);
    }
    let Ok(body) = Limited::new(request.into_body(), REQUEST_LIMIT).collect().await else {
        let problem = "The request is larger than 10 MB";
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", problem);
    };
    match read(&body.to_bytes()) {
        Ok(mail) => {
            gateway.inbox.deliver(mail);
            let id = format!("0100000000000000-{}-000000", crate::ids::lambda_request_id());
            let mut response =
                Response::new(Full::new(serde_json::json!({ "MessageId": id }).to_string().into()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err((kind, problem)) => failure(StatusCode::BAD_REQUEST, kind, &problem),
    }
}

/// The mail of a request, or the type of the error and what is wrong with it.
fn read(body: &[u8]) -> Result<Mail, (&'static str, String)> {
    let bad = |problem: &str| ("BadRequestException", problem.to_owned());
    let request: SendEmail =
        serde_json::from_slice(body).map_err(|error| ("SerializationException", error.to_string()))?;
    if let Some(name) = request.unsupported() {
        return Err(("BadRequestException", format!("{name} is not emulated")));
    }
    let simple = request.content.simple.ok_or_else(|| bad("Content.Simple is required"))?;
    let from = request.from_email_address.ok_or_else(|| bad("FromEmailAddress is required"))?;
    let Destination { to, cc, bcc } = request.destination;
    let recipients = || to.iter().chain(&cc).chain(&bcc);
    match recipients().count() {
        0 => return Err(bad("Destination must have at least one address")),
        1..=RECIPIENT_LIMIT => {}
        _ => return Err(bad("Recipient count exceeds 50.")),
    }
    let reply_to = request.reply_to_addresses.unwrap_or_default();
    for address in recipients().chain([&from]).chain(&reply_to) {
        check_address(address).map_err(bad)?;
    }
    let Body { text, html } = simple.body;
    if text.is_none() && html.is_none() {
        return Err(bad("Body must have Text or Html"));
    }
    let data = |text: Option<Text>| text.map(|text| text.data);
    Ok(Mail {
        to: to.into_iter().chain(cc).chain(bcc).collect(),
        from,
        reply_to,
        subject: simple.subject.data,
        text: data(text),
        html: data(html),
        at: timestamp(OffsetDateTime::now_utc()),
    })
}

/// SES takes ASCII only, a domain in Punycode (the same reference, "Destination").
fn check_address(address: &str) -> Result<(), &'static str> {
    let bare = match address.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').ok_or("Missing '>'")?,
        None => address,
    };
    let (local, domain) = bare.rsplit_once('@').ok_or("Missing final '@domain'")?;
    if local.is_empty() || !local.is_ascii() || local.contains(|c: char| c.is_control() || c == ' ') {
        return Err("Local address contains control or whitespace");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if domain.is_empty() || !domain.chars().all(allowed) {
        return Err("Domain contains illegal character");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> Value {
        json!({
            "FromEmailAddress": "Chat <chat@example.com>",
            "Destination": {"ToAddresses": ["ada@example.com"]},
            "Content": {"Simple": {
                "Subject": {"Data": "Hello", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": "text"}, "Html": {"Data": "<p>html</p>"}},
            }},
        })
    }

    fn refusal(change: impl FnOnce(&mut Value)) -> (&'static str, String) {
        let mut request = request();
        change(&mut request);
        read(request.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn a_mail_is_read() {
        let mail = read(request().to_string().as_bytes()).unwrap();

        assert_eq!(mail.to, ["ada@example.com"]);
        assert_eq!((mail.from.as_str(), mail.subject.as_str()), ("Chat <chat@example.com>", "Hello"));
        assert_eq!((mail.text.as_deref(), mail.html.as_deref()), (Some("text"), Some("<p>html</p>")));
    }

    #[test]
    fn what_ses_refuses_is_refused() {
        let to = |addresses: Value| refusal(|request| request["Destination"]["ToAddresses"] = addresses);

        assert_eq!(to(json!([])).0, "BadRequestException");
        assert_eq!(to(json!(["nobody"])).1, "Missing final '@domain'");
        assert_eq!(to(json!(["a b@example.com"])).1, "Local address contains control or whitespace");
        assert_eq!(to(json!(["ü@example.com"])).1, "Local address contains control or whitespace");
        assert_eq!(to(json!(["a@müller.example"])).1, "Domain contains illegal character");
        assert_eq!(to(json!(vec!["a@example.com"; 51])).1, "Recipient count exceeds 50.");
        assert_eq!(
            refusal(|request| request["Content"]["Simple"]["Body"] = json!({})).0,
            "BadRequestException"
        );
        assert_eq!(refusal(|request| request["Content"] = json!({"Raw": {}})).0, "BadRequestException");
        assert_eq!(
            refusal(|request| request["ReplyToAddresses"] = json!(["nobody"])).1,
            "Missing final '@domain'"
        );
        assert_eq!(refusal(|request| request["FromEmailAddress"] = Value::Null).0, "BadRequestException");
        assert_eq!(refusal(|request| *request = json!([])).0, "SerializationException");
    }

    #[test]
    fn what_a_mail_would_have_that_is_not_emulated_is_refused_by_name() {
        let something = || json!([{"FileName": "a.txt"}]);
        for name in ["/Content/Simple/Attachments", "/Content/Simple/Headers", "/ListManagementOptions"] {
            let (parent, key) = name.rsplit_once('/').unwrap();
            let set = |request: &mut Value, value| request.pointer_mut(parent).unwrap()[key] = value;

            let (kind, problem) = refusal(|request| set(request, something()));

            assert_eq!(kind, "BadRequestException");
            assert_eq!(problem, format!("{} is not emulated", name[1..].replace('/', ".")));
            for nothing in [json!([]), Value::Null] {
                let mut request = request();
                set(&mut request, nothing);
                assert!(read(request.to_string().as_bytes()).is_ok(), "{name}");
            }
        }
        for name in ["Raw", "Template"] {
            let problem = refusal(|request| request["Content"] = json!({name: {}})).1;
            assert_eq!(problem, format!("Content.{name} is not emulated"));
        }
        for parent in ["", "/Destination", "/Content", "/Content/Simple", "/Content/Simple/Body/Text"] {
            let (_, problem) = refusal(|request| request.pointer_mut(parent).unwrap()["Another"] = json!(1));
            assert!(problem.contains("unknown field `Another`"), "{parent}: {problem}");
        }
    }

    #[test]
    fn what_has_no_meaning_here_is_ignored_and_whom_to_answer_is_kept() {
        let mut request = request();
        for name in [
            "FromEmailAddressIdentityArn",
            "FeedbackForwardingEmailAddress",
            "FeedbackForwardingEmailAddressIdentityArn",
            "ConfigurationSetName",
            "EndpointId",
            "TenantName",
        ] {
            request[name] = json!("x");
        }
        request["EmailTags"] = json!([{"Name": "a", "Value": "b"}]);
        request["ReplyToAddresses"] = json!(["desk@example.com"]);

        assert_eq!(read(request.to_string().as_bytes()).unwrap().reply_to, ["desk@example.com"]);
    }
}
