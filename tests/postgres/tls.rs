//! TLS between the server and PostgreSQL.

use std::path::Path;

use crate::support::certificate::make_certificates;
use crate::support::cluster::Cluster;
use crate::support::process::{credence, stderr};

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
