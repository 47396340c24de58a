//! A client for runtimes: it resolves credentials to their values, keeps them for a while, and makes the headers that HTTP
//! MCP servers want.
//!
//! ```no_run
//! use credence::client::{Client, ClientSettings, ServerUrl, Token, TokenSource};
//! use credence::types::consumer::{Consumer, ConsumerKind};
//! use credence::types::id::Id;
//!
//! # async fn example(token: Token) -> Result<(), Box<dyn std::error::Error>> {
//! let server = ServerUrl::parse("https://credence.example.com")?;
//! let client = Client::new(ClientSettings::new(server, TokenSource::fixed(token)))?;
//! client.follow_changes();
//!
//! let id = Id::parse("00000000-0000-4000-8000-000000000000").ok_or("no ID")?;
//! let consumer = Consumer {
//!     kind: ConsumerKind::HttpMcpServer,
//!     external_id: "mcp.yaml#crm".to_owned(),
//!     name: Some("CRM".to_owned()),
//! };
//! // `Bearer …`, marked sensitive: an `http::HeaderValue` for the header `Authorization`.
//! let authorization = client.authorization(id, &consumer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **What is kept.** A value that was resolved is kept for its consumer, up to [`CacheLimits::entries`] of them. While the
//! client follows the changes ([`Client::follow_changes`]), a value is used for [`CacheLimits::followed_age`], and dropped as
//! soon as the server tells of a change. While it does not, a value is used for [`CacheLimits::unfollowed_age`] only. What is
//! older is not thrown away but asked for with the version that is held, so that the value is sent again only when it is
//! another one, and the server knows who uses it. Nothing that is too old is used because the server cannot be reached.
//!
//! **What is shown.** No error, no log line and no `Debug` holds a value, a token or the text of a library. Values are wiped
//! when they are dropped; the buffers of HTTP and TLS are not.
//!
//! **What is not done.** Nothing is tried again by itself but following the changes: [`ClientError::is_retryable`] tells what
//! may be. Redirects are not followed, and no proxy is asked.

mod answer;
mod bearer;
mod cache;
mod error;
mod flight;
mod follow;
mod lookup;
mod resolve;
mod settings;
mod transport;

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

pub use bearer::{HeaderProblem, bearer};
pub use cache::CacheLimits;
pub use error::{ClientError, Unavailable};
pub use follow::HeardChange;
pub use lookup::{CredentialState, CredentialStatus};
pub use resolve::Resolved;
pub use settings::{
    Authorities, ClientSettings, ServerUrl, SettingsProblem, Token, TokenSource, TokenUnavailable,
};
pub use transport::is_refused_certificate;

use crate::types::consumer::Consumer;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::text;
use cache::{Cache, CacheKey, Found};
use flight::Flights;
use transport::Transport;

/// How many changes are kept for who listens to [`Client::changes`] and is slow.
const HEARD_CHANGES_KEPT: usize = 256;

/// A client of one server. Its clones share everything, and what follows the changes ends with the last of them.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    following: Arc<Mutex<JoinSet<()>>>,
}

/// What all clones use, and the task that follows the changes.
struct Shared {
    transport: Transport,
    cache: Cache,
    flights: Flights,
    heard: broadcast::Sender<HeardChange>,
}

impl Client {
    /// A client. It connects when it is first asked for something.
    ///
    /// # Errors
    /// A [`SettingsProblem`] when the authorities are none, or the system has none.
    pub fn new(settings: ClientSettings) -> Result<Self, SettingsProblem> {
        let cache = Cache::new(settings.cache, settings.clock.clone());
        let shared = Shared {
            transport: Transport::new(settings)?,
            cache,
            flights: Flights::default(),
            heard: broadcast::Sender::new(HEARD_CHANGES_KEPT),
        };
        Ok(Self {
            shared: Arc::new(shared),
            following: Arc::default(),
        })
    }

    /// The value of a credential, for a consumer: a kept one, when it may still be used.
    ///
    /// # Errors
    /// A [`ClientError`] when there is no value for this consumer, or the server cannot be asked.
    pub async fn resolve(
        &self,
        id: Id<Credential>,
        consumer: &Consumer,
    ) -> Result<Arc<Resolved>, ClientError> {
        let key = CacheKey::new(id, consumer);
        if let Found::Usable(resolved) = self.shared.cache.find(&key) {
            return Ok(resolved);
        }
        // Of those who want the same at once, one asks, and the others take what it got.
        let _flight = self.shared.flights.board(&key).await;
        let held = match self.shared.cache.find(&key) {
            Found::Usable(resolved) => return Ok(resolved),
            Found::Old(resolved) => Some(resolved),
            Found::Nothing => None,
        };
        let asked = self.shared.cache.moment();
        let outcome = resolve::ask(&self.shared.transport, id, consumer, held.as_ref()).await;
        match outcome {
            Ok(resolved) => {
                self.shared.cache.keep(key, &resolved, asked);
                Ok(resolved)
            }
            Err(error) => {
                if !error.is_retryable() {
                    self.shared.cache.drop_credential(id);
                }
                Err(error)
            }
        }
    }

    /// The value of the header `Authorization` for an HTTP MCP server: `Bearer`, a space and the value, marked sensitive.
    ///
    /// # Errors
    /// [`ClientError::NoHeader`] when the value cannot stand in a header, and what [`Self::resolve`] fails with.
    pub async fn authorization(
        &self,
        id: Id<Credential>,
        consumer: &Consumer,
    ) -> Result<HeaderValue, ClientError> {
        let resolved = self.resolve(id, consumer).await?;
        bearer(&resolved.value).map_err(|problem| ClientError::NoHeader {
            name: resolved.name.clone(),
            problem,
        })
    }

    /// Forgets what is kept of a credential: after another server refused its value, the next resolve asks anew.
    pub fn forget(&self, id: Id<Credential>) {
        self.shared.cache.drop_credential(id);
    }

    /// The ID of the credential with a name, without regard to case.
    ///
    /// # Errors
    /// A [`ClientError`] when the server cannot be asked, or does not allow it.
    pub async fn find_by_name(&self, name: &str) -> Result<Option<Id<Credential>>, ClientError> {
        lookup::find_by_name(&self.shared.transport, name).await
    }

    /// What became of credentials, in the order of the IDs, however many there are.
    ///
    /// # Errors
    /// A [`ClientError`] when the server cannot be asked, or does not allow it.
    pub async fn statuses(
        &self,
        ids: &[Id<Credential>],
    ) -> Result<Vec<CredentialStatus>, ClientError> {
        lookup::statuses(&self.shared.transport, ids).await
    }

    /// Replaces the full set of credentials that a consumer declares to use: at most 100.
    ///
    /// # Errors
    /// [`ClientError::Rejected`] when an ID never was a credential's, and what [`Self::statuses`] fails with.
    pub async fn declare_references(
        &self,
        consumer: &Consumer,
        ids: &[Id<Credential>],
    ) -> Result<(), ClientError> {
        lookup::declare_references(&self.shared.transport, consumer, ids).await
    }

    /// Begins to follow the changes of credentials, unless that was begun already. It connects again by itself, later and later
    /// up to half a minute, as long as there is a client. Must be called within a tokio runtime.
    pub fn follow_changes(&self) {
        let mut following = self
            .following
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // One that has ended, with its runtime or by a panic, follows no more.
        while following.try_join_next().is_some() {}
        if following.is_empty() {
            following.spawn(follow::follow(Arc::clone(&self.shared)));
        }
    }

    /// Whether the changes are followed at present, to be waited for.
    #[must_use]
    pub fn is_following(&self) -> watch::Receiver<bool> {
        self.shared.cache.is_following()
    }

    /// What the client hears of changes, after it has dropped what it kept: for a runtime that holds connections which were
    /// opened with a value.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<HeardChange> {
        self.shared.heard.subscribe()
    }
}

/// A text of the server, as it may be shown: on one line, without what cannot be seen, and not too long.
fn shown(text: &str) -> String {
    const LIMIT_CHARACTERS: usize = 400;
    text.chars()
        .filter(|character| text::is_nameable(*character))
        .take(LIMIT_CHARACTERS)
        .collect()
}
