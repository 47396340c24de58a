//! TLS (RFC 8446, RFC 5246), by rustls: version 1.2 and 1.3, with the certificate that is in use at the time of the handshake. ALPN (RFC 7301)
//! decides between HTTP/2 and HTTP/1.1.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};

/// What HTTP/2 is called in a handshake.
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// What is wrong with a certificate and a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairProblem {
    /// The one file has no certificate in it.
    NoCertificate,
    /// The other file has no private key in it.
    NoKey,
    /// The certificate cannot be read.
    BadCertificate,
    /// The key cannot be read, or is of a kind that TLS has no use for.
    BadKey,
    /// The key is that of another certificate.
    OtherKey,
}

impl fmt::Display for PairProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoCertificate => "the file of --tls-cert has no certificate in PEM form",
            Self::NoKey => "the file of --tls-key has no private key in PEM form that is not encrypted",
            Self::BadCertificate => "the certificate of --tls-cert is damaged",
            Self::BadKey => "the private key of --tls-key is damaged, or neither RSA of 2,048 bits or more, ECDSA nor Ed25519",
            Self::OtherKey => "the private key of --tls-key is not that of the first certificate of --tls-cert",
        })
    }
}

/// A certificate and its key, as handshakes need them.
pub struct Pair(Arc<ServerConfig>);

impl Pair {
    /// Reads a certificate, with those of the authorities between behind it, and its key, each in PEM form.
    ///
    /// # Errors
    /// A [`PairProblem`].
    pub fn parse(certificates: &[u8], key: &[u8]) -> Result<Self, PairProblem> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_library_text| PairProblem::NoCertificate)?;
        if chain.is_empty() {
            return Err(PairProblem::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_library_text| PairProblem::NoKey)?;
        let made = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = made.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairProblem::OtherKey,
            Error::InvalidCertificate(_) => PairProblem::BadCertificate,
            _ => PairProblem::BadKey,
        })?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// The certificate that new connections get. It can be replaced while the server runs; connections that are there keep theirs.
#[derive(Clone)]
pub struct Certificate(Arc<RwLock<Arc<ServerConfig>>>);

impl Certificate {
    /// Begins with this pair.
    #[must_use]
    pub fn new(Pair(config): Pair) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// Gives connections from now on another pair.
    pub fn replace(&self, Pair(config): Pair) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// What shakes hands with the pair that is in use.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}
