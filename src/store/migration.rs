//! Migrations: embedded, of one name for both databases.

use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::DatabaseConnection;
use super::error::{Cause, StoreError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

// Diesel's own list of what was applied.
diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// Applies what is not yet applied, and returns how many migrations that were.
///
/// # Errors
/// [`StoreError::Internal`] when a migration fails; the database is then as it was before it.
pub fn migrate(connection: &mut DatabaseConnection) -> Result<usize, StoreError> {
    let applied = match connection {
        DatabaseConnection::Sqlite(sqlite) => sqlite
            .run_pending_migrations(SQLITE)
            .map(|names| names.len()),
        DatabaseConnection::Postgres(postgres) => postgres
            .run_pending_migrations(POSTGRES)
            .map(|names| names.len()),
    };
    applied.map_err(|_library_text| StoreError::Internal(Cause("a migration")))
}

/// Takes back every migration, the latest first.
///
/// # Errors
/// [`StoreError::Internal`] when one cannot be taken back.
pub fn revert_all(connection: &mut DatabaseConnection) -> Result<usize, StoreError> {
    let reverted = match connection {
        DatabaseConnection::Sqlite(sqlite) => sqlite
            .revert_all_migrations(SQLITE)
            .map(|names| names.len()),
        DatabaseConnection::Postgres(postgres) => postgres
            .revert_all_migrations(POSTGRES)
            .map(|names| names.len()),
    };
    reverted.map_err(|_library_text| StoreError::Internal(Cause("a migration")))
}

/// Whether nothing is left to apply.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn is_current(connection: &mut DatabaseConnection) -> Result<bool, StoreError> {
    if !was_migrated(connection)? {
        return Ok(false);
    }
    let applied = applied(connection)?;
    let is_applied = |known: &dyn Migration<diesel::sqlite::Sqlite>| {
        applied
            .iter()
            .any(|version| known.name().version() == version.as_str().into())
    };
    Ok(embedded().iter().all(|known| is_applied(known.as_ref())))
}

/// Whether a migration was applied, by the beginning of its name.
///
/// # Errors
/// A [`StoreError`] when the list cannot be read.
pub(super) fn is_applied(
    connection: &mut DatabaseConnection,
    version: &str,
) -> Result<bool, StoreError> {
    Ok(applied(connection)?.iter().any(|known| known == version))
}

fn applied(connection: &mut DatabaseConnection) -> Result<Vec<String>, StoreError> {
    Ok(__diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(connection)?)
}

/// Whether the database was migrated before, by whichever version: one that was not is empty.
///
/// # Errors
/// A [`StoreError`] when the database cannot be read.
pub fn was_migrated(connection: &mut DatabaseConnection) -> Result<bool, StoreError> {
    connection.has_table("__diesel_schema_migrations")
}

/// Whether the database was migrated by a newer version: it then has migrations that this one does not know. Changes
/// nothing.
///
/// # Errors
/// A [`StoreError`] when the list cannot be read.
pub fn is_newer(connection: &mut DatabaseConnection) -> Result<bool, StoreError> {
    let applied = applied(connection)?;
    let known = embedded();
    let is_known = |version: &String| {
        known
            .iter()
            .any(|migration| migration.name().version() == version.as_str().into())
    };
    Ok(!applied.iter().all(is_known))
}

/// The names of the migrations in the binary.
#[must_use]
pub fn embedded_names() -> Vec<String> {
    embedded()
        .iter()
        .map(|migration| migration.name().to_string())
        .collect()
}

fn embedded() -> Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> {
    SQLITE.migrations().unwrap_or_default()
}
