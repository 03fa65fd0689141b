//! What API Gateway and Lambda do as far as the public knows, each case with its source, asked of any endpoint.
//!
//! DG is the Amazon API Gateway Developer Guide, LDG the AWS Lambda Developer Guide, RT the repository
//! aws/aws-lambda-rust-runtime, SO-e2e the suite `manual_test_websocket/main/test/e2e/ws.e2e.js` of
//! dherault/serverless-offline, which was written to run against AWS too. A case asserts nothing that only
//! the local gateway promises: that stands in the gateway's own tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asynchronous;
mod authorizers;
mod citations;
mod cors;
mod errors;
mod fixtures;
mod frames;
mod handshake;
mod http_events;
mod http_responses;
mod http_routing;
mod invoke;
mod limits;
mod mail;
mod management;
mod python;
mod routing;
mod support;
mod websocket_events;
