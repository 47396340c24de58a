//! A transaction that the database undoes in favour of another one is done again as a whole.

use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;
use tempfile::TempDir;

use crate::support::store::lines;
use crate::support::{Server, database, secret};

/// The last thing that a transaction writes is its event: there it fails, once. A sequence does not go back with it.
const FAIL_ONCE: &str = "
    CREATE SEQUENCE tries;
    CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('tries') = 1 THEN
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER fail_once BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION fail_once();
";

#[tokio::test]
async fn a_serialization_failure_is_tried_again_and_nobody_hears_of_it() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let (alice, runtime) = (server.editor("alice"), server.runtime());
    alice.id().await;
    runtime.id().await;
    let url = database::url(&data).unwrap();
    let mut connection = PgConnection::establish(&url).unwrap();
    connection.batch_execute(FAIL_ONCE).unwrap();
    let mut again = || {
        let restart = "ALTER SEQUENCE tries RESTART";
        connection.batch_execute(restart).unwrap();
    };
    let tries = || {
        let mut connection = database::database(&data).connect().unwrap();
        lines(
            &mut connection,
            "SELECT last_value::text AS line FROM tries",
        )
    };

    let id = alice.create("tried twice").await;
    assert_eq!(tries(), ["2"]);
    again();
    let rotate = json!({ "credentialId": id, "value": secret("next"), "expectedValueVersion": 1 });
    let rotated = alice.mutate("updateCredential", rotate).await;
    assert_eq!(rotated.field()["credential"]["valueVersion"], 2);
    assert_eq!(tries(), ["2"]);
    again();
    let resolved = runtime.resolve(&id).await;
    assert_eq!(resolved.field()["value"], secret("next"));
    assert_eq!(tries(), ["2"]);
    again();
    let delete = json!({ "credentialId": id });
    let deleted = alice.mutate("deleteCredential", delete).await;
    assert_eq!(deleted.field()["deletedCredentialId"], id);
    assert_eq!(tries(), ["2"]);

    let mut connection = database::database(&data).connect().unwrap();
    let events = "SELECT action AS line FROM audit_events ORDER BY id";
    let expected = [
        "CREDENTIAL_CREATED",
        "CREDENTIAL_ROTATED",
        "CREDENTIAL_RESOLVED",
        "CREDENTIAL_DELETED",
    ];
    assert_eq!(lines(&mut connection, events), expected);
}
