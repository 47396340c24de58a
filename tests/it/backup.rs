//! `credence backup`: a copy of the database while it is served.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{CREATE, RESOLVE, ask};
use crate::support::process::{ServerProcess, credence, run, stderr};
use crate::support::{holds_marker, secret};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_all_that_was_acknowledged_before_and_opens_with_the_master_key() {
    let directory = TempDir::new().unwrap();
    let (data, file) = (
        directory.path().join("data"),
        directory.path().join("backup.db"),
    );
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let admin = ServerProcess::token(&data, "ada", "admin");
    let mut before = Vec::new();
    for number in 0..50 {
        let name = format!("before {number}");
        let variables = json!({ "name": name, "value": secret(&name) });
        let created = ask(&server, &admin, CREATE, variables).await;
        before.push((created["credential"]["id"].clone(), secret(&name)));
    }
    let done = AtomicBool::new(false);
    let writing = async {
        let mut written = 0;
        while !done.load(Ordering::Relaxed) {
            let variables = json!({ "name": format!("meanwhile {written}"), "value": secret("v") });
            ask(&server, &admin, CREATE, variables).await;
            written += 1;
        }
        written
    };
    let path = file.to_str().unwrap().to_owned();
    let place = data.to_str().unwrap().to_owned();
    let backing_up = async {
        let backup = tokio::task::spawn_blocking(move || {
            credence(&["backup", &path, "--data-dir", &place])
                .output()
                .unwrap()
        });
        let output = backup.await.unwrap();
        done.store(true, Ordering::Relaxed);
        output
    };
    let (written, output) = tokio::join!(writing, backing_up);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(written > 0);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!holds_marker(&std::fs::read(&file).unwrap()));
    drop(server);

    let restored = directory.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::set_permissions(&restored, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::copy(&file, restored.join("credence.db")).unwrap();
    let without_key = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        restored.to_str().unwrap(),
    ]);
    assert_eq!(without_key.status.code(), Some(78));
    std::fs::copy(data.join("master.key"), restored.join("master.key")).unwrap();
    let server = ServerProcess::start(&restored, Stdio::null(), &[]);
    let runtime = ServerProcess::token(&restored, "runtime", "runtime");
    for (id, value) in before {
        let resolved = ask(&server, &runtime, RESOLVE, json!({ "id": id })).await;
        assert_eq!(resolved["value"], value);
    }
}

#[test]
fn nothing_is_written_over_and_nothing_is_left_of_what_failed() {
    let directory = TempDir::new().unwrap();
    let (data, file) = (
        directory.path().join("data"),
        directory.path().join("backup.db"),
    );
    let backup = || {
        run(&[
            "backup",
            file.to_str().unwrap(),
            "--data-dir",
            data.to_str().unwrap(),
        ])
    };
    // There is no data directory yet.
    assert_eq!(backup().status.code(), Some(78));
    drop(ServerProcess::start(&data, Stdio::null(), &[]));
    std::fs::write(&file, "something else").unwrap();
    let refused = backup();
    assert_eq!(refused.status.code(), Some(74));
    assert!(stderr(&refused).contains("exists already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "something else");
    std::fs::remove_file(&file).unwrap();
    // A database that cannot be read.
    std::fs::write(
        data.join("credence.db"),
        "no database, but long enough to look like one",
    )
    .unwrap();
    assert_eq!(backup().status.code(), Some(69));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let elsewhere = run(&[
        "backup",
        file.to_str().unwrap(),
        "--database-url",
        "postgres://localhost/x",
    ]);
    assert_eq!(elsewhere.status.code(), Some(78));
    assert!(stderr(&elsewhere).contains("pg_dump"));
}
