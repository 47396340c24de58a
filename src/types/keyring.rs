//! The keyring as the database keeps it: nothing in it is of use without the master key.

use std::fmt;

use super::secret::DataKeyId;

/// The ID of a master key, derived from the key. It tells keys apart and is safe to print.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKeyId(pub [u8; 8]);

impl fmt::Display for MasterKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A data key, wrapped.
#[derive(Clone, Debug)]
pub struct WrappedKey {
    /// Its number, which stands in the header of each value that it sealed.
    pub id: DataKeyId,
    /// What it is for: the word of a `crypto::keyring::KeyPurpose`.
    pub purpose: String,
    /// The key, sealed by the master key.
    pub wrapped: Vec<u8>,
}

/// The keyring.
#[derive(Clone, Debug)]
pub struct StoredKeyring {
    /// Tells this deployment from all others: 16 random bytes.
    pub deployment_id: [u8; 16],
    /// The ID of the master key that opens it.
    pub master_key_id: MasterKeyId,
    /// Rises with each change of the keyring.
    pub generation: i32,
    /// 32 zero bytes, sealed by the master key: tells whether a master key is the right one.
    pub check_value: Vec<u8>,
    /// The data keys.
    pub keys: Vec<WrappedKey>,
}
