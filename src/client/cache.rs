//! What was resolved, kept for a while. One lock holds all of it, so that what is dropped cannot come back with an answer that
//! was on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::resolve::Resolved;
use crate::types::clock::{Clock, Timestamp};
use crate::types::consumer::Consumer;
use crate::types::credential::Credential;
use crate::types::id::Id;

/// How much is kept, and how long it is used without asking.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// How many values are kept: 1,024 unless said otherwise. 0 keeps none.
    pub entries: usize,
    /// How long a value is used while the changes are followed: 5 minutes unless said otherwise.
    pub followed_age: Duration,
    /// How long a value is used while they are not, so that a change may go unnoticed: 5 seconds unless said otherwise.
    pub unfollowed_age: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            entries: 1_024,
            followed_age: Duration::from_mins(5),
            unfollowed_age: Duration::from_secs(5),
        }
    }
}

/// What a value is kept under. It is kept for each consumer alone: the server is to know which of them use it, and which version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey {
    id: Id<Credential>,
    consumer_kind: &'static str,
    consumer_external_id: String,
}

impl CacheKey {
    /// The key of a credential and a consumer.
    pub fn new(id: Id<Credential>, consumer: &Consumer) -> Self {
        Self {
            id,
            consumer_kind: consumer.kind.as_str(),
            consumer_external_id: consumer.external_id.clone(),
        }
    }
}

/// What is kept under a key.
pub enum Found {
    /// A value that may be used without asking.
    Usable(Arc<Resolved>),
    /// A value that may be used once the server has said that its version is still the present one.
    Old(Arc<Resolved>),
    /// None.
    Nothing,
}

/// When the server was asked: what has changed since then may not be in the answer.
#[derive(Clone, Copy)]
pub struct Moment {
    at: Timestamp,
    drops: u64,
}

/// The cache.
pub struct Cache {
    limits: CacheLimits,
    clock: Clock,
    state: Mutex<State>,
    following: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    entries: HashMap<CacheKey, Entry>,
    /// How often anything was dropped.
    drops: u64,
}

struct Entry {
    resolved: Arc<Resolved>,
    checked_at: Timestamp,
}

impl Cache {
    /// An empty one, while no changes are followed.
    pub fn new(limits: CacheLimits, clock: Clock) -> Self {
        Self {
            limits,
            clock,
            state: Mutex::default(),
            following: watch::Sender::new(false),
        }
    }

    /// What is kept under a key.
    pub fn find(&self, key: &CacheKey) -> Found {
        let state = self.state();
        let Some(entry) = state.entries.get(key) else {
            return Found::Nothing;
        };
        let resolved = Arc::clone(&entry.resolved);
        let limit = if *self.following.borrow() {
            self.limits.followed_age
        } else {
            self.limits.unfollowed_age
        };
        if age(entry.checked_at, self.clock.now()).is_some_and(|age| age < limit) {
            Found::Usable(resolved)
        } else {
            Found::Old(resolved)
        }
    }

    /// Now, before the server is asked.
    pub fn moment(&self) -> Moment {
        Moment {
            at: self.clock.now(),
            drops: self.state().drops,
        }
    }

    /// Keeps what the server answered, unless anything was dropped since it was asked: the answer may be older than the change.
    /// When there is no more room, what was asked for longest ago makes some.
    pub fn keep(&self, key: CacheKey, resolved: &Arc<Resolved>, asked: Moment) {
        let mut state = self.state();
        if state.drops != asked.drops || self.limits.entries == 0 {
            return;
        }
        if state.entries.len() >= self.limits.entries && !state.entries.contains_key(&key) {
            let oldest = state
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.checked_at);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|oldest| state.entries.remove(&oldest));
        }
        let entry = Entry {
            resolved: Arc::clone(resolved),
            checked_at: asked.at,
        };
        state.entries.insert(key, entry);
    }

    /// Drops what is kept of a credential.
    pub fn drop_credential(&self, id: Id<Credential>) {
        let mut state = self.state();
        state.drops += 1;
        state.entries.retain(|key, _| key.id != id);
    }

    /// Drops everything: changes are followed from now on, or no more, and there may have been some meanwhile.
    pub fn set_following(&self, following: bool) {
        let mut state = self.state();
        state.drops += 1;
        state.entries.clear();
        self.following.send_replace(following);
    }

    /// Whether changes are followed.
    pub fn is_following(&self) -> watch::Receiver<bool> {
        self.following.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long ago that was. Where the clock was set back, nobody knows.
fn age(Timestamp(then_us): Timestamp, Timestamp(now_us): Timestamp) -> Option<Duration> {
    let age_us = u64::try_from(now_us.checked_sub(then_us)?).ok()?;
    Some(Duration::from_micros(age_us))
}
