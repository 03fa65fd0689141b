//! The credentials: access tokens (signed, short-lived), refresh tokens (opaque, rotating), tickets (single use).
//!
//! Opaque ones are stored as digests only; a plain one exists in an answer and nowhere else.

pub mod access;
pub mod keys;
pub mod ticket;

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::ids::{SessionId, UserId};

/// Who acts, and in which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
}

/// An opaque credential in plain: 256 random bits.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Draws a new one.
    pub fn draw() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// What is stored of it: a plain digest, because 256 random bits cannot be guessed from one.
    pub fn digest(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }

    /// The credential itself, for an answer to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
