//! The settings of a provider: what is wrong with them is told at the start.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use credence::types::clock::Clock;
use tempfile::TempDir;

use crate::support::process::{ServerProcess, run, stderr};
use crate::support::{Server, database};

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_before_a_key_or_a_database_is_made() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let file = directory.path().join("nothing-in-it");
    std::fs::write(&file, "\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    for option in ["--oidc-client-secret-file", "--oidc-ca-file"] {
        let arguments = [
            "--oidc-issuer",
            "https://id.example.com",
            "--oidc-client-id",
            "credence",
            option,
            file,
        ];
        let started = Server::instance(&data, Clock::system(), &arguments).await;
        let told = started.err().unwrap().to_string();
        assert!(told.contains(file), "{option}: {told}");
        for name in ["master.key", "signing.key", "credence.db"] {
            assert!(!data.join(name).exists(), "{option}: there is {name}");
        }
    }
}

#[test]
fn what_is_said_of_a_provider_needs_one() {
    for arguments in [
        ["--oidc-role-claim", "roles"],
        ["--oidc-ca-file", "ca.pem"],
        ["--oidc-client-secret-file", "secret"],
        ["--oidc-client-id", "credence"],
    ] {
        let output = run(&[
            &["serve", "--data-dir", "/dev/null/none"],
            arguments.as_slice(),
        ]
        .concat());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {told}");
        assert!(told.contains("--oidc-issuer"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_provider_of_this_machine_needs_no_authorities_of_the_system() {
    let directory = TempDir::new().unwrap();
    let place = database::place(&directory.path().join("data"));
    let serve = |issuer: &str| {
        let words = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--oidc-client-id",
            "credence",
            "--oidc-issuer",
        ];
        let mut command = place.command(&[&words, [issuer].as_slice()].concat());
        command.env("SSL_CERT_FILE", "/dev/null");
        command.env("SSL_CERT_DIR", directory.path());
        command
    };
    let refused = serve("https://id.example.com").output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("--oidc-ca-file"),
        "{}",
        stderr(&refused)
    );
    ServerProcess::spawn(serve("http://127.0.0.1:9"), Stdio::null());
}
