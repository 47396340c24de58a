//! Hashes, message authentication codes and key derivation (FIPS 180-4, RFC 2104, RFC 5869).

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::{digest, hkdf, hmac};

use super::locked_key::LockedKey;

/// The length of a SHA-256 hash and of a key, in bytes.
pub const HASH_LENGTH_BYTES: usize = 32;

/// The SHA-256 hash of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; HASH_LENGTH_BYTES] {
    copy(digest::digest(&SHA256, bytes).as_ref())
}

/// The HMAC-SHA-256 of the parts, each with its length before it, so that no two lists of parts are the same bytes.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; HASH_LENGTH_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(&length_prefix(part));
        context.update(part);
    }
    copy(context.sign().as_ref())
}

/// A key for one purpose, derived from another by HKDF-SHA-256; `None` when that fails, which it can only for more output than
/// 255 hashes (RFC 5869, section 2.3).
#[must_use]
pub fn derive_key(key: &[u8], salt: &[u8], purpose: &str) -> Option<LockedKey> {
    let mut derived = LockedKey::zeroed();
    let info = [purpose.as_bytes()];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    let material = extracted.expand(&info, hkdf::HKDF_SHA256).ok()?;
    material.fill(&mut derived).ok()?;
    Some(derived)
}

/// A part's length as it stands before the part in anything that is authenticated.
#[must_use]
pub fn length_prefix(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

fn copy(hash: &[u8]) -> [u8; HASH_LENGTH_BYTES] {
    let mut array = [0; HASH_LENGTH_BYTES];
    for (place, byte) in array.iter_mut().zip(hash) {
        *place = *byte;
    }
    array
}
