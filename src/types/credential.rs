//! Credentials and their names.

use super::clock::Timestamp;
use super::id::Id;
use super::secret::{DataKeyId, Sealed};
use super::text;
use super::user::User;

/// The longest name, in Unicode scalar values.
pub const NAME_LIMIT_CHARACTERS: usize = 128;

/// What is wrong with a text that was to be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// It is empty, or only white space.
    Blank,
    /// It is longer than [`NAME_LIMIT_CHARACTERS`].
    TooLong,
    /// It has characters that cannot be seen or told apart.
    Invalid,
}

/// The name of a credential: trimmed, in NFC, 1 to 128 visible characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialName {
    text: String,
    key: String,
}

impl CredentialName {
    /// Reads a name as a person typed it.
    ///
    /// # Errors
    /// A [`NameProblem`] when nothing is left after trimming, it is too long, or it has characters that are refused.
    pub fn parse(typed: &str) -> Result<Self, NameProblem> {
        let trimmed = typed.trim();
        if trimmed.is_empty() {
            return Err(NameProblem::Blank);
        }
        // Normalisation makes a text at most three times as long (UAX 15, section 1.3) and shortens it to no less than
        // a fraction: what is far too long is refused before any work is done on it.
        if trimmed.chars().nth(NAME_LIMIT_CHARACTERS * 8).is_some() {
            return Err(NameProblem::TooLong);
        }
        let text = text::normalize(trimmed);
        if text.chars().count() > NAME_LIMIT_CHARACTERS {
            return Err(NameProblem::TooLong);
        }
        if !text.chars().all(text::is_nameable) {
            return Err(NameProblem::Invalid);
        }
        let key = text::fold(&text);
        Ok(Self { text, key })
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form by which names are unique and are searched and ordered.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A credential, without its value.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What everything refers to it by.
    pub id: Id<Credential>,
    /// As it is shown.
    pub name: String,
    /// As it is compared.
    pub name_key: String,
    /// Who may change it.
    pub owner: User,
    /// 1 when created, one more with each value.
    pub value_version: i32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its name, owner or value last changed.
    pub updated_at: Timestamp,
    /// When its value was last set.
    pub value_updated_at: Timestamp,
}

/// A credential's value as it is stored, with all that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// The ciphertext.
    pub sealed: Sealed,
    /// The key that made it.
    pub data_key: DataKeyId,
}

/// What became of a credential that is no more.
#[derive(Clone, Debug)]
pub struct DeletedCredential {
    /// The ID it had.
    pub id: Id<Credential>,
    /// The last name it had.
    pub name: String,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// What became of the credential with an ID.
#[derive(Clone, Debug)]
pub enum CredentialFate {
    /// It exists, under this name.
    Live(String),
    /// It was deleted.
    Deleted(DeletedCredential),
    /// There never was one.
    Unknown,
}

/// The orders in which credentials are listed. Ties are broken by ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialOrder {
    /// By name, without regard to case.
    Name,
    /// By time of creation.
    CreatedAt,
    /// By time of the last change.
    UpdatedAt,
}

/// A credential's place in a list: what a cursor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// In the order of names.
    Name(String),
    /// In an order of times.
    Time(Timestamp, Id<Credential>),
}
