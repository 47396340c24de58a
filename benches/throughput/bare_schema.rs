//! The schema of the bare server: the fields of Credence's that are measured.

use async_graphql::connection::{Connection, Edge, query};
use async_graphql::{Context, Error, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, SecondsFormat, Utc};
use credence::crypto::keyring::{Keyring, ValueBinding};
use credence::store::schema::{credentials, users};
use credence::types::id::Id;
use credence::types::secret::{DataKeyId, Sealed};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};

const PAGE_SIZE_DEFAULT: usize = 20;

type CredentialRow = (Vec<u8>, String, String, i32, i64, i64, OwnerRow);
type OwnerRow = (Vec<u8>, Option<String>, String);
type ValueRow = (Vec<u8>, Vec<u8>, String, i32, i32, Vec<u8>);

const CREDENTIAL_COLUMNS: (
    credentials::id,
    credentials::name,
    credentials::name_key,
    credentials::value_version,
    credentials::created_at_us,
    credentials::updated_at_us,
    (users::id, users::name, users::subject),
) = (
    credentials::id,
    credentials::name,
    credentials::name_key,
    credentials::value_version,
    credentials::created_at_us,
    credentials::updated_at_us,
    (users::id, users::name, users::subject),
);

#[derive(SimpleObject)]
struct User {
    id: ID,
    name: String,
}

#[derive(SimpleObject)]
struct Credential {
    id: ID,
    name: String,
    value_version: i32,
    created_at: String,
    updated_at: String,
    owner: User,
}

pub struct Query;

#[Object]
impl Query {
    async fn credential(&self, context: &Context<'_>, id: ID) -> Result<Option<Credential>> {
        let id = parse_id(&id)?;
        let row: Option<CredentialRow> = blocking(context, move |connection| {
            credentials::table
                .inner_join(users::table)
                .select(CREDENTIAL_COLUMNS)
                .filter(credentials::id.eq(id.as_slice()))
                .first(connection)
                .optional()
        })
        .await?;
        row.map(credential_of).transpose()
    }

    async fn credentials(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<String, Credential>> {
        query(after, None, first, None, |after, _, first, _| async move {
            page(context, first.unwrap_or(PAGE_SIZE_DEFAULT), after).await
        })
        .await
    }
}

async fn page(
    context: &Context<'_>,
    size: usize,
    after: Option<String>,
) -> Result<Connection<String, Credential>> {
    let has_previous_page = after.is_some();
    let limit = i64::try_from(size)? + 1;
    let mut rows: Vec<CredentialRow> = blocking(context, move |connection| {
        let mut query = credentials::table
            .inner_join(users::table)
            .select(CREDENTIAL_COLUMNS)
            .order(credentials::name_key)
            .limit(limit)
            .into_boxed();
        if let Some(after) = after {
            query = query.filter(credentials::name_key.gt(after));
        }
        query.load(connection)
    })
    .await?;
    let has_next_page = rows.len() > size;
    rows.truncate(size);
    let mut connection = Connection::new(has_previous_page, has_next_page);
    for row in rows {
        connection
            .edges
            .push(Edge::new(row.2.clone(), credential_of(row)?));
    }
    Ok(connection)
}

#[derive(InputObject)]
struct ResolveCredentialInput {
    credential_id: ID,
    consumer: ConsumerInput,
}

#[derive(InputObject)]
struct ConsumerInput {
    kind: String,
    external_id: String,
}

#[derive(SimpleObject)]
struct UserError {
    message: String,
}

#[derive(SimpleObject)]
struct ResolveCredentialPayload {
    value: String,
    value_version: i32,
    user_errors: Vec<UserError>,
}

pub struct Mutation;

#[Object]
impl Mutation {
    /// Reads and decrypts. Who the consumer is, nobody notes.
    async fn resolve_credential(
        &self,
        context: &Context<'_>,
        input: ResolveCredentialInput,
    ) -> Result<ResolveCredentialPayload> {
        let id = parse_id(&input.credential_id)?;
        let row: ValueRow = blocking(context, move |connection| {
            credentials::table
                .select((
                    credentials::id,
                    credentials::owner_id,
                    credentials::name_key,
                    credentials::value_version,
                    credentials::data_key_id,
                    credentials::sealed_value,
                ))
                .filter(credentials::id.eq(id.as_slice()))
                .first(connection)
        })
        .await?;
        open(context.data_unchecked::<Keyring>(), row)
    }
}

fn open(keyring: &Keyring, row: ValueRow) -> Result<ResolveCredentialPayload> {
    let (id, owner_id, name_key, value_version, data_key, sealed) = row;
    let binding = ValueBinding {
        credential_id: Id::from_bytes(bytes(id)?),
        owner_id: Id::from_bytes(bytes(owner_id)?),
        name_key: &name_key,
        value_version,
    };
    let value = keyring
        .open_value(&Sealed(sealed), DataKeyId(data_key), &binding)
        .map_err(|_sealed| Error::new("the value does not open"))?;
    Ok(ResolveCredentialPayload {
        value: value.expose().to_owned(),
        value_version,
        user_errors: Vec::new(),
    })
}

/// Runs a query on a thread that may wait for the database.
async fn blocking<T: Send + 'static>(
    context: &Context<'_>,
    query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
) -> Result<T> {
    let pool = context
        .data_unchecked::<Pool<ConnectionManager<SqliteConnection>>>()
        .clone();
    let found = tokio::task::spawn_blocking(move || {
        let mut connection = pool.get()?;
        Ok::<_, Error>(query(&mut connection)?)
    });
    found.await?
}

fn credential_of(row: CredentialRow) -> Result<Credential> {
    let (id, name, _, value_version, created_at_us, updated_at_us, owner) = row;
    let (owner_id, owner_name, owner_subject) = owner;
    Ok(Credential {
        id: id_of(id)?,
        name,
        value_version,
        created_at: time(created_at_us),
        updated_at: time(updated_at_us),
        owner: User {
            id: id_of(owner_id)?,
            name: owner_name.unwrap_or(owner_subject),
        },
    })
}

fn parse_id(id: &ID) -> Result<[u8; 16]> {
    Ok(uuid::Uuid::try_parse(id)?.into_bytes())
}

fn id_of(column: Vec<u8>) -> Result<ID> {
    Ok(ID(uuid::Uuid::from_bytes(bytes(column)?).to_string()))
}

fn bytes(column: Vec<u8>) -> Result<[u8; 16]> {
    column
        .try_into()
        .map_err(|_length| Error::new("an ID has 16 bytes"))
}

fn time(microseconds: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(microseconds)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}
