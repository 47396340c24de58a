//! What somebody shows to be let in, and is not good: a peer may show so much of it, and then nobody looks at what it shows next. What is
//! known to be good always counts.

use std::num::NonZeroU32;

use super::Domain;
use super::authentication::AuthenticationError;
use super::limit::{Limiter, Rate, TooOften};
use crate::types::clock::Clock;
use crate::types::peer::{Network, Peer};

/// How much a peer may show in a minute that is not good.
const REFUSED_PER_MINUTE: NonZeroU32 = match NonZeroU32::new(20) {
    Some(limit) => limit,
    None => NonZeroU32::MIN,
};

/// What somebody shows.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// A token.
    Token(&'a str),
    /// The ID of a session.
    Session(&'a str),
    /// Something that is good once.
    Code,
}

/// Who showed what was not good.
pub(super) struct Proofs {
    refused: Limiter<Network>,
}

impl Proofs {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            refused: Limiter::new(Rate::per_minute(REFUSED_PER_MINUTE), clock.clone()),
        }
    }

    pub(super) fn sweep(&self) {
        self.refused.sweep();
    }
}

impl Domain {
    /// Lets a peer show something. Nobody looks at it when the peer has shown too much by now that was not good, unless it is known to be good.
    /// `None` is a peer of whom nothing is known.
    ///
    /// # Errors
    /// [`AuthenticationError::TooOften`], and what `look` ends with.
    pub async fn let_show<T>(
        &self,
        peer: Option<Peer>,
        shown: Shown<'_>,
        look: impl Future<Output = Result<T, AuthenticationError>>,
    ) -> Result<T, AuthenticationError> {
        if let Err(too_often) = self.admit_peer(peer)
            && !self.is_known(shown)
        {
            return Err(too_often);
        }
        let outcome = look.await;
        if outcome.as_ref().is_err_and(AuthenticationError::is_refusal) {
            self.count_refused(peer);
        }
        outcome
    }

    fn is_known(&self, shown: Shown<'_>) -> bool {
        match shown {
            Shown::Token(token) => self.tokens.knows(token, self.clock.now()),
            Shown::Session(session_id) => self.known_sessions.knows(session_id),
            Shown::Code => false,
        }
    }

    /// Lets pass a peer that has not shown too much that was not good.
    ///
    /// # Errors
    /// [`AuthenticationError::TooOften`] for one that has.
    pub fn admit_peer(&self, peer: Option<Peer>) -> Result<(), AuthenticationError> {
        match peer.map(|peer| self.proofs.refused.look(peer.network())) {
            Some(Err(TooOften(wait))) => Err(AuthenticationError::TooOften(wait)),
            _ => Ok(()),
        }
    }

    /// Counts what a peer showed that was not good.
    pub fn count_refused(&self, peer: Option<Peer>) {
        if let Some(peer) = peer {
            // One more than it may show is refused as well: the next one is not looked at.
            let _counted = self.proofs.refused.take(peer.network());
        }
    }
}
