//! SQLite's write-ahead log: what is deleted or replaced is overwritten in the file of the database, and stands in this one until it is
//! emptied.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::connection::DatabaseConnection;
use super::error::StoreError;

/// How long one attempt waits for those who read. It has the write lock meanwhile, for which a server waits two seconds at most.
const ATTEMPT_LIMIT_MS: u32 = 100;
/// The rest between two attempts, in which servers write.
const REST: Duration = Duration::from_millis(400);

#[derive(QueryableByName)]
struct BusyTimeout {
    #[diesel(sql_type = Integer)]
    timeout: i32,
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Takes the log into the file, and empties it. Returns whether it did: not when others read the database for as long as this is patient.
/// Of PostgreSQL there is no such log to empty.
pub fn empty_log(connection: &mut DatabaseConnection, patience: Duration) -> bool {
    let DatabaseConnection::Sqlite(sqlite) = connection else {
        return true;
    };
    let began_at = Instant::now();
    loop {
        // What cannot be done for another reason is as good as not done.
        if try_to_empty(sqlite).unwrap_or(false) {
            return true;
        }
        if began_at.elapsed() >= patience {
            return false;
        }
        thread::sleep(REST);
    }
}

fn try_to_empty(sqlite: &mut SqliteConnection) -> Result<bool, StoreError> {
    // Most of it is done before the write lock is taken.
    sqlite.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")?;
    let before: BusyTimeout = diesel::sql_query("PRAGMA busy_timeout").get_result(sqlite)?;
    sqlite.batch_execute(&format!("PRAGMA busy_timeout = {ATTEMPT_LIMIT_MS}"))?;
    let done =
        diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result::<Checkpoint>(sqlite);
    sqlite.batch_execute(&format!("PRAGMA busy_timeout = {}", before.timeout))?;
    Ok(done?.busy == 0)
}
