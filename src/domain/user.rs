//! Users: who may see them, and their removal.

use std::sync::Arc;

use super::Domain;
use super::audit::Subject;
use super::caller::Caller;
use super::credential::search_term;
use super::credential_change::{delete, find_in_use, transfer};
use super::error::{Error, Problem, UserArgument};
use super::page::{ListKey, PageArguments};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, user};
use crate::types::audit::AuditAction;
use crate::types::clock::Timestamp;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::page::Page;
use crate::types::scope::Scope;
use crate::types::text;
use crate::types::user::{User, UserKey, UserPlace};

/// How many of a user's credentials that are in use are told one by one.
const TOLD_LIMIT_CREDENTIALS: usize = 10;

/// What became of a removed user.
#[derive(Clone, Debug)]
pub struct RemovedUser {
    /// Who was removed.
    pub user: User,
    /// The credentials that were deleted with them.
    pub deleted_credentials: Vec<Id<Credential>>,
}

impl Domain {
    /// A page of users, ordered by name, and the key of its list.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `users:manage`; [`Error::BadArgument`] for bad page arguments.
    pub async fn users(
        &self,
        caller: &Caller,
        search: Option<&str>,
        arguments: &PageArguments,
    ) -> Result<(Page<User>, ListKey), Error> {
        caller.require(Scope::UsersManage)?;
        let term = search_term(search.unwrap_or_default())?;
        let list = ListKey::new(&[b"users", term.as_bytes()]);
        let request = self.page_request::<UserPlace>(&list, arguments)?;
        let page = self
            .store
            .read(move |connection| user::list_users(connection, &term, &request))
            .await?;
        Ok((page, list))
    }

    /// How many users there are on all pages of a list.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `users:manage`.
    pub async fn count_users(&self, caller: &Caller, search: Option<&str>) -> Result<i64, Error> {
        caller.require(Scope::UsersManage)?;
        let term = search_term(search.unwrap_or_default())?;
        let count = self
            .store
            .read(move |connection| user::count_users(connection, &term));
        Ok(count.await?)
    }

    /// Removes a user. The credentials that they own go with them, or to another user. Tokens that were issued to them until
    /// now are refused from now on. With `only_if_unused`, credentials that consumers declare keep the user.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `users:manage`; [`Error::Rejected`] for IDs that are no user's, and for credentials in use.
    pub async fn delete_user(
        &self,
        caller: &Caller,
        id: Id<User>,
        transfer_to: Option<Id<User>>,
        only_if_unused: bool,
    ) -> Result<RemovedUser, Error> {
        caller.require(Scope::UsersManage)?;
        let keyring = Arc::clone(&self.keyring);
        let removed = self
            .change(caller, move |connection, recorder| {
                user::lock_user(connection, id)?;
                let removed = user::find_user(connection, id)?
                    .ok_or(Problem::UserNotFound(UserArgument::User))?;
                let heir = find_heir(connection, &removed, transfer_to)?;
                let owned = credential::list_credentials_of(connection, id)?;
                if only_if_unused && heir.is_none() {
                    refuse_in_use(connection, &owned)?;
                }
                let mut deleted_credentials = Vec::new();
                for credential in &owned {
                    recorder.follow(credential);
                    if let Some(heir) = &heir {
                        transfer(connection, &keyring, recorder, credential, heir)?;
                    } else {
                        delete(connection, recorder, credential)?;
                        deleted_credentials.push(credential.id);
                    }
                }
                if user::delete_user(connection, id)? == 0 {
                    return Err(Error::Overtaken);
                }
                note_removal(connection, &removed.key, recorder.now())?;
                let subject = Subject {
                    user: Some(&removed),
                    ..Subject::default()
                };
                recorder.record(AuditAction::UserDeleted, &subject);
                Ok(RemovedUser {
                    user: removed,
                    deleted_credentials,
                })
            })
            .await?;
        self.known_users.forget(&removed.user.key);
        self.tokens.forget_user(&removed.user.key, self.clock.now());
        Ok(removed)
    }
}

impl Caller {
    /// The email of a user, if the caller may see it: it is the caller's own, or they may manage users.
    #[must_use]
    pub fn visible_email<'a>(&self, user: &'a User) -> Option<&'a str> {
        let may_see = user.id == self.user.id || self.has(Scope::UsersManage);
        user.profile.email.as_deref().filter(|_| may_see)
    }
}

fn find_heir(
    connection: &mut DatabaseConnection,
    removed: &User,
    transfer_to: Option<Id<User>>,
) -> Result<Option<User>, Error> {
    let Some(heir_id) = transfer_to else {
        return Ok(None);
    };
    if heir_id == removed.id {
        return Err(Problem::TransferToRemoved.into());
    }
    user::keep_user(connection, heir_id)?;
    let heir = user::find_user(connection, heir_id)?
        .ok_or(Problem::UserNotFound(UserArgument::TransferTo))?;
    Ok(Some(heir))
}

/// Refuses to remove a user while consumers declare any of their credentials. Nobody can declare one meanwhile: they are locked.
fn refuse_in_use(connection: &mut DatabaseConnection, owned: &[Credential]) -> Result<(), Error> {
    let mut problems = Vec::new();
    let mut more = 0;
    for credential in owned {
        credential::lock_credential(connection, credential.id)?;
        match find_in_use(connection, credential, true)? {
            Some(in_use) if problems.len() < TOLD_LIMIT_CREDENTIALS => {
                problems.push(Problem::InUse(in_use));
            }
            Some(_) => more += 1,
            None => {}
        }
    }
    if more > 0 {
        problems.push(Problem::MoreInUse { credentials: more });
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Rejected(problems))
    }
}

fn note_removal(
    connection: &mut DatabaseConnection,
    key: &UserKey,
    at: Timestamp,
) -> Result<(), Error> {
    if user::update_removal(connection, key, at)? == 0 {
        user::insert_removal(connection, key, at).map_err(overtaken)?;
    }
    Ok(())
}

/// Somebody else wrote the row first: it is there when all is done again.
pub(super) fn overtaken(error: StoreError) -> Error {
    match error {
        StoreError::NotUnique => Error::Overtaken,
        error => error.into(),
    }
}

/// A user's place in the list of users.
#[must_use]
pub fn place(user: &User) -> UserPlace {
    UserPlace {
        name_key: text::fold(user.display_name()),
        id: user.id,
    }
}
