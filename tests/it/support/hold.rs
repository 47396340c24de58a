//! A database that hangs for the servers that use it, for as long as a test holds it.

use std::fs::File;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::database;

/// Whoever reads or writes waits until it is dropped. The server must be another process: what a process locks does not keep it out itself.
pub enum Hold {
    Sqlite { _index: File },
    Postgres { _connection: PgConnection },
}

impl Hold {
    /// Holds the database that belongs to a data directory.
    pub fn of(data: &Path) -> Self {
        match database::url(data) {
            Some(url) => Self::of_postgres(&url),
            None => Self::of_sqlite(data),
        }
    }

    /// Each transaction begins with a lock on one of the five read marks of the index of the write-ahead log (sqlite.org/walformat.html,
    /// section 2.3.2): who has all of them lets nobody begin.
    fn of_sqlite(data: &Path) -> Self {
        let path = data.join("credence.db-shm");
        let index = File::options().read(true).write(true).open(path).unwrap();
        let marks = libc::flock {
            l_type: i16::try_from(libc::F_WRLCK).unwrap(),
            l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
            l_start: 123,
            l_len: 5,
            l_pid: 0,
        };
        fcntl(&index, FcntlArg::F_SETLKW(&marks)).unwrap();
        Self::Sqlite { _index: index }
    }

    fn of_postgres(url: &str) -> Self {
        let mut connection = PgConnection::establish(url).unwrap();
        let lock = "BEGIN; LOCK TABLE users, credentials IN ACCESS EXCLUSIVE MODE";
        connection.batch_execute(lock).unwrap();
        Self::Postgres {
            _connection: connection,
        }
    }
}
