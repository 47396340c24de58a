//! Rotating data keys and master keys while servers run: no resolve fails, and nothing is left under the old key.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use credence::data_directory::write_secret_file;
use credence::store::connection::DatabaseConnection;
use credence::types::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::busy::processors;
use crate::support::client::{RESOLVE, ask};
use crate::support::database::part_of;
use crate::support::keys::{add_credentials, change_keys, keys, new_key, status, stored_keyring};
use crate::support::process::{Place, ServerProcess, stderr};
use crate::support::store::lines;
use crate::support::{Server, bytes_of, database, http_client, secret, tell, text};

#[tokio::test]
async fn a_server_meets_a_data_key_that_it_does_not_know_and_loads_it() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("before").await;
    // Nobody is given the time to look: each is met by what is asked for next.
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    assert_eq!(
        runtime.resolve(&id).await.field()["value"],
        secret("before")
    );
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    let created = alice.create("created").await;
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    let rename = json!({ "credentialId": id, "name": "renamed" });
    let renamed = alice.mutate("updateCredential", rename).await;
    assert_eq!(renamed.user_errors(), Vec::<String>::new());
    for (id, name) in [(&id, "before"), (&created, "created")] {
        assert_eq!(runtime.resolve(id).await.field()["value"], secret(name));
    }
    let shown = status(&place);
    assert_eq!(shown["valuesUnderOldKeys"], 0);
    let destroyed = shown["dataKeys"].as_array().unwrap();
    let destroyed = destroyed.iter().filter(|key| key["state"] == "DESTROYED");
    assert_eq!(destroyed.count(), 3);
}

/// The normal way: nobody asks a server for anything that is sealed with the new key before it knows that.
#[tokio::test]
async fn every_instance_knows_a_new_data_key_before_it_seals_though_nothing_is_asked() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let count = if database::is_postgres() { 2 } else { 1 };
    let (servers, logs): (Vec<ServerProcess>, Vec<PathBuf>) = (0..count)
        .map(|number| {
            let log = directory.path().join(format!("{number}.log"));
            let file = std::fs::File::create(&log).unwrap();
            (place.serve(file.into(), &[]), log)
        })
        .unzip();
    let mut rotating = rotation(&place, "7s");
    let mut told = BufReader::new(rotating.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("seals from now on") {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "it has ended");
    }
    for log in &logs {
        let log = std::fs::read_to_string(log).unwrap();
        assert!(
            log.contains("the keyring was changed generation=2 active_data_key=1"),
            "{log}"
        );
    }
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rotating.wait().unwrap().success(), "{rest}");
    drop(servers);
}

#[tokio::test]
async fn a_destroyed_data_key_is_in_no_file_of_the_database() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let alice = server.editor("alice");
    let id = alice.create("kept").await;
    let mut connection = database::database(&data).connect().unwrap();
    let before = stored_keyring(&mut connection);
    let wrapped = before.keys[0].copies[0].wrapped.clone();
    let sealed = if database::is_postgres() {
        "SELECT encode(sealed_value, 'hex') AS line FROM credentials"
    } else {
        "SELECT lower(hex(sealed_value)) AS line FROM credentials"
    };
    let old_value = bytes_of(&lines(&mut connection, sealed)[0]);
    drop(connection);
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    let mut connection = database::database(&data).connect().unwrap();
    let after = stored_keyring(&mut connection);
    assert!(after.keys[0].copies.is_empty());
    assert!(
        after
            .keys
            .iter()
            .all(|key| key.copies.iter().all(|copy| copy.wrapped != wrapped))
    );
    if database::is_postgres() {
        tell("the files of PostgreSQL keep deleted rows until VACUUM: they are not looked through");
    } else {
        for file in ["credence.db", "credence.db-wal"] {
            let content = std::fs::read(data.join(file)).unwrap();
            assert!(memchr::memmem::find(&content, &wrapped).is_none(), "{file}");
            // The header is the same for all values of a key: what is behind it is not.
            assert!(
                memchr::memmem::find(&content, &old_value[7..]).is_none(),
                "{file}"
            );
        }
    }
    assert_eq!(
        server.runtime().resolve(&id).await.field()["value"],
        secret("kept")
    );
}

#[tokio::test]
async fn values_that_do_not_open_keep_their_data_key_and_are_named() {
    use diesel::connection::SimpleConnection;
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let alice = server.editor("alice");
    let (damaged, whole) = (alice.create("damaged").await, alice.create("whole").await);
    let damage = format!(
        "UPDATE credentials SET sealed_value = {} WHERE name = 'damaged'",
        database::bytes(&"43".repeat(80))
    );
    database::database(&data)
        .connect()
        .unwrap()
        .batch_execute(&damage)
        .unwrap();
    let output = keys(&place, &["rotate", "--activate-after", "0s"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains(&damaged), "{}", stderr(&output));
    assert!(!stderr(&output).contains(&whole), "{}", stderr(&output));
    assert_eq!(status(&place)["valuesUnderOldKeys"], 1);
    let mend = json!({ "credentialId": damaged, "value": secret("mended") });
    let mended = alice.mutate("updateCredential", mend).await;
    assert_eq!(mended.user_errors(), Vec::<String>::new());
    let output = change_keys(&place, &["rotate", "--activate-after", "0s"]);
    assert!(
        stderr(&output).contains("broken off is finished"),
        "{}",
        stderr(&output)
    );
    let shown = status(&place);
    assert_eq!(shown["valuesUnderOldKeys"], 0);
    for (id, name) in [(&damaged, "mended"), (&whole, "whole")] {
        assert_eq!(
            server.runtime().resolve(id).await.field()["value"],
            secret(name)
        );
    }
}

/// Starts a rotation, as a process of its own.
fn rotation(place: &Place, activate_after: &str) -> Child {
    let mut command = place.command(&["keys", "rotate", "--activate-after", activate_after]);
    command.stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn two_rotations_at_once_leave_one_active_data_key() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let id = server.editor("alice").create("kept").await;
    server.end().await;
    // Both wait for the same key, which is activated once; and both begin at the same time.
    for activate_after in ["2s", "0s"] {
        let mut first = rotation(&place, activate_after);
        let mut told = BufReader::new(first.stderr.take().unwrap());
        if activate_after != "0s" {
            let mut waits = String::new();
            told.read_line(&mut waits).unwrap();
            assert!(waits.contains("waits"), "{waits}");
        }
        let second = rotation(&place, activate_after).wait_with_output().unwrap();
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        assert!(first.wait().unwrap().success(), "{rest}");
        assert!(second.status.success(), "{}", stderr(&second));
        let shown = status(&place);
        assert_eq!(shown["valuesUnderOldKeys"], 0);
        let keys = shown["dataKeys"].as_array().unwrap();
        let values: Vec<&Value> = keys
            .iter()
            .filter(|key| key["purpose"] == "VALUE")
            .collect();
        let (last, others) = values.split_last().unwrap();
        assert_eq!(last["state"], "ACTIVE", "{keys:?}");
        assert!(
            others.iter().all(|key| key["state"] == "DESTROYED"),
            "{keys:?}"
        );
        let server = place.serve(Stdio::null(), &[]);
        let runtime = place.token("runtime", "runtime");
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], secret("kept"));
    }
    // One change of the keyring each: a key that was added, activated or destroyed twice would be in the log twice.
    let query = "SELECT reason AS line FROM audit_events WHERE action = 'KEYRING_CHANGED'";
    let mut changes: Vec<String> = lines(&mut database::database(&data).connect().unwrap(), query)
        .iter()
        .map(|reason| reason.split(" generation").next().unwrap().to_owned())
        .collect();
    let count = changes.len();
    changes.sort();
    changes.dedup();
    assert_eq!(changes.len(), count, "{changes:?}");
    assert!(changes.contains(&"KEY_ADDED 5".to_owned()), "{changes:?}");
}

/// Somebody who resolves, all the time, and writes sometimes, of whom no request may fail.
struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<Vec<Duration>>>,
}

const UPDATE: &str = "mutation($id: ID!, $value: String!) { updateCredential(input: {credentialId: $id, value: $value}) { credential { valueVersion } userErrors { code } } }";

impl Load {
    /// Begins: each worker sends a request every 20 ms, to one server after the other.
    fn begin(
        place: &Place,
        servers: &[String],
        credentials: &[(String, String)],
        workers: usize,
    ) -> Self {
        let (runtime, admin) = (
            place.token("runtime", "runtime"),
            place.token("alice", "admin"),
        );
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (0..workers)
            .map(|worker| {
                let stop = Arc::clone(&stop);
                let credentials = credentials.to_vec();
                let (servers, runtime, admin) = (servers.to_vec(), runtime.clone(), admin.clone());
                tokio::spawn(async move {
                    let client = http_client();
                    let mut took = Vec::new();
                    let mut ticks = tokio::time::interval(Duration::from_millis(20));
                    for number in 0.. {
                        ticks.tick().await;
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let place = (number * 7_919 + worker * 104_729) % credentials.len();
                        let (id, name) = &credentials[place];
                        let address = &servers[number % servers.len()];
                        let post = async |token: &str, query: &str, variables: Value| -> Value {
                            let request = client
                                .post(format!("http://{address}/graphql"))
                                .bearer_auth(token)
                                .header("content-type", "application/json")
                                .body(
                                    json!({ "query": query, "variables": variables }).to_string(),
                                );
                            let bytes = request.send().await.unwrap().bytes().await.unwrap();
                            serde_json::from_slice(&bytes).unwrap()
                        };
                        // A write now and then: it is sealed under whichever key is active.
                        if number % 10 == 9 {
                            let variables = json!({ "id": id, "value": secret(name) });
                            let answer = post(&admin, UPDATE, variables).await;
                            assert_eq!(answer.get("errors"), None, "{answer}");
                            continue;
                        }
                        let began_at = Instant::now();
                        let answer = post(&runtime, RESOLVE, json!({ "id": id })).await;
                        took.push(began_at.elapsed());
                        let value = &answer["data"]["resolveCredential"]["value"];
                        assert_eq!(*value, secret(name), "{answer}");
                    }
                    took
                })
            })
            .collect();
        Self { stop, workers }
    }

    /// Ends, and returns how long each resolve took.
    async fn end(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = Vec::new();
        for worker in self.workers {
            took.extend(worker.await.unwrap());
        }
        took
    }
}

/// How long 99 of 100 took at most, in milliseconds.
fn at_99_ms(mut took: Vec<Duration>) -> f64 {
    took.sort();
    took[took.len() * 99 / 100].as_secs_f64() * 1_000.0
}

/// How many values are left under a data key that retires; `None` while none does.
fn left_to_seal(connection: &mut DatabaseConnection) -> Option<usize> {
    let query = "SELECT CAST((SELECT count(*) FROM credentials WHERE data_key_id = data_keys.id) AS text) AS line
                 FROM data_keys WHERE state = 'RETIRING'";
    lines(connection, query)
        .first()
        .map(|count| count.parse().unwrap())
}

/// Whether a data key retires, and has sealed none of the values up to this ID any more. It asks an index for one row, so that it costs those
/// who are measured nothing.
fn has_come_to(connection: &mut DatabaseConnection, id: &str) -> bool {
    let id = database::bytes(&id.replace('-', ""));
    let query = format!(
        "SELECT CAST(count(*) AS text) AS line FROM data_keys WHERE state = 'RETIRING' AND NOT EXISTS
         (SELECT 1 FROM credentials WHERE data_key_id = data_keys.id AND credentials.id <= {id})"
    );
    lines(connection, &query) == ["1"]
}

/// Starts a rotation, or one that goes on, and kills it when it has come to this value.
fn kill_at(place: &Place, arguments: &[&str], id: &str) {
    let words = [&["keys", "rotate", "--activate-after", "0s"], arguments].concat();
    let mut command = place.command(&words);
    let mut child: Child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut connection = database::database(&place.data).connect().unwrap();
    while !has_come_to(&mut connection, id) {
        assert_eq!(child.try_wait().unwrap(), None, "it has ended by itself");
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    assert_eq!(
        child.wait().unwrap().signal(),
        Some(9),
        "it has ended by itself"
    );
    // What is to be shown is that the next one goes on in the middle.
    assert!(left_to_seal(&mut connection).is_some_and(|left| left > 0));
}

/// Rotations of both kinds under load, with kills in between. Of SQLite there is one server, of PostgreSQL there are three.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotations_of_both_kinds_under_load_fail_no_resolve_and_leave_nothing_under_the_old_key() {
    let _alone = processors().await;
    let rows = part_of(100_000, 4_000);
    let (rounds, kills) = (part_of(10, 2), part_of(5, 4));
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let (mut master, _) = new_key(directory.path(), "0.key");
    let server_file = directory.path().join("server.key");
    std::fs::copy(&master, &server_file).unwrap();
    let arguments = ["--master-key-file", text(&server_file)];
    let count = if database::is_postgres() { 3 } else { 1 };
    let servers: Vec<ServerProcess> = (0..count)
        .map(|_| place.serve(Stdio::null(), &arguments))
        .collect();
    let admin = place.token("alice", "admin");
    let owner = ask(&servers[0], &admin, "{ viewer { id } }", json!({})).await;
    let owner = owner["id"].as_str().unwrap().to_owned();
    let added = {
        let (database, master) = (database::database(&data), master.clone());
        let adding = move || add_credentials(&database, &master, &owner, rows);
        tokio::task::spawn_blocking(adding).await.unwrap()
    };
    let addresses: Vec<String> = servers
        .iter()
        .map(|server| server.address.clone())
        .collect();

    // What resolves take when nothing is rotated, before and after: about one in a hundred meets a moment in which the database takes its log
    // in, so that a few seconds say nothing about the slowest hundredth.
    let quiet = async || {
        let load = Load::begin(&place, &addresses, &added, 4);
        let seconds = u64::try_from(part_of(30, 3)).unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        load.end().await
    };
    let before = quiet().await;

    let load = Load::begin(&place, &addresses, &added, 4);
    let began_at = Instant::now();
    for round in 1..=rounds {
        let current = master.clone();
        let rotating = {
            let place = Place {
                data: place.data.clone(),
                url: place.url.clone(),
            };
            let current = current.clone();
            // Values are sealed anew in the order of their IDs.
            let mut ids: Vec<String> = added.iter().map(|(id, _name)| id.clone()).collect();
            ids.sort();
            move || {
                let with = ["--master-key-file", text(&current)];
                // At places all over the sweep, which are others in each round.
                for kill in 1..=kills {
                    let part = rows / kills;
                    let offset = 160 + (kill * 2_749 + round * 4_001) % (part - 160);
                    kill_at(&place, &with, &ids[part * kill - offset]);
                }
                change_keys(
                    &place,
                    &[&["rotate", "--activate-after", "0s"], with.as_slice()].concat(),
                );
            }
        };
        tokio::task::spawn_blocking(rotating).await.unwrap();
        master = tokio::task::spawn_blocking({
            let place = Place {
                data: place.data.clone(),
                url: place.url.clone(),
            };
            let (directory, server_file) = (directory.path().to_owned(), server_file.clone());
            move || replace_master_key(&place, &directory, &server_file, &current, round)
        })
        .await
        .unwrap();
    }
    let took = began_at.elapsed();
    let busy = load.end().await;
    let (resolves, busy_ms) = (busy.len(), at_99_ms(busy));
    let quiet_ms = at_99_ms([before, quiet().await].concat());

    let output = change_keys(
        &place,
        &["status", "--json", "--master-key-file", text(&master)],
    );
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["valuesUnderOldKeys"], 0);
    let query = "SELECT CAST(count(DISTINCT data_key_id) AS text) AS line FROM credentials";
    let mut connection = database::database(&data).connect().unwrap();
    assert_eq!(lines(&mut connection, query), ["1"]);
    let states: Vec<&str> = shown["dataKeys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["purpose"] == "VALUE")
        .map(|key| key["state"].as_str().unwrap())
        .collect();
    assert!(states.len() > rounds, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == "ACTIVE").count(), 1);
    assert_eq!(
        states.iter().filter(|state| **state == "DESTROYED").count(),
        states.len() - 1
    );
    tell(&format!(
        "{rounds} rotations of each kind over {rows} values, {} kills, {took:.1?}: {resolves} resolves, none failed; 99 of 100 within \
         {busy_ms:.1} ms, {quiet_ms:.1} ms when nothing is rotated",
        rounds * kills
    ));
    // The scheduler of a shared machine has its part in both.
    // Where other tests run beside this one, the figure says nothing.
    assert!(
        !database::takes_whole_volumes() || busy_ms <= 2.0 * quiet_ms,
        "{busy_ms} ms, {quiet_ms} ms"
    );

    drop(servers);
    for old in 0..rounds {
        let old = directory.path().join(format!("{old}.key"));
        let fixed = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--master-key-file",
            text(&old),
        ];
        let output = place.command(&fixed).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    }
    let server = place.serve(Stdio::null(), &["--master-key-file", text(&master)]);
    let runtime = place.token("runtime", "runtime");
    for (id, name) in added.iter().step_by(added.len() / 100) {
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], secret(name));
    }
}

/// Replaces the master key, as `credence keys --help` says. Servers read the file of their keys again when they need to.
fn replace_master_key(
    place: &Place,
    directory: &Path,
    server_file: &Path,
    old: &Path,
    round: usize,
) -> PathBuf {
    let (new, new_id) = new_key(directory, &format!("{round}.key"));
    let old_id = {
        let text = std::fs::read_to_string(old).unwrap();
        credence::crypto::master_key::MasterKey::parse(&text)
            .unwrap()
            .id()
            .to_string()
    };
    change_keys(
        place,
        &["add-slot", text(&new), "--master-key-file", text(old)],
    );
    let both = [std::fs::read(old).unwrap(), std::fs::read(&new).unwrap()].concat();
    // A server that reads it meanwhile finds the one or the other.
    let next = server_file.with_extension("next");
    write_secret_file(&next, &both).unwrap();
    std::fs::rename(&next, server_file).unwrap();
    let both = format!("{},{}", text(old), text(&new));
    change_keys(place, &["promote", &new_id, "--master-key-file", &both]);
    change_keys(
        place,
        &["drop-slot", &old_id, "--master-key-file", text(&new)],
    );
    new
}
