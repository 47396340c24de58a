//! The master key: the operator's, kept apart from the database, used only to open the keyring.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::digest::{hmac_sha256, sha256};
use super::locked_key::{KEY_LENGTH_BYTES, LockedKey};
use super::random::{self, RandomUnavailable};
use crate::types::keyring::MasterKeyId;

const PREFIX: &str = "ck1_";
const CHECKSUM_LENGTH_BYTES: usize = 4;

/// Whether there may be a master key in a text: such a text is not repeated.
#[must_use]
pub fn holds_master_key(text: &str) -> bool {
    text.contains(PREFIX)
}

/// What is wrong with a text that was to be a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterKeyProblem {
    /// It does not start with `ck1_`, or is not base64url of 36 bytes.
    Malformed,
    /// Its checksum does not fit: a character was mistyped or lost.
    Mistyped,
    /// It is all one byte, or printable text: not a key that a random source made.
    Weak,
}

impl fmt::Display for MasterKeyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "is not a master key: one line that starts with `ck1_` and has 48 characters after it",
            Self::Mistyped => "has a master key whose checksum does not fit: a character was changed or lost",
            Self::Weak => "has a master key that no random source made",
        })
    }
}

/// A master key of 32 bytes, wiped when dropped.
pub struct MasterKey(LockedKey);

impl MasterKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`RandomUnavailable`] when the system's source fails.
    pub fn generate() -> Result<Self, RandomUnavailable> {
        Ok(Self(random::key()?))
    }

    /// Reads the text form, `ck1_` and base64url of the key and the first 4 bytes of its SHA-256. White space around it
    /// is passed over.
    ///
    /// # Errors
    /// A [`MasterKeyProblem`].
    pub fn parse(text: &str) -> Result<Self, MasterKeyProblem> {
        let encoded = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(MasterKeyProblem::Malformed)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_malformed| MasterKeyProblem::Malformed)?;
        let (key, checksum) = bytes
            .split_first_chunk::<KEY_LENGTH_BYTES>()
            .filter(|(_, checksum)| checksum.len() == CHECKSUM_LENGTH_BYTES)
            .ok_or(MasterKeyProblem::Malformed)?;
        if !sha256(key).starts_with(checksum) {
            return Err(MasterKeyProblem::Mistyped);
        }
        if is_weak(key) {
            return Err(MasterKeyProblem::Weak);
        }
        LockedKey::copy_of(key)
            .map(Self)
            .ok_or(MasterKeyProblem::Malformed)
    }

    /// The text form: one line, with its end.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let hash = sha256(&self.0);
        let checksum = hash.get(..CHECKSUM_LENGTH_BYTES).unwrap_or_default();
        let bytes = Zeroizing::new([&*self.0, checksum].concat());
        // With room for all of it, so that no copy of a part stays behind: base64 takes a third more than the bytes.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * bytes.len()));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text.push('\n');
        text
    }

    /// The key's ID.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        let hash = hmac_sha256(self.bytes(), &[b"credence/kek-id/v1"]);
        let mut id = [0; 8];
        for (place, byte) in id.iter_mut().zip(hash) {
            *place = byte;
        }
        MasterKeyId(id)
    }

    /// The key itself, for the keyring.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn is_weak(key: &[u8]) -> bool {
    let printable = key.iter().all(|byte| matches!(byte, 0x20..=0x7e));
    let repeated = key.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    printable || repeated
}
