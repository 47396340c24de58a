//! The keyring: the keys that the server works with, each wrapped by the master key.
//!
//! One key, one job: values, cursors and sessions each have a key of their own, derived from a data key and the
//! deployment, so that rows copied into another deployment do not open there.

use std::fmt;

use zeroize::Zeroizing;

use super::digest::derive_key;
use super::master_key::MasterKey;
use super::random;
use super::seal::{SealError, SealingKey};
use super::session::RowKey;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::keyring::{MasterKeyId, StoredKeyring, WrappedKey};
use crate::types::secret::{DataKeyId, Sealed, SecretValue, UncheckedSecret};
use crate::types::user::User;

const DATA_KEY_LENGTH_BYTES: usize = 32;
const CHECK_CONTENT: [u8; 32] = [0; 32];
const CHECK_DOMAIN: &[u8] = b"credence/kcv/v1";
const WRAP_DOMAIN: &[u8] = b"credence/data-key/v1";
const VALUE_DOMAIN: &[u8] = b"credence/value/v1";
const WRAP_PURPOSE: &str = "kek/wrap/v1";
const VALUE_PURPOSE: &str = "cred/value/v1";
const CURSOR_PURPOSE: &str = "cursor/v1";
const SESSION_PURPOSE: &str = "session/v1";

/// What a data key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// It seals values.
    Value,
    /// What authenticates cursors, and what authenticates sessions, are derived from it.
    Cursor,
}

impl KeyPurpose {
    /// All of them, in the order in which a new keyring numbers its keys.
    pub const ALL: [Self; 2] = [Self::Value, Self::Cursor];

    /// The word that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "VALUE",
            Self::Cursor => "CURSOR",
        }
    }
}

/// Why a keyring does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringError {
    /// It wants another master key.
    OtherMasterKey {
        /// The ID of the one it wants.
        wanted: MasterKeyId,
        /// The ID of the one it was given.
        given: MasterKeyId,
    },
    /// The master key is right, but a row of the keyring does not open: it was changed or damaged.
    Damaged,
    /// The random source failed.
    RandomUnavailable,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherMasterKey { wanted, given } => write!(
                formatter,
                "the database wants the master key {wanted}, but was given {given}"
            ),
            Self::Damaged => {
                formatter.write_str("a row of the keyring does not open: it was changed or damaged")
            }
            Self::RandomUnavailable => formatter.write_str("the system's random source failed"),
        }
    }
}

impl From<SealError> for KeyringError {
    fn from(error: SealError) -> Self {
        match error {
            // Of what the keyring seals, nothing is too long.
            SealError::SealFailed => Self::RandomUnavailable,
            SealError::TooShort
            | SealError::UnknownFormat
            | SealError::OtherKey
            | SealError::NotAuthentic => Self::Damaged,
        }
    }
}

/// All that a value is bound to: it opens nowhere else.
pub struct ValueBinding<'a> {
    /// The credential.
    pub credential_id: Id<Credential>,
    /// Its owner.
    pub owner_id: Id<User>,
    /// Its folded name.
    pub name_key: &'a str,
    /// The version of the value.
    pub value_version: i32,
}

/// The opened keyring.
pub struct Keyring {
    deployment_id: [u8; 16],
    value_keys: Vec<(DataKeyId, SealingKey)>,
    cursor_key: Zeroizing<[u8; DATA_KEY_LENGTH_BYTES]>,
    session_key: RowKey,
}

impl Keyring {
    /// Makes the keyring of a new deployment.
    ///
    /// # Errors
    /// [`KeyringError::RandomUnavailable`] when the system's source fails.
    pub fn generate(master_key: &MasterKey) -> Result<StoredKeyring, KeyringError> {
        let random_failed = |random::RandomUnavailable| KeyringError::RandomUnavailable;
        let wrapping = wrapping_key(master_key)?;
        let deployment_id = *random::bytes::<16>().map_err(random_failed)?;
        let generation: i32 = 1;
        let check_value = wrapping.seal(
            &CHECK_CONTENT,
            &[CHECK_DOMAIN, &deployment_id, &generation.to_be_bytes()],
        )?;
        let mut keys = Vec::new();
        for (number, purpose) in (1..).zip(KeyPurpose::ALL) {
            let key = random::bytes::<DATA_KEY_LENGTH_BYTES>().map_err(random_failed)?;
            let wrapped = wrapping.seal(
                key.as_slice(),
                &[
                    WRAP_DOMAIN,
                    &deployment_id,
                    &i32::to_be_bytes(number),
                    purpose.as_str().as_bytes(),
                ],
            )?;
            keys.push(WrappedKey {
                id: DataKeyId(number),
                purpose: purpose.as_str().to_owned(),
                wrapped,
            });
        }
        Ok(StoredKeyring {
            deployment_id,
            master_key_id: master_key.id(),
            generation,
            check_value,
            keys,
        })
    }

    /// Opens a keyring.
    ///
    /// # Errors
    /// [`KeyringError::OtherMasterKey`] when the key is another one, [`KeyringError::Damaged`] when a row does not open.
    pub fn open(stored: &StoredKeyring, master_key: &MasterKey) -> Result<Self, KeyringError> {
        let given = master_key.id();
        if given != stored.master_key_id {
            return Err(KeyringError::OtherMasterKey {
                wanted: stored.master_key_id,
                given,
            });
        }
        let wrapping = wrapping_key(master_key)?;
        let deployment_id = stored.deployment_id;
        let check_value = wrapping.open(
            &stored.check_value,
            &[
                CHECK_DOMAIN,
                &deployment_id,
                &stored.generation.to_be_bytes(),
            ],
        )?;
        if check_value.as_slice() != CHECK_CONTENT {
            return Err(KeyringError::Damaged);
        }
        let mut value_keys = Vec::new();
        let mut cursor_key = None;
        let mut session_key = None;
        for row in &stored.keys {
            let key = wrapping.open(
                &row.wrapped,
                &[
                    WRAP_DOMAIN,
                    &deployment_id,
                    &row.id.0.to_be_bytes(),
                    row.purpose.as_bytes(),
                ],
            )?;
            match KeyPurpose::ALL
                .into_iter()
                .find(|purpose| purpose.as_str() == row.purpose)
            {
                Some(KeyPurpose::Value) => {
                    let number =
                        u32::try_from(row.id.0).map_err(|_negative| KeyringError::Damaged)?;
                    let derived = derive_key(&key, &deployment_id, VALUE_PURPOSE)
                        .ok_or(KeyringError::Damaged)?;
                    value_keys.push((row.id, SealingKey::new(number, &derived)?));
                }
                Some(KeyPurpose::Cursor) => {
                    cursor_key = derive_key(&key, &deployment_id, CURSOR_PURPOSE);
                    session_key = RowKey::derive(&key, &deployment_id, SESSION_PURPOSE);
                }
                None => return Err(KeyringError::Damaged),
            }
        }
        value_keys.sort_by_key(|(id, _)| *id);
        if value_keys.is_empty() {
            return Err(KeyringError::Damaged);
        }
        Ok(Self {
            deployment_id,
            value_keys,
            cursor_key: cursor_key.ok_or(KeyringError::Damaged)?,
            session_key: session_key.ok_or(KeyringError::Damaged)?,
        })
    }

    /// Tells this deployment from all others.
    #[must_use]
    pub fn deployment_id(&self) -> &[u8; 16] {
        &self.deployment_id
    }

    /// The key that authenticates cursors.
    pub(super) fn cursor_key(&self) -> &[u8; DATA_KEY_LENGTH_BYTES] {
        &self.cursor_key
    }

    /// The key that authenticates sessions.
    #[must_use]
    pub const fn session_key(&self) -> &RowKey {
        &self.session_key
    }

    /// Seals a value under the newest data key, bound to its credential.
    ///
    /// # Errors
    /// [`SealError::SealFailed`] when the random source fails, or what was sealed does not open again.
    pub fn seal_value(
        &self,
        value: &SecretValue,
        binding: &ValueBinding<'_>,
    ) -> Result<(Sealed, DataKeyId), SealError> {
        let (id, key) = self.value_keys.last().ok_or(SealError::SealFailed)?;
        let sealed = self.with_context(binding, |context| {
            key.seal(value.expose().as_bytes(), context)
        })?;
        Ok((Sealed(sealed), *id))
    }

    /// Opens a value.
    ///
    /// # Errors
    /// A [`SealError`] when the value was sealed by a key that is not in the keyring, was bound to anything else, or is
    /// damaged.
    pub fn open_value(
        &self,
        sealed: &Sealed,
        data_key: DataKeyId,
        binding: &ValueBinding<'_>,
    ) -> Result<SecretValue, SealError> {
        let (_, key) = self
            .value_keys
            .iter()
            .find(|(id, _)| *id == data_key)
            .ok_or(SealError::OtherKey)?;
        let opened = self.with_context(binding, |context| key.open(&sealed.0, context))?;
        // Only valid values are ever sealed: anything else that opens is not ours.
        let text = str::from_utf8(&opened).map_err(|_not_text| SealError::NotAuthentic)?;
        SecretValue::parse(UncheckedSecret::new(text.to_owned()))
            .map_err(|_problem| SealError::NotAuthentic)
    }

    fn with_context<T>(
        &self,
        binding: &ValueBinding<'_>,
        use_context: impl FnOnce(&[&[u8]]) -> T,
    ) -> T {
        use_context(&[
            VALUE_DOMAIN,
            &self.deployment_id,
            binding.credential_id.as_bytes(),
            binding.owner_id.as_bytes(),
            binding.name_key.as_bytes(),
            &i64::from(binding.value_version).to_be_bytes(),
        ])
    }
}

fn wrapping_key(master_key: &MasterKey) -> Result<SealingKey, KeyringError> {
    let derived = derive_key(master_key.bytes(), &[], WRAP_PURPOSE).ok_or(KeyringError::Damaged)?;
    Ok(SealingKey::new(0, &derived)?)
}
