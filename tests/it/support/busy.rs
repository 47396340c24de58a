//! Tests that keep the processors busy, one after the other: what others of them measure, or make of load, needs a processor too.

use tokio::sync::{Mutex, MutexGuard};

static PROCESSORS: Mutex<()> = Mutex::const_new(());

/// Waits until no other test that keeps the processors busy runs.
pub async fn processors() -> MutexGuard<'static, ()> {
    PROCESSORS.lock().await
}
