//! Password hashes: argon2id with the parameters OWASP's Password Storage Cheat Sheet names as its minimum
//! (19 MiB, 2 passes, 1 lane), which are the crate's defaults; off the async threads.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::fields::TypedPassword;
use crate::{Error, Result};

/// The hash of a password nobody has: an account that does not exist is checked against it, so that it takes
/// as long as one that does.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$3rVQWeZcs+aEzfnkUo6r6A$m8m1iGv6mmvpVEDNODKE0YcvWJstaUXe1BVWxQ4aFQA";

/// What a hash is computed in. One for the process and kept: an invocation hashes once, and 19 MiB taken and given
/// back each time would be paid for in page faults and in memory the allocator does not return.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Hashes a password, as a PHC string.
pub(super) async fn hash(password: &str) -> Result<String> {
    let password = password.to_owned();
    off_the_async_threads(move || {
        let salt = rand::random::<[u8; 16]>();
        phc(&password, &salt).map_err(|error| Error::Internal(anyhow::anyhow!("hashing a password: {error}")))
    })
    .await
}

fn phc(password: &str, salt: &[u8]) -> argon2::password_hash::Result<String> {
    let params = Params::default();
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(salt)?),
        hash: Some(compute(Version::V0x13, params, password, salt)?),
    };
    Ok(hash.to_string())
}

/// Whether the password is the one of the hash; without a hash it is not, after the same time.
pub(super) async fn matches(password: &TypedPassword, hash: Option<String>) -> Result<bool> {
    let password = password.clone();
    off_the_async_threads(move || {
        let known = hash.is_some();
        let matches = verify(password.reveal(), hash.as_deref().unwrap_or(NOBODYS))
            .map_err(|error| Error::Internal(anyhow::anyhow!("checking a password: {error}")))?;
        Ok(matches && known)
    })
    .await
}

/// Whether a hash was made with less than the parameters of today.
pub(super) fn is_outdated(hash: &str) -> bool {
    let made_with = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
    let today = Params::default();
    made_with.is_none_or(|params| {
        params.m_cost() < today.m_cost()
            || params.t_cost() < today.t_cost()
            || params.p_cost() < today.p_cost()
    })
}

/// Computes with the parameters the hash was made with.
fn verify(password: &str, hash: &str) -> argon2::password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let salt = hash.salt.ok_or(argon2::password_hash::Error::SaltInvalid)?;
    let computed = compute(version, Params::try_from(&hash)?, password, &salt)?;
    Ok(hash.hash == Some(computed)) // an Output compares in constant time
}

fn compute(
    version: Version,
    params: Params,
    password: &str,
    salt: &[u8],
) -> argon2::password_hash::Result<Output> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory.as_mut_slice())?;
    Ok(Output::new(&output)?)
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
        let new = phc("Correct-Horse-1", &[7; 16]).expect("a hash");
        let new = PasswordHash::new(&new).expect("a PHC string");

        assert_eq!(nobodys.algorithm, new.algorithm);
        assert_eq!(nobodys.version, new.version);
        assert_eq!(nobodys.params, new.params);
        assert_eq!(nobodys.hash.map(|hash| hash.len()), new.hash.map(|hash| hash.len()));
    }

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let hash = phc("Correct-Horse-1", &[7; 16]).expect("a hash");

        assert_eq!(verify("Correct-Horse-1", &hash), Ok(true));
        assert_eq!(verify("Correct-Horse-2", &hash), Ok(false));
    }

    #[test]
    fn a_hash_that_another_implementation_made_is_understood() {
        // From the test vectors of the reference implementation (phc-winner-argon2, test.c): v=19, m=256, t=2, p=1.
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

        assert_eq!(verify("password", hash), Ok(true));
        assert_eq!(verify("passwore", hash), Ok(false));
        assert!(is_outdated(hash) && !is_outdated(NOBODYS));
    }
}
