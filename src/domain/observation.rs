//! What the rules tell those who watch the server, when they ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Domain;
use super::resolve::RESOLVE_OUTCOMES;
use crate::crypto::token::TokenProblem;
use crate::metrics::Metrics;
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::keyring::{find_key_state, list_value_counts};
use crate::types::keyring::KeyState;

/// How long a count of the values is good: it takes an index of all of them.
const COUNT_KEPT: Duration = Duration::from_mins(1);
/// How long it may take: who scrapes waits for a few seconds only, and is to be told of a database that hangs.
const COUNT_LIMIT: Duration = Duration::from_secs(1);

/// When values were counted last, and for which generation of the keyring.
#[derive(Default)]
pub(super) struct ValueCounts(Mutex<Option<(Instant, i32)>>);

impl ValueCounts {
    /// Whether it is time to count them. Who is told so counts them.
    fn is_due(&self, generation: i32) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|(counted_at, counted_for)| {
            counted_at.elapsed() >= COUNT_KEPT || counted_for != generation
        });
        if is_due {
            *last = Some((Instant::now(), generation));
        }
        is_due
    }

    /// They could not be counted: the next one who asks tries it again.
    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Puts at 0 what the rules count.
pub(super) fn expect(metrics: &Metrics) {
    metrics.operations.expect_resolves(RESOLVE_OUTCOMES);
    metrics
        .tokens
        .expect_reasons(TokenProblem::ALL.map(TokenProblem::as_str));
}

impl Domain {
    /// What is counted of this server.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Brings up to date what is not counted as it happens: the connections, the queue, the tokens that are known, the keyring, and how many
    /// values there are under its keys. The values are counted once a minute, and anew when the keyring has changed; what takes longer
    /// than a second is not waited for, and what was known stays until then.
    pub async fn observe(&self) {
        self.store.observe();
        let known = self.tokens.known(self.clock.now());
        self.metrics.tokens.set_remembered(known);
        let generation = self.keyring.present().generation();
        self.metrics.keys.set_generation(generation);
        if !self.value_counts.is_due(generation) {
            return;
        }
        let (store, metrics) = (self.store.clone(), Arc::clone(&self.metrics));
        // It goes on when that takes longer, and what it finds is told the next time.
        let counting = tokio::spawn(async move {
            let counts = store.read(count_values).await?;
            metrics.keys.set_values(&counts);
            Ok::<(), StoreError>(())
        });
        if let Ok(Ok(Err(_unread))) = timeout(COUNT_LIMIT, counting).await {
            self.value_counts.forget();
        }
    }
}

fn count_values(connection: &mut DatabaseConnection) -> Result<Vec<(KeyState, i64)>, StoreError> {
    let mut counts = Vec::new();
    for (id, count) in list_value_counts(connection)? {
        let state = find_key_state(connection, id)?.ok_or(StoreError::Unreadable)?;
        counts.push((state, count));
    }
    Ok(counts)
}
