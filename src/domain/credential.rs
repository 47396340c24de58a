//! Credentials: who may see them, and how they are listed. `credential_change` has what changes them.

use super::caller::Caller;
use super::error::{BadArgument, Error, Problem};
use super::page::{ListKey, PageArguments};
use super::{Domain, IDS_LIMIT};
use crate::store::connection::DatabaseConnection;
use crate::store::credential;
use crate::store::credential_list::{self, CredentialFilter};
use crate::store::error::StoreError;
use crate::types::credential::{
    Credential, CredentialFate, CredentialName, CredentialOrder, CredentialPlace,
};
use crate::types::id::Id;
use crate::types::page::{Direction, Page};
use crate::types::scope::Scope;
use crate::types::text;
use crate::types::user::User;

/// The longest text that is searched for, in characters.
const SEARCH_LIMIT_CHARACTERS: usize = 1_024;

/// Who may read a credential by its ID or name.
pub(super) const READERS: [Scope; 2] = [Scope::CredentialsRead, Scope::CredentialsResolve];

/// Which credentials are listed, and how.
#[derive(Clone, Debug)]
pub struct CredentialList {
    /// Only those whose name contains this, without regard to case.
    pub search: Option<String>,
    /// Only those of this owner.
    pub owner_id: Option<Id<User>>,
    /// What they are ordered by.
    pub order: CredentialOrder,
    /// In which direction.
    pub direction: Direction,
}

impl Domain {
    /// The credential with an ID.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read` or `credentials:resolve`.
    pub async fn credential(
        &self,
        caller: &Caller,
        id: Id<Credential>,
    ) -> Result<Option<Credential>, Error> {
        caller.require_any(&READERS)?;
        let found = self
            .store
            .read(move |connection| credential::find_credential(connection, id));
        Ok(found.await?)
    }

    /// The credential with a name, without regard to case. A text that cannot be a name is no credential's.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read` or `credentials:resolve`.
    pub async fn credential_by_name(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<Credential>, Error> {
        caller.require_any(&READERS)?;
        let Ok(name) = CredentialName::parse(name) else {
            return Ok(None);
        };
        let found = self.store.read(move |connection| {
            credential::find_credential_by_name_key(connection, name.key())
        });
        Ok(found.await?)
    }

    /// A page of credentials, and the key of its list.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read`; [`Error::BadArgument`] for bad page arguments.
    pub async fn credentials(
        &self,
        caller: &Caller,
        list: &CredentialList,
        arguments: &PageArguments,
    ) -> Result<(Page<Credential>, ListKey), Error> {
        caller.require(Scope::CredentialsRead)?;
        let filter = list.filter()?;
        let key = list.key(&filter);
        let request = self.page_request::<CredentialPlace>(&key, arguments)?;
        let order = (list.order, list.direction);
        let sample = self.store.name_sample();
        let page = self
            .store
            .read(move |connection| {
                credential_list::list_credentials(connection, &sample, &filter, order, &request)
            })
            .await?;
        Ok((page, key))
    }

    /// How many credentials a list has.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read`.
    pub async fn count_credentials(
        &self,
        caller: &Caller,
        list: &CredentialList,
    ) -> Result<i64, Error> {
        caller.require(Scope::CredentialsRead)?;
        let filter = list.filter()?;
        let sample = self.store.name_sample();
        let count = self.store.read(move |connection| {
            credential_list::count_credentials(connection, &sample, &filter)
        });
        Ok(count.await?)
    }

    /// What became of some IDs, in the same order.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:read`, `credentials:resolve` or `references:declare`;
    /// [`Error::BadArgument`] for more than 100 IDs.
    pub async fn credential_fates(
        &self,
        caller: &Caller,
        ids: Vec<Id<Credential>>,
    ) -> Result<Vec<CredentialFate>, Error> {
        caller.require_any(&[
            Scope::CredentialsRead,
            Scope::CredentialsResolve,
            Scope::ReferencesDeclare,
        ])?;
        if ids.len() > IDS_LIMIT {
            return Err(Error::BadArgument(BadArgument::TooManyIds));
        }
        let fates = self.store.read(move |connection| {
            ids.into_iter()
                .map(|id| find_fate(connection, id))
                .collect()
        });
        Ok(fates.await?)
    }
}

impl CredentialList {
    fn filter(&self) -> Result<CredentialFilter, Error> {
        let search = self.search.as_deref().unwrap_or_default();
        Ok(CredentialFilter {
            term: search_term(search)?,
            owner_id: self.owner_id,
        })
    }

    fn key(&self, filter: &CredentialFilter) -> ListKey {
        let order: &[u8] = match self.order {
            CredentialOrder::Name => b"name",
            CredentialOrder::CreatedAt => b"created_at",
            CredentialOrder::UpdatedAt => b"updated_at",
        };
        let descending = self.direction == Direction::Descending;
        let owner = self.owner_id.as_ref().map_or(&[][..], |id| id.as_bytes());
        ListKey::new(&[
            b"credentials",
            order,
            &[u8::from(descending)],
            filter.term.as_bytes(),
            owner,
        ])
    }

    /// The place of one of its credentials.
    #[must_use]
    pub fn place(&self, credential: &Credential) -> CredentialPlace {
        match self.order {
            CredentialOrder::Name => CredentialPlace::Name(credential.name_key.clone()),
            CredentialOrder::CreatedAt => {
                CredentialPlace::Time(credential.created_at, credential.id)
            }
            CredentialOrder::UpdatedAt => {
                CredentialPlace::Time(credential.updated_at, credential.id)
            }
        }
    }
}

/// The folded form of a text that is searched for.
pub(super) fn search_term(search: &str) -> Result<String, Error> {
    if search.chars().nth(SEARCH_LIMIT_CHARACTERS).is_some() {
        return Err(Error::BadArgument(BadArgument::SearchTooLong));
    }
    Ok(text::fold(search))
}

/// What is said of an ID that no credential has.
pub(super) fn missing(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Error, Error> {
    let problem = match credential::find_deleted(connection, id)? {
        Some(deleted) => Problem::CredentialDeleted {
            name: deleted.name,
            at: deleted.deleted_at,
        },
        None => Problem::CredentialNotFound,
    };
    Ok(problem.into())
}

fn find_fate(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<CredentialFate, StoreError> {
    if let Some(live) = credential::find_credential(connection, id)? {
        return Ok(CredentialFate::Live(live.name));
    }
    let deleted = credential::find_deleted(connection, id)?;
    Ok(deleted.map_or(CredentialFate::Unknown, CredentialFate::Deleted))
}
