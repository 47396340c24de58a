//! Sessions: a person signs in with a token, a one-time code or through a provider, and is then known by a session ID that a browser
//! keeps. A session allows what it was made of, and no more; it ends with it, with its user, or when they sign out.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::authentication::{AuthenticationError, check_removal};
use super::caller::{Caller, Proof};
use super::error::Error;
use super::{Domain, Request};
use crate::crypto::id_token::IdTokenRules;
use crate::crypto::session::{RowKey, generate_secret, hash_secret, is_authentic};
use crate::crypto::token::{TokenProblem, VerifiedToken};
use crate::store::error::{Cause, StoreError};
use crate::store::{session, user};
use crate::types::clock::Timestamp;
use crate::types::id::Id;
use crate::types::session::{Authenticator, SecretHash, Session, Way};
use crate::types::user::{Profile, UserKey};

/// How many sessions a user may have: when there are more, the oldest goes.
const USER_SESSIONS_LIMIT: i64 = 20;

/// What signing in needs, beside the keys of tokens.
pub struct SignIn {
    /// How long a session lasts at most, in seconds.
    pub session_lifetime_seconds: i64,
    /// In local mode, whose one-time codes are taken.
    pub codes: Option<CodeIssuer>,
    /// What the ID tokens of the provider must be, when there is one.
    pub provider: Option<IdTokenRules>,
}

/// Who makes the one-time codes of a data directory.
pub struct CodeIssuer {
    /// The issuer of the data directory.
    pub issuer: String,
    /// What authenticates the rows of its codes.
    pub key: RowKey,
}

/// Somebody who has just signed in.
pub struct SignedIn {
    /// The ID of the session, for the cookie.
    pub session_id: Zeroizing<String>,
    /// Who it is.
    pub caller: Caller,
}

impl Domain {
    /// Makes a session of a token. It ends when the token does.
    ///
    /// # Errors
    /// An [`AuthenticationError`].
    pub async fn sign_in_with_token(
        &self,
        token: &str,
        request_id: Id<Request>,
    ) -> Result<SignedIn, AuthenticationError> {
        let now = self.clock.now();
        let token = self.verify_token(token).await?;
        // The leeway of tokens is for the issuer's clock: the end of a session is read on ours.
        if token.expires_at_seconds <= now.seconds() {
            return Err(AuthenticationError::Token(TokenProblem::Expired));
        }
        self.begin_session(Way::Token, (*token).clone(), None, request_id)
            .await
    }

    /// Makes a session of a one-time code, which nobody can use again.
    ///
    /// # Errors
    /// [`AuthenticationError::Code`] for one that is unknown, used or has ended; otherwise one of the others.
    pub async fn sign_in_with_code(
        &self,
        code: &str,
        request_id: Id<Request>,
    ) -> Result<SignedIn, AuthenticationError> {
        let unknown = AuthenticationError::Code;
        let codes = self.sign_in.codes.as_ref().ok_or(unknown.clone())?;
        let code_hash = hash_secret(code).ok_or(unknown.clone())?;
        let found = self
            .store
            .read(move |connection| session::find_code(connection, code_hash))
            .await
            .map_err(failed)?;
        let (code, mac) = found.ok_or(unknown.clone())?;
        let is_good =
            code.ends_at > self.clock.now() && is_authentic(mac, codes.key.code_mac(&code));
        if !is_good {
            return Err(unknown);
        }
        let issued_at_seconds = code.created_at.seconds();
        let granted = VerifiedToken {
            user: UserKey {
                issuer: codes.issuer.clone(),
                subject: code.subject,
            },
            profile: Profile::default(),
            scopes: code.scopes,
            issued_at_seconds,
            begins_at_seconds: issued_at_seconds,
            expires_at_seconds: i64::MAX,
            accepted_until_seconds: i64::MAX,
            credential_ids: None,
            clients: Vec::new(),
            id_hash: None,
            verified_with: codes.key.fingerprint(),
        };
        self.begin_session(Way::Code, granted, Some(code_hash), request_id)
            .await
    }

    /// Finds out who a session speaks for.
    ///
    /// # Errors
    /// [`AuthenticationError::Session`] or [`AuthenticationError::SessionEnded`] for one that is unknown or has ended, or was made of what is no
    /// longer accepted.
    pub async fn authenticate_session(
        &self,
        session_id: &str,
        request_id: Id<Request>,
    ) -> Result<Caller, AuthenticationError> {
        let id_hash = hash_secret(session_id).ok_or(AuthenticationError::Session)?;
        // Asked for each time, so that one who signed out on any instance is signed out on all. It goes with its user.
        let found = self
            .store
            .read(move |connection| session::find_session(connection, id_hash))
            .await
            .map_err(failed)?;
        let (found, user, mac) = found.ok_or_else(|| self.known_sessions.remove(id_hash))?;
        let now = self.clock.now();
        let expected_mac = self.keyring.present().session_key().session_mac(&found);
        // One that was made when sessions lasted longer ends as if it were made now.
        let ends_at = found.ends_at.min(self.latest_end(found.created_at));
        let is_good = ends_at > now
            && is_authentic(mac, expected_mac)
            && self.is_accepted(found.authenticator, now).await?;
        if !is_good {
            return Err(self.known_sessions.remove(id_hash));
        }
        self.known_sessions.insert(id_hash);
        Ok(Caller {
            user: Arc::new(user),
            scopes: found.scopes,
            issued_at_seconds: found.issued_at_seconds,
            accepted_until_seconds: ends_at.seconds(),
            credential_ids: found.credential_ids.map(Arc::from),
            client: None,
            token_id_hash: None,
            peer: None,
            proof: Proof::Session(id_hash, found.authenticator),
            is_for_resolving: self.tokens.is_for_resolving(&[]),
            request_id,
            refusals: self.refusals.clone(),
        })
    }

    /// Ends a session, on every instance.
    ///
    /// # Errors
    /// [`AuthenticationError::Session`] or [`AuthenticationError::SessionEnded`] for one that there is not, and one of the others when the
    /// database cannot be written.
    pub async fn sign_out(&self, session_id: &str) -> Result<(), AuthenticationError> {
        let id_hash = hash_secret(session_id).ok_or(AuthenticationError::Session)?;
        match self.end_session(id_hash).await? {
            0 => Err(self.known_sessions.remove(id_hash)),
            _ => Ok(()),
        }
    }

    /// Ends a session. Returns how many there were: one or none.
    pub(super) async fn end_session(&self, id_hash: SecretHash) -> Result<usize, Error> {
        let deleted: Result<usize, StoreError> = self
            .store
            .write(move |connection| session::delete_session(connection, id_hash))
            .await;
        deleted.map_err(Error::from)
    }

    /// Whether what a session was made of is accepted. When that is none of the issuer's keys, another instance may know newer ones.
    async fn is_accepted(
        &self,
        found: Authenticator,
        now: Timestamp,
    ) -> Result<bool, AuthenticationError> {
        if self.accepts_session(found, now) {
            return Ok(true);
        }
        // There may have been no keys before.
        self.tokens.keys(now).await?;
        if self.accepts_session(found, now) {
            return Ok(true);
        }
        let _renewed = self.tokens.renewed_keys(now).await;
        Ok(self.accepts_session(found, now))
    }

    /// Whether what a session was made of is accepted, as far as it is known.
    pub(super) fn accepts_session(&self, found: Authenticator, now: Timestamp) -> bool {
        let tokens = self.tokens.fingerprints(now).into_iter();
        let tokens = tokens.map(|print| (Way::Token, print));
        let codes = self.sign_in.codes.iter();
        let codes = codes.map(|codes| (Way::Code, codes.key.fingerprint()));
        let providers = self.sign_in.provider.iter();
        let providers = providers.map(|rules| (Way::Provider, rules.fingerprint()));
        let keyring = self.keyring.present();
        let key = keyring.session_key();
        let mut accepted = tokens.chain(codes).chain(providers);
        accepted.any(|(way, fingerprint)| key.authenticator(way, fingerprint) == found)
    }

    /// When a session that was made then ends at the latest. Times of sessions are whole seconds.
    fn latest_end(&self, created_at: Timestamp) -> Timestamp {
        let seconds = created_at.seconds();
        let latest = seconds.saturating_add(self.sign_in.session_lifetime_seconds);
        Timestamp(latest.saturating_mul(1_000_000))
    }

    /// Makes a session of what was verified, which ends with that at the latest. The code that it was made of, if any, is used up with it, or not at all.
    pub(super) async fn begin_session(
        &self,
        way: Way,
        granted: VerifiedToken,
        code_hash: Option<SecretHash>,
        request_id: Id<Request>,
    ) -> Result<SignedIn, AuthenticationError> {
        let user = self.user_of(&granted).await?;
        let now = self.clock.now();
        let latest = self.latest_end(now).seconds();
        let ends_at_seconds = granted.expires_at_seconds.min(latest);
        let (session_id, id_hash) = generate_secret().map_err(|_unavailable| {
            AuthenticationError::Failed(Error::Internal(Cause("the system's random source")))
        })?;
        let keyring = self.keyring.present();
        let authenticator = keyring
            .session_key()
            .authenticator(way, granted.verified_with);
        let made = Session {
            id_hash,
            authenticator,
            user_id: user.id,
            scopes: granted.scopes,
            credential_ids: granted.credential_ids.as_deref().map(<[_]>::to_vec),
            issued_at_seconds: granted.issued_at_seconds,
            created_at: now,
            ends_at: Timestamp(ends_at_seconds.saturating_mul(1_000_000)),
        };
        let caller = Caller {
            scopes: made.scopes,
            issued_at_seconds: made.issued_at_seconds,
            accepted_until_seconds: ends_at_seconds,
            credential_ids: granted.credential_ids,
            client: None,
            token_id_hash: None,
            peer: None,
            proof: Proof::Session(id_hash, authenticator),
            is_for_resolving: self.tokens.is_for_resolving(&[]),
            request_id,
            refusals: self.refusals.clone(),
            user,
        };
        self.insert_session(made, &caller, code_hash).await?;
        // What has ended goes at the next sign-in when it cannot go now.
        let _swept: Result<(), StoreError> = self
            .store
            .write(move |connection| session::delete_ended(connection, now))
            .await;
        Ok(SignedIn { session_id, caller })
    }

    async fn insert_session(
        &self,
        made: Session,
        caller: &Caller,
        code_hash: Option<SecretHash>,
    ) -> Result<(), AuthenticationError> {
        let mac = self.keyring.present().session_key().session_mac(&made);
        let key = caller.user.key.clone();
        let (user_id, issued_at_seconds) = (caller.user.id, caller.issued_at_seconds);
        let (leeway_seconds, id_hash) = (self.removal_leeway_seconds, made.id_hash);
        let inserted = self
            .store
            .write(move |connection| {
                user::keep_user(connection, user_id)?;
                let removed_at = user::find_removal(connection, &key)?;
                check_removal(issued_at_seconds, removed_at, leeway_seconds)?;
                if let Some(code_hash) = code_hash
                    && session::delete_code(connection, code_hash)? == 0
                {
                    return Ok(false);
                }
                match session::insert_session(connection, &made, mac) {
                    // Removed, and known as they were before.
                    Err(StoreError::NoReferent) => return Err(Error::Unauthenticated),
                    inserted => inserted?,
                }
                session::delete_oldest(connection, user_id, USER_SESSIONS_LIMIT)?;
                Ok(true)
            })
            .await;
        match inserted {
            Ok(true) => {
                self.known_sessions.insert(id_hash);
                Ok(())
            }
            Ok(false) => Err(AuthenticationError::Code),
            Err(error) => {
                self.known_users.forget(&caller.user.key);
                Err(error.into())
            }
        }
    }
}

fn failed(error: StoreError) -> AuthenticationError {
    AuthenticationError::Failed(error.into())
}
