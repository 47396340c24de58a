//! What somebody who can write the database, and has no key, may do to the audit log so that it looks whole: each is found or refused.

use std::path::Path;
use std::process::Stdio;

use credence::domain::audit_prune::prune;
use credence::domain::audit_verification::Verification;
use credence::domain::command_log::CommandLog;
use credence::store::audit_chain::{Chain, ChainOwner};
use credence::store::audit_point::{list_heads, write_head};
use credence::store::connection::DatabaseConnection;
use credence::store::error::StoreError;
use credence::store::{Store, Written};
use credence::types::audit::{AuditAction, AuditEntry, AuditEvent, Signer};
use credence::types::clock::{Clock, Timestamp};
use credence::types::credential::Credential;
use credence::types::id::{Id, IdSource};
use credence::types::user::{User, UserKey};
use diesel::connection::SimpleConnection;
use tempfile::TempDir;

use crate::audit_chain::{FORGET, KEEP, PUT_BACK, does_not_start, refused_start, write_events};
use crate::support::audit::{
    audit, count_all, does_not_verify, findings, signer, succeeds, verifies,
};
use crate::support::database::bytes;
use crate::support::keys::{change_keys, keys_refused, new_key};
use crate::support::log::Log;
use crate::support::process::{Place, stderr};
use crate::support::store::lines;
use crate::support::{Server, database};

/// The chain that commands write.
fn command_chain() -> i32 {
    i32::from(!database::is_postgres())
}

fn zeros(count: usize) -> String {
    bytes(&"00".repeat(count))
}

fn number(connection: &mut DatabaseConnection, query: &str) -> i64 {
    lines(
        connection,
        &format!("SELECT CAST(({query}) AS text) AS line"),
    )[0]
    .parse()
    .unwrap()
}

fn chains(connection: &mut DatabaseConnection) -> Vec<i32> {
    let query = "SELECT CAST(chain AS text) AS line FROM audit_chains ORDER BY chain";
    let chains = lines(connection, query);
    chains.iter().map(|line| line.parse().unwrap()).collect()
}

/// A server that writes some events and ends, with anchors in a file. A command writes before it ends.
async fn used(place: &Place, anchors: &str, name: &str) {
    let arguments = ["--audit-anchor", anchors];
    let server = Server::instance(&place.data, Clock::system(), &arguments)
        .await
        .unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    for number in 0..3 {
        let id = alice.create(&format!("{name} {number}")).await;
        runtime.resolve(&id).await.data();
    }
    change_keys(place, &["rotate", "--activate-after", "0s"]);
    let id = alice.create(name).await;
    runtime.resolve(&id).await.data();
    server.end().await;
}

/// A data directory whose audit log some events are in, and the file of its anchors.
async fn begun() -> (TempDir, Place, String) {
    let directory = TempDir::new().unwrap();
    let place = database::place(&directory.path().join("data"));
    let anchors = directory.path().join("anchors");
    let anchors = anchors.to_str().unwrap().to_owned();
    used(&place, &anchors, "first").await;
    // The server's connections take jobs as they come, so that the first chain may have few events of it, or none.
    until_no_writer(&mut database::database(&place.data).connect().unwrap());
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    (directory, place, anchors)
}

/// Removes all events that were counted.
fn prune_all(place: &Place, connection: &mut DatabaseConnection) {
    count_all(connection);
    succeeds(&audit(place, &["prune", "--before", "2099-01-01"]));
}

#[tokio::test]
async fn a_chain_that_vanishes_is_found_also_behind_a_made_up_checkpoint() {
    let (_directory, place, anchors) = begun().await;
    let (data, anchors) = (&place.data, anchors.as_str());
    let mut connection = database::database(data).connect().unwrap();
    for is_pruned in [false, true] {
        if is_pruned {
            prune_all(&place, &mut connection);
            used(&place, anchors, "second").await;
        }
        connection.batch_execute(KEEP).unwrap();
        for chain in chains(&mut connection) {
            let told = format!("chain {chain}");
            let of_chain = format!("WHERE chain = {chain}");
            let gone = format!(
                "DELETE FROM audit_events {of_chain}; DELETE FROM audit_chains {of_chain};"
            );
            let without = format!("{gone} DELETE FROM audit_checkpoints {of_chain};");
            let made_up = format!(
                "{without} INSERT INTO audit_checkpoints VALUES ({chain}, 9223372036854775807, {}, {});",
                zeros(32),
                zeros(32)
            );
            for attack in [&gone, &without, &made_up] {
                connection.batch_execute(attack).unwrap();
                let shown = does_not_verify(&place, &["--anchor", anchors]);
                assert!(shown.contains(&told), "{attack}: {shown}");
                // Without a second place, an anchor of another chain names it, if there is one by then: on SQLite the server's and that of
                // the command which pruned.
                if *attack == made_up || (is_pruned && !database::is_postgres()) {
                    let shown = does_not_verify(&place, &[]);
                    assert!(shown.contains(&told), "{attack}: {shown}");
                }
                if *attack == made_up {
                    does_not_start(&place);
                }
                connection.batch_execute(PUT_BACK).unwrap();
            }
        }
        connection.batch_execute(FORGET).unwrap();
        let _told = verifies(&place, &["--anchor", anchors]);
    }
}

/// A statement that adds an event, as one of the others, but at this place.
fn add(chain: i32, sequence: i64) -> String {
    format!(
        "INSERT INTO audit_events SELECT {}, occurred_at_us, action, actor_issuer, actor_subject, credential_id, credential_name,
             value_version, user_id, user_subject, consumer_kind, consumer_external_id, consumer_name, request_id, owner_id, reason,
             times, heads, {chain}, {sequence}, mac, actor_client, token_id_hash, peer FROM audit_events ORDER BY id LIMIT 1",
        bytes(&"ee".repeat(16)),
    )
}

#[tokio::test]
async fn an_event_that_is_added_before_the_beginning_of_a_chain_is_found() {
    let (_directory, place, _anchors) = begun().await;
    let data = &place.data;
    let mut connection = database::database(data).connect().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    for is_pruned in [false, true] {
        let mut places = Vec::new();
        if is_pruned {
            prune_all(&place, &mut connection);
        }
        for chain in chains(&mut connection) {
            places.extend([(chain, 0), (chain, -7)]);
            if is_pruned {
                let through = format!(
                    "SELECT COALESCE(max(chain_sequence), 0) FROM audit_checkpoints WHERE chain = {chain}"
                );
                // A chain of which nothing was pruned begins with 1.
                let through = number(&mut connection, &through);
                places.extend((through > 0).then_some((chain, 1)));
                places.push((chain, through));
            }
        }
        places.push((i32::MIN, 0));
        for (chain, sequence) in places {
            connection.batch_execute(&add(chain, sequence)).unwrap();
            let shown = findings(&mut connection, &signer);
            let is_told = shown
                .iter()
                .any(|line| line.contains(&format!("chain {chain}")));
            assert!(is_told, "chain {chain}, {sequence}: {shown:?}");
            if sequence != -7 {
                does_not_start(&place);
            }
            let refused = audit(&place, &["prune", "--before", "2099-01-01"]);
            assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
            let remove = format!(
                "DELETE FROM audit_events WHERE id = {}",
                bytes(&"ee".repeat(16))
            );
            connection.batch_execute(&remove).unwrap();
            assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
        }
    }
}

/// What is left before the beginning of a chain by `prune --damaged` is for who looks at what happened: it is not to change either.
#[tokio::test]
async fn what_a_damaged_log_left_cannot_be_changed_unnoticed_and_is_pruned_later() {
    let (_directory, place, anchors) = begun().await;
    let (data, anchors) = (&place.data, anchors.as_str());
    let mut connection = database::database(data).connect().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    let chain = command_chain();
    for damage in [
        format!("UPDATE audit_events SET times = 7 WHERE chain = {chain} AND chain_sequence = 1"),
        add(chain, 0),
        format!(
            "INSERT INTO audit_checkpoints VALUES (77, 9223372036854775807, {}, {})",
            zeros(32),
            zeros(32)
        ),
    ] {
        connection.batch_execute(&damage).unwrap();
        assert!(!findings(&mut connection, &signer).is_empty(), "{damage}");
        succeeds(&audit(&place, &["prune", "--damaged"]));
        assert_eq!(
            findings(&mut connection, &signer),
            Vec::<String>::new(),
            "{damage}"
        );
    }
    drop(place.serve(Stdio::null(), &[]));
    connection.batch_execute(KEEP).unwrap();
    let first = format!("chain = {chain} AND chain_sequence = 1");
    for attack in [
        format!("UPDATE audit_events SET times = 8 WHERE {first}"),
        format!(
            "UPDATE audit_events SET mac = {} WHERE {first}",
            bytes("11")
        ),
        format!("DELETE FROM audit_events WHERE {first}"),
        format!("UPDATE audit_events SET chain_sequence = -1 WHERE {first}"),
        add(chain, -3).replace("eeee", "dddd"),
    ] {
        connection.batch_execute(&attack).unwrap();
        let shown = findings(&mut connection, &signer);
        assert!(
            shown
                .iter()
                .any(|line| line.contains(&format!("chain {chain}"))),
            "{attack}: {shown:?}"
        );
        connection.batch_execute(PUT_BACK).unwrap();
        assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    }
    used(&place, anchors, "second").await;
    prune_all(&place, &mut connection);
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    let kept =
        format!("SELECT count(*) FROM audit_events WHERE chain = {chain} AND chain_sequence <= 1");
    assert_eq!(number(&mut connection, &kept), 0);
}

/// The log of whoever looks at it while it is pruned, or after that was broken off.
#[tokio::test]
async fn a_log_verifies_at_every_step_of_pruning_it() {
    let (_directory, place, _anchors) = begun().await;
    let data = &place.data;
    let database = database::database(data);
    let (mut connection, mut other) = (database.connect().unwrap(), database.connect().unwrap());
    connection.be_patient().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    write_events(&mut connection, &signer, 2_500);
    count_all(&mut connection);
    let clock = Clock::system();
    let mut log = CommandLog::new(&clock);
    let mut verification = Verification::default();
    verification
        .run(&mut connection, &signer, &[], &mut |_count| {})
        .unwrap();
    assert_eq!(verification.findings, []);
    let mut steps = 0;
    let before = Timestamp::parse_rfc3339("2099-01-01T00:00:00Z").unwrap();
    prune(
        &mut connection,
        &signer,
        &mut log,
        &verification,
        before,
        &mut |_count| {
            steps += 1;
            assert_eq!(findings(&mut other, &signer), Vec::<String>::new());
        },
    )
    .unwrap();
    assert!(steps >= 3, "{steps}");
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
}

/// IDs of events rise from the last one. One that nobody with the key of the log has written says nothing.
#[tokio::test]
async fn an_id_far_ahead_of_the_clock_that_somebody_put_there_is_not_followed() {
    let (_directory, place, _anchors) = begun().await;
    let data = &place.data;
    let mut connection = database::database(data).connect().unwrap();
    let far = format!(
        "UPDATE audit_events SET id = {} WHERE chain = 0 AND chain_sequence = 1",
        bytes(&"ff".repeat(16))
    );
    connection.batch_execute(&far).unwrap();
    let [yesterday, tomorrow]: [Id<Credential>; 2] = [-86_400, 86_400].map(|seconds| {
        let clock = Clock::system();
        clock.shift_seconds(seconds);
        IdSource::new(clock).next()
    });
    let server = Server::instance(data, Clock::system(), &[]).await.unwrap();
    let created = server.editor("alice").create("two").await;
    assert!(
        yesterday.to_string() < created && created < tomorrow.to_string(),
        "{created}"
    );
    server.end().await;
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    let odd = format!(
        "SELECT count(*) FROM audit_events WHERE id < {} OR id > {}",
        bytes(&yesterday.to_string().replace('-', "")),
        bytes(&tomorrow.to_string().replace('-', ""))
    );
    assert_eq!(number(&mut connection, &odd), 1);
}

/// With the rows of an older keyring, a master key that was dropped would open the values again. A start does not verify every event: that
/// there was a newer keyring is in the end of the chains, too.
#[tokio::test]
async fn an_older_keyring_is_refused_also_when_the_events_that_name_the_newer_one_were_changed() {
    const TABLES: [&str; 3] = ["keyring", "master_key_slots", "data_key_copies"];
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let (first, first_id) = new_key(directory.path(), "first.key");
    let (second, second_id) = new_key(directory.path(), "second.key");
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let with_first = ["--master-key-file", first];
    let server = Server::instance(&data, Clock::system(), &with_first)
        .await
        .unwrap();
    server.editor("alice").create("one").await;
    server.end().await;
    change_keys(&place, &["add-slot", second, "--master-key-file", first]);
    let mut connection = database::database(&data).connect().unwrap();
    for table in TABLES {
        connection
            .batch_execute(&format!(
                "CREATE TABLE older_{table} AS SELECT * FROM {table}"
            ))
            .unwrap();
    }
    let both = format!("{first},{second}");
    change_keys(&place, &["promote", &second_id, "--master-key-file", &both]);
    change_keys(
        &place,
        &["drop-slot", &first_id, "--master-key-file", second],
    );
    let put_back: String = TABLES
        .iter()
        .map(|table| {
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM older_{table};")
        })
        .collect();
    connection.batch_execute(KEEP).unwrap();
    connection.batch_execute(&put_back).unwrap();
    for attack in [
        "UPDATE audit_events SET reason = 'SLOT_ADDED generation 2' WHERE action = 'KEYRING_CHANGED'",
        "UPDATE audit_events SET action = 'CREDENTIAL_RESOLVED' WHERE action = 'KEYRING_CHANGED'",
        "DELETE FROM audit_events WHERE action = 'KEYRING_CHANGED' AND chain_sequence <
             (SELECT max(e.chain_sequence) FROM audit_events e WHERE e.chain = audit_events.chain);
         UPDATE audit_events SET reason = 'SLOT_ADDED generation 2' WHERE action = 'KEYRING_CHANGED'",
        // Also of a head, which is not authentic then.
        "UPDATE audit_events SET reason = 'SLOT_ADDED generation 2' WHERE action = 'KEYRING_CHANGED';
         UPDATE audit_chains SET generation = 0",
    ] {
        connection.batch_execute(attack).unwrap();
        let refused = refused_start(&place, &with_first);
        assert_eq!(refused.status.code(), Some(78), "{attack}: {}", stderr(&refused));
        connection.batch_execute(PUT_BACK).unwrap();
    }
    // An operator says that it is to be taken as it is.
    succeeds(&audit(
        &place,
        &["prune", "--damaged", "--master-key-file", first],
    ));
    verifies(&place, &["--master-key-file", first]);
    drop(place.serve(Stdio::null(), &with_first));
}

/// Cuts the last event of a chain off, and says that the chain ends before it.
fn cut(chain: i32) -> String {
    let last = format!(
        "COALESCE((SELECT max(chain_sequence) FROM audit_events WHERE chain = {chain}), 0)"
    );
    format!(
        "DELETE FROM audit_events WHERE chain = {chain} AND chain_sequence = {last};
         UPDATE audit_chains SET chain_sequence = {last}, tag = {},
             mac = COALESCE((SELECT mac FROM audit_events WHERE chain = {chain} AND chain_sequence = {last}), mac) WHERE chain = {chain}",
        zeros(32)
    )
}

#[tokio::test]
async fn a_command_does_not_go_on_with_a_chain_that_was_cut() {
    let (directory, place, _anchors) = begun().await;
    let data = &place.data;
    let (other, _id) = new_key(directory.path(), "other.key");
    let mut connection = database::database(data).connect().unwrap();
    let chain = command_chain();
    let gone = format!("DELETE FROM audit_chains WHERE chain = {chain}");
    for attack in [cut(chain), gone] {
        until_no_writer(&mut connection);
        connection.batch_execute(&attack).unwrap();
        let (events, generation) = (
            number(&mut connection, "SELECT count(*) FROM audit_events"),
            number(&mut connection, "SELECT generation FROM keyring"),
        );
        keys_refused(
            &place,
            &["add-slot", other.to_str().unwrap()],
            "audit verify",
        );
        assert_eq!(
            (
                number(&mut connection, "SELECT count(*) FROM audit_events"),
                number(&mut connection, "SELECT generation FROM keyring"),
            ),
            (events, generation)
        );
        does_not_verify(&place, &[]);
    }
}

/// The sessions of PostgreSQL that write a chain.
const WRITERS: &str = "FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = (hashtext('credence audit chain ' ||
    (SELECT relnamespace::text FROM pg_class WHERE oid = to_regclass('credentials')))::bigint & 4294967295)::oid";

/// Waits until no chain is taken: PostgreSQL ends a session a moment after its client has left.
fn until_no_writer(connection: &mut DatabaseConnection) {
    if database::is_postgres() {
        while number(connection, &format!("SELECT count(*) {WRITERS}")) > 0 {}
    }
}

/// Ends the sessions of PostgreSQL that write a chain, and waits until they have ended.
fn end_writers(connection: &mut DatabaseConnection) {
    let pids = lines(connection, &format!("SELECT pid::text AS line {WRITERS}"));
    assert!(!pids.is_empty());
    for pid in pids {
        let end = format!("SELECT pg_terminate_backend({pid})");
        connection.batch_execute(&end).unwrap();
        let is_there = format!("SELECT count(*) {WRITERS} AND pid = {pid}");
        while number(connection, &is_there) > 0 {}
    }
}

/// A server takes a chain up again when its connection was lost. What was cut off meanwhile stays to be seen.
#[tokio::test]
async fn a_server_does_not_go_on_with_a_chain_that_was_cut() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    server.end().await;
    let database = database::database(&data);
    let mut connection = database.connect().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    let (store, end) = Store::open(&database, &signer).unwrap();
    let ids = IdSource::new(Clock::system());
    let (credential, owner) = (ids.next(), ids.next());
    let write = || {
        let action = AuditAction::CredentialResolved;
        let entry = event(&ids, "2026-11-01T12:00:00Z", action, credential, owner);
        store.write_changes(move |_connection| {
            Ok::<_, StoreError>(Written {
                entries: vec![entry.clone()],
                ..Written::new(())
            })
        })
    };
    for _ in 0..6 {
        write().await.unwrap();
    }
    if database::is_postgres() {
        connection.batch_execute(&cut(0)).unwrap();
        end_writers(&mut connection);
    } else {
        // What waits for this transaction is given up, and its connection with it.
        connection.batch_execute("BEGIN IMMEDIATE").unwrap();
        assert_eq!(write().await, Err(StoreError::Unavailable));
        connection.batch_execute(&cut(0)).unwrap();
        connection.batch_execute("COMMIT").unwrap();
    }
    let count = "SELECT count(*) FROM audit_events WHERE chain = 0";
    let left = number(&mut connection, count);
    for _ in 0..6 {
        // SQLite's servers have this one chain. On PostgreSQL they go on in others.
        let expected = if database::is_postgres() {
            Ok(())
        } else {
            Err(StoreError::Unavailable)
        };
        assert_eq!(write().await, expected);
    }
    assert_eq!(number(&mut connection, count), left);
    let shown = findings(&mut connection, &signer);
    assert_eq!(shown, ["chain 0: its end was changed"]);
    does_not_start(&place);
    drop(store);
    tokio::task::spawn_blocking(|| end.finish()).await.unwrap();
}

#[tokio::test]
async fn no_anchor_holds_an_end_that_nobody_authenticated() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let anchors = directory.path().join("anchors");
    let arguments = ["--audit-anchor", anchors.to_str().unwrap()];
    let log = Log::begin();
    let server = Server::instance(&data, Clock::system(), &arguments)
        .await
        .unwrap();
    let alice = server.editor("alice");
    alice.create("one").await;
    let mut connection = database::database(&data).connect().unwrap();
    let made_up = format!(
        "INSERT INTO audit_chains (chain, chain_sequence, mac, tag) VALUES (77, 5, {}, {})",
        zeros(32),
        zeros(32)
    );
    connection.batch_execute(&made_up).unwrap();
    alice.create("two").await;
    drop(alice);
    server.end().await;
    assert_eq!(std::fs::read_to_string(&anchors).unwrap(), "");
    let told = log.take();
    assert!(
        told.contains("ERROR") && told.contains("audit verify"),
        "{told}"
    );
    let count = "SELECT count(*) FROM audit_events WHERE action = 'LOG_ANCHORED'";
    assert_eq!(number(&mut connection, count), 0);
}

#[tokio::test]
async fn a_damaged_log_is_not_let_go_on_while_a_server_writes_it() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    server.editor("alice").create("one").await;
    let mut connection = database::database(&data).connect().unwrap();
    let damage = "UPDATE audit_events SET times = 7";
    connection.batch_execute(damage).unwrap();
    let ends = "SELECT CAST(chain_sequence AS text) AS line FROM audit_chains ORDER BY chain";
    let before = lines(&mut connection, ends);
    let output = audit(&place, &["prune", "--damaged"]);
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert_eq!(lines(&mut connection, ends), before);
    server.end().await;
    succeeds(&audit(&place, &["prune", "--damaged"]));
    verifies(&place, &[]);
}

/// An event of a credential, of a time that may be earlier than that of its ID, as when the clock was set back.
fn event(
    ids: &IdSource,
    at: &str,
    action: AuditAction,
    credential_id: Id<Credential>,
    owner_id: Id<User>,
) -> AuditEntry {
    let actor = UserKey {
        issuer: "https://issuer.example.com".to_owned(),
        subject: "alice".to_owned(),
    };
    let at = Timestamp::parse_rfc3339(at).unwrap();
    AuditEntry::Event(Box::new(AuditEvent {
        credential_id: Some(credential_id),
        credential_name: Some("SERVICE_API_KEY".to_owned()),
        value_version: Some(1),
        owner_id: Some(owner_id),
        ..AuditEvent::new(ids.next(), at, action, actor)
    }))
}

fn append(
    connection: &mut DatabaseConnection,
    owner: ChainOwner,
    signer: &Signer,
    entry: AuditEntry,
) {
    connection
        .in_write_transaction(|connection| {
            let mut chain = Chain::open(connection, owner, signer)?;
            chain.append(connection, &[entry])?;
            chain.write_end(connection)
        })
        .unwrap();
}

/// The deletion of a credential is older than an event of it that stays, since the clock was set back.
#[tokio::test]
async fn a_log_that_was_pruned_after_the_clock_was_set_back_verifies() {
    let directory = TempDir::new().unwrap();
    let data: &Path = &directory.path().join("data");
    let place = database::place(data);
    let server = Server::instance(data, Clock::system(), &[]).await.unwrap();
    server.end().await;
    let database = database::database(data);
    let (mut first, mut second) = (database.connect().unwrap(), database.connect().unwrap());
    let signer = signer(&mut first, &data.join("master.key"));
    let ids = IdSource::new(Clock::system());
    let (noon, back, later) = (
        "2026-11-01T12:00:00Z",
        "2026-11-01T10:05:00Z",
        "2026-11-01T10:10:00Z",
    );
    let (credential, gone, owner) = (ids.next(), ids.next(), ids.next());
    let created = AuditAction::CredentialCreated;
    let deleted = AuditAction::CredentialDeleted;
    let of = |at: &str, action, id| event(&ids, at, action, id, owner);
    append(
        &mut second,
        ChainOwner::Command,
        &signer,
        of(noon, deleted, gone),
    );
    append(
        &mut second,
        ChainOwner::Command,
        &signer,
        of(back, created, credential),
    );
    append(
        &mut first,
        ChainOwner::Server,
        &signer,
        of(later, deleted, credential),
    );
    assert_eq!(findings(&mut first, &signer), Vec::<String>::new());
    count_all(&mut first);
    succeeds(&audit(
        &place,
        &["prune", "--before", "2026-11-01T11:00:00Z"],
    ));
    let left = "SELECT count(*) FROM audit_events WHERE action = 'CREDENTIAL_DELETED' AND occurred_at_us < 1793530800000000";
    assert_eq!(number(&mut first, left), 0);
    assert_eq!(findings(&mut first, &signer), Vec::<String>::new());
    // And so it stays when all of that is pruned, too.
    prune_all(&place, &mut first);
    assert_eq!(findings(&mut first, &signer), Vec::<String>::new());
    let left = "SELECT count(*) FROM audit_events WHERE credential_id IS NOT NULL";
    assert_eq!(number(&mut first, left), 0);
}

/// As the log was before the ends of its chains said which keyring there is.
#[tokio::test]
async fn a_log_of_an_earlier_version_goes_on_and_verifies() {
    let (_directory, place, _anchors) = begun().await;
    let data = &place.data;
    let mut connection = database::database(data).connect().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    for head in list_heads(&mut connection, &signer).unwrap() {
        assert!(head.is_authentic && head.generation > 0, "{head:?}");
        write_head(&mut connection, &signer, &head.point, 0).unwrap();
    }
    let before = include_str!("../../migrations/sqlite/20261127000001_audit_generation/down.sql");
    connection.batch_execute(before).unwrap();
    connection
        .batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261127000001'")
        .unwrap();
    drop(connection);
    let server = Server::instance(data, Clock::system(), &[]).await.unwrap();
    let mut connection = database::database(data).connect().unwrap();
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    server.editor("alice").create("two").await;
    server.end().await;
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    let generations = "SELECT max(generation) FROM audit_chains";
    assert_eq!(
        number(&mut connection, generations),
        number(&mut connection, "SELECT generation FROM keyring")
    );
    // An instance of that version, beside one of this, writes an end and leaves the generation that stands there.
    for head in list_heads(&mut connection, &signer).unwrap() {
        write_head(&mut connection, &signer, &head.point, 0).unwrap();
    }
    let left = "UPDATE audit_chains SET generation = 3";
    connection.batch_execute(left).unwrap();
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    let server = Server::instance(data, Clock::system(), &[]).await.unwrap();
    server.editor("alice").create("three").await;
    server.end().await;
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
}
