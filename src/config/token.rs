//! The settings of tokens: whose are accepted, and what they must be.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{Args, ValueEnum};

use crate::crypto::token_key::RsaAlgorithm;
use crate::crypto::token_rules::{
    LEEWAY_DEFAULT_SECONDS, SCOPE_CLAIM, TOKEN_LIFETIME_LIMIT_SECONDS, TokenRules,
};

/// The environment variable of `--jwt-key-file`.
pub const JWT_KEY_FILE_VARIABLE: &str = "CREDENCE_JWT_KEY_FILE";
/// The environment variable of `--jwks-file`.
pub const JWKS_FILE_VARIABLE: &str = "CREDENCE_JWKS_FILE";
/// The environment variable of `--jwks-url`.
pub const JWKS_URL_VARIABLE: &str = "CREDENCE_JWKS_URL";

/// The algorithm of RSA keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RsaAlgorithmSetting {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    #[value(name = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[value(name = "PS256")]
    Ps256,
}

impl From<RsaAlgorithmSetting> for RsaAlgorithm {
    fn from(setting: RsaAlgorithmSetting) -> Self {
        match setting {
            RsaAlgorithmSetting::Rs256 => Self::Rs256,
            RsaAlgorithmSetting::Ps256 => Self::Ps256,
        }
    }
}

/// Whose tokens are accepted. Without a key, the server is in local mode and signs its own.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct TokenSettings {
    /// A public key in PEM form, or a secret of 32 bytes or more shared with the issuer (HS256)
    #[arg(
        long,
        env = JWT_KEY_FILE_VARIABLE,
        value_name = "FILE",
        conflicts_with_all = ["jwks_file", "jwks_url"]
    )]
    pub jwt_key_file: Option<PathBuf>,
    /// A JSON Web Key Set with the issuer's public keys
    #[arg(
        long,
        env = JWKS_FILE_VARIABLE,
        value_name = "FILE",
        conflicts_with = "jwks_url"
    )]
    pub jwks_file: Option<PathBuf>,
    /// Where the issuer has its JSON Web Key Set: https, or http on this machine. It is asked for every ten minutes, and when a token names
    /// a key that is not in it; without an answer, the last keys are used for 24 hours
    #[arg(long, env = JWKS_URL_VARIABLE, hide_env_values = true, value_name = "URL")]
    pub jwks_url: Option<String>,
    /// The certificates (PEM, at most 1 MiB) of the authorities that vouch for the server of --jwks-url, in place of those that the system
    /// trusts
    #[arg(long, env = "CREDENCE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The `iss` claim that tokens must have
    #[arg(long, env = "CREDENCE_JWT_ISSUER", value_name = "ISSUER")]
    pub jwt_issuer: Option<String>,
    /// The `aud` claim that tokens must have, alone or among others
    #[arg(
        long,
        env = "CREDENCE_JWT_AUDIENCE",
        default_value = "credence",
        value_name = "AUDIENCE"
    )]
    pub jwt_audience: String,
    /// The algorithm of RSA keys that do not say theirs
    #[arg(long, env = "CREDENCE_JWT_RSA_ALGORITHM", value_enum, default_value_t)]
    pub jwt_rsa_algorithm: RsaAlgorithmSetting,
    /// How far the issuer's clock may be from this machine's, in seconds: 0 to 60
    #[arg(
        long,
        env = "CREDENCE_JWT_LEEWAY_SECONDS",
        default_value_t = LEEWAY_DEFAULT_SECONDS,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(i64).range(0..=60)
    )]
    pub jwt_leeway_seconds: i64,
    /// How long a token may live, from `iat` to `exp`: 1m to 24h
    #[arg(
        long,
        env = "CREDENCE_JWT_MAX_AGE",
        default_value = "24h",
        value_name = "DURATION",
        value_parser = parse_max_age
    )]
    pub jwt_max_age: Duration,
    /// The claim whose words are scopes: a text with spaces between them, or a list
    #[arg(
        long,
        env = "CREDENCE_JWT_SCOPE_CLAIM",
        default_value = SCOPE_CLAIM,
        value_name = "CLAIM",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub jwt_scope_claim: String,
    /// The claim whose words are roles (viewer, editor, admin, runtime), beside the scopes
    #[arg(
        long,
        env = "CREDENCE_JWT_ROLE_CLAIM",
        value_name = "CLAIM",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub jwt_role_claim: Option<String>,
    /// Take only tokens that say that they are access tokens: by the type `at+jwt` in their header (RFC 9068)
    #[arg(long, env = "CREDENCE_REQUIRE_AT_JWT", value_parser = BoolishValueParser::new())]
    pub require_at_jwt: bool,
    /// A program that may resolve: the `client_id` or `azp` of its tokens. Then no other token resolves, and no session. Several are given
    /// with commas, or by several options
    #[arg(
        long,
        env = "CREDENCE_RESOLVE_CLIENT",
        value_name = "ID",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub resolve_client: Vec<String>,
}

impl TokenSettings {
    /// Whether no issuer is configured.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.jwt_key_file.is_none() && self.jwks_file.is_none() && self.jwks_url.is_none()
    }

    /// What tokens of an issuer must be.
    #[must_use]
    pub fn rules(&self, issuer: String) -> TokenRules {
        let lifetime_limit_seconds = i64::try_from(self.jwt_max_age.as_secs());
        TokenRules {
            leeway_seconds: self.jwt_leeway_seconds,
            lifetime_limit_seconds: lifetime_limit_seconds.unwrap_or(TOKEN_LIFETIME_LIMIT_SECONDS),
            scope_claim: self.jwt_scope_claim.clone(),
            role_claim: self.jwt_role_claim.clone(),
            require_at_jwt: self.require_at_jwt,
            ..TokenRules::new(issuer, self.jwt_audience.clone())
        }
    }

    /// An option that is given and says something of the tokens of an issuer alone.
    #[must_use]
    pub fn option_of_issuer(&self) -> Option<&'static str> {
        let is_shorter = self.jwt_max_age < MAX_AGE_LIMIT;
        let given = [
            ("--jwt-issuer", self.jwt_issuer.is_some()),
            ("--jwt-max-age", is_shorter),
            ("--jwt-scope-claim", self.jwt_scope_claim != SCOPE_CLAIM),
            ("--jwt-role-claim", self.jwt_role_claim.is_some()),
            ("--require-at-jwt", self.require_at_jwt),
            ("--resolve-client", !self.resolve_client.is_empty()),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.next().map(|(name, _)| name)
    }
}

const MAX_AGE_LIMIT: Duration = Duration::from_hours(24);

/// Reads how long tokens may live.
fn parse_max_age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|age| (Duration::from_mins(1)..=MAX_AGE_LIMIT).contains(age))
        .ok_or_else(|| "write 1m to 24h, such as 1h".to_owned())
}
