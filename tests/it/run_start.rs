//! What is looked at before anything is resolved, and what is told when the command cannot be started.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::run::{assert_refused, run_in};
use crate::support::local::Local;
use crate::support::process::{credence, run, stderr, stdout};
use crate::support::{MARKER, secret};

#[tokio::test]
async fn a_command_that_is_not_there_resolves_nothing() {
    let local = Local::start();
    local.create("n", &secret("n")).await;
    let file = local.directory.path().join("not-executable");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    for (program, code) in [
        ("no-such-command", 127),
        ("/no/such/command", 127),
        (file.to_str().unwrap(), 126),
        ("/", 126),
        ("", 64),
    ] {
        let output = run_in(&local, &["--env", "VALUE=n", "--", program]);
        assert_refused(&output, code, &["command"]);
    }
    let query = "{ auditEvents(filter: {actions: [CREDENTIAL_RESOLVED]}) { nodes { id } } }";
    let events = local.ask(query, json!(null)).await;
    assert_eq!(events["nodes"], json!([]));
}

#[tokio::test]
async fn a_command_is_looked_for_where_a_credential_says() {
    let local = Local::start();
    let tool = local.directory.path().join("a-tool-of-this-test");
    std::fs::write(&tool, "#!/bin/sh\necho started\n").unwrap();
    std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o700)).unwrap();
    let path = local.directory.path().to_str().unwrap();
    local.create("path", path).await;
    let output = run_in(&local, &["--env", "PATH=path", "--", "a-tool-of-this-test"]);
    assert_eq!(stdout(&output), "started\n", "{}", stderr(&output));
}

#[tokio::test]
async fn a_missing_interpreter_is_told() {
    let local = Local::start();
    local.create("n", &secret("n")).await;
    let script = local.directory.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).unwrap();
    let output = run_in(
        &local,
        &["--env", "VALUE=n", "--", script.to_str().unwrap()],
    );
    assert_refused(&output, 126, &["script", "interpreter"]);
}

#[test]
fn a_word_that_stands_where_none_belongs_is_not_repeated() {
    let dashed = format!("-{MARKER}");
    let option = format!("--{MARKER}");
    let valued = format!("--envv=V={MARKER}");
    let flag = format!("--json={MARKER}");
    for words in [
        &["run", "--env", "V", MARKER, "--", "true"][..],
        &["run", "--env", "V=n", &dashed, "--", "true"],
        &["run", "--env", "V=n", &option, "--", "true"],
        &["run", &valued, "--", "true"],
        &["check", &flag, "x"],
        &["token", "--role", MARKER],
        &["keys", MARKER],
        &[MARKER],
    ] {
        let output = run(words);
        assert_refused(&output, 64, &["credence: "]);
    }
    assert_refused(
        &run(&["run", "--envv", "V=n"]),
        64,
        &["there is no option --envv: is --env meant?"],
    );
}

#[test]
fn a_file_of_an_option_is_called_by_the_option() {
    let directory = tempfile::TempDir::new().unwrap();
    let large = directory.path().join("large.pem");
    std::fs::write(&large, vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    let some = directory.path().join("some.pem");
    std::fs::write(&some, vec![b'\n'; 1024 * 1024]).unwrap();
    let start = |option: &str, path: &str| {
        let mut command = credence(&["run", "--env", "V=n", option, path, "--", "true"]);
        if option != "--token-file" {
            command.env("CREDENCE_TOKEN", "token");
        }
        command.output().unwrap()
    };
    for option in ["--token-file", "--ca-file"] {
        let output = start(option, "/no/such");
        assert_refused(
            &output,
            78,
            &[&format!("{option}: the file /no/such does not exist")],
        );
    }
    let output = start("--ca-file", large.to_str().unwrap());
    assert_refused(&output, 78, &["--ca-file: ", "is larger than 1024 KiB"]);
    let output = start("--ca-file", some.to_str().unwrap());
    assert_refused(&output, 78, &["no certificate"]);
}

#[test]
fn a_data_directory_without_a_key_is_told_from_none() {
    let directory = tempfile::TempDir::new().unwrap();
    let [empty, hidden] = ["empty", "hidden"].map(|name| directory.path().join(name));
    for path in [&empty, &hidden] {
        std::fs::create_dir(path).unwrap();
    }
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let missing = directory.path().join("missing");
    let start = |path: &std::path::Path| {
        let path = path.to_str().unwrap();
        stderr(&run(&[
            "run",
            "--env",
            "V=n",
            "--data-dir",
            path,
            "--",
            "true",
        ]))
    };
    assert!(start(&missing).contains("missing does not exist)"));
    assert!(start(&file).contains("file is no directory)"));
    assert!(start(&file.join("below")).contains("below does not exist)"));
    assert!(start(&empty).contains("empty has no key that signs tokens"));
}
