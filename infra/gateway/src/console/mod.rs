//! The console port: pages and JSON about what runs, and the services of AWS that functions call there.
//!
//! It shows events, answers, logs, frames and mails, which may hold secrets. So it answers only requests addressed
//! to the loopback interface and made by no other origin's page; nothing of it is written to disk or printed.

mod activity;
mod connections;
mod cost;
mod entry;
mod frames;
mod guard;
mod invocations;
mod memory;
mod overview;
mod pages;
mod tally;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

pub(crate) use activity::{Activity, Ticket};
pub(crate) use cost::messages;
pub(crate) use frames::{AllFrames, Frames, Kind};
pub(crate) use memory::Memory;
pub(crate) use overview::{FunctionFacts, Setup};
pub(crate) use pages::escape;

use pages::Page;

use crate::gateway::Gateway;
use crate::responses::message;
use crate::{invoke, mail, management};

/// Answers one request on the console port.
pub(crate) async fn serve(gateway: &Arc<Gateway>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if !guard::is_allowed(&request, gateway.console_port) {
        return message(StatusCode::FORBIDDEN, "Forbidden");
    }
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (request.method(), segments.as_slice()) {
        (&Method::POST, ["2015-03-31", "functions", name, "invocations"]) => {
            invoke::serve(gateway, name, request).await
        }
        (&Method::POST, ["v2", "email", "outbound-emails"]) => mail::send(gateway, request).await,
        (_, [stage, "@connections" | "%40connections", id]) => {
            management::serve(gateway, stage, id, request).await
        }
        _ => protected(look(gateway, &request, &segments)),
    }
}

/// The pages and their JSON.
fn look(gateway: &Gateway, request: &Request<Incoming>, segments: &[&str]) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    if let (&Method::DELETE, ["connections", id]) = (request.method(), segments) {
        return connections::close(gateway, &decoded(id));
    }
    // The server leaves out the body that HEAD must not have.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return message(StatusCode::NOT_FOUND, "Not Found");
    }
    match segments {
        [""] if wants_page(request) => Page::Overview.render(""),
        [""] => overview::show(gateway),
        ["functions"] => overview::functions(gateway),
        ["invocations"] => Page::Invocations.render(""),
        ["invocations.json"] => invocations::list(gateway, query),
        ["invocations", file] => match file.strip_suffix(".json") {
            Some(id) => invocations::show(gateway, &decoded(id)),
            None => message(StatusCode::NOT_FOUND, "Not Found"),
        },
        ["connections"] => Page::Connections.render(""),
        ["connections.json"] => connections::list(gateway, query),
        ["connections", file] => match file.strip_suffix(".json") {
            Some(id) => connections::show(gateway, &decoded(id), query),
            None => message(StatusCode::NOT_FOUND, "Not Found"),
        },
        ["inbox"] => Page::Inbox.render(&mail::articles(&gateway.inbox)),
        ["inbox.json"] => mail::list(&gateway.inbox, query),
        ["cost"] => Page::Cost.render(""),
        ["cost.json"] => overview::show_cost(gateway),
        ["console.css"] => pages::asset("text/css; charset=utf-8", pages::STYLE),
        ["console.js"] => pages::asset("text/javascript; charset=utf-8", pages::SCRIPT),
        _ => message(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Whether a browser asks, rather than a program.
fn wants_page(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let mut kinds = accept.unwrap_or_default().split([',', ';']).map(str::trim);
    kinds.find(|kind| matches!(*kind, "text/html" | "application/json")) == Some("text/html")
}

fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

/// The first value of a name in a query.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A number in a query, if it is there; else what is wrong with it.
fn number<T: FromStr>(query: &str, name: &str) -> Result<Option<T>, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("{name} must be a whole number, not {text}"));
    parameter(query, name).filter(|text| !text.is_empty()).map(|text| parse(&text)).transpose()
}

/// Adds what keeps an answer from caches and other pages.
fn protected(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
