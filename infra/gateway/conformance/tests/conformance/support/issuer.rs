//! An issuer of JSON Web Tokens for a gateway that the suite starts itself; AWS needs one that it can reach.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// What stands before the key itself in the PKCS #8 form of an RSA key of 2048 bits.
const PKCS8_HEADER: usize = 26;

/// A running issuer and its key.
pub(crate) struct Issuer {
    pub(crate) url: String,
    key: EncodingKey,
}

impl Issuer {
    /// Serves the two documents until the process ends.
    pub(crate) fn start() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let key = EncodingKey::from_rsa_der(&pair.as_der().unwrap().as_ref()[PKCS8_HEADER..]);
        let mut published = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        published.common.key_id = Some("only".to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string();
        let keys = serde_json::to_string(&JwkSet { keys: vec![published] }).unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut line, mut first) = (String::new(), String::new());
                let mut head = BufReader::new(&stream);
                while head.read_line(&mut line).is_ok_and(|size| size > 2) {
                    if first.is_empty() {
                        first.clone_from(&line);
                    }
                    line.clear();
                }
                let body = if first.starts_with("GET /keys ") { &keys } else { &discovery };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
                // Whoever has gone needs no answer.
                let _ = write!(stream, "{head}: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { url, key }
    }

    /// A token that is good for an hour.
    pub(crate) fn token(&self, scope: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": self.url, "aud": "conformance", "sub": "somebody", "iat": now, "exp": now + 3600, "scope": scope,
        });
        let header = Header { kid: Some("only".to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}
