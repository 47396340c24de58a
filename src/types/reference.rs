//! References: what uses credentials.

use super::clock::Timestamp;
use super::consumer::Consumer;
use super::credential::Credential;
use super::id::Id;

/// One consumer's use of one credential: declared, observed, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialReference {
    /// Its ID.
    pub id: Id<CredentialReference>,
    /// What the consumer refers to, whether or not it still exists.
    pub credential_id: Id<Credential>,
    /// Whether the credential still exists.
    pub is_present: bool,
    /// What uses the credential.
    pub consumer: Consumer,
    /// When the consumer declared it; `None` when it only resolved the credential.
    pub declared_at: Option<Timestamp>,
    /// What was observed; `None` when it only declared it.
    pub uses: Option<Uses>,
}

/// The resolves of one credential by one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// When it first resolved the credential.
    pub first_at: Timestamp,
    /// When it last did.
    pub last_at: Timestamp,
    /// The version of the value that it held after that.
    pub last_version: i32,
    /// How often it did.
    pub count: i32,
}

impl Uses {
    /// One more.
    #[must_use]
    pub fn with(self, later: Self) -> Self {
        Self {
            first_at: self.first_at.min(later.first_at),
            last_at: self.last_at.max(later.last_at),
            // Versions only rise, and the clocks of instances differ.
            last_version: self.last_version.max(later.last_version),
            count: self.count.saturating_add(later.count),
        }
    }
}

/// Who declares that they use a credential, for the one who wants to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// How many consumers that are.
    pub count: i64,
    /// The first of them.
    pub first: Vec<Consumer>,
}
