//! Many instances over one database.

use std::time::{Duration, Instant};

use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::cluster::Cluster;
use crate::support::process::{Place, stderr};
use crate::support::stream::EventStream;
use crate::support::{Answer, Server, database, secret};

const FOLLOW: &str = "subscription { credentialChanged { action credentialId valueVersion credential { name owner { subject } } } }";

/// Instances on one database, and the directory of their keys.
async fn instances(count: usize) -> (TempDir, Vec<Server>) {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut instances = Vec::new();
    for _ in 0..count {
        let instance = Server::instance(&data, Clock::system(), &[]).await;
        instances.push(instance.unwrap());
    }
    (directory, instances)
}

/// An instance over a database server that no other test uses.
struct Alone {
    server: Server,
    url: String,
    directory: TempDir,
    cluster: Cluster,
}

impl Alone {
    async fn start(settings: &[&str]) -> Self {
        let cluster = Cluster::start(settings).unwrap();
        let directory = TempDir::new().unwrap();
        let (url, data) = (cluster.url(), directory.path().join("data"));
        let arguments = ["--database-url", url.as_str()];
        let server = Server::instance(&data, Clock::system(), &arguments).await;
        Self {
            server: server.unwrap(),
            url,
            directory,
            cluster,
        }
    }

    fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url).unwrap()
    }

    /// A connection to another database of the server, where the first one takes none.
    fn connect_beside(&self) -> PgConnection {
        PgConnection::establish(&self.cluster.url_of("postgres", "template1")).unwrap()
    }

    fn allow_connections(&self, are_allowed: bool) {
        let allow = format!("ALTER DATABASE postgres ALLOW_CONNECTIONS {are_allowed}");
        self.connect_beside().batch_execute(&allow).unwrap();
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

/// A number that the database tells.
fn number(server: &Server, query: &str) -> i64 {
    let url = database::url(&server.data_directory()).unwrap();
    let mut connection = PgConnection::establish(&url).unwrap();
    let row: Number = diesel::sql_query(query)
        .get_result(&mut connection)
        .unwrap();
    row.number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_instances_that_start_at_once_on_an_empty_database_make_one_schema_and_one_keyring() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    // The keys of local mode are files: they are there before, as an operator's would be.
    Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let url = database::url(&data).unwrap();
    let schema = "DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE; CREATE SCHEMA %I', current_schema(), current_schema()); END $$";
    PgConnection::establish(&url)
        .unwrap()
        .batch_execute(schema)
        .unwrap();
    let starting = (0..10).map(|_| {
        let data = data.clone();
        tokio::spawn(async move { Server::instance(&data, Clock::system(), &[]).await.unwrap() })
    });
    let servers: Vec<Server> = join_all(starting)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        number(&servers[0], "SELECT count(*) AS number FROM keyring"),
        1
    );
    // What one seals, each opens.
    let id = servers[0].editor("alice").create("shared").await;
    for server in &servers {
        let resolved = server.runtime().resolve(&id).await;
        assert_eq!(resolved.field()["value"], secret("shared"));
    }
}

#[tokio::test]
async fn a_user_who_is_removed_on_one_instance_is_refused_on_the_others_within_five_seconds() {
    let (_directory, servers) = instances(2).await;
    let [first, second] = servers.as_slice() else {
        panic!("there are two")
    };
    let alice = second.admin("alice");
    let id = alice.create("hers").await;
    first
        .admin("ada")
        .mutate("deleteUser", json!({ "userId": alice.id().await }))
        .await
        .data();
    // Writes are refused at once: their transaction looks.
    let rename = json!({ "credentialId": id, "name": "still hers" });
    assert_eq!(
        alice.mutate("updateCredential", rename).await.codes(),
        ["UNAUTHENTICATED"]
    );
    let reader = second.admin("bert");
    reader.ask("{ viewer { id } }").await.data();
    first
        .admin("ada")
        .mutate("deleteUser", json!({ "userId": reader.id().await }))
        .await
        .data();
    second.clock.shift_seconds(5);
    let refused = reader.ask("{ viewer { id } }").await;
    assert_eq!(refused.codes(), ["UNAUTHENTICATED"]);
}

/// Returns when so many transactions wait for a row.
fn until_waiting(url: &str, count: i64) {
    let mut connection = PgConnection::establish(url).unwrap();
    let query = "SELECT count(*) AS number FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    loop {
        let row: Number = diesel::sql_query(query)
            .get_result(&mut connection)
            .unwrap();
        if row.number == count {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_removal_waits_until_what_its_user_has_begun_is_done() {
    let alone = Alone::start(&[]).await;
    let (server, url) = (&alone.server, &alone.url);
    let (ada, bert) = (server.admin("ada"), server.admin("bert"));
    let (id, bert_id) = (ada.create("waited for").await, bert.id().await);
    let mut connection = alone.connect();
    connection
        .batch_execute("BEGIN; SELECT 1 FROM credentials FOR UPDATE")
        .unwrap();
    let rename = json!({ "credentialId": id, "name": "renamed" });
    let removing = async {
        let first = url.clone();
        tokio::task::spawn_blocking(move || until_waiting(&first, 1))
            .await
            .unwrap();
        ada.mutate("deleteUser", json!({ "userId": bert_id })).await
    };
    let releasing = async {
        let both = url.clone();
        let released = tokio::task::spawn_blocking(move || {
            until_waiting(&both, 2);
            connection.batch_execute("COMMIT").unwrap();
        });
        released.await.unwrap();
    };
    let (renamed, removed, ()) =
        tokio::join!(bert.mutate("updateCredential", rename), removing, releasing);
    assert_eq!(renamed.field()["credential"]["name"], "renamed");
    assert!(removed.field()["deletedUserId"].is_string());
}

#[tokio::test]
async fn a_change_on_one_instance_is_told_on_every_instance_in_order() {
    let (_directory, servers) = instances(3).await;
    let mut streams = Vec::new();
    for server in &servers {
        streams.push(EventStream::open(&server.viewer("vera"), FOLLOW, json!({})).await);
    }
    let alice = servers[0].editor("alice");
    let id = alice.create("followed").await;
    for (number, server) in servers.iter().enumerate() {
        let rotate = json!({ "credentialId": id, "value": secret(&number.to_string()) });
        server
            .editor("alice")
            .mutate("updateCredential", rotate)
            .await
            .data();
    }
    let delete = json!({ "credentialId": id });
    servers[2]
        .editor("alice")
        .mutate("deleteCredential", delete)
        .await
        .data();
    for stream in &mut streams {
        let mut told = Vec::new();
        for _ in 0..5 {
            let (_event, data) = stream.next().await.unwrap();
            let change = data["data"]["credentialChanged"].clone();
            assert_eq!(change["credentialId"], id, "{data}");
            told.push((
                change["action"].as_str().unwrap().to_owned(),
                change["valueVersion"].clone(),
                change["credential"].clone(),
            ));
        }
        let credential = json!({ "name": "followed", "owner": { "subject": "alice" } });
        let rotated = |version: i32| {
            (
                "CREDENTIAL_ROTATED".to_owned(),
                json!(version),
                credential.clone(),
            )
        };
        let expected = [
            (
                "CREDENTIAL_CREATED".to_owned(),
                json!(1),
                credential.clone(),
            ),
            rotated(2),
            rotated(3),
            rotated(4),
            ("CREDENTIAL_DELETED".to_owned(), Value::Null, Value::Null),
        ];
        assert_eq!(told, expected);
    }
}

/// Ends the connections by which a server hears of changes: a check each second is all that they ask.
fn end_listeners(alone: &Alone) {
    let ended = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) AS number FROM pg_stat_activity \
                 WHERE query = 'SELECT 1' OR query LIKE 'LISTEN %'";
    let ended: Number = diesel::sql_query(ended)
        .get_result(&mut alone.connect_beside())
        .unwrap();
    assert!(ended.number >= 1);
}

#[tokio::test]
async fn who_follows_is_told_when_the_connection_behind_the_server_was_lost_and_can_follow_again() {
    let alone = Alone::start(&[]).await;
    let vera = alone.server.viewer("vera");
    let alice = alone.server.editor("alice");
    let mut stream = EventStream::open(&vera, FOLLOW, json!({})).await;
    // Nothing can listen again until that is allowed.
    alone.allow_connections(false);
    end_listeners(&alone);
    let (event, data) = stream.next().await.unwrap();
    assert_eq!(event, "next");
    assert_eq!(data["errors"][0]["extensions"]["code"], "EVENTS_MISSED");
    assert_eq!(stream.next().await.unwrap().0, "complete");
    // Who follows again is told once more when changes are heard again, and of everything from then on.
    let mut again = EventStream::open(&vera, FOLLOW, json!({})).await;
    alone.allow_connections(true);
    let (_event, data) = again.next().await.unwrap();
    assert_eq!(data["errors"][0]["extensions"]["code"], "EVENTS_MISSED");
    let mut stream = EventStream::open(&vera, FOLLOW, json!({})).await;
    let id = alice.create("heard").await;
    let (_event, data) = stream.next().await.unwrap();
    assert_eq!(data["data"]["credentialChanged"]["credentialId"], id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_writers_on_four_instances_never_overwrite_each_other_unawares() {
    const ROUNDS: usize = 12;
    let (_directory, servers) = instances(4).await;
    let ada = servers[0].admin("ada");
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(ada.create(&format!("hot {number}")).await);
    }
    let writers = (0..16).map(|writer| {
        let server = &servers[writer % 4];
        let ids = &ids;
        async move {
            let editor = server.admin(&format!("writer {writer}"));
            let mut succeeded = 0;
            for round in 0..ROUNDS {
                let id = &ids[(writer + round) % ids.len()];
                let query = "query($id: ID!) { credential(id: $id) { valueVersion } }";
                let read = editor.ask_with(query, json!({ "id": id })).await;
                let version = &read.field()["valueVersion"];
                let input = json!({
                    "credentialId": id, "value": secret("next"), "expectedValueVersion": version
                });
                let answer = editor.mutate("updateCredential", input).await;
                let errors = &answer.field()["userErrors"];
                if *errors == json!([]) {
                    succeeded += 1;
                } else {
                    assert_eq!(errors[0]["code"], "VERSION_CONFLICT");
                }
            }
            succeeded
        }
    });
    let succeeded: i64 = join_all(writers).await.into_iter().sum();
    assert!(succeeded >= 10, "only {succeeded} succeeded");
    let rise = "SELECT sum(value_version - 1)::bigint AS number FROM credentials";
    assert_eq!(number(&servers[0], rise), succeeded);
    let events = "SELECT count(*) AS number FROM audit_events WHERE action = 'CREDENTIAL_ROTATED'";
    assert_eq!(number(&servers[0], events), succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_changes_of_a_credential_are_in_order_though_the_clocks_of_the_instances_are_not() {
    let (_directory, servers) = instances(4).await;
    servers[1].clock.shift_seconds(-2);
    servers[3].clock.shift_seconds(1);
    let id = servers[0].editor("ada").create("hot").await;
    let writers = (0..12).map(|writer| {
        let server = &servers[writer % 4];
        let id = &id;
        async move {
            let editor = server.admin(&format!("writer {writer}"));
            for round in 0..20 {
                let name = format!("hot {writer} {round}");
                let input = json!({ "credentialId": id, "name": name, "value": secret("next") });
                let answer = editor.mutate("updateCredential", input).await;
                assert_eq!(answer.field()["userErrors"], json!([]));
            }
        }
    });
    join_all(writers).await;
    let disordered = "SELECT count(*) AS number FROM (SELECT action, value_version, occurred_at_us, \
                      lag(value_version) OVER by_id AS version_before, lag(action) OVER by_id AS action_before, \
                      lag(occurred_at_us) OVER by_id AS occurred_before FROM audit_events WHERE credential_id IS NOT NULL \
                      WINDOW by_id AS (ORDER BY id)) AS event \
                      WHERE version_before > value_version OR occurred_before > occurred_at_us \
                      OR (version_before = value_version AND NOT (action_before = 'CREDENTIAL_RENAMED' AND action = 'CREDENTIAL_ROTATED'))";
    assert_eq!(number(&servers[0], disordered), 0);
    let events = "SELECT count(*) AS number FROM audit_events WHERE value_version > 1";
    assert_eq!(number(&servers[0], events), 12 * 20 * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_races_of_create_against_delete_user_none_leaves_a_credential_without_its_event()
 {
    const RACES: usize = 1_000;
    let (_directory, servers) = instances(2).await;
    let [first, second] = servers.as_slice() else {
        panic!("there are two")
    };
    let ada = second.admin("ada");
    for round in 0..RACES / 8 {
        let race = (0..8).map(|number| {
            let ada = &ada;
            async move {
                let owner = first.editor(&format!("owner {round} {number}"));
                let id = owner.id().await;
                let input =
                    json!({ "name": format!("raced {round} {number}"), "value": secret("v") });
                let (created, removed) = tokio::join!(
                    owner.mutate("createCredential", input),
                    ada.mutate("deleteUser", json!({ "userId": id }))
                );
                assert_eq!(removed.field()["userErrors"], json!([]));
                match created.codes().as_slice() {
                    [] | ["UNAUTHENTICATED"] => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        join_all(race).await;
    }
    let orphans = "SELECT count(*) AS number FROM credentials";
    assert_eq!(number(first, orphans), 0);
    // What was created was deleted, and both are on record.
    let of = |action: &str| {
        number(
            first,
            &format!("SELECT count(*) AS number FROM audit_events WHERE action = '{action}'"),
        )
    };
    assert_eq!(of("CREDENTIAL_CREATED"), of("CREDENTIAL_DELETED"));
    assert!(of("CREDENTIAL_CREATED") > 0, "no race was won");
    assert_eq!(of("USER_DELETED"), 1_000);
    let unknown = "SELECT count(*) AS number FROM audit_events e WHERE action = 'CREDENTIAL_DELETED' \
                   AND NOT EXISTS (SELECT 1 FROM deleted_credentials d WHERE d.id = e.credential_id)";
    assert_eq!(number(first, unknown), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadlock_is_tried_again_and_nobody_hears_of_it() {
    let alone = Alone::start(&["deadlock_timeout = 10ms"]).await;
    let server = &alone.server;
    let ada = server.admin("ada");
    let mut connection = alone.connect();
    let deadlocks = "SELECT sum(deadlocks)::bigint AS number FROM pg_stat_database";
    let mut were_there = false;
    for round in 0..2_000 {
        let (one, other) = (
            server.editor(&format!("one {round}")).id().await,
            server.editor(&format!("other {round}")).id().await,
        );
        // Each removes the user whom the other one gives the credentials to.
        let remove = |user: &str, heir: &str| {
            let input = json!({ "userId": user, "transferToId": heir });
            let ada = ada.clone();
            async move { ada.mutate("deleteUser", input).await }
        };
        let (first, second) = tokio::join!(remove(&one, &other), remove(&other, &one));
        let removed = |answer: &Answer| answer.field()["deletedUserId"].is_string();
        assert!(removed(&first) != removed(&second), "round {round}");
        let row: Number = diesel::sql_query(deadlocks)
            .get_result(&mut connection)
            .unwrap();
        were_there = row.number > 0;
        if were_there && round > 50 {
            break;
        }
    }
    assert!(were_there, "there was no deadlock to try again");
}

const DECLARE: &str = "mutation($input: DeclareReferencesInput!) { declareReferences(input: $input) { references { credential { id } } userErrors { code } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_races_of_declare_against_delete_none_deletes_what_is_declared() {
    let (_directory, servers) = instances(2).await;
    let [first, second] = servers.as_slice() else {
        panic!("there are two")
    };
    let (ada, runtime) = (first.admin("ada"), second.runtime());
    let (mut deleted, mut kept) = (0, 0);
    for round in 0..200 {
        let id = ada.create(&format!("raced {round}")).await;
        let consumer = json!({ "kind": "WORKFLOW", "externalId": format!("{round}.yaml") });
        let declare = json!({ "input": { "consumer": consumer, "credentialIds": [id] } });
        let (declared, removed) = tokio::join!(
            runtime.ask_with(DECLARE, declare),
            ada.mutate("deleteCredential", json!({ "credentialId": id }))
        );
        let is_present = !declared.field()["references"][0]["credential"].is_null();
        match removed.field()["userErrors"][0]["code"].as_str() {
            None => {
                assert!(!is_present, "{round}: {}", declared.body);
                deleted += 1;
            }
            Some(code) => {
                assert_eq!((code, is_present), ("IN_USE", true), "{round}");
                kept += 1;
            }
        }
    }
    assert_eq!(deleted + kept, 200);
    let wrong = "SELECT count(*) AS number FROM credential_references WHERE (present_credential_id IS NULL) \
                 = EXISTS (SELECT 1 FROM credentials WHERE credentials.id = credential_id)";
    assert_eq!(number(first, wrong), 0);
    let dangling =
        "SELECT count(*) AS number FROM credential_references WHERE present_credential_id IS NULL";
    assert_eq!(number(first, dangling), deleted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resolves_on_four_instances_are_each_counted_once() {
    const ROUNDS: usize = 25;
    let (_directory, servers) = instances(4).await;
    let ada = servers[0].admin("ada");
    let id = ada.create("shared").await;
    let runtimes = (0..12).map(|number| {
        let (server, id) = (&servers[number % 4], &id);
        async move {
            let runtime = server.runtime();
            for _ in 0..ROUNDS {
                let consumer =
                    json!({ "kind": "WORKFLOW", "externalId": format!("{}", number % 3) });
                let input = json!({ "credentialId": id, "consumer": consumer });
                runtime.mutate("resolveCredential", input).await.data();
            }
        }
    });
    join_all(runtimes).await;
    let sum = "SELECT coalesce(sum(resolve_count), 0)::bigint AS number FROM credential_references";
    let started = Instant::now();
    while number(&servers[0], sum) < 300 {
        assert!(started.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(100)).await;
    }
    // Each instance goes on counting, and finds nothing more.
    let counted = "SELECT count(*) AS number FROM audit_events, reference_progress WHERE id > counted_through";
    ada.create("later").await;
    while number(&servers[0], counted) > 0 {
        assert!(started.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(number(&servers[0], sum), 300);
    let rows = "SELECT count(*) AS number FROM credential_references";
    assert_eq!(number(&servers[0], rows), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_resolve_that_is_long_in_committing_is_counted_though_later_ones_were_before_it() {
    let (_directory, servers) = instances(2).await;
    let id = servers[0].admin("ada").create("shared").await;
    let url = database::url(&servers[0].data_directory()).unwrap();
    PgConnection::establish(&url)
        .unwrap()
        .batch_execute(
            "CREATE FUNCTION delay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.consumer_external_id = 'slow' THEN PERFORM pg_sleep(4.5); END IF; RETURN NEW; END $$;
             CREATE TRIGGER delay BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION delay();",
        )
        .unwrap();
    let runtimes = [servers[0].runtime(), servers[1].runtime()];
    let resolve = |number: usize, external_id: &'static str| {
        let consumer = json!({ "kind": "WORKFLOW", "externalId": external_id });
        let input = json!({ "credentialId": id, "consumer": consumer });
        let runtime = &runtimes[number];
        async move {
            runtime.mutate("resolveCredential", input).await.data();
        }
    };
    let sum = "SELECT coalesce(sum(resolve_count), 0)::bigint AS number FROM credential_references";
    let quick = async {
        for _ in 0..8 {
            // The slow one is under way meanwhile.
            sleep(Duration::from_millis(500)).await;
            resolve(1, "quick").await;
        }
    };
    tokio::join!(resolve(0, "slow"), quick);
    let started = Instant::now();
    while number(&servers[0], sum) < 9 {
        assert!(started.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(100)).await;
    }
}

#[derive(QueryableByName)]
struct Transactions {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    begun: i64,
}

#[tokio::test]
async fn a_resolve_is_one_transaction_and_each_instance_counts_uses_in_one_a_second() {
    const RESOLVES: i64 = 100;
    let alone = Alone::start(&["autovacuum = off"]).await;
    // The other one counts too.
    let data = alone.directory.path().join("data");
    let arguments = ["--database-url", alone.url.as_str()];
    let other = Server::instance(&data, Clock::system(), &arguments).await;
    let _other = other.unwrap();
    let (alice, runtime) = (alone.server.editor("alice"), alone.server.runtime());
    let id = alice.create("key").await;
    let resolve = async || {
        let consumer = json!({ "kind": "WORKFLOW", "externalId": "w" });
        let input = json!({ "credentialId": id, "consumer": consumer });
        runtime.mutate("resolveCredential", input).await.data();
    };
    resolve().await;
    let mut connection = alone.connect();
    // Only a transaction that writes takes a number.
    let mut begun = || -> i64 {
        let query = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS begun";
        let row: Transactions = diesel::sql_query(query)
            .get_result(&mut connection)
            .unwrap();
        row.begun
    };
    let (before, started) = (begun(), Instant::now());
    for _ in 0..RESOLVES {
        resolve().await;
    }
    let written = begun() - before;
    let seconds = i64::try_from(started.elapsed().as_secs()).unwrap();
    assert!(
        (RESOLVES..=RESOLVES + 2 * (seconds + 2)).contains(&written),
        "{written} transactions in {seconds} s"
    );
}

/// What the writers write of the audit log belongs to the tables, by whatever way they are found.
#[tokio::test]
async fn instances_that_find_the_tables_by_different_search_paths_write_one_audit_log() {
    let alone = Alone::start(&[]).await;
    alone
        .connect()
        .batch_execute("CREATE SCHEMA other")
        .unwrap();
    let behind = format!("{}?options=-csearch_path%3Dother%2Cpublic", alone.url);
    let data = alone.directory.path().join("data");
    let arguments = ["--database-url", behind.as_str()];
    let second = Server::instance(&data, Clock::system(), &arguments).await;
    let second = second.unwrap();
    let writers = [&alone.server, &second].map(|server| async move {
        let alice = server.editor("alice");
        for number in 0..20 {
            alice.create(&format!("{} {number}", server.address)).await;
        }
    });
    join_all(writers).await;
    let place = Place {
        data,
        url: Some(alone.url.clone()),
    };
    let verified = place.command(&["audit", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", stderr(&verified));
}
