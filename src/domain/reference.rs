//! References: what uses credentials. A consumer declares what it uses, and the audit log tells what it resolved.

use super::Domain;
use super::audit::{Recorder, Subject};
use super::caller::Caller;
use super::credential::missing;
use super::error::{Denial, Error, Problem};
use super::page::{ListKey, PageArguments};
use super::user::overtaken;
use crate::store::connection::DatabaseConnection;
use crate::store::credential;
use crate::store::error::StoreError;
use crate::store::reference::{self, ReferenceFilter};
use crate::types::audit::AuditAction;
use crate::types::clock::Timestamp;
use crate::types::consumer::{Consumer, ConsumerKind};
use crate::types::credential::Credential;
use crate::types::id::{Id, IdSource};
use crate::types::page::Page;
use crate::types::reference::CredentialReference;
use crate::types::scope::Scope;

/// How many credentials a consumer may declare.
const DECLARED_LIMIT: usize = 100;

/// Who may declare what uses credentials.
const DECLARERS: [Scope; 2] = [Scope::ReferencesDeclare, Scope::CredentialsResolve];

/// What a consumer declares: all that it uses.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// What kind of consumer it is.
    pub consumer_kind: ConsumerKind,
    /// Its identifier in the system it lives in.
    pub consumer_external_id: String,
    /// Its name for people.
    pub consumer_name: Option<String>,
    /// What it uses.
    pub credential_ids: Vec<Id<Credential>>,
}

/// A list of references.
#[derive(Clone, Copy, Debug)]
pub enum ReferenceList {
    /// Those of a credential.
    Of(Id<Credential>),
    /// Those whose credential no longer exists.
    Dangling,
}

impl ReferenceList {
    fn key(&self) -> ListKey {
        match self {
            Self::Of(id) => ListKey::new(&[b"references", id.as_bytes()]),
            Self::Dangling => ListKey::new(&[b"dangling_references"]),
        }
    }

    const fn filter(self) -> ReferenceFilter {
        match self {
            Self::Of(id) => ReferenceFilter::Of(id),
            Self::Dangling => ReferenceFilter::Dangling,
        }
    }

    /// Lets pass who may see the list. What uses a credential is seen by whoever sees the credential.
    fn check(self, caller: &Caller) -> Result<(), Error> {
        match self {
            Self::Of(_) => Ok(()),
            Self::Dangling => caller.require(Scope::CredentialsRead),
        }
    }
}

impl Domain {
    /// A page of references, and the key of its list.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for dangling ones without `credentials:read`; [`Error::BadArgument`] for bad page arguments.
    pub async fn references(
        &self,
        caller: &Caller,
        list: ReferenceList,
        arguments: &PageArguments,
    ) -> Result<(Page<CredentialReference>, ListKey), Error> {
        list.check(caller)?;
        let key = list.key();
        let request = self.page_request(&key, arguments)?;
        let page = self
            .store
            .read(move |connection| reference::list_references(connection, list.filter(), &request))
            .await?;
        Ok((page, key))
    }

    /// How many references a list has.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for dangling ones without `credentials:read`.
    pub async fn count_references(
        &self,
        caller: &Caller,
        list: ReferenceList,
    ) -> Result<i64, Error> {
        list.check(caller)?;
        let count = self
            .store
            .read(move |connection| reference::count_references(connection, list.filter()));
        Ok(count.await?)
    }

    /// When some credentials that the caller sees were last resolved, in the same order.
    ///
    /// # Errors
    /// That it could not be found out.
    pub async fn last_resolved(
        &self,
        ids: Vec<Id<Credential>>,
    ) -> Result<Vec<Option<Timestamp>>, Error> {
        let found = self.store.read(move |connection| {
            ids.into_iter()
                .map(|id| reference::find_last_resolved(connection, id))
                .collect::<Result<_, StoreError>>()
        });
        Ok(found.await?)
    }

    /// The credentials that references point to, in the same order. Whoever sees a reference sees them.
    ///
    /// # Errors
    /// That it could not be found out.
    pub async fn referenced(
        &self,
        ids: Vec<Id<Credential>>,
    ) -> Result<Vec<Option<Credential>>, Error> {
        let found = self.store.read(move |connection| {
            ids.into_iter()
                .map(|id| credential::find_credential(connection, id))
                .collect::<Result<_, StoreError>>()
        });
        Ok(found.await?)
    }

    /// Replaces all that a consumer declares to use, and returns its references. An ID that was deleted is declared, and dangles; one that
    /// is not declared dangles no more, whether or not it was resolved.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `references:declare` or `credentials:resolve`, and when credentials that the token leaves out are
    /// declared, or were until now;
    /// [`Error::Rejected`] for a consumer that cannot be named so, more than 100 credentials, and one that never existed.
    pub async fn declare_references(
        &self,
        caller: &Caller,
        declaration: Declaration,
    ) -> Result<Vec<CredentialReference>, Error> {
        caller.require_any(&DECLARERS)?;
        let consumer = Consumer::parse(
            declaration.consumer_kind,
            &declaration.consumer_external_id,
            declaration.consumer_name.as_deref(),
        )
        .map_err(Problem::Consumer)?;
        let asked = declaration.credential_ids;
        if asked.len() > DECLARED_LIMIT {
            return Err(Problem::TooManyDeclared.into());
        }
        if asked.iter().any(|id| caller.is_limited_from(*id)) {
            return Err(caller.refuse(Denial::TokenLimited));
        }
        let ids = self.ids.clone();
        let declarer = caller.clone();
        self.change(caller, move |connection, recorder| {
            reference::lock_consumer(connection, &consumer)?;
            let wanted = find_all(connection, &asked)?;
            let mut before = reference::list_replaceable(connection, &consumer, &asked)?;
            let is_beyond_token = |reference: &CredentialReference| {
                reference.declared_at.is_some() && declarer.is_limited_from(reference.credential_id)
            };
            if before.iter().any(is_beyond_token) {
                return Err(Denial::TokenLimited.into());
            }
            before.retain(|reference| !declarer.is_limited_from(reference.credential_id));
            if replace(connection, recorder, &ids, &consumer, &before, &wanted)? {
                let subject = Subject {
                    consumer: Some(&consumer),
                    ..Subject::default()
                };
                recorder.record(AuditAction::ReferencesDeclared, &subject);
            }
            Ok(reference::list_references_of(connection, &consumer)?)
        })
        .await
    }
}

/// A credential that is declared, and whether it exists.
type Wanted = (Id<Credential>, bool);

/// Finds what is declared, each once. None of it can be deleted until the transaction ends: they are taken in one order everywhere, so that
/// no two transactions wait for each other.
fn find_all(
    connection: &mut DatabaseConnection,
    asked: &[Id<Credential>],
) -> Result<Vec<Wanted>, Error> {
    let mut sorted: Vec<(usize, Id<Credential>)> = asked.iter().copied().enumerate().collect();
    sorted.sort_by_key(|(_, id)| *id.as_bytes());
    sorted.dedup_by_key(|(_, id)| *id);
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (index, id) in sorted {
        if reference::keep_credential(connection, id)? {
            found.push((id, true));
            continue;
        }
        match missing(connection, id)? {
            Error::Rejected(reasons) if reasons == [Problem::CredentialNotFound] => {
                problems.push(Problem::DeclaredNotFound { index });
            }
            _deleted => found.push((id, false)),
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(Error::Rejected(problems))
    }
}

/// Brings a consumer's references to what it declares. Returns whether anything changed.
fn replace(
    connection: &mut DatabaseConnection,
    recorder: &Recorder,
    ids: &IdSource,
    consumer: &Consumer,
    before: &[CredentialReference],
    wanted: &[Wanted],
) -> Result<bool, Error> {
    let mut changed = false;
    for reference in before {
        let is_wanted = wanted.iter().any(|(id, _)| *id == reference.credential_id);
        let after = CredentialReference {
            declared_at: is_wanted.then(|| reference.declared_at.unwrap_or(recorder.now())),
            consumer: Consumer {
                name: consumer.name.clone().or(reference.consumer.name.clone()),
                ..reference.consumer.clone()
            },
            ..reference.clone()
        };
        let dangles = !is_wanted && !reference.is_present;
        if after == *reference && !dangles {
            continue;
        }
        changed = true;
        let is_deleted = after.declared_at.is_none()
            && (after.uses.is_none() || !after.is_present)
            && reference::delete_idle(connection, reference.id)? > 0;
        if !is_deleted && reference::update_declaration(connection, &after)? == 0 {
            return Err(Error::Overtaken);
        }
    }
    for (credential_id, is_present) in wanted {
        if before
            .iter()
            .any(|reference| reference.credential_id == *credential_id)
        {
            continue;
        }
        changed = true;
        let reference = CredentialReference {
            id: ids.next_at(recorder.now()),
            credential_id: *credential_id,
            is_present: *is_present,
            consumer: consumer.clone(),
            declared_at: Some(recorder.now()),
            uses: None,
        };
        reference::insert_reference(connection, &reference).map_err(conflict)?;
    }
    Ok(changed)
}

/// Somebody else wrote the row, or deleted the credential: it is seen when all is done again.
pub(super) fn conflict(error: StoreError) -> Error {
    match error {
        StoreError::NoReferent => Error::Overtaken,
        error => overtaken(error),
    }
}
