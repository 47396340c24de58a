//! What dropped master keys and destroyed data keys leave in SQLite's write-ahead log, beside somebody who reads.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use credence::store::connection::DatabaseConnection;
use credence::store::keyring::find_generation;
use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::client::ask;
use crate::support::keys::{change_keys, keys, new_key, status, stored_keyring};
use crate::support::process::{Place, stderr, stdout};
use crate::support::store::lines;
use crate::support::{Server, database, secret, text};

/// Whether a copy of a data key stands in the write-ahead log.
fn is_logged(data: &Path, wrapped: &[u8]) -> bool {
    // Whoever closes the database last removes it.
    let Ok(log) = std::fs::read(data.join("credence.db-wal")) else {
        return false;
    };
    memchr::memmem::find(&log, wrapped).is_some()
}

/// Somebody who reads the database as it is now, until the connection is closed.
fn reader(data: &Path) -> DatabaseConnection {
    let mut connection = database::database(data).connect().unwrap();
    connection.batch_execute("BEGIN").unwrap();
    let count = "SELECT CAST(count(*) AS text) AS line FROM credentials";
    lines(&mut connection, count);
    connection
}

/// A recovery key that has a slot, and its copy of the first data key.
fn recovery(place: &Place, directory: &Path) -> (String, Vec<u8>) {
    let (file, id) = new_key(directory, "recovery.key");
    change_keys(place, &["add-slot", text(&file), "--recovery"]);
    let mut connection = database::database(&place.data).connect().unwrap();
    let stored = stored_keyring(&mut connection);
    let copies = &stored.keys[0].copies;
    let copy = copies
        .iter()
        .find(|copy| copy.master_key_id.to_string() == id);
    (id, copy.unwrap().wrapped.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_dropped_while_somebody_reads_holds_up_nobody_and_says_what_is_left() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let id = server.editor("alice").create("kept").await;
    let (dropped, wrapped) = recovery(&database::place(&data), directory.path());
    let reading = reader(&data);
    let dropping = tokio::task::spawn_blocking({
        let place = database::place(&data);
        move || keys(&place, &["drop-slot", &dropped])
    });
    let mut longest = Duration::ZERO;
    while !dropping.is_finished() {
        let began_at = Instant::now();
        let resolved = server.runtime().resolve(&id).await;
        assert_eq!(resolved.field()["value"], secret("kept"));
        longest = longest.max(began_at.elapsed());
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    let output = dropping.await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for told in [
        "opens the keyring no longer",
        "credence.db-wal",
        "credence keys status",
    ] {
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    assert!(is_logged(&data, &wrapped));
    let place = database::place(&data);
    assert_eq!(status(&place)["oldCopiesAreGone"], false);
    let output = change_keys(&place, &["status"]);
    assert!(
        stdout(&output).contains("credence.db-wal"),
        "{}",
        stdout(&output)
    );

    drop(reading);
    assert_eq!(status(&place)["oldCopiesAreGone"], true);
    assert!(!is_logged(&data, &wrapped));
}

#[tokio::test]
async fn a_rotation_that_ends_while_somebody_reads_says_what_is_left() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let id = server.editor("alice").create("kept").await;
    let reading = reader(&data);
    let place = database::place(&data);
    let output = keys(&place, &["rotate", "--activate-after", "0s"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for told in ["0 are left under the old data key", "credence.db-wal"] {
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    drop(reading);
    let resolved = server.runtime().resolve(&id).await;
    assert_eq!(resolved.field()["value"], secret("kept"));
    // There is nothing left to rotate for; what was left behind goes at the beginning of whatever comes next.
    let (file, _) = new_key(directory.path(), "another.key");
    change_keys(&place, &["add-slot", text(&file)]);
    assert_eq!(status(&place)["oldCopiesAreGone"], true);
}

/// A command that is killed between its commit and what comes behind it, and those who find what it left.
#[tokio::test]
async fn what_a_killed_command_leaves_is_removed_by_the_next_command_and_by_the_next_start() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = place.serve(Stdio::null(), &[]);
    let runtime = place.token("runtime", "runtime");
    let (dropped, wrapped) = recovery(&place, directory.path());
    let reading = reader(&data);
    let mut command = place.command(&["keys", "drop-slot", &dropped]);
    let mut dropping = command.stderr(Stdio::null()).spawn().unwrap();
    let mut connection = database::database(&data).connect().unwrap();
    while find_generation(&mut connection).unwrap() != Some(3) {
        assert_eq!(dropping.try_wait().unwrap(), None);
        thread::yield_now();
    }
    dropping.kill().unwrap();
    dropping.wait().unwrap();
    assert!(is_logged(&data, &wrapped));

    // As it would lie there if the machine had gone down now.
    let crashed = directory.path().join("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for file in [
        "credence.db",
        "credence.db-wal",
        "master.key",
        "signing.key",
    ] {
        std::fs::copy(data.join(file), crashed.join(file)).unwrap();
    }
    drop(reading);
    let (file, _) = new_key(directory.path(), "another.key");
    change_keys(&place, &["add-slot", text(&file)]);
    assert!(!is_logged(&data, &wrapped));

    // Somebody else has it open, so that the log is not removed as a whole.
    let _beside = database::database(&crashed).connect().unwrap();
    let started = database::place(&crashed).serve(Stdio::null(), &[]);
    assert!(!is_logged(&crashed, &wrapped));
    for server in [&server, &started] {
        let viewer = ask(server, &runtime, "{ viewer { id } }", json!({})).await;
        assert!(viewer["id"].is_string());
    }
}
