//! From a token to a caller. A user exists from their first authenticated request on; a removed user's older tokens are
//! refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;

use super::caller::Caller;
use super::error::Error;
use super::{Domain, Request};
use crate::crypto::token::{TokenProblem, VerifiedToken};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::user;
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
    /// It could not be found out.
    Failed(Error),
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
    removals: AtomicU64,
}

impl Default for KnownUsers {
    fn default() -> Self {
        Self {
            users: Cache::new(KNOWN_USERS_LIMIT),
            removals: AtomicU64::new(0),
        }
    }
}

impl KnownUsers {
    /// Forgets a user who was removed.
    pub(super) fn forget(&self, key: &UserKey) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        self.users.remove(key);
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
        let token = self
            .tokens
            .verify(token, self.clock.now())
            .map_err(AuthenticationError::Token)?;
        let user = self.user_of(&token).await?;
        Ok(Caller {
            user,
            scopes: token.scopes,
            issued_at_seconds: token.issued_at_seconds,
            expires_at_seconds: token.expires_at_seconds,
            credential_ids: token.credential_ids.map(Arc::from),
            request_id,
        })
    }

    /// How long the caller's token is still good: what streams to them ends then.
    #[must_use]
    pub fn remaining(&self, caller: &Caller) -> Duration {
        let seconds = caller
            .expires_at_seconds
            .saturating_sub(self.clock.now().seconds());
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }

    async fn user_of(&self, token: &VerifiedToken) -> Result<Arc<User>, Error> {
        let now = self.clock.now();
        let removals = self.known_users.removals.load(Ordering::SeqCst);
        let fresh = |known: &KnownUser| {
            (0..KNOWN_FOR_SECONDS * 1_000_000).contains(&(now.0 - known.read_at.0))
        };
        let known = match self.known_users.users.get(&token.user).filter(fresh) {
            Some(known) => Some(known),
            None => self.read_user(&token.user, now).await?,
        };
        if let Some(known) = known {
            self.refuse_removed(token.issued_at_seconds, known.removed_at)?;
            if is_up_to_date(&known.user.profile, &token.profile) {
                let user = Arc::clone(&known.user);
                self.remember(known, removals);
                return Ok(user);
            }
        }
        self.write_user(token).await
    }

    fn remember(&self, known: KnownUser, removals: u64) {
        if self.known_users.removals.load(Ordering::SeqCst) == removals {
            self.known_users.users.insert(known.user.key.clone(), known);
        }
    }

    async fn read_user(
        &self,
        key: &UserKey,
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
        Ok(user.map(|user| KnownUser {
            user: Arc::new(user),
            removed_at,
            read_at,
        }))
    }

    /// Makes the user, or takes over what the token says of them.
    async fn write_user(&self, token: &VerifiedToken) -> Result<Arc<User>, Error> {
        let key = token.user.clone();
        let profile = token.profile.clone();
        let issued_at_seconds = token.issued_at_seconds;
        let (new_id, now) = (self.ids.next(), self.clock.now());
        let leeway_seconds = self.removal_leeway_seconds;
        self.store
            .write(move |connection| {
                let removed_at = user::find_removal(connection, &key)?;
                check_removal(issued_at_seconds, removed_at, leeway_seconds)?;
                let user = if let Some(mut user) = user::find_user_by_key(connection, &key)? {
                    user.profile = merged(&user.profile, &profile);
                    user::update_profile(connection, &user)?;
                    user
                } else {
                    let user = User {
                        id: new_id,
                        key: key.clone(),
                        profile: profile.clone(),
                        created_at: now,
                    };
                    user::insert_user(connection, &user)?;
                    user
                };
                Ok(Arc::new(user))
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

    /// The check that stands at the beginning of every write and resolve, in its transaction: the caller's user still exists.
    pub(super) fn removal_check(
        &self,
        caller: &Caller,
    ) -> impl Fn(&mut DatabaseConnection) -> Result<(), Error> + Send + use<> {
        let key = caller.user.key.clone();
        let issued_at_seconds = caller.issued_at_seconds;
        let leeway_seconds = self.removal_leeway_seconds;
        move |connection| {
            let removed_at = user::find_removal(connection, &key)?;
            check_removal(issued_at_seconds, removed_at, leeway_seconds)
        }
    }
}

fn check_removal(
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

fn is_up_to_date(stored: &Profile, claimed: &Profile) -> bool {
    merged(stored, claimed) == *stored
}

/// What a token does not say leaves what an earlier one said.
fn merged(stored: &Profile, claimed: &Profile) -> Profile {
    Profile {
        name: claimed.name.clone().or_else(|| stored.name.clone()),
        email: claimed.email.clone().or_else(|| stored.email.clone()),
    }
}
