//! Whether requests can be answered. Finding it out costs a write, and anybody may ask: it is found out once for all who ask about the same
//! time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::Domain;
use crate::types::clock::Clock;

/// How long it is taken for true what was found.
const TRUE_FOR: Duration = Duration::from_secs(1);

/// What was found about the database, and when.
#[derive(Default)]
pub(super) struct Readiness {
    found: Arc<Mutex<Option<Found>>>,
}

#[derive(Clone, Copy)]
struct Found {
    is_usable: bool,
    at: Duration,
}

impl Found {
    /// Whether it may be taken for true now. The clock of a test may be set back.
    fn is_fresh(self, clock: &Clock) -> bool {
        let age = clock.elapsed().checked_sub(self.at);
        age.is_some_and(|age| age < TRUE_FOR)
    }
}

impl Domain {
    /// Whether requests can be answered: there are keys for their tokens, and the database could be read and written less than a second
    /// ago.
    pub async fn is_ready(&self) -> bool {
        self.has_issuer_keys() && self.is_database_usable().await
    }

    /// Whoever asks while it is being found out waits for that. When they leave, it is found out all the same: otherwise those who ask and
    /// leave at once would have it begun again and again.
    async fn is_database_usable(&self) -> bool {
        let mut found = Arc::clone(&self.readiness.found).lock_owned().await;
        if let Some(found) = found.filter(|found| found.is_fresh(&self.clock)) {
            return found.is_usable;
        }
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let finding = tokio::spawn(async move {
            let is_usable = store.is_usable().await;
            let at = clock.elapsed();
            *found = Some(Found { is_usable, at });
            is_usable
        });
        finding.await.unwrap_or(false)
    }
}
