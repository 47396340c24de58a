//! What a server does by itself for as long as it serves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::domain::Domain;
use crate::domain::reference_use::UseCounter;
use crate::http::connection;

/// How often what was resolved is counted.
const USE_COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked whether the keyring was changed.
const KEYRING_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is forgotten who is far from every limit, and which tokens have expired.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// Counts what was resolved into the references, until the server stops. What is not counted by then is counted after the next start.
pub async fn count_uses(domain: Arc<Domain>, mut stop: watch::Receiver<bool>) {
    let mut counter = UseCounter::default();
    let mut fails = false;
    let counting = async {
        loop {
            // What cannot be counted now is counted the next time.
            let counted = domain.count_uses(&mut counter).await;
            let fails_now = counted.is_err();
            if fails_now && !fails {
                tracing::warn!(
                    "what was resolved cannot be counted: it is tried again, and nothing is lost"
                );
            } else if fails && !fails_now {
                tracing::info!("what was resolved is counted again");
            }
            fails = fails_now;
            if !counted.unwrap_or(false) {
                sleep(USE_COUNT_INTERVAL).await;
            }
        }
    };
    tokio::select! {
        () = counting => {}
        () = connection::stopped(&mut stop) => {}
    }
}

/// Takes over what commands change in the keyring, and seals anew what a data key that retires has sealed, until the server stops. What
/// cannot be done now is done the next time, or when it is needed.
pub async fn follow_keyring(domain: Arc<Domain>, mut stop: watch::Receiver<bool>) {
    let following = async {
        loop {
            sleep(KEYRING_INTERVAL).await;
            let _next_time = domain.refresh_keyring().await;
            let _next_time = domain.reseal_values().await;
        }
    };
    tokio::select! {
        () = following => {}
        () = connection::stopped(&mut stop) => {}
    }
}

/// Forgets who is far from every limit, and which tokens have expired, until the server stops.
pub async fn sweep_limits(domain: Arc<Domain>, mut stop: watch::Receiver<bool>) {
    let sweeping = async {
        loop {
            sleep(SWEEP_INTERVAL).await;
            domain.sweep_limits();
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = connection::stopped(&mut stop) => {}
    }
}

/// Keeps the issuer's keys new, until the server stops.
pub async fn follow_issuer_keys(domain: Arc<Domain>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = domain.follow_issuer_keys() => {}
        () = connection::stopped(&mut stop) => {}
    }
}
