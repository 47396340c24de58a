//! Sessions that were found good: how an ID that was given out is told from one that somebody made up. Whether a session is good now, the
//! database is asked each time.

use quick_cache::sync::Cache;

use super::authentication::AuthenticationError;
use crate::crypto::session::hash_secret;
use crate::types::session::SecretHash;

/// How many are kept.
const KEPT_LIMIT_SESSIONS: usize = 10_000;

/// The sessions, by the hashes of their IDs.
pub(super) struct KnownSessions(Cache<SecretHash, ()>);

impl Default for KnownSessions {
    fn default() -> Self {
        Self(Cache::new(KEPT_LIMIT_SESSIONS))
    }
}

impl KnownSessions {
    /// A session was found good.
    pub fn insert(&self, id_hash: SecretHash) {
        self.0.insert(id_hash, ());
    }

    /// Whether a session was good when it was last looked at.
    pub fn knows(&self, session_id: &str) -> bool {
        hash_secret(session_id).is_some_and(|id_hash| self.0.get(&id_hash).is_some())
    }

    /// A session was found not to be good. Whose it was may not have heard of it; whoever shows it again has.
    pub fn remove(&self, id_hash: SecretHash) -> AuthenticationError {
        match self.0.remove(&id_hash) {
            Some(_known) => AuthenticationError::SessionEnded,
            None => AuthenticationError::Session,
        }
    }
}
