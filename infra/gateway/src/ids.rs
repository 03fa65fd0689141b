//! Identifiers in the shapes AWS uses, so that code which wrongly parses or fails to encode them fails here too.
//!
//! All of them are random; nothing can be read from one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

/// Bytes in a connection or request id, which base64 makes 15 characters and one `=`.
const ID_BYTES: usize = 11;

/// A connection id or an API Gateway request id, for example `L0SM9cOFvHcCIhw=`.
pub(crate) fn gateway_id() -> String {
    URL_SAFE.encode(rand::random::<[u8; ID_BYTES]>())
}

/// Whether a text has the shape of [`gateway_id`].
pub(crate) fn is_gateway_id(text: &str) -> bool {
    let mut bytes = [0; ID_BYTES + 1];
    matches!(URL_SAFE.decode_slice(text, &mut bytes), Ok(ID_BYTES))
}

/// A Lambda request id: a UUID of version 4.
pub(crate) fn lambda_request_id() -> String {
    let (high, low): (u64, u64) = rand::random();
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

/// The root of an X-Ray trace, as in `X-Amzn-Trace-Id`.
pub(crate) fn trace_root(epoch_seconds: i64) -> String {
    let random: u128 = rand::random::<u128>() & ((1 << 96) - 1);
    format!("Root=1-{epoch_seconds:08x}-{random:024x}")
}

/// The trace header of one invocation under a root.
pub(crate) fn invocation_trace(root: &str) -> String {
    format!("{root};Parent={:016x};Sampled=0", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_id_has_fifteen_characters_and_one_equals_sign() {
        let id = gateway_id();

        assert_eq!(id.len(), 16);
        assert!(id.ends_with('=') && !id.ends_with("=="));
        assert!(is_gateway_id(&id));
    }

    #[test]
    fn other_texts_are_not_taken_for_a_connection_id() {
        for text in ["", "abc", "not-an-id", "AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAA=="] {
            assert!(!is_gateway_id(text), "{text}");
        }
    }

    #[test]
    fn a_lambda_request_id_is_a_version_4_uuid() {
        let id = lambda_request_id();

        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
    }
}
