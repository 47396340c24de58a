//! The audit log proves itself: every change, cut and reordering of it is found, and so is a credential that is not as it says.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use credence::store::audit_chain::{Chain, ChainOwner};
use credence::store::audit_point::{advance_checkpoint, list_checkpoints};
use credence::store::connection::DatabaseConnection;
use credence::types::audit::{AuditAction, AuditEntry, AuditEvent, ChainPoint, Signer};
use credence::types::clock::{Clock, Timestamp};
use credence::types::id::IdSource;
use credence::types::user::UserKey;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::audit::{
    Numbers, audit, count_all, does_not_verify, findings, signer, verifies,
};
use crate::support::client::{CREATE, RESOLVE, ask};
use crate::support::database::{part_of, takes_whole_volumes};
use crate::support::keys::change_keys;
use crate::support::process::{Place, stderr, stdout};
use crate::support::store::lines;
use crate::support::{Server, database, secret, tell};

#[track_caller]
pub fn does_not_start(place: &Place) {
    let output = refused_start(place, &[]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("audit verify"), "{told}");
}

/// A server that does not start.
#[track_caller]
pub fn refused_start(place: &Place, arguments: &[&str]) -> Output {
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let mut command = place.command(&[&serve, arguments].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut greeting = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut greeting).unwrap();
    if !greeting.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(greeting, "", "it started");
    output
}

/// A data directory with a used log, whose server has ended: credentials that were created, renamed, rotated, resolved and deleted.
async fn used(data: &Path, credentials: usize) -> Vec<String> {
    let server = Server::instance(data, Clock::system(), &[]).await.unwrap();
    let (alice, ada) = (server.editor("alice"), server.admin("ada"));
    let claims = json!({ "scope": "credentials:resolve", "client_id": "flows", "jti": "abc" });
    let token = server.token_with(claims);
    let runtime = server.bearer(&token);
    let heir = server.viewer("heir").id().await;
    let mut ids = Vec::new();
    for number in 0..credentials {
        let id = alice.create(&format!("credential {number}")).await;
        let rotate = json!({ "credentialId": id, "value": secret("second") });
        alice.mutate("updateCredential", rotate).await.data();
        runtime.resolve(&id).await.data();
        if number % 3 == 0 {
            let rename = json!({ "credentialId": id, "name": format!("renamed {number}") });
            alice.mutate("updateCredential", rename).await.data();
        }
        if number % 5 == 1 {
            let transfer = json!({ "credentialId": id, "newOwnerId": heir });
            ada.mutate("transferCredential", transfer).await.data();
        }
        if number % 7 == 6 {
            ada.mutate("deleteCredential", json!({ "credentialId": id }))
                .await
                .data();
        }
        ids.push(id);
    }
    server.end().await;
    ids
}

/// How a log is tampered with, by somebody who can write the database. Each is done to one or two events that are drawn by lot.
fn tamper(numbers: &mut Numbers, places: &[(i64, i64)], way: usize) -> String {
    let draw = |numbers: &mut Numbers| places[numbers.below(places.len())];
    let (chain, first) = draw(numbers);
    let of_chain: Vec<i64> = places
        .iter()
        .filter(|(of, _)| *of == chain)
        .map(|(_, sequence)| *sequence)
        .collect();
    let last = *of_chain.last().unwrap();
    let other = loop {
        let drawn = of_chain[numbers.below(of_chain.len())];
        if drawn != first || of_chain.len() == 1 {
            break drawn;
        }
    };
    let at = |sequence: i64| format!("chain = {chain} AND chain_sequence = {sequence}");
    let set = |what: &str| format!("UPDATE audit_events SET {what} WHERE {}", at(first));
    let zeros = |count: usize| database::bytes(&"00".repeat(count));
    let added = |place: &str| {
        format!(
            "INSERT INTO audit_events SELECT {}, occurred_at_us, action, actor_issuer, actor_subject, credential_id, credential_name,
                 value_version, user_id, user_subject, consumer_kind, consumer_external_id, consumer_name, request_id, owner_id, reason,
                 times, heads, chain, {place}, mac, actor_client, token_id_hash, peer FROM audit_events WHERE {}",
            database::bytes(&"ee".repeat(16)),
            at(first)
        )
    };
    match way {
        0 => set("occurred_at_us = occurred_at_us + 1"),
        1 => set("action = CASE action WHEN 'CREDENTIAL_RESOLVED' THEN 'CREDENTIAL_CREATED' ELSE 'CREDENTIAL_RESOLVED' END"),
        2 => set("actor_subject = actor_subject || 'x'"),
        3 => set("actor_issuer = 'somebody else'"),
        4 => set(&format!("credential_id = {}", zeros(16))),
        5 => set("credential_name = 'another name'"),
        6 => set("value_version = 77"),
        7 => set("consumer_external_id = 'another consumer'"),
        8 => set("consumer_name = 'another name'"),
        9 => set("request_id = 'another request'"),
        10 => set(&format!("owner_id = {}", zeros(16))),
        11 => set("reason = 'for no reason'"),
        12 => set("times = times + 1"),
        13 => set(&format!("user_id = {}", zeros(16))),
        14 => set(&format!("mac = {}", zeros(32))),
        15 => set(&format!("heads = {}", zeros(44))),
        // One event, a piece out of the middle, the beginning, and the end.
        16 => format!("DELETE FROM audit_events WHERE {}", at(first)),
        17 => format!(
            "DELETE FROM audit_events WHERE chain = {chain} AND chain_sequence BETWEEN {} AND {}",
            first.min(other),
            first.max(other)
        ),
        18 => format!("DELETE FROM audit_events WHERE chain = {chain} AND chain_sequence <= {first}"),
        19 => format!("DELETE FROM audit_events WHERE chain = {chain} AND chain_sequence >= {first}"),
        // Cut off, with the end of the chain moved to where it is cut.
        20 => format!(
            "DELETE FROM audit_events WHERE chain = {chain} AND chain_sequence >= {first};
             UPDATE audit_chains SET chain_sequence = {}, mac = COALESCE((SELECT mac FROM audit_events WHERE {}), mac) WHERE chain = {chain}",
            first - 1,
            at(first - 1)
        ),
        // Cut out, and the numbers closed up.
        21 => format!(
            "DELETE FROM audit_events WHERE {};
             UPDATE audit_events SET chain_sequence = -chain_sequence WHERE chain = {chain} AND chain_sequence > {first};
             UPDATE audit_events SET chain_sequence = -chain_sequence - 1 WHERE chain = {chain} AND chain_sequence < 0",
            at(first)
        ),
        // Two events change their places, with and without what authenticates them.
        22 if first != other => format!(
            "UPDATE audit_events SET chain_sequence = -1 WHERE {};
             UPDATE audit_events SET chain_sequence = {first} WHERE {};
             UPDATE audit_events SET chain_sequence = {other} WHERE chain = {chain} AND chain_sequence = -1",
            at(first),
            at(other)
        ),
        23 if first != other => format!(
            "UPDATE audit_events SET mac = (SELECT e.mac FROM audit_events e WHERE e.chain = {chain} AND e.chain_sequence = {other})
             WHERE {}",
            at(first)
        ),
        // Another event behind the last one.
        24 => format!(
            "UPDATE audit_chains SET chain_sequence = chain_sequence + 1 WHERE chain = {chain}; {}",
            added(&(last + 1).to_string())
        ),
        25 => format!("DELETE FROM audit_chains WHERE chain = {chain}"),
        26 => format!("UPDATE audit_chains SET tag = {} WHERE chain = {chain}", zeros(32)),
        27 => format!("UPDATE audit_chains SET chain_sequence = chain_sequence - 1 WHERE chain = {chain}"),
        28 => set("chain = chain + 1000"),
        // A whole chain, with and without a checkpoint that would say that it was pruned.
        29 => format!(
            "DELETE FROM audit_events WHERE chain = {chain};
             DELETE FROM audit_chains WHERE chain = {chain};
             DELETE FROM audit_checkpoints WHERE chain = {chain}"
        ),
        30 => format!(
            "DELETE FROM audit_events WHERE chain = {chain};
             DELETE FROM audit_chains WHERE chain = {chain};
             DELETE FROM audit_checkpoints WHERE chain = {chain};
             INSERT INTO audit_checkpoints VALUES ({chain}, 9223372036854775807, {}, {})",
            zeros(32),
            zeros(32)
        ),
        // Another event before the first one.
        31 => added("0"),
        32 => added("-7"),
        33 => added(&format!(
            "COALESCE((SELECT chain_sequence FROM audit_checkpoints WHERE chain = {chain}), 0)"
        )),
        34 => set("actor_client = 'another program'"),
        35 => set(&format!("token_id_hash = {}", zeros(32))),
        36 => set("peer = '192.0.2.66'"),
        37 => set(
            "actor_client = NULL, token_id_hash = NULL, peer = CASE WHEN peer IS NULL THEN '192.0.2.66' END",
        ),
        // What one column says is said by another. Where there is nothing to move, another program is named.
        38 => set(
            "peer = actor_client, actor_client = CASE WHEN actor_client IS NULL AND peer IS NULL THEN 'another program' ELSE peer END",
        ),
        // A chain of which nothing was pruned has none.
        CHECKPOINT_WAY => {
            "UPDATE audit_checkpoints SET chain_sequence = chain_sequence + 1 WHERE chain = (SELECT min(chain) FROM audit_checkpoints)".to_owned()
        }
        _ => set(&format!("id = {}", database::bytes(&"dd".repeat(16)))),
    }
}

const WAYS: usize = 41;
/// The way that changes a checkpoint.
const CHECKPOINT_WAY: usize = 39;

/// What is tampered with, and where it is put back from.
pub const KEEP: &str = "
    CREATE TABLE kept_events AS SELECT * FROM audit_events;
    CREATE TABLE kept_chains AS SELECT * FROM audit_chains;
    CREATE TABLE kept_checkpoints AS SELECT * FROM audit_checkpoints;";
pub const PUT_BACK: &str = "
    DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept_events;
    DELETE FROM audit_chains; INSERT INTO audit_chains SELECT * FROM kept_chains;
    DELETE FROM audit_checkpoints; INSERT INTO audit_checkpoints SELECT * FROM kept_checkpoints;";
/// Ends that, so that it can begin anew.
pub const FORGET: &str =
    "DROP TABLE kept_events; DROP TABLE kept_chains; DROP TABLE kept_checkpoints;";

#[tokio::test]
async fn a_thousand_edits_cuts_and_reorderings_are_found_and_an_untouched_log_verifies() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let ids = used(&data, 15).await;
    // A command has a chain to itself.
    change_keys(&place, &["rotate", "--activate-after", "0s"]);
    verifies(&place, &[]);
    let mut connection = database::database(&data).connect().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    if !database::is_postgres() {
        connection
            .batch_execute("PRAGMA synchronous = OFF")
            .unwrap();
    }
    let rounds = if database::is_postgres() {
        part_of(1_000, 170)
    } else {
        1_000
    };
    let mut numbers = Numbers(1);
    tamper_in_rounds(&mut connection, &signer, &mut numbers, rounds, 51);
    // What is left of it, and what comes then, is no less protected when the log is pruned.
    count_all(&mut connection);
    let output = audit(&place, &["prune", "--before", "2099-01-01"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    for id in &ids[..5] {
        server.runtime().resolve(id).await.data();
    }
    server.end().await;
    tamper_in_rounds(&mut connection, &signer, &mut numbers, rounds / 4, 21);
    tell(&format!(
        "all of {rounds} found, and of {} when the log was pruned",
        rounds / 4
    ));
}

/// Tampers with a log of so many events at least, in one way after the other: each is found.
fn tamper_in_rounds(
    connection: &mut DatabaseConnection,
    signer: &Signer,
    numbers: &mut Numbers,
    rounds: usize,
    least: usize,
) {
    connection.batch_execute(KEEP).unwrap();
    let places: Vec<(i64, i64)> = lines(
        connection,
        "SELECT CAST(chain AS text) || ' ' || CAST(chain_sequence AS text) AS line FROM audit_events ORDER BY chain, chain_sequence",
    )
    .iter()
    .map(|line| {
        let (chain, sequence) = line.split_once(' ').unwrap();
        (chain.parse().unwrap(), sequence.parse().unwrap())
    })
    .collect();
    assert!(places.len() >= least, "{}", places.len());
    // Where the log was not pruned, there is no checkpoint to change.
    let is_pruned = lines(connection, CHECKPOINTS) != ["0"];
    let ways = (0..WAYS).filter(|way| is_pruned || *way != CHECKPOINT_WAY);
    assert!(rounds >= ways.clone().count(), "not every way is tried");
    for way in ways.cycle().take(rounds) {
        let tampering = tamper(numbers, &places, way);
        connection.batch_execute(&tampering).unwrap();
        assert_ne!(
            findings(connection, signer),
            Vec::<String>::new(),
            "{tampering}"
        );
        connection.batch_execute(PUT_BACK).unwrap();
    }
    assert_eq!(findings(connection, signer), Vec::<String>::new());
    connection.batch_execute(FORGET).unwrap();
}

const CHECKPOINTS: &str = "SELECT CAST(count(*) AS text) AS line FROM audit_checkpoints";

#[tokio::test]
async fn a_hundred_old_rows_that_are_put_back_are_found_also_when_the_log_was_pruned() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(alice.create(&format!("credential {number}")).await);
    }
    for (number, id) in ids.iter().enumerate() {
        // A new value, another name, or both, or gone.
        let input = match number % 3 {
            0 => json!({ "credentialId": id, "value": secret("newer") }),
            1 => json!({ "credentialId": id, "name": format!("newer {number}") }),
            _ => {
                json!({ "credentialId": id, "name": format!("newer {number}"), "value": secret("newer") })
            }
        };
        alice.mutate("updateCredential", input).await.data();
    }
    let deleted = alice.create("deleted").await;
    let mut connection = database::database(&data).connect().unwrap();
    connection
        .batch_execute("CREATE TABLE newest AS SELECT * FROM credentials")
        .unwrap();
    alice
        .mutate("deleteCredential", json!({ "credentialId": deleted }))
        .await
        .data();
    // As it was one step before, for each of the hundred: rotated once more, and then put back.
    for id in &ids {
        let rotate = json!({ "credentialId": id, "value": secret("newest") });
        alice.mutate("updateCredential", rotate).await.data();
    }
    verifies(&place, &[]);
    let put_back = |id: &str| {
        let id = database::bytes(&id.replace('-', ""));
        format!(
            "UPDATE credentials SET value_version = (SELECT n.value_version FROM newest n WHERE n.id = {id}),
                 sealed_value = (SELECT n.sealed_value FROM newest n WHERE n.id = {id}),
                 data_key_id = (SELECT n.data_key_id FROM newest n WHERE n.id = {id}) WHERE id = {id}"
        )
    };
    connection
        .batch_execute("CREATE TABLE right_ones AS SELECT * FROM credentials")
        .unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    for pruned in [false, true] {
        if pruned {
            server.clock.shift_seconds(1);
            let output = audit(&place, &["prune", "--before", "2099-01-01"]);
            assert!(output.status.success(), "{}", stderr(&output));
            verifies(&place, &[]);
        }
        for id in &ids {
            connection.batch_execute(&put_back(id)).unwrap();
            // It opens: only the log tells that it is an old one.
            let resolved = runtime.resolve(id).await;
            assert!(resolved.field()["value"].is_string(), "{}", resolved.body);
            let found = findings(&mut connection, &signer);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].contains(id.as_str()) && found[0].contains("version"),
                "{found:?}"
            );
            let right = format!(
                "UPDATE credentials SET value_version = (SELECT r.value_version FROM right_ones r WHERE r.id = credentials.id),
                     sealed_value = (SELECT r.sealed_value FROM right_ones r WHERE r.id = credentials.id) WHERE id = {}",
                database::bytes(&id.replace('-', ""))
            );
            connection.batch_execute(&right).unwrap();
        }
        let id = database::bytes(&deleted.replace('-', ""));
        let back = format!("INSERT INTO credentials SELECT * FROM newest WHERE id = {id}");
        connection.batch_execute(&back).unwrap();
        let found = findings(&mut connection, &signer);
        assert_eq!(found.len(), 1, "{found:?}");
        // Where that event was pruned, nothing says any more that it ever was. The last one of a chain is not pruned.
        let is_told =
            found[0].contains("was deleted") || (pruned && found[0].contains("says nothing of it"));
        assert!(is_told && found[0].contains(&deleted), "{found:?}");
        connection
            .batch_execute(&format!("DELETE FROM credentials WHERE id = {id}"))
            .unwrap();
        let lost = database::bytes(&ids[0].replace('-', ""));
        connection
            .batch_execute(&format!("DELETE FROM credentials WHERE id = {lost}"))
            .unwrap();
        let found = findings(&mut connection, &signer);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("is not there"), "{found:?}");
        let back = format!("INSERT INTO credentials SELECT * FROM right_ones WHERE id = {lost}");
        connection.batch_execute(&back).unwrap();
        assert_eq!(findings(&mut connection, &signer), Vec::<String>::new());
    }
    drop(connection);
}

#[tokio::test]
async fn a_log_that_was_put_back_as_a_whole_is_found_by_the_second_place() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let anchors = directory.path().join("anchors");
    let anchor = anchors.to_str().unwrap();
    let arguments = ["--audit-anchor", anchor];
    let server = Server::instance(&data, Clock::system(), &arguments)
        .await
        .unwrap();
    server.editor("alice").create("first").await;
    server.end().await;
    let mut connection = database::database(&data).connect().unwrap();
    connection
        .batch_execute(&format!(
            "{KEEP} CREATE TABLE kept_credentials AS SELECT * FROM credentials"
        ))
        .unwrap();
    let server = Server::instance(&data, Clock::system(), &arguments)
        .await
        .unwrap();
    server.editor("alice").create("second").await;
    server.end().await;
    assert_eq!(
        std::fs::read_to_string(&anchors).unwrap().lines().count(),
        2
    );
    verifies(&place, &["--anchor", anchor]);
    connection
        .batch_execute(&format!(
            "{PUT_BACK} DELETE FROM credentials WHERE name = 'second'"
        ))
        .unwrap();
    // Nothing in the database tells it.
    verifies(&place, &[]);
    let told = does_not_verify(&place, &["--anchor", anchor]);
    assert!(told.contains("an anchor names it"), "{told}");
    // The second place tells also what was done to itself, but for lines that are missing.
    let lines = std::fs::read_to_string(&anchors).unwrap();
    let (first, _) = lines.split_once('\n').unwrap();
    // Its fourth word begins with the number of a chain, whichever the server had.
    let mut words: Vec<String> = first.split(' ').map(str::to_owned).collect();
    words[3].insert(0, '7');
    let changed = words.join(" ");
    for content in [changed, first[..first.len() - 1].to_owned()] {
        std::fs::write(&anchors, content).unwrap();
        let told = does_not_verify(&place, &["--anchor", anchor]);
        assert!(told.contains("line 1 of the anchors"), "{told}");
    }
    std::fs::write(&anchors, first).unwrap();
    verifies(&place, &["--anchor", anchor]);
    std::fs::write(&anchors, "nothing of that kind\n").unwrap();
    let output = audit(&place, &["verify", "--anchor", anchor]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
}

#[tokio::test]
async fn without_a_file_the_anchors_are_in_the_servers_log_in_either_format() {
    for format in ["human", "json"] {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        let place = database::place(&data);
        let log = directory.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut server = place.serve(Stdio::from(file), &["--log-format", format]);
        let admin = place.token("ada", "admin");
        let variables = json!({ "name": "n", "value": secret("n") });
        ask(&server, &admin, CREATE, variables).await;
        server.signal("TERM");
        assert!(server.child.wait().unwrap().success());
        let log = log.to_str().unwrap();
        let output = audit(&place, &["verify", "--json", "--anchor", log]);
        assert!(output.status.success(), "{}", stderr(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["anchoredPoints"].as_i64().unwrap() >= 1, "{report}");
    }
}

#[tokio::test]
async fn a_server_does_not_start_on_a_log_that_was_cut_until_an_operator_lets_it_go_on() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let ids = used(&data, 4).await;
    let mut connection = database::database(&data).connect().unwrap();
    let cut = "DELETE FROM audit_events WHERE action = 'CREDENTIAL_TRANSFERRED' OR id = (SELECT id FROM audit_events ORDER BY id DESC LIMIT 1)";
    connection.batch_execute(cut).unwrap();
    does_not_start(&place);
    does_not_verify(&place, &[]);
    let refused = audit(&place, &["prune", "--before", "2099-01-01"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    let output = audit(&place, &["prune", "--damaged"]);
    assert!(output.status.success(), "{}", stderr(&output));
    verifies(&place, &[]);
    let server = place.serve(Stdio::null(), &[]);
    let runtime = place.token("runtime", "runtime");
    ask(&server, &runtime, RESOLVE, json!({ "id": ids[0] })).await;
    drop(server);
    verifies(&place, &[]);
}

/// Whatever is taken away of the log, its ends and its checkpoints: a server does not start, and `prune --damaged` lets it go on.
#[tokio::test]
async fn a_server_does_not_start_on_a_log_whose_ends_are_missing_or_that_is_missing_as_a_whole() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let id = used(&data, 1).await.remove(0);
    let mut connection = database::database(&data).connect().unwrap();
    let short = database::bytes("11");
    for damage in [
        "DELETE FROM audit_chains".to_owned(),
        "DELETE FROM audit_events".to_owned(),
        "DELETE FROM audit_events; DELETE FROM audit_chains; DELETE FROM audit_checkpoints".to_owned(),
        // What authenticates the last event of each chain has one byte: it is no end that a chain can go on from.
        format!(
            "UPDATE audit_events SET mac = {short} WHERE chain_sequence =
                 (SELECT max(e.chain_sequence) FROM audit_events e WHERE e.chain = audit_events.chain)"
        ),
    ] {
        connection.batch_execute(&damage).unwrap();
        does_not_start(&place);
        does_not_verify(&place, &[]);
        let output = audit(&place, &["prune", "--damaged"]);
        assert!(output.status.success(), "{damage}: {}", stderr(&output));
        verifies(&place, &[]);
        let server = place.serve(Stdio::null(), &[]);
        let runtime = place.token("runtime", "runtime");
        ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        drop(server);
        verifies(&place, &[]);
    }
}

/// Of two that prune at once, the one that is behind does not take back what the other one has noted.
#[tokio::test]
async fn a_checkpoint_only_moves_forward() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    used(&data, 1).await;
    let mut connection = database::database(&data).connect().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    for (sequence, noted) in [(5, 5), (3, 5), (5, 5), (8, 8)] {
        let point = ChainPoint {
            chain: 0,
            sequence,
            mac: [u8::try_from(sequence).unwrap(); 32],
        };
        advance_checkpoint(&mut connection, &signer, &point).unwrap();
        let found = list_checkpoints(&mut connection, &signer).unwrap();
        let found: Vec<(i64, u8, bool)> = found
            .iter()
            .map(|stored| {
                (
                    stored.point.sequence,
                    stored.point.mac[0],
                    stored.is_authentic,
                )
            })
            .collect();
        assert_eq!(found, [(noted, u8::try_from(noted).unwrap(), true)]);
    }
}

/// The log is not looked at while a server may still write it.
#[tokio::test]
async fn pruning_a_damaged_log_takes_the_servers_place_before_it_looks() {
    if database::is_postgres() {
        tell("a data directory has a lock on SQLite alone: nothing is tested here over PostgreSQL");
        return;
    }
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let damage = "UPDATE keyring SET format = 2";
    let mut connection = database::database(&data).connect().unwrap();
    connection.batch_execute(damage).unwrap();
    let output = audit(&place, &["prune", "--damaged"]);
    let told = stderr(&output);
    assert!(
        told.contains("another server has the data directory"),
        "{told}"
    );
    server.end().await;
}

#[tokio::test]
async fn an_export_makes_no_database_where_there_is_none() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let output = audit(&database::place(&data), &["export"]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("no keyring"),
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}

#[tokio::test]
async fn an_export_has_every_event_as_a_line_of_json() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    used(&data, 5).await;
    let export = |words: &[&str]| -> Vec<Value> {
        let output = audit(&place, &[&["export"], words].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = export(&[]);
    let count = "SELECT CAST(count(*) AS text) AS line FROM audit_events";
    let mut connection = database::database(&data).connect().unwrap();
    assert_eq!(all.len().to_string(), lines(&mut connection, count)[0]);
    let actions: Vec<&str> = all
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions[..4],
        [
            "CREDENTIAL_CREATED",
            "CREDENTIAL_ROTATED",
            "CREDENTIAL_RESOLVED",
            "CREDENTIAL_RENAMED"
        ]
    );
    assert_eq!(actions[actions.len() - 1], "LOG_ANCHORED");
    assert_eq!(all[0]["credentialName"], "credential 0");
    let resolved = &all[2];
    assert_eq!(resolved["actorClientId"], "flows");
    // The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(resolved["tokenIdHash"], abc);
    assert!(resolved["peerAddress"].is_string(), "{resolved}");
    assert_eq!(export(&["--until", "2020-01-01"]).len(), 0);
    assert_eq!(
        export(&["--since", "2020-01-01T00:00:00Z"]).len(),
        all.len()
    );
    let odd = audit(&place, &["export", "--since", "yesterday"]);
    assert_eq!(odd.status.code(), Some(64));
}

#[tokio::test]
async fn refusals_are_recorded_and_a_flood_of_them_is_counted() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (viewer, alice, runtime) = (
        server.viewer("eve"),
        server.editor("alice"),
        server.runtime(),
    );
    let id = alice.create("alice's").await;
    for _ in 0..7 {
        let input = json!({ "name": "n", "value": secret("n") });
        assert_eq!(
            viewer.mutate("createCredential", input).await.codes(),
            ["FORBIDDEN"]
        );
    }
    let bob = server.editor("bob");
    let rename = json!({ "credentialId": id, "name": "bob's" });
    assert_eq!(
        bob.mutate("updateCredential", rename).await.codes(),
        ["FORBIDDEN"]
    );
    for _ in 0..300 {
        assert_eq!(viewer.resolve(&id).await.codes(), ["FORBIDDEN"]);
    }
    for _ in 0..9 {
        server.bearer("no token").ask("{ viewer { id } }").await;
    }
    drop((viewer, alice, bob, runtime));
    server.end().await;
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let query = "{ auditEvents(first: 100, filter: {actions: [ACCESS_REFUSED, CREDENTIAL_RESOLVE_REFUSED]}) {
        nodes { action actorSubject reason times credentialId } } }";
    let answer = server.admin("ada").ask(query).await;
    let nodes = answer.field()["nodes"].as_array().unwrap();
    let counted: Vec<&Value> = nodes
        .iter()
        .filter(|node| node["credentialId"] == Value::Null)
        .collect();
    let has = |action: &str, subject: &str, reason: &str, times: i64| {
        let wanted = json!({ "action": action, "actorSubject": subject, "reason": reason, "times": times, "credentialId": null });
        assert!(counted.contains(&&wanted), "{wanted}: {counted:?}");
    };
    has("ACCESS_REFUSED", "eve", "NEEDS_SCOPE", 7);
    has("ACCESS_REFUSED", "bob", "NOT_OWNER", 1);
    has("ACCESS_REFUSED", "", "malformed", 9);
    // Twenty with what was asked for, and the rest in one.
    has("CREDENTIAL_RESOLVE_REFUSED", "eve", "NEEDS_SCOPE", 280);
    assert_eq!(counted.len(), 4);
    assert_eq!(nodes.len(), 24);
    server.end().await;
    verifies(&database::place(&data), &[]);
}

/// On PostgreSQL each connection that writes has a chain to itself; on SQLite there is one for the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_connection_that_writes_has_a_chain_and_takes_up_one_that_another_has_left() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    for _ in 0..3 {
        let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
        let alice = server.editor("alice");
        alice.id().await;
        let created = (0..40).map(|_| async {
            let name = uuid_like(&server);
            alice.create(&name).await
        });
        futures_util::future::join_all(created).await;
        server.end().await;
        verifies(&place, &[]);
    }
    let mut connection = database::database(&data).connect().unwrap();
    let query = "SELECT CAST(count(DISTINCT chain) AS text) AS line FROM audit_events";
    let chains: usize = lines(&mut connection, query)[0].parse().unwrap();
    let most = if database::is_postgres() { 4 } else { 1 };
    assert!((1..=most).contains(&chains), "{chains}");
    assert!(chains > 1 || !database::is_postgres());
}

fn uuid_like(server: &Server) -> String {
    let ids = IdSource::new(server.clock.clone());
    ids.next::<()>().to_string()
}

/// A log of so many events, written as a server writes them.
pub fn write_events(connection: &mut DatabaseConnection, signer: &Signer, count: usize) {
    let ids = IdSource::new(Clock::system());
    connection
        .in_write_transaction(|connection| {
            let mut chain = Chain::open(connection, ChainOwner::Command, signer)?;
            let mut left = count;
            while left > 0 {
                let size = left.min(1_000);
                let entries: Vec<AuditEntry> = (0..size)
                    .map(|_| {
                        let actor = UserKey {
                            issuer: "https://issuer.example.com".to_owned(),
                            subject: "the runtime of the platform".to_owned(),
                        };
                        let action = AuditAction::CredentialResolved;
                        AuditEntry::Event(Box::new(AuditEvent {
                            credential_id: Some(ids.next()),
                            credential_name: Some("SERVICE_API_KEY".to_owned()),
                            value_version: Some(3),
                            request_id: "01a21913-6244-7e51-b34c-302eb61da3b8".to_owned(),
                            owner_id: Some(ids.next()),
                            ..AuditEvent::new(ids.next(), Timestamp(0), action, actor)
                        }))
                    })
                    .collect();
                chain.append(connection, &entries)?;
                left -= size;
            }
            chain.write_end(connection)
        })
        .unwrap();
}

#[tokio::test]
async fn a_million_events_are_verified_in_less_than_ten_seconds() {
    let events = part_of(1_000_000, 20_000);
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    used(&data, 1).await;
    let mut connection = database::database(&data).connect().unwrap();
    connection.be_patient().unwrap();
    let signer = signer(&mut connection, &data.join("master.key"));
    write_events(&mut connection, &signer, events);
    let began_at = Instant::now();
    let told = verifies(&place, &[]);
    let took = began_at.elapsed();
    tell(&format!("{events} events verified in {took:.2?}: {told}"));
    // Where other tests run beside this one, or the build is not optimised, the figure says nothing.
    let counts = takes_whole_volumes() && !cfg!(debug_assertions);
    assert!(!counts || took < Duration::from_secs(10), "{took:?}");
    // The last but one, changed.
    let change = format!(
        "UPDATE audit_events SET times = 2 WHERE chain_sequence = {}",
        events - 1
    );
    connection.batch_execute(&change).unwrap();
    let told = does_not_verify(&place, &[]);
    assert!(
        told.contains(&format!("event {}: it was changed", events - 1)),
        "{told}"
    );
}
