//! A copy of a SQLite database while it is served.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{Database, DatabaseConnection};
use super::error::{Cause, StoreError};

#[derive(QueryableByName)]
struct Check {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Writes the database as it is now into an empty file (`VACUUM INTO`), and checks what was written. Those who read and
/// write meanwhile do not wait.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be read or the file not be written, [`StoreError::Unreadable`] when what was
/// written is damaged.
pub fn write_backup(database: &Path, file: &Path) -> Result<(), StoreError> {
    let Some(mut connection) = Database::Sqlite(database.to_owned()).connect_read_only()? else {
        return Err(StoreError::Unavailable);
    };
    let DatabaseConnection::Sqlite(sqlite) = &mut connection else {
        return Err(StoreError::Internal(Cause(
            "a backup of another database than SQLite",
        )));
    };
    let path = file.to_str().ok_or(StoreError::Unavailable)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(path)
        .execute(sqlite)
        .map_err(|_library_text| StoreError::Unavailable)?;
    check(file)
}

fn check(file: &Path) -> Result<(), StoreError> {
    let written = Database::Sqlite(file.to_owned()).connect_read_only()?;
    let Some(DatabaseConnection::Sqlite(mut sqlite)) = written else {
        return Err(StoreError::Unavailable);
    };
    let check: Check = diesel::sql_query("PRAGMA integrity_check").get_result(&mut sqlite)?;
    if check.integrity_check == "ok" {
        Ok(())
    } else {
        Err(StoreError::Unreadable)
    }
}
