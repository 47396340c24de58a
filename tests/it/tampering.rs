//! Values that somebody changed in the database, or a disk damaged: no wrong value ever leaves, nothing panics, and all of it is found.

use std::path::Path;

use credence::crypto::keyring::{Keyring, ValueBinding};
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::credential;
use credence::types::clock::Clock;
use credence::types::credential::Credential;
use credence::types::id::Id;
use diesel::connection::SimpleConnection;
use serde_json::json;
use tempfile::TempDir;

use crate::support::audit::{Numbers, findings, signer};
use crate::support::database::part_of;
use crate::support::keys::wrapping_key;
use crate::support::store::lines;
use crate::support::{Answer, Server, bytes_of, database, hex_of, secret, tell};

/// A connection that breaks every rule of the tables.
fn without_rules(data: &Path) -> DatabaseConnection {
    let mut connection = database::database(data).connect().unwrap();
    let rules = if database::is_postgres() {
        "SET session_replication_role = replica; ALTER TABLE credentials DROP CONSTRAINT IF EXISTS credentials_value_version_check"
    } else {
        "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA busy_timeout = 10000"
    };
    connection.batch_execute(rules).unwrap();
    connection
}

fn column(connection: &mut DatabaseConnection, column: &str, name: &str) -> String {
    let text = match column {
        "id" | "owner_id" | "sealed_value" if database::is_postgres() => {
            format!("encode({column}, 'hex')")
        }
        "id" | "owner_id" | "sealed_value" => format!("lower(hex({column}))"),
        _ => format!("CAST({column} AS text)"),
    };
    let query = format!("SELECT {text} AS line FROM credentials WHERE name = '{name}'");
    lines(connection, &query).remove(0)
}

/// What an answer to a resolve of a value that was tampered with may be: any refusal, and never a value.
#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    let field = answer.body["data"]["resolveCredential"].clone();
    assert!(field["value"].is_null(), "{what}: a value left");
    let told = answer.body.get("errors").is_some() || field["userErrors"].get(0).is_some();
    assert!(told, "{what}: {}", answer.body);
}

#[tokio::test]
async fn every_bit_of_a_row_and_of_what_it_is_bound_to_is_looked_at() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let id = alice.create("flipped").await;
    let mut connection = without_rules(&data);
    let sealed = bytes_of(&column(&mut connection, "sealed_value", "flipped"));
    let mut set = |what: &str| {
        let change = format!("UPDATE credentials SET {what} WHERE name = 'flipped'");
        connection.batch_execute(&change).unwrap();
    };
    let mut flips = 0;
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        set(&format!(
            "sealed_value = {}",
            database::bytes(&hex_of(&flipped))
        ));
        let answer = runtime.resolve(&id).await;
        assert_eq!(answer.codes(), ["CREDENTIAL_UNREADABLE"], "bit {bit}");
        flips += 1;
    }
    set(&format!(
        "sealed_value = {}",
        database::bytes(&hex_of(&sealed))
    ));
    let own = bytes_of(&id.replace('-', ""));
    for bit in 0..128 {
        let mut flipped = own.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        set(&format!("id = {}", database::bytes(&hex_of(&flipped))));
        let other: [u8; 16] = flipped.try_into().unwrap();
        let other = Id::<Credential>::from_bytes(other).to_string();
        let answer = runtime.resolve(&other).await;
        assert_eq!(
            answer.codes(),
            ["CREDENTIAL_UNREADABLE"],
            "bit {bit} of the ID"
        );
        flips += 1;
    }
    set(&format!("id = {}", database::bytes(&hex_of(&own))));
    let owner = bytes_of(&alice.id().await.replace('-', ""));
    for bit in 0..128 {
        let mut flipped = owner.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        set(&format!(
            "owner_id = {}",
            database::bytes(&hex_of(&flipped))
        ));
        // An owner that does not exist hides the credential.
        assert_refused(
            &runtime.resolve(&id).await,
            &format!("bit {bit} of the owner"),
        );
        flips += 1;
    }
    set(&format!("owner_id = {}", database::bytes(&hex_of(&owner))));
    for bit in 0..31 {
        for (name, value) in [("value_version", 1_i64), ("data_key_id", 1_i64)] {
            set(&format!("{name} = {}", value ^ (1 << bit)));
            assert_refused(&runtime.resolve(&id).await, &format!("bit {bit} of {name}"));
            set(&format!("{name} = {value}"));
            flips += 1;
        }
    }
    // Of text, those bits that leave it text.
    for place in 0.."flipped".len() {
        for bit in 0..7 {
            let mut flipped = "flipped".as_bytes().to_vec();
            flipped[place] ^= 1 << bit;
            let text = String::from_utf8(flipped).unwrap().replace('\'', "''");
            if text.contains('\0') {
                continue;
            }
            set(&format!("name_key = '{text}'"));
            let answer = runtime.resolve(&id).await;
            assert_eq!(answer.codes(), ["CREDENTIAL_UNREADABLE"], "{text}");
            flips += 1;
        }
    }
    set("name_key = 'flipped'");
    assert_eq!(
        runtime.resolve(&id).await.field()["value"],
        secret("flipped")
    );
    tell(&format!("{flips} bits flipped, all found"));
}

#[tokio::test]
async fn every_two_of_fifty_values_that_change_their_rows_are_found() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let rows = if database::is_postgres() {
        part_of(50, 12)
    } else {
        50
    };
    let mut ids = Vec::new();
    for number in 0..rows {
        ids.push(alice.create(&format!("c{number}")).await);
    }
    let mut connection = without_rules(&data);
    connection
        .batch_execute(
            "CREATE TABLE kept AS SELECT id, name, sealed_value, data_key_id FROM credentials",
        )
        .unwrap();
    for (number, id) in ids.iter().enumerate() {
        for other in (0..rows).filter(|other| *other != number) {
            let swap = format!(
                "UPDATE credentials SET sealed_value = (SELECT k.sealed_value FROM kept k WHERE k.name = 'c{other}') WHERE name = 'c{number}'"
            );
            connection.batch_execute(&swap).unwrap();
            let answer = runtime.resolve(id).await;
            assert_eq!(
                answer.codes(),
                ["CREDENTIAL_UNREADABLE"],
                "{number}, {other}"
            );
        }
        let back = format!(
            "UPDATE credentials SET sealed_value = (SELECT k.sealed_value FROM kept k WHERE k.name = 'c{number}') WHERE name = 'c{number}'"
        );
        connection.batch_execute(&back).unwrap();
        let answer = runtime.resolve(id).await;
        assert_eq!(answer.field()["value"], secret(&format!("c{number}")));
    }
    tell(&format!("{} swaps, all found", rows * (rows - 1)));
}

#[tokio::test]
async fn a_thousand_values_that_were_cut_or_zeroed_are_found_and_only_they_fail() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let (id, whole) = (alice.create("cut").await, alice.create("whole").await);
    let long = json!({ "credentialId": id, "value": secret(&"x".repeat(300)) });
    alice.mutate("updateCredential", long).await.data();
    let mut connection = without_rules(&data);
    let sealed = bytes_of(&column(&mut connection, "sealed_value", "cut"));
    let mut numbers = Numbers(2);
    let mut damaged: Vec<Vec<u8>> = (0..sealed.len())
        .map(|length| sealed[..length].to_vec())
        .collect();
    damaged.extend((0..100).map(|length| vec![0; length]));
    let count = if database::is_postgres() {
        part_of(1_000, 500)
    } else {
        1_000
    };
    while damaged.len() < count {
        let mut zeroed = sealed.clone();
        let (from, to) = (numbers.below(sealed.len()), numbers.below(sealed.len()));
        for byte in &mut zeroed[from.min(to)..=from.max(to)] {
            *byte = 0;
        }
        if zeroed != sealed {
            damaged.push(zeroed);
        }
    }
    for (number, content) in damaged.iter().enumerate() {
        let change = format!(
            "UPDATE credentials SET sealed_value = {} WHERE name = 'cut'",
            database::bytes(&hex_of(content))
        );
        connection.batch_execute(&change).unwrap();
        let answer = runtime.resolve(&id).await;
        assert_eq!(answer.codes(), ["CREDENTIAL_UNREADABLE"], "{number}");
        if number % 100 == 0 {
            assert_eq!(
                runtime.resolve(&whole).await.field()["value"],
                secret("whole")
            );
        }
    }
    tell(&format!(
        "{} cut or zeroed values, all found",
        damaged.len()
    ));
}

/// What of a database is protected: what values are bound to, the log and the keyring.
const PROTECTED: [&str; 7] = [
    "SELECT lower(hex(id)) || name || '/' || name_key || lower(hex(owner_id)) || value_version || '/' || data_key_id || lower(hex(sealed_value)) AS line FROM credentials ORDER BY id",
    "SELECT lower(hex(id)) || occurred_at_us || action || actor_issuer || actor_subject || coalesce(lower(hex(credential_id)), '-') || coalesce(credential_name, '-') || coalesce(value_version, '-') || coalesce(lower(hex(user_id)), '-') || coalesce(consumer_external_id, '-') || coalesce(consumer_kind, '-') || coalesce(consumer_name, '-') || request_id || coalesce(lower(hex(owner_id)), '-') || coalesce(reason, '-') || times || chain || '/' || chain_sequence || lower(hex(mac)) || coalesce(lower(hex(heads)), '-') || coalesce(actor_client, '-') || coalesce(lower(hex(token_id_hash)), '-') || coalesce(peer, '-') AS line FROM audit_events ORDER BY chain, chain_sequence",
    "SELECT chain || '/' || chain_sequence || lower(hex(mac)) || lower(hex(tag)) AS line FROM audit_chains ORDER BY chain",
    "SELECT lower(hex(deployment_id)) || format || '/' || lower(hex(primary_master_key_id)) || generation || lower(hex(tag)) AS line FROM keyring",
    "SELECT number || lower(hex(master_key_id)) || purpose || generation || '/' || added_at_us || lower(hex(check_value)) AS line FROM master_key_slots ORDER BY number",
    "SELECT id || purpose || state || changed_at_us AS line FROM data_keys ORDER BY id",
    "SELECT data_key_id || lower(hex(master_key_id)) || lower(hex(wrapped)) AS line FROM data_key_copies ORDER BY data_key_id",
];

/// What is protected, read without an index where that can be had; `None` when it cannot be read.
fn protected(file: &Path) -> Option<Vec<String>> {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let opened = Database::Sqlite(file.to_owned()).connect_read_only();
    let Ok(Some(DatabaseConnection::Sqlite(mut sqlite))) = opened else {
        return None;
    };
    let mut all = Vec::new();
    for query in PROTECTED {
        let rows: Vec<Line> = diesel::sql_query(query).load(&mut sqlite).ok()?;
        all.extend(rows.into_iter().map(|row| row.line));
    }
    Some(all)
}

/// Whether a damaged file gives away what it is: by the keyring, by a value, or by the log. Panics when a wrong value opens.
fn is_found(file: &Path, master_key: &Path, values: &[(Id<Credential>, String)]) -> bool {
    let database = Database::Sqlite(file.to_owned());
    let Ok(mut connection) = database.connect() else {
        return true;
    };
    let Ok(Some(stored)) = credence::store::keyring::find_keyring(&mut connection) else {
        return true;
    };
    let Ok(keyring) = Keyring::open(&stored, &[wrapping_key(master_key)]) else {
        return true;
    };
    let mut is_found = false;
    for (id, value) in values {
        let found = credential::find_credential_with_value(&mut connection, *id);
        let Ok(Some((found, sealed))) = found else {
            is_found = true;
            continue;
        };
        let binding = ValueBinding {
            credential_id: found.id,
            owner_id: found.owner.id,
            name_key: &found.name_key,
            value_version: found.value_version,
        };
        match keyring.open_value(&sealed.sealed, sealed.data_key, &binding) {
            Ok(opened) => assert_eq!(opened.expose(), value, "a wrong value"),
            Err(_) => is_found = true,
        }
    }
    let signer = credence::crypto::audit_key::audit_signer(&keyring);
    is_found || !findings(&mut connection, &signer).is_empty()
}

#[tokio::test]
async fn flipped_bits_of_the_file_give_no_wrong_value_no_panic_and_are_found() {
    if database::is_postgres() {
        tell("the bits of the file are those of SQLite: nothing is tested here over PostgreSQL");
        return;
    }
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let mut values = Vec::new();
    for number in 0..20 {
        let name = format!("credential {number}");
        let id = alice.create(&name).await;
        runtime.resolve(&id).await.data();
        values.push((Id::parse(&id).unwrap(), secret(&name)));
    }
    server.end().await;
    let master_key = data.join("master.key");
    let whole = std::fs::read(data.join("credence.db")).unwrap();
    let before = protected(&data.join("credence.db")).unwrap();
    let flips = part_of(5_000, 1_000);
    let (mut numbers, mut found, mut untouched) = (Numbers(3), 0, 0);
    let file = directory.path().join("damaged.db");
    for flip in 0..flips {
        let mut damaged = whole.clone();
        let place = numbers.below(damaged.len());
        damaged[place] ^= 1 << numbers.below(8);
        for beside in ["-wal", "-shm"] {
            let mut path = file.clone().into_os_string();
            path.push(beside);
            let _removed = std::fs::remove_file(path);
        }
        std::fs::write(&file, &damaged).unwrap();
        let after = protected(&file);
        if is_found(&file, &master_key, &values) {
            found += 1;
        } else {
            // Of what is protected, nothing was hit.
            assert!(
                after.as_ref() == Some(&before),
                "flip {flip} of byte {place} was not found"
            );
            untouched += 1;
        }
    }
    tell(&format!(
        "{flips} flips: {found} found, {untouched} hit nothing that is protected"
    ));
    assert!(found > 0 && untouched > 0);
}

#[tokio::test]
async fn what_was_damaged_is_in_the_log() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime, ada) = (
        server.editor("alice"),
        server.runtime(),
        server.admin("ada"),
    );
    let id = alice.create("damaged").await;
    let mut connection = without_rules(&data);
    let damage = format!(
        "UPDATE credentials SET sealed_value = {}",
        database::bytes(&"43".repeat(46))
    );
    connection.batch_execute(&damage).unwrap();
    assert_eq!(
        runtime.resolve(&id).await.codes(),
        ["CREDENTIAL_UNREADABLE"]
    );
    let query = "{ auditEvents(first: 1) { nodes { action reason credentialId } } }";
    let event = ada.ask(query).await.field()["nodes"][0].clone();
    let wanted = json!({ "action": "CREDENTIAL_RESOLVE_REFUSED", "reason": "UNREADABLE", "credentialId": id });
    assert_eq!(event, wanted);
    let signer = signer(&mut connection, &data.join("master.key"));
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
}
