//! SQLite's write-ahead log: what is deleted or replaced is overwritten in the file of the database, and stands in this one until it is
//! emptied.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::connection::{Database, DatabaseConnection};
use super::error::{Cause, StoreError};

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

/// After how many commits the log is taken into the file. It is some ten pages for each, of the 4,000 at which SQLite does it by itself.
const COMMITS: u32 = 256;
/// How long the end waits for what is being taken in.
const END_LIMIT: Duration = Duration::from_secs(2);

enum Message {
    TakeIn,
    Stop,
}

/// Takes the log into the file while the writer goes on: what SQLite does by itself in a commit, which everybody waits for.
///
/// Under load the log grows meanwhile, and SQLite still begins anew with it only when the writer takes in the rest: little is left then.
pub struct LogKeeper {
    messages: Sender<Message>,
    ended: Receiver<()>,
}

/// How the writer tells of its commits.
pub struct CommitCount {
    messages: Sender<Message>,
    commits: AtomicU32,
}

impl CommitCount {
    /// Notes that there was one more.
    pub fn note(&self) {
        let commits = self.commits.fetch_add(1, Ordering::Relaxed);
        if commits % COMMITS == COMMITS - 1 {
            // When it is still busy, it comes to these the next time.
            let _busy = self.messages.try_send(Message::TakeIn);
        }
    }
}

impl LogKeeper {
    /// Starts the thread that does so.
    ///
    /// # Errors
    /// [`StoreError::Internal`] when no thread can be had.
    pub fn start(database: &Database) -> Result<(Self, CommitCount), StoreError> {
        let (messages, received) = crossbeam_channel::bounded(1);
        let (end, ended) = crossbeam_channel::bounded(0);
        let database = database.clone();
        thread::Builder::new()
            .name("log keeper".to_owned())
            .spawn(move || {
                keep(&database, &received);
                drop(end);
            })
            .map_err(|_no_thread| StoreError::Internal(Cause("no thread for the database")))?;
        let commits = CommitCount {
            messages: messages.clone(),
            commits: AtomicU32::new(0),
        };
        Ok((Self { messages, ended }, commits))
    }

    /// Ends it. Its connection is closed then, so that the last one of all leaves one file.
    pub fn stop(self) {
        if self.messages.send_timeout(Message::Stop, END_LIMIT).is_ok() {
            let _ended = self.ended.recv_timeout(END_LIMIT);
        }
    }
}

fn keep(database: &Database, messages: &Receiver<Message>) {
    let mut kept = None;
    while let Ok(Message::TakeIn) = messages.recv() {
        // What cannot be done now is done the next time, or by SQLite itself.
        let Some(mut connection) = kept.take().or_else(|| database.connect().ok()) else {
            continue;
        };
        let taken_in = connection.batch_execute("PRAGMA wal_checkpoint(PASSIVE)");
        kept = taken_in.is_ok().then_some(connection);
    }
}
