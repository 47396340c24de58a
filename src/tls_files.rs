//! The files of the certificate and its key, and what they hold as time goes by: who renews certificates writes new files, and tells nobody.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::TlsSettings;
use crate::crypto::digest::{HASH_LENGTH_BYTES, sha256};
use crate::data_directory::{read_certificate_file, read_secret_file};
use crate::failure::Failure;
use crate::http::connection::stopped;
use crate::http::tls::{Certificate, Pair};

/// How often it is looked whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(5);

/// The hashes of what two files hold.
type Content = [[u8; HASH_LENGTH_BYTES]; 2];

/// The two files, and what is in use of them.
pub struct TlsFiles {
    paths: Paths,
    certificate: Certificate,
    in_use: Content,
    trouble: Option<Trouble>,
}

/// Where they are.
#[derive(Clone)]
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
}

/// Why what the files hold now is not used.
struct Trouble {
    message: String,
    is_told: bool,
}

impl TlsFiles {
    /// Reads the files that the settings name, if they name any.
    ///
    /// # Errors
    /// [`crate::failure::FailureKind::Configuration`] when a file cannot be read, others can read the key, or the two are no pair.
    pub fn open(settings: &TlsSettings) -> Result<Option<Self>, Failure> {
        let Some((certificate, key)) = settings.files() else {
            return Ok(None);
        };
        let paths = Paths {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let (in_use, pair) = read(&paths, None)?;
        Ok(pair.map(|pair| Self {
            paths,
            certificate: Certificate::new(pair),
            in_use,
            trouble: None,
        }))
    }

    /// The certificate that new connections get.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    /// Takes over what the files come to hold, until the server stops.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        let following = async {
            loop {
                sleep(INTERVAL).await;
                let (paths, in_use) = (self.paths.clone(), self.in_use);
                // A file system that hangs holds up nobody else.
                // A fault of the program is in the log, and the next time may go well.
                if let Ok(found) = spawn_blocking(move || read(&paths, Some(&in_use))).await {
                    self.take_over(found);
                }
            }
        };
        tokio::select! {
            () = following => {}
            () = stopped(&mut stop) => {}
        }
    }

    /// Takes over what the files hold. What cannot be used is told only when it is still there the next time: one of the two files is
    /// written before the other.
    fn take_over(&mut self, found: Result<(Content, Option<Pair>), Failure>) {
        match found {
            Ok((content, Some(pair))) => {
                self.certificate.replace(pair);
                self.in_use = content;
                self.trouble = None;
                tracing::info!(
                    "the TLS certificate was replaced: connections from now on get the new one"
                );
            }
            Ok((_, None)) => self.trouble = None,
            Err(Failure { message, .. }) => {
                let is_known = |trouble: &&mut Trouble| trouble.message == message;
                if let Some(trouble) = self.trouble.as_mut().filter(is_known) {
                    if !trouble.is_told {
                        trouble.is_told = true;
                        tracing::error!("the TLS certificate stays what it was: {message}");
                    }
                } else {
                    self.trouble = Some(Trouble {
                        message,
                        is_told: false,
                    });
                }
            }
        }
    }
}

/// Reads both files. There is no pair when they hold what is known.
fn read(paths: &Paths, known: Option<&Content>) -> Result<(Content, Option<Pair>), Failure> {
    let certificates = read_certificate_file(&paths.certificate)?;
    let key = read_secret_file(&paths.key)?;
    let content = [sha256(&certificates), sha256(&key)];
    if known == Some(&content) {
        return Ok((content, None));
    }
    let pair = Pair::parse(&certificates, &key)
        .map_err(|problem| Failure::configuration(problem.to_string()))?;
    Ok((content, Some(pair)))
}
