//! A value whose data key is destroyed between the moment at which its row was read and the one at which it is opened.

use credence::types::clock::Clock;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use tempfile::TempDir;

use crate::support::keys::change_keys;
use crate::support::store::lines;
use crate::support::{Server, database, secret};

/// The first one who reads a value has its snapshot by the time at which it meets the gate, where it waits for as long as that is locked.
const GATE: &str = "
    CREATE TABLE gate (id integer);
    INSERT INTO gate VALUES (1);
    CREATE SEQUENCE readers;
    CREATE FUNCTION wait_once() RETURNS boolean LANGUAGE plpgsql SET lock_timeout = 0 AS $$
    BEGIN
        IF current_query() LIKE '%sealed_value%' AND nextval('readers') = 1 THEN
            PERFORM 1 FROM gate FOR SHARE;
        END IF;
        RETURN true;
    END $$;
    ALTER TABLE credentials RENAME TO stored_credentials;
    CREATE VIEW credentials AS SELECT * FROM stored_credentials WHERE wait_once();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_was_sealed_anew_while_it_was_read_is_read_again() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let alice = server.editor("alice");
    let (read, other) = (alice.create("read").await, alice.create("other").await);
    server.runtime().id().await;
    let url = database::url(&data).unwrap();
    let mut gate = PgConnection::establish(&url).unwrap();
    gate.batch_execute(GATE).unwrap();
    gate.batch_execute("BEGIN; SELECT 1 FROM gate FOR UPDATE")
        .unwrap();

    let runtime = server.runtime();
    let resolving = runtime.resolve(&read);
    let rotated = async {
        let mut connection = database::database(&data).connect().unwrap();
        let has_read = "SELECT CAST(is_called AS text) AS line FROM readers";
        while lines(&mut connection, has_read) != ["true"] {
            tokio::task::yield_now().await;
        }
        let place = database::place(&data);
        let rotating = move || change_keys(&place, &["rotate", "--activate-after", "0s"]);
        tokio::task::spawn_blocking(rotating).await.unwrap();
        // By this one the server hears that the old data key is gone.
        let resolved = runtime.resolve(&other).await;
        assert_eq!(resolved.field()["value"], secret("other"));
        gate.batch_execute("COMMIT").unwrap();
    };
    let (resolved, ()) = tokio::join!(resolving, rotated);
    assert_eq!(
        resolved.field()["value"],
        secret("read"),
        "{:?}",
        resolved.field()
    );
    let mut connection = database::database(&data).connect().unwrap();
    let refused =
        "SELECT reason AS line FROM audit_events WHERE action = 'CREDENTIAL_RESOLVE_REFUSED'";
    assert_eq!(lines(&mut connection, refused), Vec::<String>::new());
}
