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

/// How often it is looked whether who follows may still do so, while nothing changes.
const EXISTENCE_CHECK_INTERVAL: Duration = Duration::from_secs(4);

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
        let mut existence_check = interval(EXISTENCE_CHECK_INTERVAL);
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
    /// [`Error::Unauthenticated`] when the follower's user was removed or signed out, or the issuer withdrew the key of their token.
    /// Otherwise that this could not be found out when there was a change. Nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<CredentialChange, Error>> {
        loop {
            let told = tokio::select! {
                told = self.changes.recv() => told,
                _ = self.existence_check.tick() => {
                    match self.domain.check_still_exists(&self.caller).await {
                        Err(ended @ Error::Unauthenticated) => return Some(Err(ended)),
                        // What cannot be found out now is found out the next time, and before a change is told.
                        Ok(()) | Err(_) => continue,
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
