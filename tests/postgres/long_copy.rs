//! `credence copy` of more than one batch of rows: to PostgreSQL and back, broken off, and watched.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use credence::store::connection::Database;
use credence::store::postgres::PostgresUrl;
use diesel::connection::SimpleConnection;
use tempfile::TempDir;

use crate::start::end_within;
use crate::support::database;
use crate::support::process::{Place, credence, run, stderr, stdout};
use crate::support::store::lines;

/// How many rows the large tables get: two batches of 1,000 and a half.
const ROWS: usize = 2_500;

/// Rows of three tables; `removed_users` has a key of two columns, and its issuers change within a batch.
fn fill(data: &Path) {
    let numbers = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {ROWS})"
    );
    let statements = format!(
        "INSERT INTO users VALUES (CAST('the only user id' AS BLOB), 'issuer', 'owner', NULL, NULL, 'owner', 'owner', 0, 0);
         {numbers} INSERT INTO removed_users SELECT 'issuer ' || (n / 900), printf('%05d', (n * 7) % 100000), n FROM numbers;
         {numbers} INSERT INTO credentials (id, name, name_key, owner_id, value_version, created_at_us, updated_at_us,
                 value_updated_at_us, data_key_id, sealed_value)
             SELECT CAST(printf('%016d', n) AS BLOB), 'Name ' || n, 'name ' || n, CAST('the only user id' AS BLOB), 1, n, n, n,
                 (SELECT min(id) FROM data_keys), CAST(printf('sealed %d', n) AS BLOB) FROM numbers"
    );
    let database = Database::Sqlite(data.join("credence.db"));
    database
        .connect()
        .unwrap()
        .batch_execute(&statements)
        .unwrap();
}

/// A data directory that was served once, with many rows.
fn source(directory: &Path) -> String {
    let place = Place {
        data: directory.join("data"),
        url: None,
    };
    drop(place.serve(Stdio::null(), &[]));
    fill(&place.data);
    place.data.to_str().unwrap().to_owned()
}

fn copy(from: &str, to: &str) -> Command {
    let mut command = credence(&["copy"]);
    command
        .env("CREDENCE_COPY_FROM", from)
        .env("CREDENCE_COPY_TO", to);
    command
}

#[track_caller]
fn assert_copied(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
    assert!(
        stderr(output).contains("has all that"),
        "{}",
        stderr(output)
    );
}

fn postgres(url: &str) -> Database {
    Database::Postgres(PostgresUrl::parse(url).unwrap())
}

/// The rows of the large tables, as text, in an order of their own.
fn rows(database: &Database) -> Vec<String> {
    let sealed = match database {
        Database::Sqlite(_) => "CAST(sealed_value AS text)",
        Database::Postgres(_) => "convert_from(sealed_value, 'UTF8')",
    };
    let query = format!(
        "SELECT name || ' ' || created_at_us || ' ' || {sealed} AS line FROM credentials
         UNION ALL SELECT issuer || ' ' || subject || ' ' || removed_at_us AS line FROM removed_users"
    );
    let mut rows = lines(&mut database.connect().unwrap(), &query);
    rows.sort();
    rows
}

/// Holds up whoever inserts a certain credential of the second batch, for as long as this connection is open.
const GATE: &str = "
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext(current_schema()));
        RETURN NEW;
    END $$;
    CREATE TRIGGER gate BEFORE INSERT ON credentials FOR EACH ROW WHEN (NEW.name = 'Name 1500') EXECUTE FUNCTION gate();
    SELECT pg_advisory_lock(hashtext(current_schema()));
";

/// The session that waits at the gate, once there is one. The copy must still run.
fn waiting_session(database: &Database, copying: &mut Child) -> String {
    let waiting = "SELECT w.pid::text AS line FROM pg_locks w JOIN pg_locks h USING (locktype, database, classid, objid, objsubid)
                   WHERE NOT w.granted AND h.granted AND locktype = 'advisory'
                     AND objid = hashtext(current_schema())::bigint & 4294967295";
    let mut connection = database.connect().unwrap();
    loop {
        if let Some(session) = lines(&mut connection, waiting).pop() {
            return session;
        }
        assert!(copying.try_wait().unwrap().is_none(), "the copy has ended");
    }
}

#[test]
fn many_batches_move_to_postgresql_and_back_and_go_on_where_they_were_broken_off() {
    let directory = TempDir::new().unwrap();
    let from = source(directory.path());
    let twin = directory.path().join("twin");
    let twin = twin.to_str().unwrap().to_owned();
    assert_copied(&copy(&from, &twin).output().unwrap());
    let url = database::url(&directory.path().join("target")).unwrap();
    assert!(run(&["migrate", "--database-url", &url]).status.success());
    let target = postgres(&url);
    let mut gate = target.connect().unwrap();
    gate.batch_execute(GATE).unwrap();
    let begin = || copy(&from, &url).stderr(Stdio::piped()).spawn().unwrap();
    let end_session = |session: &str| {
        let ended = format!("SELECT CAST(pg_terminate_backend({session}, 5000) AS text) AS line");
        assert_eq!(lines(&mut target.connect().unwrap(), &ended), ["true"]);
    };
    let counts = || {
        let count = "SELECT CAST(count(*) AS text) AS line FROM";
        let tables = ["removed_users", "credentials", "keyring"];
        let mut connection = target.connect().unwrap();
        tables.map(|table| lines(&mut connection, &format!("{count} {table}")).remove(0))
    };

    // The connection is lost in the middle of the second batch.
    let mut copying = begin();
    let session = waiting_session(&target, &mut copying);
    end_session(&session);
    let output = copying.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("--to: the connection"),
        "{}",
        stderr(&output)
    );
    assert_eq!(counts(), ["2500", "1000", "0"]);
    // The process is killed at the same place.
    let mut copying = begin();
    let session = waiting_session(&target, &mut copying);
    // Another one into the same target would be in its way.
    let mut second = copy(&twin, &url).stderr(Stdio::piped()).spawn().unwrap();
    assert!(end_within(&mut second, Duration::from_secs(20)).is_some());
    let refused = second.wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("another copy"),
        "{}",
        stderr(&refused)
    );
    copying.kill().unwrap();
    copying.wait().unwrap();
    end_session(&session);
    assert_eq!(counts(), ["2500", "1000", "0"]);
    gate.batch_execute("DROP TRIGGER gate ON credentials")
        .unwrap();
    assert_copied(&copy(&from, &url).output().unwrap());
    assert_eq!(counts(), ["2500", "2500", "1"]);
    let original = rows(&Database::Sqlite(Path::new(&from).join("credence.db")));
    assert_eq!(original.len(), 2 * ROWS);
    assert_eq!(rows(&target), original);

    let back = directory.path().join("back");
    assert_copied(&copy(&url, back.to_str().unwrap()).output().unwrap());
    assert_eq!(rows(&Database::Sqlite(back.join("credence.db"))), original);
}

#[test]
fn a_copy_shows_how_far_it_is_to_who_looks_at_it_and_nothing_else_otherwise() {
    let directory = TempDir::new().unwrap();
    let from = source(directory.path());
    let url = |name: &str| database::url(&directory.path().join(name)).unwrap();
    let unwatched = copy(&from, &url("unwatched")).output().unwrap();
    assert_copied(&unwatched);
    let said = stderr(&unwatched);
    // One line of the log says that the target was migrated.
    let besides: Vec<&str> = said.lines().filter(|line| !line.contains("INFO")).collect();
    assert_eq!(besides.len(), 1, "{said}");
    assert!(unwatched.stdout.is_empty());

    // `script` runs a command on a terminal of its own.
    let command = format!("'{}' copy", env!("CARGO_BIN_EXE_credence"));
    let watched = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("CREDENCE_COPY_FROM", &from)
        .env("CREDENCE_COPY_TO", url("watched"))
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let seen = stdout(&watched);
    assert!(watched.status.success(), "{seen}");
    for words in ["copying", "comparing", " of ", "rows, ", "has all that"] {
        assert!(seen.contains(words), "{words} is not shown: {seen}");
    }
}
