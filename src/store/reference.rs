//! The rows of references: what uses credentials.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{DatabaseConnection, MultiBackend};
use super::error::StoreError;
use super::row;
use super::schema::{credential_references, credentials};
use crate::types::clock::Timestamp;
use crate::types::consumer::{Consumer, ConsumerKind};
use crate::types::credential::Credential;
use crate::types::id::Id;
use crate::types::page::{Page, PageRequest, Side};
use crate::types::reference::{CredentialReference, Declared, Uses};

/// How many consumers are named to the one who wants to delete a credential.
const NAMED_LIMIT_CONSUMERS: i64 = 5;
/// How many references of a consumer are read at most.
const CONSUMER_LIMIT_REFERENCES: i64 = 1_000;

#[derive(Queryable)]
struct ReferenceRow {
    id: Vec<u8>,
    credential_id: Vec<u8>,
    present_credential_id: Option<Vec<u8>>,
    consumer_kind: String,
    consumer_external_id: String,
    consumer_name: Option<String>,
    declared_at_us: Option<i64>,
    first_resolved_at_us: Option<i64>,
    last_resolved_at_us: Option<i64>,
    last_resolved_version: Option<i32>,
    resolve_count: i32,
}

impl ReferenceRow {
    fn reference(self) -> Result<CredentialReference, StoreError> {
        let uses = match (
            self.first_resolved_at_us,
            self.last_resolved_at_us,
            self.last_resolved_version,
        ) {
            (Some(first_at_us), Some(last_at_us), Some(last_version)) => Some(Uses {
                first_at: Timestamp(first_at_us),
                last_at: Timestamp(last_at_us),
                last_version,
                count: self.resolve_count,
            }),
            _ => None,
        };
        Ok(CredentialReference {
            id: row::id(self.id)?,
            credential_id: row::id(self.credential_id)?,
            is_present: self.present_credential_id.is_some(),
            consumer: consumer_of(
                &self.consumer_kind,
                self.consumer_external_id,
                self.consumer_name,
            )?,
            declared_at: self.declared_at_us.map(Timestamp),
            uses,
        })
    }
}

fn consumer_of(
    kind: &str,
    external_id: String,
    name: Option<String>,
) -> Result<Consumer, StoreError> {
    Ok(Consumer {
        kind: ConsumerKind::parse(kind).ok_or(StoreError::Unreadable)?,
        external_id,
        name,
    })
}

fn references(rows: Vec<ReferenceRow>) -> Result<Vec<CredentialReference>, StoreError> {
    rows.into_iter().map(ReferenceRow::reference).collect()
}

/// Which references are listed.
#[derive(Clone, Copy, Debug)]
pub enum ReferenceFilter {
    /// Those of a credential.
    Of(Id<Credential>),
    /// Those whose credential no longer exists.
    Dangling,
}

/// The reference with an ID.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_reference(
    connection: &mut DatabaseConnection,
    id: Id<CredentialReference>,
) -> Result<Option<CredentialReference>, StoreError> {
    let row: Option<ReferenceRow> = credential_references::table
        .filter(credential_references::id.eq(id.as_bytes().as_slice()))
        .select(credential_references::all_columns)
        .first(connection)
        .optional()?;
    row.map(ReferenceRow::reference).transpose()
}

/// A page of references, in the order in which they came to be known.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_references(
    connection: &mut DatabaseConnection,
    filter: ReferenceFilter,
    request: &PageRequest<Id<CredentialReference>>,
) -> Result<Page<CredentialReference>, StoreError> {
    let mut query = credential_references::table
        .select(credential_references::all_columns)
        .into_boxed::<MultiBackend>();
    query = match filter {
        ReferenceFilter::Of(id) => {
            query.filter(credential_references::credential_id.eq(id.as_bytes().to_vec()))
        }
        ReferenceFilter::Dangling => {
            query.filter(credential_references::present_credential_id.is_null())
        }
    };
    if let Some(place) = &request.after {
        query = query.filter(credential_references::id.gt(place.as_bytes().as_slice()));
    }
    if let Some(place) = &request.before {
        query = query.filter(credential_references::id.lt(place.as_bytes().as_slice()));
    }
    query = match request.side {
        Side::First => query.order(credential_references::id.asc()),
        Side::Last => query.order(credential_references::id.desc()),
    };
    let rows: Vec<ReferenceRow> = query.limit(request.row_limit()).load(connection)?;
    Ok(request.page(references(rows)?))
}

/// How many references a list has, on all pages together.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn count_references(
    connection: &mut DatabaseConnection,
    filter: ReferenceFilter,
) -> Result<i64, StoreError> {
    let query = credential_references::table
        .count()
        .into_boxed::<MultiBackend>();
    let query = match filter {
        ReferenceFilter::Of(id) => {
            query.filter(credential_references::credential_id.eq(id.as_bytes().to_vec()))
        }
        ReferenceFilter::Dangling => {
            query.filter(credential_references::present_credential_id.is_null())
        }
    };
    Ok(query.get_result(connection)?)
}

/// When a credential was last resolved.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_last_resolved(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Option<Timestamp>, StoreError> {
    let last: Option<Option<i64>> = credential_references::table
        .filter(credential_references::credential_id.eq(id.as_bytes().as_slice()))
        .filter(credential_references::last_resolved_at_us.is_not_null())
        .order(credential_references::last_resolved_at_us.desc())
        .select(credential_references::last_resolved_at_us)
        .first(connection)
        .optional()?;
    Ok(last.flatten().map(Timestamp))
}

/// Who declares that they use a credential.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn find_declared(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<Declared, StoreError> {
    let declared = credential_references::table
        .filter(credential_references::credential_id.eq(id.as_bytes().as_slice()))
        .filter(credential_references::declared_at_us.is_not_null());
    let count = declared.count().get_result(connection)?;
    let rows: Vec<(String, String, Option<String>)> = declared
        .order(credential_references::id)
        .select((
            credential_references::consumer_kind,
            credential_references::consumer_external_id,
            credential_references::consumer_name,
        ))
        .limit(NAMED_LIMIT_CONSUMERS)
        .load(connection)?;
    let first: Result<Vec<Consumer>, StoreError> = rows
        .into_iter()
        .map(|(kind, external_id, name)| consumer_of(&kind, external_id, name))
        .collect();
    Ok(Declared {
        count,
        first: first?,
    })
}

/// The references of a consumer: those that it declares, and then the others, in the order in which they came to be known. At most 1,000
/// are read.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_references_of(
    connection: &mut DatabaseConnection,
    consumer: &Consumer,
) -> Result<Vec<CredentialReference>, StoreError> {
    let rows: Vec<ReferenceRow> = credential_references::table
        .filter(credential_references::consumer_kind.eq(consumer.kind.as_str()))
        .filter(credential_references::consumer_external_id.eq(&consumer.external_id))
        .select(credential_references::all_columns)
        .order((
            credential_references::declared_at_us.is_null(),
            credential_references::id,
        ))
        .limit(CONSUMER_LIMIT_REFERENCES)
        .load(connection)?;
    references(rows)
}

/// The references of a consumer that a declaration of these credentials may change: those that it declares, those to these credentials, and
/// those that dangle.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn list_replaceable(
    connection: &mut DatabaseConnection,
    consumer: &Consumer,
    credential_ids: &[Id<Credential>],
) -> Result<Vec<CredentialReference>, StoreError> {
    let ids: Vec<Vec<u8>> = credential_ids
        .iter()
        .map(|id| id.as_bytes().to_vec())
        .collect();
    let rows: Vec<ReferenceRow> = credential_references::table
        .filter(credential_references::consumer_kind.eq(consumer.kind.as_str()))
        .filter(credential_references::consumer_external_id.eq(&consumer.external_id))
        .filter(
            credential_references::declared_at_us
                .is_not_null()
                .or(credential_references::present_credential_id.is_null())
                .or(credential_references::credential_id.eq_any(ids)),
        )
        .select(credential_references::all_columns)
        .order(credential_references::id)
        .load(connection)?;
    references(rows)
}

/// Keeps others from declaring for a consumer until the transaction ends. SQLite has one writer only.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn lock_consumer(
    connection: &mut DatabaseConnection,
    consumer: &Consumer,
) -> Result<(), StoreError> {
    if let DatabaseConnection::Postgres(postgres) = connection {
        let name = format!("{} {}", consumer.kind.as_str(), consumer.external_id);
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<Text, _>(name)
            .execute(postgres)?;
    }
    Ok(())
}

/// Keeps others from deleting a credential until the transaction ends. Returns whether there is one.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn keep_credential(
    connection: &mut DatabaseConnection,
    id: Id<Credential>,
) -> Result<bool, StoreError> {
    let row = credentials::table
        .filter(credentials::id.eq(id.as_bytes().as_slice()))
        .select(credentials::id);
    let found: Option<Vec<u8>> = match connection {
        DatabaseConnection::Postgres(postgres) => row.for_key_share().first(postgres).optional()?,
        DatabaseConnection::Sqlite(sqlite) => row.first(sqlite).optional()?,
    };
    Ok(found.is_some())
}

/// Adds a reference.
///
/// # Errors
/// [`StoreError::NotUnique`] when the consumer has one to the credential, [`StoreError::NoReferent`] when the credential is gone.
pub fn insert_reference(
    connection: &mut DatabaseConnection,
    reference: &CredentialReference,
) -> Result<(), StoreError> {
    let uses = reference.uses;
    let credential_id = reference.credential_id.as_bytes().as_slice();
    diesel::insert_into(credential_references::table)
        .values((
            credential_references::id.eq(reference.id.as_bytes().as_slice()),
            credential_references::credential_id.eq(credential_id),
            credential_references::present_credential_id
                .eq(reference.is_present.then_some(credential_id)),
            credential_references::consumer_kind.eq(reference.consumer.kind.as_str()),
            credential_references::consumer_external_id.eq(&reference.consumer.external_id),
            credential_references::consumer_name.eq(&reference.consumer.name),
            credential_references::declared_at_us.eq(reference.declared_at.map(|at| at.0)),
            credential_references::first_resolved_at_us.eq(uses.map(|uses| uses.first_at.0)),
            credential_references::last_resolved_at_us.eq(uses.map(|uses| uses.last_at.0)),
            credential_references::last_resolved_version.eq(uses.map(|uses| uses.last_version)),
            credential_references::resolve_count.eq(uses.map_or(0, |uses| uses.count)),
        ))
        .execute(connection)?;
    Ok(())
}

/// Replaces what a consumer declares of a reference, and its name. Returns how many rows changed.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn update_declaration(
    connection: &mut DatabaseConnection,
    reference: &CredentialReference,
) -> Result<usize, StoreError> {
    let row = credential_references::table
        .filter(credential_references::id.eq(reference.id.as_bytes().as_slice()));
    let changed = diesel::update(row)
        .set((
            credential_references::declared_at_us.eq(reference.declared_at.map(|at| at.0)),
            credential_references::consumer_name.eq(&reference.consumer.name),
        ))
        .execute(connection)?;
    Ok(changed)
}

/// Deletes a reference that says nothing any more: nobody has resolved it, or its credential is gone. Returns how many rows that were: none
/// when the credential was resolved meanwhile.
///
/// # Errors
/// A [`StoreError`] when the database cannot be written.
pub fn delete_idle(
    connection: &mut DatabaseConnection,
    id: Id<CredentialReference>,
) -> Result<usize, StoreError> {
    let row = credential_references::table
        .filter(credential_references::id.eq(id.as_bytes().as_slice()))
        .filter(
            credential_references::last_resolved_at_us
                .is_null()
                .or(credential_references::present_credential_id.is_null()),
        );
    Ok(diesel::delete(row).execute(connection)?)
}
