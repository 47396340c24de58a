//! The keyring: the keys that the server works with, each wrapped by the master keys.
//!
//! One key, one job: values, cursors, sessions, the audit chain and the keyring itself each have a key of their own, derived together with
//! the deployment, so that rows copied into another deployment do not open there.

use std::fmt;

use super::digest::derive_key;
use super::opened_keys::OpenedKeys;
use super::seal::{SealError, SealingKey};
use super::session::RowKey;
use super::wrapping::{DataKey, WrappingKey};
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::keyring::{KeyState, MasterKeyId, StoredKeyring};
use crate::types::secret::{DataKeyId, Sealed, SecretValue, UncheckedSecret};
use crate::types::user::User;

/// How the rows of the keyring are to be read: raised when that changes.
pub(super) const FORMAT: i32 = 1;

const VALUE_DOMAIN: &[u8] = b"credence/value/v1";

/// What a data key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// It seals values.
    Value,
    /// What authenticates cursors, and what authenticates sessions, are derived from it.
    Cursor,
    /// It authenticates the audit log.
    Audit,
    /// It authenticates the keyring.
    Keyring,
}

impl KeyPurpose {
    /// All of them, in the order in which a new keyring numbers its keys.
    pub const ALL: [Self; 4] = [Self::Value, Self::Cursor, Self::Audit, Self::Keyring];

    /// The word that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "VALUE",
            Self::Cursor => "CURSOR",
            Self::Audit => "AUDIT",
            Self::Keyring => "KEYRING",
        }
    }

    /// Reads the word that the database keeps.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    /// What the derived key is called (RFC 5869, `info`).
    pub(super) const fn info(self) -> &'static str {
        match self {
            Self::Value => "cred/value/v1",
            Self::Cursor => "cursor/v1",
            Self::Audit => "audit/chain/v1",
            Self::Keyring => "keyring/v1",
        }
    }
}

/// Why a keyring does not open, or is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringError {
    /// It wants other master keys.
    OtherMasterKey {
        /// The IDs of those of which each opens it.
        wanted: Vec<MasterKeyId>,
        /// The IDs of those that it was given.
        given: Vec<MasterKeyId>,
    },
    /// A change needs the master keys of all slots, and these are not given.
    MissingMasterKeys(Vec<MasterKeyId>),
    /// The master key is right, but a row of the keyring does not open: it was changed or damaged.
    Damaged,
    /// A newer version wrote it.
    Newer,
    /// The random source failed.
    RandomUnavailable,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherMasterKey { wanted, given } => write!(
                formatter,
                "the database wants the master key {}, but was given {}",
                either(wanted),
                either(given)
            ),
            Self::MissingMasterKeys(ids) => write!(
                formatter,
                "a new data key gets a copy for each slot, and the master key {} is not given: add its file with --with-key-file, or drop \
                 its slot",
                either(ids)
            ),
            Self::Damaged => {
                formatter.write_str("a row of the keyring does not open: it was changed or damaged")
            }
            Self::Newer => formatter.write_str(
                "the keyring was written by a newer version of Credence: use that version",
            ),
            Self::RandomUnavailable => formatter.write_str("the system's random source failed"),
        }
    }
}

fn either(ids: &[MasterKeyId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if ids.is_empty() {
        return "none".to_owned();
    }
    ids.join(" or ")
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
    generation: i32,
    active: DataKeyId,
    value_keys: Vec<(DataKeyId, SealingKey)>,
    cursor_key: DataKey,
    session_key: RowKey,
    audit_key: DataKey,
}

impl Keyring {
    /// Opens a keyring with the first of these keys that has a slot.
    ///
    /// # Errors
    /// Those of [`OpenedKeys::open`].
    pub fn open(stored: &StoredKeyring, keys: &[WrappingKey]) -> Result<Self, KeyringError> {
        let (opened, _slot) = OpenedKeys::open(stored, keys)?;
        Self::of(&opened, stored)
    }

    /// The keyring of opened data keys.
    ///
    /// # Errors
    /// [`KeyringError::Damaged`] when a key is missing.
    pub fn of(opened: &OpenedKeys, stored: &StoredKeyring) -> Result<Self, KeyringError> {
        let deployment_id = stored.deployment_id;
        let mut value_keys = Vec::new();
        let mut active = None;
        for row in opened
            .0
            .iter()
            .filter(|row| row.purpose == KeyPurpose::Value)
        {
            let number = u32::try_from(row.id.0).map_err(|_negative| KeyringError::Damaged)?;
            let derived = derive_key(&row.key, &deployment_id, KeyPurpose::Value.info())
                .ok_or(KeyringError::Damaged)?;
            value_keys.push((row.id, SealingKey::new(number, derived)));
            if row.state == KeyState::Active {
                active = Some(row.id);
            }
        }
        Ok(Self {
            deployment_id,
            generation: stored.generation,
            active: active.ok_or(KeyringError::Damaged)?,
            value_keys,
            cursor_key: opened.derived(KeyPurpose::Cursor, &deployment_id)?,
            session_key: opened.session_key(&deployment_id)?,
            audit_key: opened.derived(KeyPurpose::Audit, &deployment_id)?,
        })
    }

    /// Tells this deployment from all others.
    #[must_use]
    pub fn deployment_id(&self) -> &[u8; 16] {
        &self.deployment_id
    }

    /// Rises with each change of the keyring.
    #[must_use]
    pub const fn generation(&self) -> i32 {
        self.generation
    }

    /// The key that authenticates sessions.
    #[must_use]
    pub const fn session_key(&self) -> &RowKey {
        &self.session_key
    }

    /// The data key that seals values.
    #[must_use]
    pub const fn active(&self) -> DataKeyId {
        self.active
    }

    /// The key that authenticates cursors.
    pub(super) fn cursor_key(&self) -> &[u8] {
        &self.cursor_key
    }

    /// The key that authenticates the audit log.
    pub(super) const fn audit_key(&self) -> &DataKey {
        &self.audit_key
    }

    /// Seals a value under the active data key, bound to its credential.
    ///
    /// # Errors
    /// [`SealError::SealFailed`] when the random source fails, or what was sealed does not open again.
    pub fn seal_value(
        &self,
        value: &SecretValue,
        binding: &ValueBinding<'_>,
    ) -> Result<(Sealed, DataKeyId), SealError> {
        let key = self.value_key(self.active).ok_or(SealError::SealFailed)?;
        let sealed = self.with_context(binding, |context| {
            key.seal(value.expose().as_bytes(), context)
        })?;
        Ok((Sealed(sealed), self.active))
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`SealError::OtherKey`] when the value was sealed by a key that is not in the keyring; another [`SealError`] when it was bound to
    /// anything else, or is damaged.
    pub fn open_value(
        &self,
        sealed: &Sealed,
        data_key: DataKeyId,
        binding: &ValueBinding<'_>,
    ) -> Result<SecretValue, SealError> {
        let key = self.value_key(data_key).ok_or(SealError::OtherKey)?;
        let opened = self.with_context(binding, |context| key.open(&sealed.0, context))?;
        // Only valid values are ever sealed: anything else that opens is not ours.
        let text = str::from_utf8(&opened).map_err(|_not_text| SealError::NotAuthentic)?;
        SecretValue::parse(UncheckedSecret::new(text.to_owned()))
            .map_err(|_problem| SealError::NotAuthentic)
    }

    /// Whether values that a data key sealed can be opened.
    #[must_use]
    pub fn has_value_key(&self, id: DataKeyId) -> bool {
        self.value_key(id).is_some()
    }

    /// The data keys whose values can be opened.
    pub fn value_key_ids(&self) -> impl Iterator<Item = DataKeyId> {
        self.value_keys.iter().map(|(id, _)| *id)
    }

    fn value_key(&self, id: DataKeyId) -> Option<&SealingKey> {
        let found = self.value_keys.iter().find(|(known, _)| *known == id);
        found.map(|(_, key)| key)
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
