//! HTTP, with TLS or without, to whoever has no client in an SDK of AWS: collectors of traces, and addresses that are
//! handed to a function to put something at.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::http::{HeaderValue, Method, Request, header};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// The client.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How long one attempt to put something may take.
const PUT_TIMEOUT: Duration = Duration::from_secs(5);
const PUT_ATTEMPTS: usize = 3;
const PUT_PAUSE: Duration = Duration::from_secs(1);

/// A client that trusts whom browsers trust.
pub(crate) fn client() -> anyhow::Result<Client> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Ok(legacy::Client::builder(TokioExecutor::new()).build(connector))
}

/// Puts a text at a signed address, with an empty content type: the signature covers none. The address is in no error,
/// since whoever has it may put something there, too.
pub fn put(address: &str, text: String) -> BoxFuture<'_, anyhow::Result<()>> {
    async move {
        let (client, text) = (client()?, Bytes::from(text));
        let mut tried = 0;
        loop {
            tried += 1;
            let put = Request::builder().method(Method::PUT).uri(address);
            let put = put.header(header::CONTENT_TYPE, HeaderValue::from_static(""));
            let put = put.body(Full::new(text.clone())).ok().context("it is not put at an address")?;
            let answered = async {
                let answer = tokio::time::timeout(PUT_TIMEOUT, client.request(put)).await;
                let status = answer.with_context(|| format!("no answer within {PUT_TIMEOUT:?}"))??.status();
                ensure!(status.is_success(), "the answer is {status}");
                Ok(())
            };
            match answered.await {
                Err(_) if tried < PUT_ATTEMPTS => tokio::time::sleep(PUT_PAUSE).await,
                answered => return answered,
            }
        }
    }
    .boxed()
}
