//! The settings of TLS.

use std::path::{Path, PathBuf};

use clap::Args;

/// How connections are protected. Both files, or none.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub struct TlsSettings {
    /// The certificate of the server and those of the authorities between (PEM), the server's own first. With it, the server speaks TLS 1.2
    /// and 1.3 only, HTTP/1.1 and HTTP/2. When the files change, connections from then on get the new ones; no restart is needed
    #[arg(
        long,
        env = "CREDENCE_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The private key that goes with it (PEM, not encrypted), with mode 0600
    #[arg(
        long,
        env = "CREDENCE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
}

impl TlsSettings {
    /// The files of the certificate and of its key; `None` when the server speaks plain HTTP.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}
