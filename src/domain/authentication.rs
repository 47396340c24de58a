//! From a token to a caller. A user exists from their first authenticated request on; a removed user's older tokens are
//! refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use super::caller::{Caller, Proof};
use super::error::Error;
use super::user::overtaken;
use super::{CHANGE_ATTEMPTS, Domain, Request};
use crate::crypto::token::{TokenProblem, VerifiedToken};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{session, user};
use crate::types::clock::Timestamp;
use crate::types::id::Id;
use crate::types::user::{Profile, User, UserKey};

/// How long what is known of a user is believed, in seconds. A user who was removed on another instance is refused after that, at the latest.
const KNOWN_FOR_SECONDS: i64 = 4;
const KNOWN_USERS_LIMIT: usize = 10_000;

/// Why nobody was authenticated.
#[derive(Clone, Debug)]
pub enum AuthenticationError {
    /// The token is not good.
    Token(TokenProblem),
    /// The token is of a user who was removed after it was issued.
    RemovedUser,
    /// There is no such session, or it ended a while ago.
    Session,
    /// The session was there a while ago, and has ended.
    SessionEnded,
    /// There is no such one-time code, or it was used, or has ended.
    Code,
    /// The provider's ID token is good, and its claims allow nothing.
    NoRights,
    /// So much came from there that was not good that nobody looked at it: how long to wait before the next attempt.
    TooOften(Duration),
    /// There are no keys of the issuer now that tokens could be verified with.
    KeysUnavailable,
    /// It could not be found out.
    Failed(Error),
}

impl AuthenticationError {
    /// Whether the token names a key that is not known.
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        matches!(self, Self::Token(TokenProblem::UnknownKey))
    }

    /// Whether what was shown is nothing that anybody gave out, or no longer: it could be made up.
    pub(super) const fn is_refusal(&self) -> bool {
        match self {
            // The token of a removed user is worth no more than one that has expired.
            Self::Token(_) | Self::Code | Self::Session | Self::RemovedUser => true,
            // Whose session has just ended shows no more of it. The others were not looked at, or nobody knows.
            Self::SessionEnded
            | Self::NoRights
            | Self::TooOften(_)
            | Self::KeysUnavailable
            | Self::Failed(_) => false,
        }
    }
}

impl From<Error> for AuthenticationError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated => Self::RemovedUser,
            error => Self::Failed(error),
        }
    }
}

/// What is known of users, for a short while.
pub(super) struct KnownUsers {
    users: Cache<UserKey, KnownUser>,
    // Counts the removals: what was read before one is not remembered after it.
    removals: Mutex<u64>,
}

impl Default for KnownUsers {
    fn default() -> Self {
        Self {
            users: Cache::new(KNOWN_USERS_LIMIT),
            removals: Mutex::new(0),
        }
    }
}

impl KnownUsers {
    /// Forgets a user who was removed.
    pub(super) fn forget(&self, key: &UserKey) {
        let mut removals = self.lock();
        *removals = removals.wrapping_add(1);
        self.users.remove(key);
    }

    /// What is known of a user, while it may be believed.
    fn find(&self, key: &UserKey, now: Timestamp) -> Option<KnownUser> {
        let is_fresh = |known: &KnownUser| {
            (0..KNOWN_FOR_SECONDS * 1_000_000).contains(&(now.0 - known.read_at.0))
        };
        self.users.get(key).filter(is_fresh)
    }

    fn removals(&self) -> u64 {
        *self.lock()
    }

    /// Remembers a user, unless one was removed since there were so many removals.
    fn remember(&self, known: KnownUser, removals: u64) {
        let present = self.lock();
        if *present == removals {
            self.users.insert(known.user.key.clone(), known);
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A number is whole even when the thread that held it panicked.
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct KnownUser {
    user: Arc<User>,
    removed_at: Option<Timestamp>,
    read_at: Timestamp,
}

impl Domain {
    /// Verifies a token and finds its user, or makes them.
    ///
    /// # Errors
    /// An [`AuthenticationError`].
    pub async fn authenticate(
        &self,
        token: &str,
        request_id: Id<Request>,
    ) -> Result<Caller, AuthenticationError> {
        let verified = self.verify_token(token).await?;
        let user = match self.user_of(&verified).await {
            Err(Error::Unauthenticated) => {
                self.tokens.forget(token, self.clock.now());
                return Err(AuthenticationError::RemovedUser);
            }
            user => user?,
        };
        Ok(Caller {
            user,
            scopes: verified.scopes,
            issued_at_seconds: verified.issued_at_seconds,
            accepted_until_seconds: verified.accepted_until_seconds,
            credential_ids: verified.credential_ids.clone(),
            client: verified
                .clients
                .first()
                .map(|client| Arc::from(client.as_str())),
            token_id_hash: verified.id_hash,
            peer: None,
            proof: Proof::Token(verified.verified_with),
            is_for_resolving: self.tokens.is_for_resolving(&verified.clients),
            request_id,
            refusals: self.refusals.clone(),
        })
    }

    /// How long the caller's token or session is still good: what streams to them ends then.
    #[must_use]
    pub fn remaining(&self, caller: &Caller) -> Duration {
        let seconds = caller
            .accepted_until_seconds
            .saturating_sub(self.clock.now().seconds());
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    /// The check of one who was authenticated earlier, on a connection that stays: their user still exists, and so does their session, and
    /// the key is still the issuer's that verified their token.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when that is no longer so; otherwise that it could not be found out.
    pub async fn check_still_exists(&self, caller: &Caller) -> Result<(), Error> {
        let now = self.clock.now();
        let verified_with = match caller.proof {
            Proof::Token(verified_with) => verified_with,
            Proof::Session(id_hash, authenticator) => {
                // It goes with its user.
                let exists: Result<bool, StoreError> = self
                    .store
                    .read(move |connection| session::has_session(connection, id_hash, now))
                    .await;
                return if exists? && self.accepts_session(authenticator, now) {
                    Ok(())
                } else {
                    Err(Error::Unauthenticated)
                };
            }
        };
        if !self.tokens.accepts(verified_with, now) {
            return Err(Error::Unauthenticated);
        }
        let removals = self.known_users.removals();
        let key = &caller.user.key;
        if let Some(known) = self.known_users.find(key, now) {
            return self.refuse_removed(caller.issued_at_seconds, known.removed_at);
        }
        let known = self.read_user(key, caller.issued_at_seconds, now).await?;
        let known = known.ok_or(Error::Unauthenticated)?;
        self.known_users.remember(known, removals);
        Ok(())
    }

    pub(super) async fn user_of(&self, token: &VerifiedToken) -> Result<Arc<User>, Error> {
        let now = self.clock.now();
        if let Some(known) = self.known_users.find(&token.user, now)
            && is_up_to_date(&known.user, token)
        {
            self.refuse_removed(token.issued_at_seconds, known.removed_at)?;
            return Ok(known.user);
        }
        let removals = self.known_users.removals();
        let known = self.read_user(&token.user, token.issued_at_seconds, now);
        let known = match known.await? {
            Some(known) if is_up_to_date(&known.user, token) => known,
            _ => self.make_user(token, now).await?,
        };
        let user = Arc::clone(&known.user);
        self.known_users.remember(known, removals);
        Ok(user)
    }

    /// Reads a user, and refuses one who was removed since: there is nothing to be written then.
    async fn read_user(
        &self,
        key: &UserKey,
        issued_at_seconds: i64,
        read_at: Timestamp,
    ) -> Result<Option<KnownUser>, Error> {
        let key = key.clone();
        let found: (Option<User>, Option<Timestamp>) = self
            .store
            .read(move |connection| {
                let user = user::find_user_by_key(connection, &key)?;
                Ok::<_, StoreError>((user, user::find_removal(connection, &key)?))
            })
            .await?;
        let (user, removed_at) = found;
        self.refuse_removed(issued_at_seconds, removed_at)?;
        Ok(user.map(|user| KnownUser {
            user: Arc::new(user),
            removed_at,
            read_at,
        }))
    }

    /// Makes the user. Another request of theirs may make them first, and they may be removed meanwhile.
    async fn make_user(&self, token: &VerifiedToken, now: Timestamp) -> Result<KnownUser, Error> {
        for _ in 0..CHANGE_ATTEMPTS {
            match self.write_user(token, now).await {
                Err(Error::Overtaken) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Overloaded)
    }

    /// Makes the user, or takes over what the token says of them.
    async fn write_user(&self, token: &VerifiedToken, now: Timestamp) -> Result<KnownUser, Error> {
        let token = token.clone();
        let new_id = self.ids.next();
        let leeway_seconds = self.removal_leeway_seconds;
        self.store
            .write(move |connection| {
                let removed_at = user::find_removal(connection, &token.user)?;
                check_removal(token.issued_at_seconds, removed_at, leeway_seconds)?;
                let user = if let Some(mut user) = user::find_user_by_key(connection, &token.user)?
                {
                    // A later token may have come first.
                    if !is_up_to_date(&user, &token) {
                        let before = user.profile_issued_at_seconds;
                        user.profile = merged(&user.profile, &token.profile);
                        user.profile_issued_at_seconds = token.issued_at_seconds;
                        if user::update_profile(connection, &user, before)? == 0 {
                            return Err(Error::Overtaken);
                        }
                    }
                    user
                } else {
                    let user = User {
                        id: new_id,
                        key: token.user.clone(),
                        profile: token.profile.clone(),
                        profile_issued_at_seconds: token.issued_at_seconds,
                        created_at: now,
                    };
                    user::insert_user(connection, &user).map_err(overtaken)?;
                    user
                };
                Ok(KnownUser {
                    user: Arc::new(user),
                    removed_at,
                    read_at: now,
                })
            })
            .await
    }

    fn refuse_removed(
        &self,
        issued_at_seconds: i64,
        removed_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        check_removal(issued_at_seconds, removed_at, self.removal_leeway_seconds)
    }

    /// The check that stands at the beginning of every write and resolve, in its transaction: the caller's user still exists, and so does
    /// their session. Who signed out while the request was under way did so before it.
    pub(super) fn removal_check(
        &self,
        caller: &Caller,
    ) -> impl Fn(&mut DatabaseConnection) -> Result<(), Error> + Send + use<> {
        let (id, key) = (caller.user.id, caller.user.key.clone());
        let issued_at_seconds = caller.issued_at_seconds;
        let leeway_seconds = self.removal_leeway_seconds;
        let (signed_in, now) = (caller.session(), self.clock.now());
        move |connection| {
            // A removal that comes meanwhile waits until this is done.
            user::keep_user(connection, id)?;
            let removed_at = user::find_removal(connection, &key)?;
            check_removal(issued_at_seconds, removed_at, leeway_seconds)?;
            match signed_in {
                Some(id_hash) if !session::has_session(connection, id_hash, now)? => {
                    Err(Error::Unauthenticated)
                }
                _ => Ok(()),
            }
        }
    }
}

pub(super) fn check_removal(
    issued_at_seconds: i64,
    removed_at: Option<Timestamp>,
    leeway_seconds: i64,
) -> Result<(), Error> {
    match removed_at {
        Some(at) if issued_at_seconds <= at.seconds().saturating_add(leeway_seconds) => {
            Err(Error::Unauthenticated)
        }
        _ => Ok(()),
    }
}

/// Whether a token says nothing new of its user: an older one does not count.
fn is_up_to_date(user: &User, token: &VerifiedToken) -> bool {
    let says_nothing_new =
        |claimed: &Option<String>, stored: &Option<String>| claimed.is_none() || claimed == stored;
    token.issued_at_seconds < user.profile_issued_at_seconds
        || says_nothing_new(&token.profile.name, &user.profile.name)
            && says_nothing_new(&token.profile.email, &user.profile.email)
}

/// What a token does not say leaves what an earlier one said.
fn merged(stored: &Profile, claimed: &Profile) -> Profile {
    Profile {
        name: claimed.name.clone().or_else(|| stored.name.clone()),
        email: claimed.email.clone().or_else(|| stored.email.clone()),
    }
}
