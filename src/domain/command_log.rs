//! What commands add to the audit log: each has a chain to itself, beside those of the servers.

use rustix::process::geteuid;

use crate::store::audit_chain::{Chain, ChainOwner, Signer};
use crate::store::connection::DatabaseConnection;
use crate::store::error::StoreError;
use crate::store::reference_use::find_last_event;
use crate::types::audit::{AuditAction, AuditEntry, AuditEvent, CredentialState};
use crate::types::clock::Clock;
use crate::types::id::IdSource;

/// The issuer of those who use the commands: the machine's operating system.
const COMMAND_ISSUER: &str = "urn:credence:command";

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

    /// An event of a command.
    #[must_use]
    pub fn event(&self, action: AuditAction, reason: String) -> AuditEntry {
        AuditEntry::Event(Box::new(AuditEvent {
            id: self.ids.next(),
            occurred_at: self.clock.now(),
            action,
            actor_issuer: COMMAND_ISSUER.to_owned(),
            actor_subject: format!("uid {}", geteuid().as_raw()),
            credential_id: None,
            credential_name: None,
            value_version: None,
            user_id: None,
            user_subject: None,
            consumer: None,
            request_id: String::new(),
            owner_id: None,
            reason: Some(reason),
            times: 1,
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
    pub fn follow(&self, connection: &mut DatabaseConnection) -> Result<(), StoreError> {
        if let Some(last) = find_last_event(connection)? {
            self.ids.follow(last);
        }
        Ok(())
    }

    /// Adds to the log, in a transaction that writes.
    ///
    /// # Errors
    /// A [`StoreError`] when the database cannot be written.
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
        chain.write_end(connection)?;
        self.chain = Some(chain);
        Ok(())
    }
}
