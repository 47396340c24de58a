//! What commands add to the audit log: each has a chain to itself, beside those of the servers.

use rustix::process::geteuid;

use crate::store::audit_chain::{Chain, ChainOwner, find_last_authentic_event};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::keyring::find_generation;
use crate::types::audit::{
    AuditAction, AuditEntry, AuditEvent, ChainPoint, CredentialState, Signer,
};
use crate::types::clock::Clock;
use crate::types::credential::Credential;
use crate::types::id::{Id, IdSource};
use crate::types::user::UserKey;

/// The issuer of those who use the commands: the machine's operating system.
const COMMAND_ISSUER: &str = "urn:credence:command";

/// What stands before the generation of the keyring in the reason of an event.
const GENERATION: &str = " generation ";

/// The generation of the keyring that the reason of an event names, if it names one.
#[must_use]
pub fn generation_in(reason: &str) -> Option<i32> {
    let (_what, generation) = reason.rsplit_once(GENERATION)?;
    generation.parse().ok()
}

/// The log, for a command.
pub struct CommandLog {
    clock: Clock,
    ids: IdSource,
    chain: Option<Chain>,
}

impl CommandLog {
    /// The log of a command that has written nothing yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            ids: IdSource::new(clock.clone()),
            chain: None,
        }
    }

    /// An event of a command, and the generation of the keyring that there is by then, which stays known when earlier events go.
    #[must_use]
    pub fn keyring_event(&self, action: AuditAction, what: &str, generation: i32) -> AuditEntry {
        let actor = UserKey {
            issuer: COMMAND_ISSUER.to_owned(),
            subject: format!("uid {}", geteuid().as_raw()),
        };
        AuditEntry::Event(Box::new(AuditEvent {
            reason: Some(format!("{what}{GENERATION}{generation}")),
            ..AuditEvent::new(self.ids.next(), self.clock.now(), action, actor)
        }))
    }

    /// What the log said of a credential.
    #[must_use]
    pub fn carried_over(&self, state: CredentialState) -> AuditEntry {
        AuditEntry::CarriedOver {
            id: self.ids.next(),
            at: self.clock.now(),
            state,
        }
    }

    /// That the log said of a credential that it was deleted.
    #[must_use]
    pub fn carried_over_deletion(
        &self,
        credential_id: Id<Credential>,
        event_id: Id<AuditEvent>,
    ) -> AuditEntry {
        AuditEntry::DeletionCarriedOver {
            id: self.ids.next(),
            at: self.clock.now(),
            credential_id,
            event_id,
        }
    }

    /// Where the chains end, so that none of them vanishes unnoticed with all that named it.
    #[must_use]
    pub fn anchor(&self, heads: Vec<ChainPoint>) -> AuditEntry {
        AuditEntry::Anchor {
            id: self.ids.next(),
            at: self.clock.now(),
            heads,
        }
    }

    /// What a credential is like, whatever the log said of it before.
    #[must_use]
    pub fn accepted(&self, state: CredentialState) -> AuditEntry {
        let id = self.ids.next();
        AuditEntry::CarriedOver {
            id,
            at: self.clock.now(),
            state: CredentialState {
                event_id: id,
                ..state
            },
        }
    }

    /// Makes IDs rise from the last one that there is.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be read.
    pub fn follow(
        &self,
        connection: &mut DatabaseConnection,
        signer: &Signer,
    ) -> Result<(), StoreError> {
        if let Some(last) = find_last_authentic_event(connection, signer)? {
            self.ids.follow(last);
        }
        Ok(())
    }

    /// Adds to the log, in a transaction that writes.
    ///
    /// # Errors
    /// [`StoreError::ChainBroken`] when the chain does not end where it ended; otherwise a [`StoreError`] when the database cannot be written.
    pub fn append(
        &mut self,
        connection: &mut DatabaseConnection,
        signer: &Signer,
        entries: &[AuditEntry],
    ) -> Result<(), StoreError> {
        let mut chain = match self.chain.take() {
            // On SQLite another command may have written it since.
            Some(chain) => chain.read_again(connection)?,
            None => Chain::open(connection, ChainOwner::Command, signer)?,
        };
        chain.append(connection, entries)?;
        chain.note_generation(find_generation(connection)?.unwrap_or(0));
        chain.write_end(connection)?;
        self.chain = Some(chain);
        Ok(())
    }
}
