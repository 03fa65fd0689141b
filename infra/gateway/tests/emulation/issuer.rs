//! An issuer of tokens as `OpenID` Connect describes it, and the tokens that it and others sign.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What stands before the key itself in the PKCS #8 form of an RSA key of 2048 bits.
const PKCS8_HEADER: usize = 26;

/// A key that signs.
#[derive(Clone)]
pub(crate) struct SigningKey {
    key: EncodingKey,
    kid: String,
}

impl SigningKey {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let document = pair.as_der().unwrap();
        let key = EncodingKey::from_rsa_der(&document.as_ref()[PKCS8_HEADER..]);
        Self { key, kid: kid.to_owned() }
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    fn published(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some(self.kid.clone());
        // So that the key serves every algorithm of RSA.
        jwk.common.key_algorithm = None;
        jwk
    }
}

/// A running issuer.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) key: SigningKey,
    keys: Arc<Mutex<JwkSet>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tenant/", listener.local_addr().unwrap());
        let key = SigningKey::new("first");
        let keys = Arc::new(Mutex::new(JwkSet { keys: vec![key.published()] }));
        let fetches = Arc::default();
        tokio::spawn(serve(listener, url.clone(), Arc::clone(&keys), Arc::clone(&fetches)));
        Self { url, key, keys, fetches }
    }

    /// Publishes another key instead.
    pub(crate) fn rotate(&mut self, kid: &str) {
        self.key = SigningKey::new(kid);
        self.keys.lock().unwrap().keys = vec![self.key.published()];
    }

    /// How often its keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Claims that are good for a minute, and others beside or instead.
    pub(crate) fn claims(&self, change: &Value) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({"iss": self.url, "aud": "app", "exp": now + 60, "iat": now, "sub": "ann"});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    /// A token that is good, except for what is changed.
    pub(crate) fn token(&self, change: &Value) -> String {
        self.key.sign(Algorithm::RS256, &self.claims(change))
    }
}

async fn serve(listener: TcpListener, url: String, keys: Arc<Mutex<JwkSet>>, fetches: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (url, keys, fetches) = (url.clone(), Arc::clone(&keys), Arc::clone(&fetches));
        let answer = service_fn(move |request: Request<Incoming>| {
            let document = match request.uri().path() {
                "/tenant/.well-known/openid-configuration" => json!({"jwks_uri": format!("{url}keys")}),
                "/tenant/keys" => {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    serde_json::to_value(&*keys.lock().unwrap()).unwrap()
                }
                other => panic!("the issuer has no {other}"),
            };
            async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(document.to_string())))) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
