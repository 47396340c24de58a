//! Certificates, and a server's other end of https.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::ClientBuilder;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Makes a certificate authority, and a certificate of it for a host name, in a directory.
pub fn make_certificates(directory: &Path, host: &str) {
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

/// Puts TLS in front of a server, with the certificate of a directory, and returns the port.
pub async fn put_tls_before(server: SocketAddr, directory: &Path) -> u16 {
    let certificate = CertificateDer::from_pem_file(directory.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust the certificate goes away.
                if let Ok(mut near) = acceptor.accept(near).await {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    let _passed = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    port
}

/// The authority of a test, and the certificates that it makes.
pub struct Authority(TempDir);

impl Authority {
    pub fn new() -> Self {
        let authority = Self(TempDir::new().unwrap());
        authority.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca",
            "",
        );
        authority
    }

    /// Makes a certificate for this machine, and its key, in files of this name. What was there is replaced, each file at once.
    pub fn certify(&self, name: &str) {
        self.run(
            r#"
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout new.key -out new.csr -subj "/CN=$2"
            echo subjectAltName=DNS:localhost,IP:127.0.0.1 > names
            openssl x509 -req -in new.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out new.pem -days 2 -extfile names
            chmod 600 new.key
            mv new.pem "$2.pem"
            mv new.key "$2.key""#,
            name,
        );
    }

    fn run(&self, script: &str, name: &str) {
        let mut shell = Command::new("bash");
        shell.args([
            "-euc",
            &format!("cd \"$1\"\nexec 2>&1\n{script}"),
            "certify",
        ]);
        let output = shell.arg(self.0.path()).arg(name).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}");
    }

    /// A file of the authority's.
    pub fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().unwrap().to_owned()
    }

    /// The certificate in a file.
    pub fn read(&self, file: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.0.path().join(file)).unwrap()
    }

    /// A client that trusts this authority and no other, made from what `settle` adds to it.
    pub fn client(&self, settle: impl FnOnce(ClientBuilder) -> ClientBuilder) -> reqwest::Client {
        let root = reqwest::Certificate::from_der(&self.read("ca.pem")).unwrap();
        settle(reqwest::Client::builder().tls_certs_only([root]))
            .build()
            .unwrap()
    }
}
