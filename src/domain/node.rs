//! Objects by their global ID (GraphQL Global Object Identification). What the caller may not see is not there.

use super::caller::Caller;
use super::credential::READERS;
use super::error::{BadArgument, Error};
use super::{Domain, IDS_LIMIT};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::{audit, credential, reference, user};
use crate::types::audit::AuditEvent;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::reference::CredentialReference;
use crate::types::scope::Scope;
use crate::types::user::User;

/// Anything that has a global ID.
#[derive(Clone, Debug)]
pub enum Node {
    /// A credential.
    Credential(Credential),
    /// A user.
    User(User),
    /// An audit event.
    AuditEvent(AuditEvent),
    /// A reference.
    Reference(CredentialReference),
}

impl Domain {
    /// The objects with some IDs, in the same order; `None` for each that is missing or not the caller's to see.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for more than 100 IDs.
    pub async fn nodes(
        &self,
        caller: &Caller,
        ids: Vec<Id<Node>>,
    ) -> Result<Vec<Option<Node>>, Error> {
        if ids.len() > IDS_LIMIT {
            return Err(Error::BadArgument(BadArgument::TooManyIds));
        }
        let sight = Sight::of(caller);
        let found = self.store.read(move |connection| {
            ids.into_iter()
                .map(|id| sight.find(connection, id))
                .collect()
        });
        Ok(found.await?)
    }
}

/// What a caller sees.
#[derive(Clone, Copy)]
struct Sight {
    credentials: bool,
    users: bool,
    audit_events: bool,
    own_id: Id<User>,
}

impl Sight {
    fn of(caller: &Caller) -> Self {
        let credentials = caller.has_any(&READERS);
        Self {
            credentials,
            // Whoever sees a credential sees its owner.
            users: credentials || caller.has(Scope::UsersManage),
            audit_events: caller.has(Scope::AuditRead),
            own_id: caller.user.id,
        }
    }

    fn find(
        self,
        connection: &mut DatabaseConnection,
        id: Id<Node>,
    ) -> Result<Option<Node>, StoreError> {
        if self.credentials
            && let Some(found) = credential::find_credential(connection, id.of())?
        {
            return Ok(Some(Node::Credential(found)));
        }
        if (self.users || self.own_id == id.of())
            && let Some(found) = user::find_user(connection, id.of())?
        {
            return Ok(Some(Node::User(found)));
        }
        if self.audit_events
            && let Some(found) = audit::find_event(connection, id.of())?
        {
            return Ok(Some(Node::AuditEvent(found)));
        }
        if self.credentials
            && let Some(found) = reference::find_reference(connection, id.of())?
        {
            return Ok(Some(Node::Reference(found)));
        }
        Ok(None)
    }
}
