//! Changes on PostgreSQL: they are sent with the transaction that made them (NOTIFY), so that every instance hears of each after its
//! commit, in the order of the commits.

use std::sync::Arc;

use diesel::sql_types::Text;
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::postgres::SCHEMA;
use crate::types::audit::AuditAction;
use crate::types::change::{CredentialChange, Told};
use crate::types::clock::Timestamp;
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::user::{Profile, User, UserKey};

/// The longest notification that PostgreSQL takes, in bytes (PostgreSQL documentation, NOTIFY).
const NOTICE_LIMIT_BYTES: usize = 7_999;

/// The name of the channel. Deployments in other schemas of the same database have channels of their own.
fn channel() -> String {
    format!("'credence_' || {SCHEMA}")
}

#[derive(QueryableByName)]
struct Channel {
    #[diesel(sql_type = Text)]
    channel: String,
}

/// A change as it is sent. A secret is not in it.
#[derive(Serialize, Deserialize)]
struct Notice {
    action: String,
    credential_id: String,
    occurred_at_us: i64,
    credential: Option<NoticeCredential>,
}

#[derive(Serialize, Deserialize)]
struct NoticeCredential {
    name: String,
    name_key: String,
    value_version: i32,
    created_at_us: i64,
    updated_at_us: i64,
    value_updated_at_us: i64,
    owner: NoticeUser,
}

#[derive(Serialize, Deserialize)]
struct NoticeUser {
    id: String,
    issuer: String,
    subject: String,
    name: Option<String>,
    email: Option<String>,
    profile_issued_at: i64,
    created_at_us: i64,
}

/// Sends changes, when the transaction that is under way is committed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be reached.
pub fn notify(
    connection: &mut PgConnection,
    changes: &[CredentialChange],
) -> Result<(), StoreError> {
    for change in changes {
        let text = serde_json::to_string(&Notice::from(change)).unwrap_or_default();
        // What is too long is told as a change that was missed: followers then look for themselves.
        let fits = text.len() <= NOTICE_LIMIT_BYTES;
        diesel::sql_query(format!("SELECT pg_notify({}, $1)", channel()))
            .bind::<Text, _>(if fits { text.as_str() } else { "" })
            .execute(connection)?;
    }
    Ok(())
}

/// Follows the changes from now on: they come as notifications of the connection.
///
/// # Errors
/// A [`StoreError`] when the database cannot be reached.
pub fn listen(connection: &mut PgConnection) -> Result<(), StoreError> {
    let channel: Channel =
        diesel::sql_query(format!("SELECT {} AS channel", channel())).get_result(connection)?;
    diesel::sql_query(format!("LISTEN {}", channel.channel)).execute(connection)?;
    Ok(())
}

/// Reads what was sent. What cannot be read, by an older version for example, was missed.
#[must_use]
pub fn read(text: &str) -> Told {
    let notice: Option<Notice> = serde_json::from_str(text).ok();
    notice
        .and_then(Notice::change)
        .map_or(Told::Missed, Told::Change)
}

impl From<&CredentialChange> for Notice {
    fn from(change: &CredentialChange) -> Self {
        Self {
            action: change.action.as_str().to_owned(),
            credential_id: change.credential_id.to_string(),
            occurred_at_us: change.occurred_at.0,
            credential: change.credential.as_deref().map(NoticeCredential::from),
        }
    }
}

impl Notice {
    fn change(self) -> Option<CredentialChange> {
        let id = Id::parse(&self.credential_id)?;
        let credential = match self.credential {
            Some(credential) => Some(Arc::new(credential.credential(id)?)),
            None => None,
        };
        Some(CredentialChange {
            action: AuditAction::parse(&self.action)?,
            credential_id: id,
            occurred_at: Timestamp(self.occurred_at_us),
            credential,
        })
    }
}

impl From<&Credential> for NoticeCredential {
    fn from(credential: &Credential) -> Self {
        let owner = &credential.owner;
        Self {
            name: credential.name.clone(),
            name_key: credential.name_key.clone(),
            value_version: credential.value_version,
            created_at_us: credential.created_at.0,
            updated_at_us: credential.updated_at.0,
            value_updated_at_us: credential.value_updated_at.0,
            owner: NoticeUser {
                id: owner.id.to_string(),
                issuer: owner.key.issuer.clone(),
                subject: owner.key.subject.clone(),
                name: owner.profile.name.clone(),
                email: owner.profile.email.clone(),
                profile_issued_at: owner.profile_issued_at_seconds,
                created_at_us: owner.created_at.0,
            },
        }
    }
}

impl NoticeCredential {
    fn credential(self, id: Id<Credential>) -> Option<Credential> {
        let owner = self.owner;
        Some(Credential {
            id,
            name: self.name,
            name_key: self.name_key,
            owner: User {
                id: Id::parse(&owner.id)?,
                key: UserKey {
                    issuer: owner.issuer,
                    subject: owner.subject,
                },
                profile: Profile {
                    name: owner.name,
                    email: owner.email,
                },
                profile_issued_at_seconds: owner.profile_issued_at,
                created_at: Timestamp(owner.created_at_us),
            },
            value_version: self.value_version,
            created_at: Timestamp(self.created_at_us),
            updated_at: Timestamp(self.updated_at_us),
            value_updated_at: Timestamp(self.value_updated_at_us),
        })
    }
}
