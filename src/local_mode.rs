//! Local mode: no issuer is configured, and the server signs tokens with a key of its data directory. It is for one person on
//! one machine: it listens on loopback only, and its keys lie beside its data.

use zeroize::Zeroizing;

use crate::crypto::local_token::{LocalGrant, LocalIssuer};
use crate::crypto::random;
use crate::crypto::token_key::TokenKeys;
use crate::data_directory::{
    DataDirectory, create_master_key_file, read_secret_file, write_secret_file,
};
use crate::failure::{Failure, FailureKind};
use crate::keyring_start;
use crate::store::connection::Database;
use crate::types::clock::Timestamp;

const SIGNING_KEY_LENGTH_BYTES: usize = 32;

/// The key that signs the tokens of a data directory.
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// Reads the key, and makes it when there is none.
    ///
    /// # Errors
    /// A [`Failure`] when the file cannot be read or written.
    pub fn create(directory: &DataDirectory) -> Result<Self, Failure> {
        let path = directory.signing_key();
        if !path.exists() {
            let key = random::bytes::<SIGNING_KEY_LENGTH_BYTES>().map_err(no_random)?;
            write_secret_file(&path, key.as_slice())?;
        }
        Self::read(directory)
    }

    fn read(directory: &DataDirectory) -> Result<Self, Failure> {
        let path = directory.signing_key();
        let key = read_secret_file(&path)?;
        if key.len() == SIGNING_KEY_LENGTH_BYTES {
            return Ok(Self(key));
        }
        Err(Failure::configuration(format!(
            "{} is no signing key of 32 bytes: delete it and start the server again, which makes a new one",
            path.display()
        )))
    }

    /// The key as one that verifies.
    ///
    /// # Errors
    /// [`FailureKind::Configuration`] when the key is none that a random source made.
    pub fn token_keys(&self) -> Result<TokenKeys, Failure> {
        TokenKeys::from_secret(&self.0)
            .map_err(|problem| Failure::configuration(format!("signing.key {problem}")))
    }
}

/// The issuer of a deployment's own tokens.
#[must_use]
pub fn issuer(deployment_id: &[u8; 16]) -> String {
    let number = u128::from_be_bytes(*deployment_id);
    format!("urn:credence:local:{number:032x}")
}

/// Makes the master key of a new data directory. One whose database has a keyring already must have its key.
///
/// # Errors
/// [`FailureKind::Configuration`] when the key of an existing keyring is missing.
pub fn create_master_key(directory: &DataDirectory, database: &Database) -> Result<(), Failure> {
    let path = directory.master_key();
    if path.exists() {
        return Ok(());
    }
    if keyring_start::inspect(database)?.is_some() {
        return Err(Failure::configuration(format!(
            "{} is missing, and the database was encrypted with it: put it back, or name the key with --master-key-file",
            path.display()
        )));
    }
    create_master_key_file(&path).map(|_key| ())
}

/// Signs a token of a data directory.
///
/// # Errors
/// [`FailureKind::Configuration`] when the directory was never served in local mode.
pub fn issue_token(
    directory: &DataDirectory,
    database: &Database,
    audience: &str,
    grant: &LocalGrant<'_>,
    now: Timestamp,
) -> Result<String, Failure> {
    let never_served = || {
        Failure::configuration(format!(
            "{} was never served in local mode: start `credence serve` once, then ask again",
            directory.path().display()
        ))
    };
    if !directory.signing_key().exists() {
        return Err(never_served());
    }
    let key = SigningKey::read(directory)?;
    let stored = keyring_start::inspect(database)?.ok_or_else(never_served)?;
    let issuer = LocalIssuer {
        secret: &key.0,
        issuer: &issuer(&stored.deployment_id),
        audience,
    };
    issuer
        .issue(grant, now)
        .ok_or_else(|| Failure::new(FailureKind::Software, "the token could not be signed"))
}

fn no_random(_unavailable: random::RandomUnavailable) -> Failure {
    Failure::new(FailureKind::Software, "the system's random source failed")
}
