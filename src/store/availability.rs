//! Whether the server of the database is there, as the connection that listens finds it. Whoever asks for something while it is not is
//! told so at once, and does not stand in a queue. SQLite is always there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of the server. Its clones know the same.
#[derive(Clone, Default)]
pub struct Availability(Arc<State>);

#[derive(Default)]
struct State {
    is_lost: AtomicBool,
    epoch: AtomicU64,
}

impl Availability {
    /// Whether the server could not be reached when it was last tried.
    pub fn is_lost(&self) -> bool {
        self.0.is_lost.load(Ordering::Relaxed)
    }

    /// Notes that the server cannot be reached.
    pub fn lose(&self) {
        if !self.0.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!("PostgreSQL cannot be reached: requests are refused until it can");
        }
    }

    /// Notes that the server can be reached.
    pub fn regain(&self) {
        if self.0.is_lost.swap(false, Ordering::Relaxed) {
            tracing::info!("PostgreSQL can be reached again");
        }
    }

    /// The number that connections are opened with. Those of an earlier one are not used any more.
    pub fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Relaxed)
    }

    /// Notes that a connection hangs. Others to the same server do so too, perhaps: all are opened anew before they are used again.
    pub fn leave_connections(&self) {
        self.0.epoch.fetch_add(1, Ordering::Relaxed);
    }
}
