//! Who asks, and what their token or session allows.

use std::sync::Arc;

use super::Request;
use super::error::{Denial, Error};
use super::refusal::Refusals;
use crate::types::clock::Timestamp;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::peer::Peer;
use crate::types::scope::{Scope, ScopeSet};
use crate::types::session::{Authenticator, Fingerprint, SecretHash};
use crate::types::user::User;

/// Who asks: made by authentication only.
#[derive(Clone)]
pub struct Caller {
    pub(super) user: Arc<User>,
    pub(super) scopes: ScopeSet,
    pub(super) issued_at_seconds: i64,
    pub(super) accepted_until_seconds: i64,
    pub(super) credential_ids: Option<Arc<[Id<Credential>]>>,
    // The program that the token was issued to, if it says so.
    pub(super) client: Option<Arc<str>>,
    // The SHA-256 of the name that the issuer gave the token, if it did.
    pub(super) token_id_hash: Option<[u8; 32]>,
    // Where the request comes from, unless a proxy hides that.
    pub(super) peer: Option<Peer>,
    pub(super) proof: Proof,
    // Whether what they showed was given to a program that may resolve.
    pub(super) is_for_resolving: bool,
    pub(super) request_id: Id<Request>,
    pub(super) refusals: Refusals,
}

/// What authenticated a caller.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// A token, verified with this.
    Token(Fingerprint),
    /// A session, and what it was made of.
    Session(SecretHash, Authenticator),
}

impl Caller {
    /// The user that the token or the session speaks for.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The same one, who asks from there.
    #[must_use]
    pub fn at(self, peer: Option<Peer>) -> Self {
        Self { peer, ..self }
    }

    /// All that the token or the session allows.
    #[must_use]
    pub const fn scopes(&self) -> ScopeSet {
        self.scopes
    }

    /// When the token is no longer accepted, or the session ends.
    #[must_use]
    pub const fn ends_at(&self) -> Timestamp {
        Timestamp(self.accepted_until_seconds.saturating_mul(1_000_000))
    }

    /// The session that authenticated them, when it was no token.
    pub(super) const fn session(&self) -> Option<SecretHash> {
        match self.proof {
            Proof::Token(_) => None,
            Proof::Session(id_hash, _) => Some(id_hash),
        }
    }

    /// Whether the token or the session allows this.
    #[must_use]
    pub const fn has(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    /// Lets pass who has the scope. Who has not is counted among the refused.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who has not.
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        self.require_any(&[scope])
    }

    /// Lets pass who has one of the scopes.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who has none of them.
    pub fn require_any(&self, scopes: &[Scope]) -> Result<(), Error> {
        if self.has_any(scopes) {
            Ok(())
        } else {
            Err(self.refuse(Denial::NeedsScope(scopes.to_vec())))
        }
    }

    /// Whether the token or the session allows one of these.
    #[must_use]
    pub fn has_any(&self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| self.has(*scope))
    }

    /// Denies something, and counts that.
    pub(super) fn refuse(&self, denial: Denial) -> Error {
        let error = Error::Forbidden(denial);
        self.refusals.note(&self.user.key, error.audit_reason());
        error
    }

    /// Whether the caller may create credentials.
    #[must_use]
    pub const fn may_create(&self) -> bool {
        self.has(Scope::CredentialsWrite)
    }

    /// Whether the caller may change or delete a credential.
    #[must_use]
    pub fn may_change(&self, credential: &Credential) -> bool {
        let owns = credential.owner.id == self.user.id;
        self.has(Scope::CredentialsManage) || (owns && self.has(Scope::CredentialsWrite))
    }

    /// Whether the `credential_ids` claim of the token, or of what the session was made of, leaves this credential out.
    pub(super) fn is_limited_from(&self, id: Id<Credential>) -> bool {
        self.credential_ids
            .as_ref()
            .is_some_and(|ids| !ids.contains(&id))
    }
}
