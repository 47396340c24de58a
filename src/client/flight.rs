//! One request at a time for one thing that is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::cache::CacheKey;

/// What is being asked for. An entry goes with the last who wants it.
#[derive(Default)]
pub struct Flights(Mutex<HashMap<CacheKey, Weak<tokio::sync::Mutex<()>>>>);

impl Flights {
    /// Waits until nobody else asks for the same.
    pub async fn board(&self, key: &CacheKey) -> OwnedMutexGuard<()> {
        let turn = self.turn(key);
        turn.lock_owned().await
    }

    fn turn(&self, key: &CacheKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = flights.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        flights.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        flights.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}
