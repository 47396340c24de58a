//! TLS between the server and PostgreSQL.

use std::path::Path;
use std::process::Command;

use crate::support::cluster::Cluster;
use crate::support::process::{credence, stderr};

/// Makes a certificate authority, and a certificate of it for a host name, in a directory.
fn make_certificates(directory: &Path, host: &str) {
    let script = r#"
        cd "$1"
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca 2>&1
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=$2" 2>&1
        printf 'subjectAltName=DNS:%s' "$2" > names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names 2>&1
    "#;
    let shell = Command::new("bash")
        .args(["-euc", script, "certificates"])
        .arg(directory)
        .arg(host)
        .output()
        .unwrap();
    assert!(
        shell.status.success(),
        "{}",
        String::from_utf8_lossy(&shell.stdout)
    );
}

#[test]
fn a_server_whose_certificate_is_another_one_is_refused() {
    let cluster = Cluster::start(&[]).unwrap();
    let files = tempfile::TempDir::new().unwrap();
    make_certificates(files.path(), "localhost");
    cluster.use_certificate(files.path());
    let authority = files.path().join("ca.pem");
    let migrate = |host: &str, authority: &Path| {
        let url = format!(
            "postgres://postgres@{host}:{}/postgres?sslmode=verify-full&sslrootcert={}",
            cluster.port,
            authority.display()
        );
        credence(&["migrate", "--database-url", &url])
            .output()
            .unwrap()
    };
    let good = migrate("localhost", &authority);
    assert!(good.status.success(), "{}", stderr(&good));
    // The name is another one.
    let other_name = migrate("127.0.0.1", &authority);
    assert_eq!(other_name.status.code(), Some(69));
    assert!(stderr(&other_name).contains("certificate"));
    // The authority is another one.
    let others = tempfile::TempDir::new().unwrap();
    make_certificates(others.path(), "localhost");
    let other_authority = migrate("localhost", &others.path().join("ca.pem"));
    assert_eq!(other_authority.status.code(), Some(69));
    assert!(stderr(&other_authority).contains("certificate"));
}
