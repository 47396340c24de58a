//! `credence token`.

use std::time::Duration;

use clap::Args;
use credence::config::DataSettings;
use credence::crypto::local_token::LocalGrant;
use credence::crypto::token_rules::TOKEN_LIFETIME_LIMIT_SECONDS;
use credence::data_directory::DataDirectory;
use credence::failure::{Failure, FailureKind};
use credence::local_mode::issue_token;
use credence::types::clock::Clock;

use super::grant::{RoleArgument, check_subject, scopes};

/// The arguments of `credence token`.
#[derive(Args)]
pub struct TokenArguments {
    /// Whom the token speaks for: the `sub` claim
    #[arg(long, value_name = "SUBJECT")]
    sub: String,
    /// What the token allows, as a role
    #[arg(long, required_unless_present = "scope")]
    role: Option<RoleArgument>,
    /// What the token allows, as scopes, beside those of the role
    #[arg(long, value_name = "SCOPE", num_args = 1.., value_delimiter = ' ')]
    scope: Vec<String>,
    /// How long the token is good: at most 24h
    #[arg(long, default_value = "8h", value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires_in: Duration,
    /// The `aud` claim, as the server is configured
    #[arg(
        long,
        env = "CREDENCE_JWT_AUDIENCE",
        default_value = "credence",
        value_name = "AUDIENCE"
    )]
    jwt_audience: String,
    #[command(flatten)]
    data: DataSettings,
}

/// Prints a token, alone, on standard output.
pub fn run(arguments: &TokenArguments) -> Result<(), Failure> {
    let usage = |message: String| Failure::new(FailureKind::Usage, message);
    let lifetime_seconds = i64::try_from(arguments.expires_in.as_secs()).unwrap_or(i64::MAX);
    if !(1..=TOKEN_LIFETIME_LIMIT_SECONDS).contains(&lifetime_seconds) {
        return Err(usage("--expires-in is 1s to 24h".to_owned()));
    }
    check_subject(&arguments.sub)?;
    let grant = LocalGrant {
        subject: &arguments.sub,
        scopes: scopes(arguments.role, &arguments.scope)?,
        lifetime_seconds,
    };
    let directory = DataDirectory::open(&arguments.data.data_dir)?;
    let token = issue_token(
        &directory,
        &arguments.data.database()?,
        &arguments.jwt_audience,
        &grant,
        Clock::system().now(),
    )?;
    super::print(&format!("{token}\n"))
}
