//! The issuer of tokens as the settings name it; in local mode, the server itself.

use std::path::Path;
use std::sync::Arc;

use crate::config::TokenSettings;
use crate::crypto::keyring::Keyring;
use crate::crypto::token::TokenVerifier;
use crate::crypto::token_key::TokenKeys;
use crate::crypto::token_rules::TokenRules;
use crate::data_directory::{
    DataDirectory, read_certificate_file, read_key_file, read_secret_file,
};
use crate::domain::issuer_keys::{IssuerKeys, KeySetSource};
use crate::domain::session::CodeIssuer;
use crate::domain::token::Tokens;
use crate::failure::Failure;
use crate::http::fetch::{FetchProblem, Fetcher, UnusableAuthorities};
use crate::http::public_url::{is_https, is_protected};
use crate::local_mode::{self, SigningKey};

/// The tokens that are accepted.
pub struct Accepted {
    /// How they are verified.
    pub tokens: Tokens,
    /// In local mode, who makes one-time codes.
    pub codes: Option<CodeIssuer>,
    /// How long after a user's removal tokens that were issued to them are still refused, in seconds: in local mode the issuer's clock is
    /// ours.
    pub removal_leeway_seconds: i64,
}

/// The keys of the issuer that is configured; `None` in local mode.
///
/// # Errors
/// [`crate::failure::FailureKind::Configuration`] when they cannot be used, or something is missing.
pub fn keys(settings: &TokenSettings) -> Result<Option<IssuerKeys>, Failure> {
    let rsa = settings.jwt_rsa_algorithm.into();
    let (path, keys) = if let Some(url) = &settings.jwks_url {
        let source = key_set_source(url, settings.ca_file.as_deref())?;
        return Ok(Some(IssuerKeys::followed(rules(settings)?, rsa, source)));
    } else if let Some(path) = &settings.jwt_key_file {
        let content = read_key_file(path)?;
        let keys = if TokenKeys::is_pem(&content) {
            TokenKeys::from_pem(str::from_utf8(&content).unwrap_or_default(), rsa)
        } else {
            // Whoever reads the shared secret can sign tokens.
            TokenKeys::from_secret_file(&read_secret_file(path)?)
        };
        (path, keys)
    } else if let Some(path) = &settings.jwks_file {
        (path, TokenKeys::from_key_set(&read_key_file(path)?, rsa))
    } else if let Some(option) = settings.option_of_issuer() {
        return Err(Failure::configuration(format!(
            "{option} is given, but no key of an issuer: name one with --jwks-url, --jwks-file or --jwt-key-file"
        )));
    } else {
        return Ok(None);
    };
    let keys =
        keys.map_err(|problem| Failure::configuration(format!("{} {problem}", path.display())))?;
    let verifier = TokenVerifier::new(keys, rules(settings)?);
    Ok(Some(IssuerKeys::fixed(verifier)))
}

/// The tokens that are accepted: those of the issuer that has these keys, or, without any, the server's own.
///
/// # Errors
/// A [`Failure`] when the server's own key cannot be used.
pub fn accepted(
    settings: &TokenSettings,
    issuer_keys: Option<IssuerKeys>,
    data_directory: &Path,
    keyring: &Keyring,
) -> Result<Accepted, Failure> {
    if let Some(keys) = issuer_keys {
        return Ok(Accepted {
            tokens: Tokens::new(keys, settings.resolve_client.clone()),
            codes: None,
            removal_leeway_seconds: settings.jwt_leeway_seconds,
        });
    }
    let key = SigningKey::create(&DataDirectory::open(data_directory)?)?;
    let codes = local_mode::code_issuer(&key, keyring.deployment_id())?;
    let rules = settings.rules(codes.issuer.clone());
    let keys = IssuerKeys::fixed(TokenVerifier::new(key.token_keys()?, rules));
    Ok(Accepted {
        tokens: Tokens::new(keys, Vec::new()),
        codes: Some(codes),
        removal_leeway_seconds: 0,
    })
}

fn rules(settings: &TokenSettings) -> Result<TokenRules, Failure> {
    let issuer = settings.jwt_issuer.clone().ok_or_else(|| {
        Failure::configuration(
            "--jwt-issuer is missing: the `iss` claim of the tokens that are to be accepted",
        )
    })?;
    Ok(settings.rules(issuer))
}

/// What asks for the key set at a URL, whenever it is called.
fn key_set_source(url: &str, ca_file: Option<&Path>) -> Result<KeySetSource, Failure> {
    if !is_protected(url) || url.contains('#') {
        // It is not repeated, as it may hold a password.
        return Err(Failure::configuration(
            "--jwks-url is no https URL without a user: write one such as https://id.example.com/jwks; http only for this machine",
        ));
    }
    let authorities = ca_file.map(read_certificate_file).transpose()?;
    let fetcher = Fetcher::new(authorities.as_deref(), is_https(url));
    let fetcher = fetcher.map_err(|UnusableAuthorities| {
        Failure::configuration(match ca_file {
            Some(path) => format!(
                "{} holds no certificates that the server of --jwks-url could be known by: name a file in PEM form with --ca-file",
                path.display()
            ),
            None => "the system trusts no authorities that the server of --jwks-url could be known by: install them, or name a file in PEM form with --ca-file".to_owned(),
        })
    })?;
    let url: Arc<str> = Arc::from(url);
    Ok(Box::new(move || {
        let (fetcher, url) = (fetcher.clone(), Arc::clone(&url));
        Box::pin(async move { fetcher.get(&url).await.map_err(FetchProblem::as_str) })
    }))
}
