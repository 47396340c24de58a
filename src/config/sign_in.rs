//! The settings of the pages and of sign-in.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::http::public_url::{PublicUrl, is_protected};

/// How people sign in to the pages.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pages and sign-in")]
pub struct SignInSettings {
    /// Where browsers reach the server, when that is not the address it listens at: an origin with https, behind a proxy that terminates
    /// TLS. Sessions count only for pages of this origin; without it, for those of the loopback address it listens at and of `localhost`
    #[arg(long, env = "CREDENCE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// How long one who signed in stays so at most; a token's end comes first: 1m to 24h
    #[arg(
        long,
        env = "CREDENCE_SESSION_TTL",
        default_value = "8h",
        value_name = "DURATION",
        value_parser = parse_session_ttl
    )]
    pub session_ttl: Duration,
    /// An OpenID Connect provider that people sign in through: its issuer, https, or http on this machine
    #[arg(
        long,
        env = "CREDENCE_OIDC_ISSUER",
        value_name = "URL",
        requires = "oidc_client_id",
        value_parser = parse_issuer
    )]
    pub oidc_issuer: Option<String>,
    /// What the provider knows this server by; it sends browsers back to PUBLIC-URL/login/oidc/callback
    #[arg(
        long,
        env = "CREDENCE_OIDC_CLIENT_ID",
        value_name = "ID",
        requires = "oidc_issuer"
    )]
    pub oidc_client_id: Option<String>,
    /// The file of the secret that goes with that; a public client has none
    #[arg(
        long,
        env = "CREDENCE_OIDC_CLIENT_SECRET_FILE",
        value_name = "FILE",
        requires = "oidc_issuer"
    )]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// What the page calls it: Sign in with …
    #[arg(
        long,
        env = "CREDENCE_OIDC_LABEL",
        default_value = "your organisation",
        value_name = "NAME"
    )]
    pub oidc_label: String,
    /// The claim of ID tokens whose words are roles (viewer, editor, admin), beside the scopes of the claim `scope`. Nobody gets the scope
    /// credentials:resolve this way
    #[arg(
        long,
        env = "CREDENCE_OIDC_ROLE_CLAIM",
        value_name = "CLAIM",
        requires = "oidc_issuer"
    )]
    pub oidc_role_claim: Option<String>,
    /// The certificates (PEM) of the authorities that vouch for the provider, in place of those that the system trusts
    #[arg(
        long,
        env = "CREDENCE_OIDC_CA_FILE",
        value_name = "FILE",
        requires = "oidc_issuer"
    )]
    pub oidc_ca_file: Option<PathBuf>,
}

/// Reads the issuer of a provider (OpenID Connect Discovery 1.0, section 2): a URL without a query or a fragment.
fn parse_issuer(text: &str) -> Result<String, String> {
    if is_protected(text) && !text.contains(['?', '#']) {
        Ok(text.to_owned())
    } else {
        Err("write the provider's issuer as it does, such as https://id.example.com; http only for this machine".to_owned())
    }
}

/// Reads how long sessions last.
fn parse_session_ttl(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|ttl| (Duration::from_mins(1)..=Duration::from_hours(24)).contains(ttl))
        .ok_or_else(|| "write 1m to 24h, such as 8h".to_owned())
}
