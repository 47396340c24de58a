//! The keyring as the database keeps it: nothing in it is of use without a master key.

use std::fmt;

use super::clock::Timestamp;
use super::secret::DataKeyId;

/// The ID of a master key, derived from the key. It tells keys apart and is safe to print.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterKeyId(pub [u8; 8]);

impl MasterKeyId {
    /// Reads the 16 hexadecimal digits in which an ID is shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_shown_so = text.len() == 16
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = is_shown_so.then(|| u64::from_str_radix(text, 16).ok());
        number.flatten().map(|number| Self(number.to_be_bytes()))
    }
}

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

/// What a slot's master key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPurpose {
    /// Servers open the keyring with it.
    Serve,
    /// It is kept offline, for the day on which the others are lost.
    Recover,
}

impl SlotPurpose {
    /// The word that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "SERVE",
            Self::Recover => "RECOVER",
        }
    }

    /// Reads the word that the database keeps.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Serve, Self::Recover]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }
}

/// How far a data key has come. A key only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// It is there, so that every server knows it before it is used.
    Pending,
    /// It seals. One key of a purpose is active.
    Active,
    /// It opens what it has sealed, until that is sealed anew.
    Retiring,
    /// Nothing is left that it has sealed, and its copies are gone.
    Destroyed,
}

impl KeyState {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Retiring, Self::Destroyed];

    /// The word that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Retiring => "RETIRING",
            Self::Destroyed => "DESTROYED",
        }
    }

    /// Reads the word that the database keeps.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A master key's place in the keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// 1 to 4.
    pub number: i32,
    /// The ID of its master key.
    pub master_key_id: MasterKeyId,
    /// What its master key is for.
    pub purpose: SlotPurpose,
    /// The generation of the keyring in which it was added.
    pub generation: i32,
    /// When it was added.
    pub added_at: Timestamp,
    /// 32 zero bytes, sealed by the master key: tells whether a master key is the right one.
    pub check_value: Vec<u8>,
}

/// A copy of a data key, sealed by the master key of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The ID of the master key.
    pub master_key_id: MasterKeyId,
    /// The data key, sealed.
    pub wrapped: Vec<u8>,
}

/// A data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDataKey {
    /// Its number, which stands in the header of each value that it sealed. No number is given twice.
    pub id: DataKeyId,
    /// What it is for: the word of a `crypto::keyring::KeyPurpose`.
    pub purpose: String,
    /// How far it has come.
    pub state: KeyState,
    /// Since when.
    pub changed_at: Timestamp,
    /// A copy for each slot; none when it is destroyed.
    pub copies: Vec<WrappedKey>,
}

/// The keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKeyring {
    /// Tells this deployment from all others: 16 random bytes.
    pub deployment_id: [u8; 16],
    /// How the rows of the keyring are to be read.
    pub format: i32,
    /// The master key that servers are to be started with.
    pub primary: MasterKeyId,
    /// Rises by one with each change of the keyring.
    pub generation: i32,
    /// Authenticates all that the keyring says, under a key that only those have who open it.
    pub tag: Vec<u8>,
    /// The master keys that open it, in the order of their numbers.
    pub slots: Vec<Slot>,
    /// The data keys, in the order of their numbers.
    pub keys: Vec<StoredDataKey>,
}

impl StoredKeyring {
    /// The IDs of the master keys that open it.
    #[must_use]
    pub fn master_key_ids(&self) -> Vec<MasterKeyId> {
        self.slots.iter().map(|slot| slot.master_key_id).collect()
    }
}
