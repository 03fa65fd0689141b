//! Password hashes: argon2id with the parameters OWASP's Password Storage Cheat Sheet names as its minimum
//! (19 MiB, 2 passes, 1 lane), which are the crate's defaults; off the async threads.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use super::fields::{NewPassword, TypedPassword};
use crate::{Error, Result};

/// The hash of a password nobody has: an account that does not exist is checked against it, so that it takes
/// as long as one that does.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$3rVQWeZcs+aEzfnkUo6r6A$m8m1iGv6mmvpVEDNODKE0YcvWJstaUXe1BVWxQ4aFQA";

/// Hashes a password, as a PHC string.
pub(super) async fn hash(password: &NewPassword) -> Result<String> {
    let password = password.clone();
    off_the_async_threads(move || {
        let hash: PasswordHash = Argon2::default()
            .hash_password(password.reveal().as_bytes())
            .map_err(|error| Error::Internal(anyhow::anyhow!("hashing a password: {error}")))?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether the password is the one of the hash; without a hash it is not, after the same time.
pub(super) async fn matches(password: &TypedPassword, hash: Option<String>) -> Result<bool> {
    let password = password.clone();
    off_the_async_threads(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
        let matches = Argon2::default().verify_password(password.reveal().as_bytes(), hash.as_str()).is_ok();
        Ok(matches && known)
    })
    .await
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_hash_costs_what_a_new_one_costs() {
        let nobodys = PasswordHash::new(NOBODYS).expect("a PHC string");
        let new: PasswordHash = Argon2::default().hash_password(b"Correct-Horse-1").expect("a hash");

        assert_eq!(nobodys.algorithm, new.algorithm);
        assert_eq!(nobodys.params, new.params);
        assert_eq!(nobodys.hash.map(|hash| hash.len()), new.hash.map(|hash| hash.len()));
    }
}
