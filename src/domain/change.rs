//! Following the changes of credentials.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Domain;
use super::caller::Caller;
use super::credential::READERS;
use super::error::Error;
use crate::types::change::{CredentialChange, Told};
use crate::types::credential::Credential;
use crate::types::id::Id;

/// How often one who signed in is looked for again, while nothing changes.
const SESSION_CHECK_INTERVAL: Duration = Duration::from_secs(4);

/// Changes, as they are made. Dropped when nobody follows them any more.
pub struct ChangesFollowed {
    changes: broadcast::Receiver<Told>,
    only: Option<Id<Credential>>,
    domain: Arc<Domain>,
    caller: Caller,
    existence_check: Interval,
}

impl Domain {
    /// Follows the changes of all credentials, or of one, from now on.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read` or `credentials:resolve`.
    pub fn follow_changes(
        self: &Arc<Self>,
        caller: &Caller,
        only: Option<Id<Credential>>,
    ) -> Result<ChangesFollowed, Error> {
        caller.require_any(&READERS)?;
        let mut existence_check = interval(SESSION_CHECK_INTERVAL);
        // Who reads slowly is not looked for once for each time that was missed.
        existence_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(ChangesFollowed {
            changes: self.store.follow_changes(),
            only,
            domain: Arc::clone(self),
            caller: caller.clone(),
            existence_check,
        })
    }
}

impl ChangesFollowed {
    /// The next change; `None` when there will be none.
    ///
    /// # Errors
    /// [`Error::EventsMissed`] when the follower was too slow, or nobody knows whether a change was kept: what is
    /// remembered of credentials may be wrong.
    /// [`Error::Unauthenticated`] when the follower's user was removed or signed out, or the issuer withdrew the key
    /// of their token. Otherwise that it could not be found out. Nothing follows an
    /// error.
    pub async fn next(&mut self) -> Option<Result<CredentialChange, Error>> {
        loop {
            let told = tokio::select! {
                told = self.changes.recv() => told,
                _ = self.existence_check.tick() => {
                    match self.domain.check_still_exists(&self.caller).await {
                        Ok(()) => continue,
                        Err(ended) => return Some(Err(ended)),
                    }
                }
            };
            match told {
                Ok(Told::Change(change))
                    if self.only.is_none_or(|id| id == change.credential_id) =>
                {
                    let exists = self.domain.check_still_exists(&self.caller).await;
                    return Some(exists.map(|()| change));
                }
                Ok(Told::Change(_of_another)) => {}
                Ok(Told::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Some(Err(Error::EventsMissed));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
