//! Following the changes of credentials.

use tokio::sync::broadcast;

use super::Domain;
use super::caller::Caller;
use super::credential::READERS;
use super::error::Error;
use crate::types::change::CredentialChange;
use crate::types::credential::Credential;
use crate::types::id::Id;

/// Changes, as they are made. Dropped when nobody follows them any more.
pub struct ChangesFollowed {
    changes: broadcast::Receiver<CredentialChange>,
    only: Option<Id<Credential>>,
}

impl Domain {
    /// Follows the changes of all credentials, or of one, from now on.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read` or `credentials:resolve`.
    pub fn follow_changes(
        &self,
        caller: &Caller,
        only: Option<Id<Credential>>,
    ) -> Result<ChangesFollowed, Error> {
        caller.require_any(&READERS)?;
        Ok(ChangesFollowed {
            changes: self.store.follow_changes(),
            only,
        })
    }
}

impl ChangesFollowed {
    /// The next change; `None` when there will be none.
    ///
    /// # Errors
    /// [`Error::EventsMissed`] when the follower was too slow: what is remembered of credentials may be wrong.
    pub async fn next(&mut self) -> Option<Result<CredentialChange, Error>> {
        loop {
            match self.changes.recv().await {
                Ok(change) if self.only.is_none_or(|id| id == change.credential_id) => {
                    return Some(Ok(change));
                }
                Ok(_of_another) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Some(Err(Error::EventsMissed));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
