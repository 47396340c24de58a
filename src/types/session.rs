//! Sessions of people who signed in with a browser, and the one-time codes that some of them sign in with.

use super::clock::Timestamp;
use super::credential::Credential;
use super::id::Id;
use super::scope::ScopeSet;
use super::user::User;

/// The length of the secret of a session or a code, and of its hash, in bytes.
pub const SECRET_LENGTH_BYTES: usize = 32;

/// The SHA-256 of a secret that only its holder has: what rows are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; SECRET_LENGTH_BYTES]);

/// What proves that a row was written by a server, and not changed since.
#[derive(Clone, Copy, Debug)]
pub struct RowMac(pub [u8; 32]);

/// What somebody signed in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A token of the issuer.
    Token,
    /// A one-time code of local mode.
    Code,
    /// An ID token of the provider.
    Provider,
}

impl Way {
    /// The word that stands for it in what is authenticated.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Code => "code",
            Self::Provider => "provider",
        }
    }
}

/// Tells apart what proofs are verified with: an issuer and one of its keys, or a provider and its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// By what way somebody signed in, and what their proof was verified with, under a key: it tells nothing of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticator(pub [u8; 32]);

/// A session. It allows no more than what it was made of.
#[derive(Clone, Debug)]
pub struct Session {
    /// The hash of the ID that the cookie holds.
    pub id_hash: SecretHash,
    /// What it was made of: it is good while that is accepted.
    pub authenticator: Authenticator,
    /// Who signed in.
    pub user_id: Id<User>,
    /// What they may do.
    pub scopes: ScopeSet,
    /// The only credentials that it resolves; `None` for all.
    pub credential_ids: Option<Vec<Id<Credential>>>,
    /// The `iat` claim of what it was made of, in seconds since 1970.
    pub issued_at_seconds: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
}

impl Session {
    /// The bytes of the only credentials that it resolves, one ID after the other; `None` for all.
    #[must_use]
    pub fn credential_ids_bytes(&self) -> Option<Vec<u8>> {
        let ids = self.credential_ids.as_ref()?;
        Some(ids.iter().flat_map(Id::as_bytes).copied().collect())
    }
}

/// A one-time code of local mode.
#[derive(Clone, Debug)]
pub struct LoginCode {
    /// The hash of the code.
    pub code_hash: SecretHash,
    /// Who signs in with it: a subject of the server's own issuer.
    pub subject: String,
    /// What they may do.
    pub scopes: ScopeSet,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it can no longer be used.
    pub ends_at: Timestamp,
}
