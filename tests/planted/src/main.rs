//! `planted`: stands in for `ws-message` and breaks one promise, so that the checker can be seen to report it.
//!
//! It links `shared` as it is and does what shared's own handler does, but for one fault, so that no code that is
//! deployed holds a switch for faults.

mod faults;

use aws_lambda_events::event::apigw::ApiGatewayWebsocketProxyRequest;
use clap::Parser;
use lambda_runtime::{LambdaEvent, service_fn};
use shared::{App, Need, telemetry, websocket};

use faults::{Fault, Planted};

#[derive(Debug, Parser)]
struct Options {
    /// What goes wrong
    #[arg(long, env = "PLANTED_FAULT", value_enum)]
    fault: Fault,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let fault = Options::parse().fault;
    telemetry::init()?;
    let planted = &Planted::new(App::from_env(&[Need::Push]).await?, fault);
    let handler = async |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
        websocket::handle(event, async |request| planted.answer(request).await).await?
    };
    lambda_runtime::run(service_fn(handler)).await
}
