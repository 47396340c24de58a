//! Following the changes of credentials, over server-sent events.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use eventsource_stream::{Event, Eventsource};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Shared;
use super::answer;
use super::error::ClientError;
use crate::types::credential::Credential;
use crate::types::id::Id;

const CHANGES: &str = "subscription Changes { answer: credentialChanged { credentialId } }";

/// What the client heard of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeardChange {
    /// A credential was changed, or deleted.
    Credential(Id<Credential>),
    /// Any of them may have been: changes are followed anew, or no more.
    Any,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    credential_id: String,
}

#[derive(Serialize)]
struct NoVariables {}

/// Follows the changes, again and again, until it is aborted.
pub async fn follow(shared: Arc<Shared>) {
    let mut waits = waits();
    loop {
        let began = Instant::now();
        if let Err(error) = follow_once(&shared).await {
            tracing::warn!(%error, "the changes of credentials are not followed");
        }
        if began.elapsed() > LONGEST_WAIT {
            waits = self::waits();
        }
        // There is no end to the waits.
        tokio::time::sleep(waits.next().unwrap_or(LONGEST_WAIT)).await;
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long to wait before each attempt: twice as long as before, and at random up to as much again, so that many clients of a
/// server that was away do not come all at once.
fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(LONGEST_WAIT)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Follows the changes until the stream ends: the server stops or has lost sight of them, the token has expired, or the connection
/// is lost. What is kept is dropped when the stream begins, and when it ends.
async fn follow_once(shared: &Shared) -> Result<(), ClientError> {
    let bytes = shared
        .transport
        .open_stream(CHANGES, &NoVariables {})
        .await?;
    // From here on no change is missed.
    let _following = Following::begin(shared);
    let mut events = bytes.eventsource();
    while let Some(Ok(event)) = events.next().await {
        let Some(id) = changed(&event) else { break };
        shared.cache.drop_credential(id);
        shared.tell(HeardChange::Credential(id));
    }
    Ok(())
}

/// As long as it lives, changes are followed. However that ends, and be it with the runtime, what is kept is not used any more.
struct Following<'a>(&'a Shared);

impl<'a> Following<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.cache.set_following(true);
        shared.tell(HeardChange::Any);
        Self(shared)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.cache.set_following(false);
        self.0.tell(HeardChange::Any);
    }
}

/// The credential that an event tells of. Any other event is the last one, or an error before it.
fn changed(event: &Event) -> Option<Id<Credential>> {
    let change: Change = answer::read(event.data.as_bytes()).ok()??;
    Id::parse(&change.credential_id)
}

impl Shared {
    /// Tells those who listen. When nobody does, there is nobody to tell.
    fn tell(&self, change: HeardChange) {
        let _listeners = self.heard.send(change);
    }
}
