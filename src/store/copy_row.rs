//! The rows of each table, as they are carried from one database into another one.

use diesel::prelude::*;

use super::connection::{DatabaseConnection, MultiBackend};
use super::error::StoreError;
use super::schema::{
    audit_chains, audit_checkpoints, audit_events, credential_references, credentials,
    data_key_copies, data_keys, deleted_credentials, keyring, master_key_slots, reference_progress,
    removed_users, users,
};

/// How many rows are read at once, and written in one transaction.
const BATCH_LIMIT_ROWS: i64 = 1_000;

/// A row of a table that is carried over. Rows are read in the order of their keys, which is the same in both databases.
pub(super) trait Row: Sized + PartialEq {
    const TABLE: &'static str;
    type Key;

    fn key(&self) -> Self::Key;
    fn count(connection: &mut DatabaseConnection) -> Result<i64, StoreError>;
    fn last_key(connection: &mut DatabaseConnection) -> Result<Option<Self::Key>, StoreError>;
    fn read(
        connection: &mut DatabaseConnection,
        after: Option<Self::Key>,
    ) -> Result<Vec<Self>, StoreError>;
    fn insert(&self, connection: &mut DatabaseConnection) -> Result<(), StoreError>;
}

/// A table with one column as its key.
macro_rules! row {
    ($row:ident, $table:ident, $key:ident: $key_type:ty, { $($column:ident: $type:ty),+ }) => {
        #[derive(Queryable, Insertable, PartialEq)]
        #[diesel(table_name = $table)]
        pub(super) struct $row {
            $(pub(super) $column: $type),+
        }

        impl Row for $row {
            const TABLE: &'static str = stringify!($table);
            type Key = $key_type;

            fn key(&self) -> Self::Key {
                self.$key.clone()
            }

            fn count(connection: &mut DatabaseConnection) -> Result<i64, StoreError> {
                Ok($table::table.count().get_result(connection)?)
            }

            fn last_key(
                connection: &mut DatabaseConnection,
            ) -> Result<Option<Self::Key>, StoreError> {
                let last = $table::table.select($table::$key).order($table::$key.desc());
                Ok(last.first(connection).optional()?)
            }

            fn read(
                connection: &mut DatabaseConnection,
                after: Option<Self::Key>,
            ) -> Result<Vec<Self>, StoreError> {
                let mut query = $table::table.order($table::$key).into_boxed::<MultiBackend>();
                if let Some(after) = after {
                    query = query.filter($table::$key.gt(after));
                }
                Ok(query.limit(BATCH_LIMIT_ROWS).load(connection)?)
            }

            fn insert(&self, connection: &mut DatabaseConnection) -> Result<(), StoreError> {
                diesel::insert_into($table::table).values(self).execute(connection)?;
                Ok(())
            }
        }
    };
}

row!(KeyringRow, keyring, deployment_id: Vec<u8>, {
    deployment_id: Vec<u8>, format: i32, primary_master_key_id: Vec<u8>, generation: i32, tag: Vec<u8>
});
row!(SlotRow, master_key_slots, number: i32, {
    number: i32, master_key_id: Vec<u8>, purpose: String, generation: i32, added_at_us: i64, check_value: Vec<u8>
});
row!(DataKeyRow, data_keys, id: i32, { id: i32, purpose: String, state: String, changed_at_us: i64 });
row!(UserRow, users, id: Vec<u8>, {
    id: Vec<u8>, issuer: String, subject: String, name: Option<String>, email: Option<String>, name_key: String,
    search_key: String, created_at_us: i64, profile_issued_at: i64
});
row!(DeletedCredentialRow, deleted_credentials, id: Vec<u8>, {
    id: Vec<u8>, name: String, deleted_at_us: i64
});
row!(ReferenceRow, credential_references, id: Vec<u8>, {
    id: Vec<u8>, credential_id: Vec<u8>, present_credential_id: Option<Vec<u8>>, consumer_kind: String,
    consumer_external_id: String, consumer_name: Option<String>, declared_at_us: Option<i64>,
    first_resolved_at_us: Option<i64>, last_resolved_at_us: Option<i64>, last_resolved_version: Option<i32>,
    resolve_count: i32
});
row!(ProgressRow, reference_progress, counted_through: Vec<u8>, { counted_through: Vec<u8> });
row!(CredentialRow, credentials, id: Vec<u8>, {
    id: Vec<u8>, name: String, name_key: String, owner_id: Vec<u8>, value_version: i32, created_at_us: i64,
    updated_at_us: i64, value_updated_at_us: i64, data_key_id: i32, sealed_value: Vec<u8>
});
row!(AuditEventRow, audit_events, id: Vec<u8>, {
    id: Vec<u8>, occurred_at_us: i64, action: String, actor_issuer: String, actor_subject: String,
    credential_id: Option<Vec<u8>>, credential_name: Option<String>, value_version: Option<i32>,
    user_id: Option<Vec<u8>>, user_subject: Option<String>, consumer_kind: Option<String>,
    consumer_external_id: Option<String>, consumer_name: Option<String>, request_id: String,
    owner_id: Option<Vec<u8>>, reason: Option<String>, times: i32, heads: Option<Vec<u8>>, chain: i32,
    chain_sequence: i64, mac: Vec<u8>, actor_client: Option<String>, token_id_hash: Option<Vec<u8>>, peer: Option<String>
});
row!(AuditChainRow, audit_chains, chain: i32, {
    chain: i32, chain_sequence: i64, mac: Vec<u8>, tag: Vec<u8>, generation: i32
});
row!(AuditCheckpointRow, audit_checkpoints, chain: i32, {
    chain: i32, chain_sequence: i64, mac: Vec<u8>, tag: Vec<u8>
});

/// A table with two columns as its key.
macro_rules! row_of_two {
    ($row:ident, $table:ident, ($first:ident: $first_type:ty, $second:ident: $second_type:ty), { $($column:ident: $type:ty),+ }) => {
        #[derive(Queryable, Insertable, PartialEq)]
        #[diesel(table_name = $table)]
        pub(super) struct $row {
            $(pub(super) $column: $type),+
        }

        impl Row for $row {
            const TABLE: &'static str = stringify!($table);
            type Key = ($first_type, $second_type);

            fn key(&self) -> Self::Key {
                (self.$first.clone(), self.$second.clone())
            }

            fn count(connection: &mut DatabaseConnection) -> Result<i64, StoreError> {
                Ok($table::table.count().get_result(connection)?)
            }

            fn last_key(
                connection: &mut DatabaseConnection,
            ) -> Result<Option<Self::Key>, StoreError> {
                let last = $table::table
                    .select(($table::$first, $table::$second))
                    .order(($table::$first.desc(), $table::$second.desc()));
                Ok(last.first(connection).optional()?)
            }

            fn read(
                connection: &mut DatabaseConnection,
                after: Option<Self::Key>,
            ) -> Result<Vec<Self>, StoreError> {
                let mut query = $table::table
                    .order(($table::$first, $table::$second))
                    .into_boxed::<MultiBackend>();
                if let Some((first, second)) = after {
                    let same = $table::$first.eq(first.clone());
                    let is_behind = $table::$first
                        .gt(first)
                        .or(same.and($table::$second.gt(second)));
                    query = query.filter(is_behind);
                }
                Ok(query.limit(BATCH_LIMIT_ROWS).load(connection)?)
            }

            fn insert(&self, connection: &mut DatabaseConnection) -> Result<(), StoreError> {
                diesel::insert_into($table::table).values(self).execute(connection)?;
                Ok(())
            }
        }
    };
}

row_of_two!(RemovedUserRow, removed_users, (issuer: String, subject: String), {
    issuer: String, subject: String, removed_at_us: i64
});
row_of_two!(DataKeyCopyRow, data_key_copies, (data_key_id: i32, master_key_id: Vec<u8>), {
    data_key_id: i32, master_key_id: Vec<u8>, wrapped: Vec<u8>
});
