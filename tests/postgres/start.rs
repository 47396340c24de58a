//! Starting over PostgreSQL.

use std::process::Stdio;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tempfile::TempDir;

use crate::support::database;
use crate::support::process::{ServerProcess, run, stderr};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[test]
fn another_master_key_ends_with_78_and_leaves_the_keyring_as_it_is() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    drop(ServerProcess::start(&data, Stdio::null(), &[]));
    let url = database::url(&data).unwrap();
    let mut connection = PgConnection::establish(&url).unwrap();
    let mut keyring = || {
        let query = "SELECT (SELECT string_agg(k::text, '') FROM keyring k) || (SELECT string_agg(d::text, '') FROM data_keys d) AS line";
        let row: Line = diesel::sql_query(query)
            .get_result(&mut connection)
            .unwrap();
        row.line
    };
    let before = keyring();
    let other = directory.path().join("other.key");
    let other = other.to_str().unwrap();
    assert!(run(&["keys", "generate", other]).status.success());
    let refused = |arguments: &[&str]| {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let output = database::place(&data)
            .command(&[&serve, arguments].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(refused(&["--master-key-file", other]).contains("master key"));
    assert_eq!(keyring(), before);
    // The master key that is missing is not made anew, either.
    std::fs::remove_file(data.join("master.key")).unwrap();
    refused(&[]);
    assert!(!data.join("master.key").exists());
    // Credentials without a keyring are a damaged database.
    let mut connection = PgConnection::establish(&url).unwrap();
    connection
        .batch_execute("INSERT INTO users VALUES ('\\x00000000000000000000000000000000', 'i', 's', NULL, NULL, 's', 's', 0, 0);
                        INSERT INTO credentials SELECT '\\x00000000000000000000000000000000', 'n', 'n', '\\x00000000000000000000000000000000', 1, 0, 0, 0, id, '' FROM data_keys LIMIT 1;
                        DELETE FROM keyring")
        .unwrap();
    assert!(refused(&["--master-key-file", other]).contains("no keyring"));
}

#[test]
fn the_server_says_that_its_data_is_in_postgresql_and_keeps_no_file_of_a_database() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let mut files: Vec<String> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["master.key", "signing.key"]);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let said = server.output();
    assert!(
        said.contains("with its data in the PostgreSQL database"),
        "{said}"
    );
    assert!(!said.contains("postgres://"), "{said}");
}

#[test]
fn with_an_issuer_nothing_is_kept_on_disk() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (key, secret) = (
        directory.path().join("master.key"),
        directory.path().join("secret"),
    );
    assert!(
        run(&["keys", "generate", key.to_str().unwrap()])
            .status
            .success()
    );
    // What has the form of a master key is as good a secret as any.
    assert!(
        run(&["keys", "generate", secret.to_str().unwrap()])
            .status
            .success()
    );
    let server = ServerProcess::start(
        &data,
        Stdio::null(),
        &[
            "--master-key-file",
            key.to_str().unwrap(),
            "--jwt-key-file",
            secret.to_str().unwrap(),
            "--jwt-issuer",
            "https://id.example.com",
        ],
    );
    assert!(!data.exists());
    drop(server);
}
