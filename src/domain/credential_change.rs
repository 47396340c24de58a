//! Changes of credentials: each is one transaction, with its audit events.

use std::sync::Arc;

use super::Domain;
use super::audit::{Recorder, Subject};
use super::caller::Caller;
use super::credential::missing;
use super::error::{Denial, Error, InUse, Problem, UserArgument};
use super::keyring::LiveKeyring;
use crate::crypto::keyring::ValueBinding;
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{credential, reference, user};
use crate::types::audit::AuditAction;
use crate::types::clock::Timestamp;
use crate::types::credential::{Credential, CredentialName, DeletedCredential, StoredValue};
use crate::types::id::Id;
use crate::types::scope::Scope;
use crate::types::secret::{SecretValue, UncheckedSecret};
use crate::types::user::User;

/// The shortest value that is looked for in a name, in characters: shorter ones occur by chance.
const VISIBLE_VALUE_CHARACTERS: usize = 8;

const WRITERS: [Scope; 2] = [Scope::CredentialsWrite, Scope::CredentialsManage];

/// What is to change of a credential. What is `None` stays.
#[derive(Debug, Default)]
pub struct CredentialEdit {
    /// The new name, as it was typed.
    pub name: Option<String>,
    /// The new value.
    pub value: Option<UncheckedSecret>,
    /// The version that the credential must have.
    pub expected_value_version: Option<i32>,
}

impl Domain {
    /// Creates a credential owned by the caller.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:write`; [`Error::Rejected`] for a bad name or value, or a name that is taken.
    pub async fn create_credential(
        &self,
        caller: &Caller,
        name: &str,
        value: UncheckedSecret,
    ) -> Result<Credential, Error> {
        caller.require(Scope::CredentialsWrite)?;
        let (name, value) = match (parse_name(name), parse_value(value)) {
            (Ok(name), Ok(value)) => (name, value),
            (name, value) => {
                return Err(Error::Rejected(
                    [name.err(), value.err()].into_iter().flatten().collect(),
                ));
            }
        };
        refuse_visible_value(&name, &value)?;
        let now = self.clock.now();
        let draft = Credential {
            id: self.ids.next(),
            name: name.as_str().to_owned(),
            name_key: name.key().to_owned(),
            owner: caller.user().clone(),
            value_version: 1,
            created_at: now,
            updated_at: now,
            value_updated_at: now,
        };
        let keyring = Arc::clone(&self.keyring);
        self.change(caller, move |connection, recorder| {
            let sealed = seal(&keyring, &value, &draft)?;
            // It is created when its transaction begins, which may have waited.
            let created = Credential {
                created_at: recorder.now(),
                updated_at: recorder.now(),
                value_updated_at: recorder.now(),
                ..draft.clone()
            };
            credential::insert_credential(connection, &created, &sealed).map_err(name_taken)?;
            keyring.check_active(connection, sealed.data_key)?;
            recorder.record(
                AuditAction::CredentialCreated,
                &Subject::credential(&created),
            );
            Ok(created)
        })
        .await
    }

    /// Renames a credential, replaces its value, or both.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who neither owns it with `credentials:write` nor has `credentials:manage`;
    /// [`Error::Rejected`] for an ID that is none's, a bad or taken name, a bad value, or another version than expected.
    pub async fn update_credential(
        &self,
        caller: &Caller,
        id: Id<Credential>,
        change: CredentialEdit,
    ) -> Result<Credential, Error> {
        caller.require_any(&WRITERS)?;
        let name = change.name.as_deref().map(parse_name).transpose();
        let value = change.value.map(parse_value).transpose();
        let expected = change.expected_value_version;
        let editor = caller.clone();
        let keyring = Arc::clone(&self.keyring);
        self.change(caller, move |connection, recorder| {
            let before = find_changeable(connection, recorder, &editor, id)?;
            let (name, value) = match (&name, &value) {
                (Ok(name), Ok(value)) => (name.as_ref(), value.as_ref()),
                (name, value) => return Err(Error::Rejected(problems(name, value))),
            };
            if let (Some(name), Some(value)) = (name, value) {
                refuse_visible_value(name, value)?;
            }
            check_version(&before, expected)?;
            let renamed = name.is_some_and(|name| name.as_str() != before.name);
            if !renamed && value.is_none() {
                return Ok(before);
            }
            let after = changed(&before, name, value.is_some(), recorder.now());
            store_change(connection, &keyring, &before, &after, value)?;
            if renamed {
                recorder.record(AuditAction::CredentialRenamed, &Subject::credential(&after));
            }
            if value.is_some() {
                recorder.record(AuditAction::CredentialRotated, &Subject::credential(&after));
            }
            Ok(after)
        })
        .await
    }

    /// Deletes a credential, and returns what it was. One that consumers declare is deleted only by `force`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who neither owns it with `credentials:write` nor has `credentials:manage`;
    /// [`Error::Rejected`] for an ID that is none's, and for a credential that is in use.
    pub async fn delete_credential(
        &self,
        caller: &Caller,
        id: Id<Credential>,
        force: bool,
    ) -> Result<Credential, Error> {
        caller.require_any(&WRITERS)?;
        let editor = caller.clone();
        self.change(caller, move |connection, recorder| {
            let before = find_changeable(connection, recorder, &editor, id)?;
            let in_use = if force {
                None
            } else {
                find_in_use(connection, &before, false)?
            };
            if let Some(in_use) = in_use {
                return Err(Problem::InUse(in_use).into());
            }
            delete(connection, recorder, &before)?;
            Ok(before)
        })
        .await
    }

    /// Gives a credential to another user.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `credentials:manage`; [`Error::Rejected`] for an ID that is none's.
    pub async fn transfer_credential(
        &self,
        caller: &Caller,
        id: Id<Credential>,
        new_owner_id: Id<User>,
    ) -> Result<Credential, Error> {
        caller.require(Scope::CredentialsManage)?;
        let editor = caller.clone();
        let keyring = Arc::clone(&self.keyring);
        self.change(caller, move |connection, recorder| {
            user::keep_user(connection, new_owner_id)?;
            let before = find_changeable(connection, recorder, &editor, id)?;
            let new_owner = user::find_user(connection, new_owner_id)?
                .ok_or(Problem::UserNotFound(UserArgument::NewOwner))?;
            transfer(connection, &keyring, recorder, &before, &new_owner)
        })
        .await
    }
}

/// The present credential, if the caller may change it. The change is guarded by its owner, who cannot change meanwhile.
fn find_changeable(
    connection: &mut DatabaseConnection,
    recorder: &mut Recorder,
    caller: &Caller,
    id: Id<Credential>,
) -> Result<Credential, Error> {
    credential::lock_credential(connection, id)?;
    let Some(found) = credential::find_credential(connection, id)? else {
        return Err(missing(connection, id)?);
    };
    if !caller.may_change(&found) {
        return Err(caller.refuse(Denial::NotOwner));
    }
    recorder.follow(&found);
    Ok(found)
}

/// What keeps a credential that is declared from being deleted. Nobody can declare it meanwhile: it is locked.
pub(super) fn find_in_use(
    connection: &mut DatabaseConnection,
    credential: &Credential,
    with_user: bool,
) -> Result<Option<InUse>, Error> {
    let declared = reference::find_declared(connection, credential.id)?;
    Ok((declared.count > 0).then(|| InUse {
        credential_name: credential.name.clone(),
        with_user,
        declared,
    }))
}

/// Deletes a credential and notes what it was.
pub(super) fn delete(
    connection: &mut DatabaseConnection,
    recorder: &mut Recorder,
    before: &Credential,
) -> Result<(), Error> {
    if credential::delete_credential(connection, before)? == 0 {
        return Err(Error::Overtaken);
    }
    let deleted = DeletedCredential {
        id: before.id,
        name: before.name.clone(),
        deleted_at: recorder.now(),
    };
    credential::insert_deleted(connection, &deleted)?;
    recorder.record(AuditAction::CredentialDeleted, &Subject::credential(before));
    Ok(())
}

/// Gives a credential to another user. To whom it belongs already, nothing happens.
pub(super) fn transfer(
    connection: &mut DatabaseConnection,
    keyring: &LiveKeyring,
    recorder: &mut Recorder,
    before: &Credential,
    new_owner: &User,
) -> Result<Credential, Error> {
    if before.owner.id == new_owner.id {
        return Ok(before.clone());
    }
    let after = Credential {
        owner: new_owner.clone(),
        updated_at: recorder.now(),
        ..before.clone()
    };
    store_change(connection, keyring, before, &after, None)?;
    let subject = Subject {
        user: Some(new_owner),
        ..Subject::credential(&after)
    };
    recorder.record(AuditAction::CredentialTransferred, &subject);
    Ok(after)
}

/// Writes a change, unless somebody else was quicker. A value that stays is sealed anew, since it is bound to what changes.
fn store_change(
    connection: &mut DatabaseConnection,
    keyring: &LiveKeyring,
    before: &Credential,
    after: &Credential,
    value: Option<&SecretValue>,
) -> Result<(), Error> {
    let sealed = if let Some(value) = value {
        seal(keyring, value, after)?
    } else {
        let stored = credential::find_value(connection, before.id)?.ok_or(Error::Overtaken)?;
        let value = keyring.open_value(connection, before, &stored)?;
        seal(keyring, &value, after)?
    };
    match credential::update_credential(connection, before, after, &sealed).map_err(name_taken)? {
        0 => Err(Error::Overtaken),
        _ => keyring.check_active(connection, sealed.data_key),
    }
}

fn changed(
    before: &Credential,
    name: Option<&CredentialName>,
    rotated: bool,
    now: Timestamp,
) -> Credential {
    let mut after = Credential {
        updated_at: now,
        ..before.clone()
    };
    if let Some(name) = name {
        name.as_str().clone_into(&mut after.name);
        name.key().clone_into(&mut after.name_key);
    }
    if rotated {
        after.value_version = before.value_version.saturating_add(1);
        after.value_updated_at = now;
    }
    after
}

fn seal(
    keyring: &LiveKeyring,
    value: &SecretValue,
    credential: &Credential,
) -> Result<StoredValue, Error> {
    let (sealed, data_key) = keyring.present().seal_value(value, &binding(credential))?;
    Ok(StoredValue { sealed, data_key })
}

/// What the value of a credential is bound to.
pub(super) fn binding(credential: &Credential) -> ValueBinding<'_> {
    ValueBinding {
        credential_id: credential.id,
        owner_id: credential.owner.id,
        name_key: &credential.name_key,
        value_version: credential.value_version,
    }
}

fn parse_name(typed: &str) -> Result<CredentialName, Problem> {
    CredentialName::parse(typed).map_err(Problem::Name)
}

fn parse_value(text: UncheckedSecret) -> Result<SecretValue, Problem> {
    SecretValue::parse(text).map_err(Problem::Value)
}

fn problems<A, B>(name: &Result<A, Problem>, value: &Result<B, Problem>) -> Vec<Problem> {
    let name = name.as_ref().err();
    let value = value.as_ref().err();
    [name, value].into_iter().flatten().cloned().collect()
}

/// Names are visible: one that holds the value it comes with would show it. A name that comes alone is not compared with
/// the stored value: the answer would tell what that is.
fn refuse_visible_value(name: &CredentialName, value: &SecretValue) -> Result<(), Error> {
    let value = value.expose().trim();
    let long_enough = value.chars().nth(VISIBLE_VALUE_CHARACTERS - 1).is_some();
    if long_enough && name.as_str().contains(value) {
        return Err(Problem::NameHoldsValue.into());
    }
    Ok(())
}

fn check_version(before: &Credential, expected: Option<i32>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != before.value_version => Err(Problem::VersionConflict {
            present: before.value_version,
        }
        .into()),
        _ => Ok(()),
    }
}

fn name_taken(error: StoreError) -> Error {
    match error {
        StoreError::NotUnique => Problem::NameTaken.into(),
        StoreError::NoReferent => Error::Overtaken,
        error => error.into(),
    }
}
