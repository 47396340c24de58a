//! Local mode: no issuer is configured, and the server signs tokens with a key of its data directory. It is for one person on
//! one machine: it listens on loopback only, and its keys lie beside its data.

use zeroize::Zeroizing;

use crate::crypto::local_token::{LocalGrant, LocalIssuer};
use crate::crypto::random;
use crate::crypto::session::{RowKey, generate_secret};
use crate::crypto::token_key::TokenKeys;
use crate::data_directory::{
    DataDirectory, create_master_key_file, read_secret_file, write_secret_file,
};
use crate::domain::session::CodeIssuer;
use crate::failure::{Failure, FailureKind};
use crate::keyring_start;
use crate::store::connection::Database;
use crate::store::session;
use crate::types::clock::Timestamp;
use crate::types::scope::ScopeSet;
use crate::types::session::LoginCode;

const SIGNING_KEY_LENGTH_BYTES: usize = 32;
/// How long a one-time code can be used, in microseconds: ten minutes.
const CODE_LIFETIME_US: i64 = 10 * 60 * 1_000_000;

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

/// What is needed to take the one-time codes of a data directory.
///
/// # Errors
/// [`FailureKind::Software`] when no key can be derived.
pub fn code_issuer(key: &SigningKey, deployment_id: &[u8; 16]) -> Result<CodeIssuer, Failure> {
    let derived = RowKey::of_codes(&key.0, deployment_id)
        .ok_or_else(|| Failure::new(FailureKind::Software, "no key could be derived"))?;
    Ok(CodeIssuer {
        issuer: issuer(deployment_id),
        key: derived,
    })
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
    let (key, deployment_id) = served_before(directory, database)?;
    let issuer = LocalIssuer {
        secret: &key.0,
        issuer: &issuer(&deployment_id),
        audience,
    };
    issuer
        .issue(grant, now)
        .ok_or_else(|| Failure::new(FailureKind::Software, "the token could not be signed"))
}

/// Makes a one-time code that somebody can sign in with, within ten minutes.
///
/// # Errors
/// [`FailureKind::Configuration`] when the directory was never served in local mode; [`FailureKind::DatabaseUnreachable`] when the database
/// cannot be written.
pub fn issue_code(
    directory: &DataDirectory,
    database: &Database,
    subject: &str,
    scopes: ScopeSet,
    now: Timestamp,
) -> Result<Zeroizing<String>, Failure> {
    let (key, deployment_id) = served_before(directory, database)?;
    let codes = code_issuer(&key, &deployment_id)?;
    let (text, code_hash) = generate_secret().map_err(no_random)?;
    let code = LoginCode {
        code_hash,
        subject: subject.to_owned(),
        scopes,
        created_at: now,
        ends_at: Timestamp(now.0.saturating_add(CODE_LIFETIME_US)),
    };
    let mac = codes.key.code_mac(&code);
    let mut connection = keyring_start::connect(database)?;
    let inserted = connection.in_transaction(|connection| {
        session::insert_code(connection, &code, mac)?;
        session::delete_ended(connection, now)
    });
    inserted.map_err(|error| keyring_start::store_failure(database, error))?;
    Ok(text)
}

/// The signing key and the deployment of a data directory.
fn served_before(
    directory: &DataDirectory,
    database: &Database,
) -> Result<(SigningKey, [u8; 16]), Failure> {
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
    Ok((key, stored.deployment_id))
}

fn no_random(_unavailable: random::RandomUnavailable) -> Failure {
    Failure::new(FailureKind::Software, "the system's random source failed")
}
