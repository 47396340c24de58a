//! The keyring: which master keys open it, how they are added and dropped, and that nobody changes it who has none.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use credence::data_directory::write_secret_file;
use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::audit::{audit, count_all};
use crate::support::client::{RESOLVE, ask};
use crate::support::keys::{change_keys, keys, keys_refused, new_key, status, stored_keyring};
use crate::support::process::{Place, ServerProcess, run_and_measure, stderr, stdout};
use crate::support::store::{known_columns, lines};
use crate::support::{Server, database, hex_of, secret, text};

/// What a server that does not start says; it ends with 78 at once, and changes nothing.
#[track_caller]
fn refused(place: &Place, arguments: &[&str]) -> String {
    let fixed = ["serve", "--listen", "127.0.0.1:0"];
    let command = place.command(&[&fixed, arguments].concat());
    let began_at = Instant::now();
    let (output, took_of_processor) = run_and_measure(&command);
    let took = began_at.elapsed();
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    // One sentence; what stands before it is the log.
    let told = stderr(&output);
    let (log, told) = told.rsplit_once("credence: ").unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(log.lines().all(|line| line.contains("INFO")), "{log}");
    // It is refused within a second. Other tests have the machine too: what it works itself is within that on any machine, and the clock on
    // the wall, which would tell that it waits for something, has room for them. PostgreSQL works in other processes, for all tests at once.
    assert!(
        took_of_processor < Duration::from_secs(1),
        "{took_of_processor:?}"
    );
    assert!(
        database::is_postgres() || took < Duration::from_secs(5),
        "{took:?}"
    );
    told.to_owned()
}

/// The rows of the keyring, of the log and of the credentials, with all that is in them.
fn all_rows(data: &Path) -> Vec<String> {
    let mut connection = database::database(data).connect().unwrap();
    let columns = known_columns();
    let tables = [
        "keyring",
        "master_key_slots",
        "data_keys",
        "data_key_copies",
        "audit_events",
        "audit_chains",
        "credentials",
    ];
    let mut rows = Vec::new();
    for table in tables {
        let of_table = columns.iter().filter_map(|column| {
            let (of, rest) = column.split_once('.').unwrap();
            let name = rest.split(' ').next().unwrap();
            (of == table).then(|| format!("quote({name})"))
        });
        let row = if database::is_postgres() {
            "CAST(found AS text)".to_owned()
        } else {
            of_table.collect::<Vec<_>>().join(" || ' ' || ")
        };
        rows.push(table.to_owned());
        let query = format!("SELECT {row} AS line FROM {table} AS found ORDER BY 1");
        rows.extend(lines(&mut connection, &query));
    }
    rows
}

/// Empties the tables of the keyring, but for the data keys, which values refer to.
const EMPTY: &str =
    "DELETE FROM data_key_copies; DELETE FROM master_key_slots; DELETE FROM keyring";

#[tokio::test]
async fn a_recovery_key_opens_every_value_when_the_first_master_key_is_lost() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let (recovery, recovery_id) = new_key(directory.path(), "recovery.key");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let alice = server.editor("alice");
    let mut ids = Vec::new();
    for name in ["before 1", "before 2"] {
        ids.push((alice.create(name).await, name));
    }
    change_keys(&place, &["add-slot", text(&recovery), "--recovery"]);
    // The server that runs notices nothing that would matter to it.
    for name in ["behind 1", "behind 2"] {
        ids.push((alice.create(name).await, name));
    }
    let with_key = [
        "rotate",
        "--activate-after",
        "0s",
        "--with-key-file",
        text(&recovery),
    ];
    change_keys(&place, &with_key);
    ids.push((
        alice.create("after the rotation").await,
        "after the rotation",
    ));
    server.end().await;

    std::fs::rename(data.join("master.key"), directory.path().join("lost.key")).unwrap();
    let told = refused(&place, &[]);
    assert!(told.contains("master.key is missing"), "{told}");
    let (other, _) = new_key(directory.path(), "other.key");
    refused(&place, &["--master-key-file", text(&other)]);

    let server = place.serve(Stdio::null(), &["--master-key-file", text(&recovery)]);
    let runtime = place.token("runtime", "runtime");
    for (id, name) in &ids {
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], secret(name));
    }
    // The recovery key makes a new first one, and the lost one is dropped.
    let (first, first_id) = new_key(directory.path(), "first.key");
    let lost_id = status_of_primary(&place, &recovery);
    let both = format!("{},{}", text(&recovery), text(&first));
    change_keys(
        &place,
        &[
            "add-slot",
            text(&first),
            "--master-key-file",
            text(&recovery),
        ],
    );
    change_keys(&place, &["promote", &first_id, "--master-key-file", &both]);
    change_keys(
        &place,
        &["drop-slot", &lost_id, "--master-key-file", text(&first)],
    );
    drop(server);
    let lost = directory.path().join("lost.key");
    let told = refused(&place, &["--master-key-file", text(&lost)]);
    for id in [&recovery_id, &first_id, &lost_id] {
        assert!(told.contains(id.as_str()), "{told}");
    }
    let server = place.serve(Stdio::null(), &["--master-key-file", text(&first)]);
    let runtime = place.token("runtime", "runtime");
    for (id, name) in &ids {
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], secret(name));
    }
}

fn status_of_primary(place: &Place, key: &Path) -> String {
    let output = change_keys(place, &["status", "--json", "--master-key-file", text(key)]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let slots = status["masterKeys"].as_array().unwrap();
    let primary = slots.iter().find(|slot| slot["isPrimary"] == true).unwrap();
    primary["masterKeyId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn slots_are_added_promoted_and_dropped_in_an_order_in_which_nothing_gets_lost() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let (first, first_id) = new_key(directory.path(), "first.key");
    let with = ["--master-key-file", text(&first)];
    {
        let server = Server::instance(&data, Clock::system(), &with)
            .await
            .unwrap();
        server.editor("alice").create("one").await;
        server.end().await;
    }
    let run = |words: &[&str], keys: &[&Path]| -> Vec<String> {
        let files: Vec<&str> = keys.iter().map(|key| text(key)).collect();
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if !files.is_empty() {
            all.extend(["--master-key-file".to_owned(), files.join(",")]);
        }
        all
    };
    let done = |words: &[&str], keys: &[&Path]| {
        let words = run(words, keys);
        change_keys(
            &place,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    };
    let no = |words: &[&str], keys: &[&Path], told: &str| {
        let before = all_rows(&data);
        let words = run(words, keys);
        keys_refused(
            &place,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
            told,
        );
        assert_eq!(all_rows(&data), before);
    };
    let (second, second_id) = new_key(directory.path(), "second.key");
    let (third, third_id) = new_key(directory.path(), "third.key");
    let (fourth, _) = new_key(directory.path(), "fourth.key");
    let (fifth, fifth_id) = new_key(directory.path(), "fifth.key");
    let missing = directory.path().join("none.key");

    no(&["add-slot", text(&second)], &[], "no master key");
    no(&["add-slot", text(&second)], &[&third], &third_id);
    no(&["add-slot", text(&missing)], &[&first], "does not exist");
    no(&["add-slot", text(&first)], &[&first], "has a slot already");
    done(&["add-slot", text(&second)], &[&first]);
    // Any key that has a slot may add another one.
    done(&["add-slot", text(&third), "--recovery"], &[&second]);
    done(&["add-slot", text(&fourth)], &[&first]);
    no(
        &["add-slot", text(&fifth)],
        &[&first],
        "all 4 slots are taken",
    );
    no(
        &["promote", &second_id],
        &[&first],
        "not among those that were given",
    );
    no(&["promote", &fifth_id], &[&first, &fifth], "has no slot");
    no(
        &["drop-slot", &first_id],
        &[&second],
        "promote another one first",
    );
    done(&["promote", &second_id], &[&first, &second]);
    no(
        &["drop-slot", &second_id],
        &[&first],
        "promote another one first",
    );
    no(
        &["drop-slot", &first_id],
        &[&first],
        "of the master keys that stay, none was given",
    );
    done(&["drop-slot", &first_id], &[&second]);
    no(&["drop-slot", &first_id], &[&second], "has no slot");
    no(&["add-slot", text(&fifth)], &[&first], &first_id);
    no(
        &["rotate", "--activate-after", "0s"],
        &[&second],
        "a copy for each slot",
    );
    for words in [["promote", "0123"], ["drop-slot", "0123456789ABCDEF"]] {
        assert_eq!(keys(&place, &words).status.code(), Some(64));
    }

    assert!(refused(&place, &with).contains(&first_id));
    for key in [&second, &third, &fourth] {
        let server = place.serve(Stdio::null(), &["--master-key-file", text(key)]);
        drop(server);
    }
    let all = status(&place);
    assert_eq!(all["masterKeys"].as_array().unwrap().len(), 3);
    assert_eq!(all["isChecked"], false);
}

#[tokio::test]
async fn a_server_goes_on_while_its_master_key_is_replaced_and_the_old_one_is_refused_then() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let (old, old_id) = new_key(directory.path(), "old.key");
    let (new, new_id) = new_key(directory.path(), "new.key");
    // The file that servers read has a line for each key.
    let file = directory.path().join("server.key");
    std::fs::copy(&old, &file).unwrap();
    let arguments = ["--master-key-file", text(&file)];
    let server = Server::instance(&data, Clock::system(), &arguments)
        .await
        .unwrap();
    let alice = server.editor("alice");
    let first = alice.create("first").await;
    change_keys(
        &place,
        &["add-slot", text(&new), "--master-key-file", text(&old)],
    );
    let both = [std::fs::read(&old).unwrap(), std::fs::read(&new).unwrap()].concat();
    std::fs::remove_file(&file).unwrap();
    write_secret_file(&file, &both).unwrap();
    change_keys(
        &place,
        &["promote", &new_id, "--master-key-file", text(&file)],
    );
    change_keys(
        &place,
        &["drop-slot", &old_id, "--master-key-file", text(&file)],
    );
    // It was started with the old key alone: when it meets a data key that this one does not open, it reads its file again.
    change_keys(
        &place,
        &[
            "rotate",
            "--activate-after",
            "0s",
            "--master-key-file",
            text(&new),
        ],
    );
    let second = alice.create("second").await;
    for (id, name) in [(&first, "first"), (&second, "second")] {
        assert_eq!(
            server.runtime().resolve(id).await.field()["value"],
            secret(name)
        );
    }
    server.end().await;
    let told = refused(&place, &["--master-key-file", text(&old)]);
    assert!(told.contains(&old_id) && told.contains(&new_id), "{told}");
    let server = Server::instance(&data, Clock::system(), &["--master-key-file", text(&new)])
        .await
        .unwrap();
    assert_eq!(
        server.runtime().resolve(&first).await.field()["value"],
        secret("first")
    );
}

/// Who can write the database and has no master key cannot change what the keyring says: not which key seals, not which is destroyed, not
/// who opens it.
#[tokio::test]
async fn every_change_of_the_keyrings_rows_is_found_at_the_start() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    {
        let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
        server.editor("alice").create("one").await;
        server.end().await;
    }
    let (recovery, _) = new_key(directory.path(), "recovery.key");
    change_keys(&place, &["add-slot", text(&recovery), "--recovery"]);
    let zeros = |count: usize| database::bytes(&"00".repeat(count));
    let changes = [
        "UPDATE keyring SET generation = generation + 1".to_owned(),
        "UPDATE keyring SET generation = generation - 1".to_owned(),
        "UPDATE keyring SET format = 2".to_owned(),
        format!("UPDATE keyring SET tag = {}", zeros(32)),
        format!("UPDATE keyring SET deployment_id = {}", zeros(16)),
        format!("UPDATE keyring SET primary_master_key_id = {}", zeros(8)),
        "UPDATE data_keys SET state = 'RETIRING' WHERE purpose = 'VALUE'".to_owned(),
        "UPDATE data_keys SET state = 'PENDING' WHERE purpose = 'VALUE'".to_owned(),
        "UPDATE data_keys SET state = 'DESTROYED' WHERE purpose = 'AUDIT'".to_owned(),
        "UPDATE data_keys SET purpose = 'VALUE' WHERE purpose = 'CURSOR'".to_owned(),
        "UPDATE data_keys SET changed_at_us = changed_at_us + 1 WHERE id = 1".to_owned(),
        format!("UPDATE data_key_copies SET wrapped = {}", zeros(111)),
        "UPDATE data_key_copies SET wrapped = (SELECT c.wrapped FROM data_key_copies c
            WHERE c.master_key_id = data_key_copies.master_key_id AND c.data_key_id = 2) WHERE data_key_id = 1"
            .to_owned(),
        "UPDATE data_key_copies SET wrapped = (SELECT c.wrapped FROM data_key_copies c
            WHERE c.master_key_id <> data_key_copies.master_key_id AND c.data_key_id = data_key_copies.data_key_id)"
            .to_owned(),
        "DELETE FROM data_key_copies WHERE data_key_id = 1".to_owned(),
        "DELETE FROM data_key_copies WHERE data_key_id = 4".to_owned(),
        "UPDATE master_key_slots SET check_value = (SELECT s.check_value FROM master_key_slots s
            WHERE s.number <> master_key_slots.number)"
            .to_owned(),
        "UPDATE master_key_slots SET generation = generation + 1".to_owned(),
        "UPDATE master_key_slots SET purpose = 'SERVE'".to_owned(),
        "UPDATE master_key_slots SET number = 4 WHERE number = 2".to_owned(),
        "DELETE FROM master_key_slots WHERE number = 2".to_owned(),
        "DELETE FROM master_key_slots".to_owned(),
        "DELETE FROM keyring".to_owned(),
    ];
    let database = database::database(&data);
    let good = stored_keyring(&mut database.connect().unwrap());
    for change in changes {
        database.connect().unwrap().batch_execute(&change).unwrap();
        let before = all_rows(&data);
        let told = refused(&place, &[]);
        let sentence = match change.as_str() {
            "UPDATE keyring SET format = 2" => "written by a newer version",
            "DELETE FROM master_key_slots" => "wants the master key none",
            "DELETE FROM keyring" => "has data but no keyring",
            _ => "a row of the keyring does not open",
        };
        assert!(told.contains(sentence), "{change}: {told}");
        assert!(
            all_rows(&data) == before,
            "{change}: the database was changed"
        );
        let mut connection = database.connect().unwrap();
        connection.batch_execute(EMPTY).unwrap();
        restore(&mut connection, &good);
    }
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    server.end().await;
}

/// Puts the rows of a keyring back, with SQL: as long as the values refer to them, the data keys stay.
fn restore(
    connection: &mut credence::store::connection::DatabaseConnection,
    good: &credence::types::keyring::StoredKeyring,
) {
    use crate::support::database::bytes;
    let hex = |content: &[u8]| bytes(&hex_of(content));
    let mut statements = vec![format!(
        "INSERT INTO keyring (deployment_id, format, primary_master_key_id, generation, tag) VALUES ({}, {}, {}, {}, {})",
        hex(&good.deployment_id),
        good.format,
        hex(&good.primary.0),
        good.generation,
        hex(&good.tag)
    )];
    for slot in &good.slots {
        statements.push(format!(
            "INSERT INTO master_key_slots VALUES ({}, {}, '{}', {}, {}, {})",
            slot.number,
            hex(&slot.master_key_id.0),
            slot.purpose.as_str(),
            slot.generation,
            slot.added_at.0,
            hex(&slot.check_value)
        ));
    }
    for key in &good.keys {
        statements.push(format!(
            "UPDATE data_keys SET purpose = '{}', state = '{}', changed_at_us = {} WHERE id = {}",
            key.purpose,
            key.state.as_str(),
            key.changed_at.0,
            key.id.0
        ));
        for copy in &key.copies {
            statements.push(format!(
                "INSERT INTO data_key_copies VALUES ({}, {}, {})",
                key.id.0,
                hex(&copy.master_key_id.0),
                hex(&copy.wrapped)
            ));
        }
    }
    connection.batch_execute(&statements.join(";\n")).unwrap();
    assert_eq!(stored_keyring(connection), *good);
}

/// With the rows of an older keyring, a master key that was dropped would open the values again. The log says which generation there was,
/// also when all that it said of the keyring was pruned.
#[tokio::test]
async fn an_older_keyring_that_is_put_back_is_refused_also_when_the_log_was_pruned() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let (first, first_id) = new_key(directory.path(), "first.key");
    let (second, second_id) = new_key(directory.path(), "second.key");
    let with_first = ["--master-key-file", text(&first)];
    let server = Server::instance(&data, Clock::system(), &with_first)
        .await
        .unwrap();
    server.editor("alice").create("one").await;
    server.end().await;
    let both = format!("{},{}", text(&first), text(&second));
    let with_second = ["--master-key-file", text(&second)];
    change_keys(
        &place,
        &[&["add-slot", text(&second)], &with_first[..]].concat(),
    );
    let database = database::database(&data);
    let older = stored_keyring(&mut database.connect().unwrap());
    change_keys(&place, &["promote", &second_id, "--master-key-file", &both]);
    change_keys(
        &place,
        &[&["drop-slot", &first_id], &with_second[..]].concat(),
    );
    let newest = stored_keyring(&mut database.connect().unwrap());
    let mut connection = database.connect().unwrap();
    let audit = |words: &[&str], keys: &[&str]| audit(&place, &[words, keys].concat());
    let changes =
        "SELECT CAST(count(*) AS text) AS line FROM audit_events WHERE action = 'KEYRING_CHANGED'";
    for is_pruned in [false, true] {
        if is_pruned {
            // Prune leaves what is not counted yet.
            count_all(&mut connection);
            let output = audit(&["prune", "--before", "2099-01-01"], &with_second);
            assert!(output.status.success(), "{}", stderr(&output));
        }
        let left = if is_pruned { "0" } else { "3" };
        assert_eq!(lines(&mut connection, changes), [left]);
        connection.batch_execute(EMPTY).unwrap();
        restore(&mut connection, &older);
        let told = refused(&place, &with_first);
        assert!(
            told.contains("generation 2") && told.contains("says 4"),
            "{told}"
        );
        let output = audit(&["verify"], &with_first);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let found = stdout(&output);
        assert_eq!(
            found,
            "the keyring is of generation 2, and the log says 4\n"
        );
        connection.batch_execute(EMPTY).unwrap();
        restore(&mut connection, &newest);
        let output = audit(&["verify"], &with_second);
        assert!(output.status.success(), "{}", stdout(&output));
        drop(place.serve(Stdio::null(), &with_second));
    }
    // When that is what is left, an operator says so, and it is taken as it is.
    connection.batch_execute(EMPTY).unwrap();
    restore(&mut connection, &older);
    let output = audit(&["prune", "--damaged"], &with_first);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = audit(&["verify"], &with_first);
    assert!(output.status.success(), "{}", stdout(&output));
    drop(place.serve(Stdio::null(), &with_first));
}

/// The keyring of another deployment opens with its own master key, and none of the values that lie beside it.
#[tokio::test]
async fn another_deployments_keyring_over_these_values_is_refused() {
    let directory = TempDir::new().unwrap();
    let (own, other) = (directory.path().join("own"), directory.path().join("other"));
    for data in [&own, &other] {
        let server = Server::instance(data, Clock::system(), &[]).await.unwrap();
        server.editor("alice").create("one").await;
        server.end().await;
    }
    let foreign = stored_keyring(&mut database::database(&other).connect().unwrap());
    let mut connection = database::database(&own).connect().unwrap();
    connection.batch_execute(EMPTY).unwrap();
    restore(&mut connection, &foreign);
    let place = database::place(&own);
    let told = refused(
        &place,
        &["--master-key-file", text(&other.join("master.key"))],
    );
    assert!(told.contains("not of one database"), "{told}");
    refused(&place, &[]);
}

/// The data keys that a server warns of at its start.
fn warned_of(log: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(log).unwrap();
    let warnings = log.lines().filter(|line| line.contains("WARN"));
    let keys =
        warnings.filter_map(|line| line.split_once("data_key=").map(|(_, key)| key.to_owned()));
    keys.collect()
}

/// Values that are damaged are another thing than values of another deployment: the log tells.
#[tokio::test]
async fn a_data_key_whose_values_are_all_damaged_is_told_and_keeps_no_server_from_its_start() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let damaged = server.editor("alice").create("damaged").await;
    server.end().await;
    let damage = format!(
        "UPDATE credentials SET sealed_value = {} WHERE name = 'damaged'",
        database::bytes(&"43".repeat(80))
    );
    let mut connection = database::database(&data).connect().unwrap();
    connection.batch_execute(&damage).unwrap();

    // It is the only one that there is, and can be mended through the API.
    let log = directory.path().join("alone.log");
    let server = place.serve(std::fs::File::create(&log).unwrap().into(), &[]);
    assert_eq!(warned_of(&log), ["1"]);
    drop(server);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    assert_eq!(
        runtime.resolve(&damaged).await.codes(),
        ["CREDENTIAL_UNREADABLE"]
    );
    let mend = json!({ "credentialId": damaged, "value": secret("mended") });
    let mended = alice.mutate("updateCredential", mend).await;
    assert_eq!(mended.user_errors(), Vec::<String>::new());
    assert_eq!(
        runtime.resolve(&damaged).await.field()["value"],
        secret("mended")
    );

    // Each data key is judged for itself: the one that rotates has whole values, and the old one has none.
    let whole = alice.create("whole").await;
    server.end().await;
    connection.batch_execute(&damage).unwrap();
    let output = keys(&place, &["rotate", "--activate-after", "0s"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let log = directory.path().join("beside.log");
    let server = place.serve(std::fs::File::create(&log).unwrap().into(), &[]);
    assert_eq!(warned_of(&log), ["1"]);
    let runtime = place.token("runtime", "runtime");
    let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": whole })).await;
    assert_eq!(resolved["value"], secret("whole"));
}

#[tokio::test]
async fn status_shows_the_slots_and_the_values_of_each_data_key() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let admin = place.token("ada", "admin");
    for name in ["one", "two"] {
        let variables = json!({ "name": name, "value": secret(name) });
        ask(&server, &admin, crate::support::client::CREATE, variables).await;
    }
    let shown = status(&place);
    assert_eq!(
        (&shown["generation"], &shown["isChecked"]),
        (&json!(1), &json!(true))
    );
    let keys: Vec<(&Value, &Value, &Value)> = shown["dataKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["purpose"], &key["state"], &key["values"]))
        .collect();
    let (active, zero) = (json!("ACTIVE"), json!(0));
    let expected = [
        (&json!("VALUE"), &active, &json!(2)),
        (&json!("CURSOR"), &active, &zero),
        (&json!("AUDIT"), &active, &zero),
        (&json!("KEYRING"), &active, &zero),
    ];
    assert_eq!(keys, expected);
    let output = change_keys(&place, &["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for told in [
        "2 values",
        "primary, given",
        "There is no recovery key",
        "old data keys: 0",
    ] {
        assert!(text.contains(told), "{text}");
    }
}
