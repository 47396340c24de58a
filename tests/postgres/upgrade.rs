//! Rolling upgrades: instances of this version, and a database that a newer one has migrated.

use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;
use tempfile::TempDir;

use crate::support::stream::EventStream;
use crate::support::{Server, database, secret};

/// What a newer version may do to the tables: this one still finds and writes all that it knows.
const NEWER: &str = "
    BEGIN;
    ALTER TABLE credentials ADD COLUMN description text;
    ALTER TABLE users ADD COLUMN locale text;
    ALTER TABLE audit_events ADD COLUMN note text;
    CREATE TABLE folders (id bytea NOT NULL PRIMARY KEY);
    INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999');
    COMMIT;
";

#[tokio::test]
async fn an_instance_serves_on_while_a_newer_version_migrates_and_none_of_its_version_starts_any_more()
 {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    // The command `token` of this version is refused later on, too.
    let (alice, runtime) = (server.admin("alice"), server.runtime());
    let bert = server.editor("bert, who is new");
    let follow = "subscription { credentialChanged { action credentialId } }";
    let mut stream = EventStream::open(&alice, follow, json!({})).await;
    let use_all = async |name: &str| {
        let id = alice.create(name).await;
        let rotate = json!({ "credentialId": id, "value": secret("next") });
        let rotated = alice.mutate("updateCredential", rotate).await;
        assert_eq!(rotated.field()["credential"]["valueVersion"], 2);
        let resolved = runtime.resolve(&id).await;
        assert_eq!(resolved.field()["value"], secret("next"));
        let listed = alice
            .ask("{ credentials(query: \"upgrade\") { totalCount nodes { name owner { subject } } } }")
            .await;
        let found = listed.field()["totalCount"].as_i64().unwrap();
        alice.ask("{ users { nodes { subject } } }").await.data();
        let events = alice
            .ask("{ auditEvents(first: 100) { nodes { action } } }")
            .await;
        (found, events.field()["nodes"].as_array().unwrap().len(), id)
    };
    // Statements are prepared by the time that the tables change.
    let (found, events, _id) = use_all("before the upgrade").await;
    assert_eq!((found, events), (1, 3));
    PgConnection::establish(&database::url(&data).unwrap())
        .unwrap()
        .batch_execute(NEWER)
        .unwrap();
    let (found, events, id) = use_all("after the upgrade").await;
    assert_eq!((found, events), (2, 6));
    bert.id().await;
    loop {
        let (event, data) = stream.next().await.unwrap();
        assert_eq!(event, "next", "{data}");
        if data["data"]["credentialChanged"]["credentialId"] == id {
            break;
        }
    }
    let ready = server.client.get(server.url("/readyz")).send().await;
    assert_eq!(ready.unwrap().status(), 200);

    let refused = Server::instance(&data, Clock::system(), &[]).await;
    let failure = refused.err().unwrap();
    assert_eq!(failure.kind.exit_code(), 78);
    assert!(failure.message.contains("newer version"), "{failure}");
}
