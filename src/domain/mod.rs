//! The rules: who may do what, what is audited, what an input may be. The only layer that decides.
//!
//! A method of [`Domain`] that reads or changes something for somebody takes the caller first, and checks on its first line what they may
//! do. One that changes something does so in one transaction, together with its audit event.

pub mod audit;
pub mod audit_anchor;
pub mod audit_break;
mod audit_chain_state;
pub mod audit_finding;
pub mod audit_prune;
pub mod audit_verification;
pub mod authentication;
pub mod caller;
pub mod change;
pub mod command_log;
pub mod credential;
pub mod credential_change;
pub mod error;
pub mod issuer_keys;
pub mod keyring;
pub mod keyring_change;
pub mod known_session;
pub mod limit;
pub mod node;
pub mod observation;
pub mod page;
pub mod proof;
pub mod provider;
pub mod readiness;
pub mod reference;
pub mod reference_use;
pub mod refusal;
pub mod resealing;
pub mod resolve;
pub mod rotation;
pub mod session;
pub mod token;
pub mod token_cache;
pub mod user;

use std::sync::Arc;

use audit::Recorder;
use authentication::KnownUsers;
use caller::Caller;
use error::Error;
use keyring::LiveKeyring;
use known_session::KnownSessions;
use limit::{Limiter, Rate};
use observation::ValueCounts;
use proof::Proofs;
use readiness::Readiness;
use refusal::Refusals;
use resolve::ClientKey;
use session::SignIn;
use token::Tokens;

use crate::crypto::audit_key::audit_signer;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::audit_chain::find_last_authentic_event;
use crate::store::connection::DatabaseConnection;
use crate::types::clock::Clock;
use crate::types::id::{Id, IdSource};

/// How many IDs a request may ask about at once.
const IDS_LIMIT: usize = 100;
/// How often a change is tried that others overtook.
const CHANGE_ATTEMPTS: usize = 5;

/// What a request is called in the log, the audit log and the `x-request-id` header.
pub enum Request {}

/// All that the rules need.
pub struct Domain {
    store: Store,
    keyring: Arc<LiveKeyring>,
    tokens: Tokens,
    sign_in: SignIn,
    clock: Clock,
    ids: IdSource,
    // How long after a user was removed the tokens issued to them are still refused, in seconds: the issuer's clock may be behind.
    removal_leeway_seconds: i64,
    known_users: KnownUsers,
    known_sessions: KnownSessions,
    refusals: Refusals,
    proofs: Proofs,
    readiness: Readiness,
    // Resolves of each client, when these are limited.
    resolves: Option<Limiter<ClientKey>>,
    metrics: Arc<Metrics>,
    value_counts: ValueCounts,
}

impl Domain {
    /// The rules over an opened store and keyring.
    #[must_use]
    pub fn new(
        store: Store,
        keyring: Arc<LiveKeyring>,
        tokens: Tokens,
        sign_in: SignIn,
        clock: Clock,
        removal_leeway_seconds: i64,
    ) -> Self {
        let metrics = Arc::clone(store.metrics());
        store.note_generation(keyring.present().generation());
        observation::expect(&metrics);
        Self {
            refusals: Refusals::new(&metrics),
            metrics,
            value_counts: ValueCounts::default(),
            store,
            keyring,
            tokens,
            sign_in,
            ids: IdSource::new(clock.clone()),
            proofs: Proofs::new(&clock),
            readiness: Readiness::default(),
            resolves: None,
            clock,
            removal_leeway_seconds,
            known_users: KnownUsers::default(),
            known_sessions: KnownSessions::default(),
        }
    }

    /// Has each client resolve at this rate at most.
    #[must_use]
    pub fn with_resolve_rate(mut self, rate: Option<Rate>) -> Self {
        self.resolves = rate.map(|rate| Limiter::new(rate, self.clock.clone()));
        self
    }

    /// Forgets who is as far from every limit as those are that never came, and the tokens that have expired.
    pub fn sweep_limits(&self) {
        self.proofs.sweep();
        self.tokens.sweep(self.clock.now());
        if let Some(resolves) = &self.resolves {
            resolves.sweep();
        }
    }

    /// Makes the IDs of events rise from the last one that there is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database cannot be read.
    pub fn follow_events(&self, connection: &mut DatabaseConnection) -> Result<(), Error> {
        let signer = audit_signer(&self.keyring.present());
        if let Some(last) = find_last_authentic_event(connection, &signer)? {
            self.ids.follow(last);
        }
        Ok(())
    }

    /// A new ID for a request.
    #[must_use]
    pub fn next_request_id(&self) -> Id<Request> {
        self.ids.next()
    }

    /// Makes a change in one transaction, unless the caller's user was removed. Where somebody else's change came between its
    /// reading and its writing, all of it is done again.
    async fn change<T, F>(&self, caller: &Caller, work: F) -> Result<T, Error>
    where
        F: Fn(&mut DatabaseConnection, &mut Recorder) -> Result<T, Error> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let check = self.removal_check(caller);
        let recorder = self.recorder(caller);
        let work = Arc::new(move |connection: &mut DatabaseConnection| {
            check(connection)?;
            let mut recorder = recorder.begin();
            let answer = work(connection, &mut recorder)?;
            Ok(recorder.written(answer))
        });
        for _ in 0..CHANGE_ATTEMPTS {
            let work = Arc::clone(&work);
            match self
                .store
                .write_changes(move |connection| work(connection))
                .await
            {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        // What is remembered of the caller may be what keeps the change from succeeding.
        self.known_users.forget(&caller.user.key);
        Err(Error::Overloaded)
    }
}
