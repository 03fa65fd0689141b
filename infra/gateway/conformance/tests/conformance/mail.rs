//! `SendEmail` of SES, asked by the AWS SDK.

use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};

use crate::support::Target;
use crate::support::sdk::ses;

fn content(text: &str) -> Content {
    Content::builder().data(text).charset("UTF-8").build().unwrap()
}

fn destination(to: &[&str]) -> Destination {
    Destination::builder().set_to_addresses(Some(to.iter().map(ToString::to_string).collect())).build()
}

async fn send(from: &str, destination: Destination) -> Result<String, SendEmailError> {
    let body = Body::builder().text(content("text")).html(content("<p>html é</p>")).build();
    let message = Message::builder().subject(content("Subject é")).body(body).build();
    let mail = ses().send_email().from_email_address(from).destination(destination);
    let sent = mail.content(EmailContent::builder().simple(message).build()).send().await;
    sent.map(|sent| sent.message_id().unwrap().to_owned())
        .map_err(aws_sdk_sesv2::error::SdkError::into_service_error)
}

/// Source: Amazon SES API v2 reference, "`SendEmail`".
#[tokio::test]
async fn a_mail_is_accepted_with_an_id_of_its_own() {
    let target = Target::get();

    let first = send(&target.mail_from, destination(&[&target.mail_to])).await.unwrap();
    let second = send(&target.mail_from, destination(&[&target.mail_to])).await.unwrap();

    assert!(!first.is_empty() && first != second, "{first} and {second}");
}

/// Source: Amazon SES API v2 reference, "Destination": there must be a recipient.
#[tokio::test]
async fn a_mail_to_nobody_is_refused() {
    let error = send(&Target::get().mail_from, destination(&[])).await.unwrap_err();

    assert!(error.is_bad_request_exception(), "{error:?}");
}

/// Source: Amazon SES Developer Guide, "Service quotas in Amazon SES": 50 recipients.
#[tokio::test]
async fn a_mail_to_too_many_is_refused() {
    let target = Target::get();

    let error = send(&target.mail_from, destination(&[target.mail_to.as_str(); 51])).await.unwrap_err();

    assert!(error.meta().code().is_some(), "{error:?}");
    assert!(error.message().unwrap().to_lowercase().contains("recipient"), "{error:?}");
}

/// Source: Amazon SES API v2 reference, "Destination": the part before the at sign is ASCII.
#[tokio::test]
async fn an_address_that_is_not_ascii_is_refused() {
    let error = send(&Target::get().mail_from, destination(&["jürgen@example.com"])).await.unwrap_err();

    assert!(error.is_bad_request_exception(), "{error:?}");
}

/// Source: Amazon SES API v2 reference, "Destination".
#[tokio::test]
async fn what_is_no_address_is_refused() {
    let error = send(&Target::get().mail_from, destination(&["nobody"])).await.unwrap_err();

    assert!(error.is_bad_request_exception(), "{error:?}");
}
