//! `credence token`.

use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use credence::config::DataSettings;
use credence::crypto::local_token::LocalGrant;
use credence::crypto::token::{TOKEN_LIFETIME_LIMIT_SECONDS, is_subject};
use credence::data_directory::DataDirectory;
use credence::failure::{Failure, FailureKind};
use credence::local_mode::issue_token;
use credence::types::clock::Clock;
use credence::types::scope::{Role, Scope, ScopeSet};

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

#[derive(Clone, Copy)]
struct RoleArgument(Role);

impl ValueEnum for RoleArgument {
    fn value_variants<'a>() -> &'a [Self] {
        const ROLES: [RoleArgument; Role::ALL.len()] = {
            let [viewer, editor, admin, runtime] = Role::ALL;
            [
                RoleArgument(viewer),
                RoleArgument(editor),
                RoleArgument(admin),
                RoleArgument(runtime),
            ]
        };
        &ROLES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()).help(self.0.scopes().to_claim()))
    }
}

/// Prints a token, alone, on standard output.
pub fn run(arguments: &TokenArguments) -> Result<(), Failure> {
    let usage = |message: String| Failure::new(FailureKind::Usage, message);
    let lifetime_seconds = i64::try_from(arguments.expires_in.as_secs()).unwrap_or(i64::MAX);
    if !(1..=TOKEN_LIFETIME_LIMIT_SECONDS).contains(&lifetime_seconds) {
        return Err(usage("--expires-in is 1s to 24h".to_owned()));
    }
    if !is_subject(&arguments.sub) {
        return Err(usage(
            "--sub has 1 to 255 bytes, and no control characters".to_owned(),
        ));
    }
    let grant = LocalGrant {
        subject: &arguments.sub,
        scopes: scopes(arguments)?,
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

fn scopes(arguments: &TokenArguments) -> Result<ScopeSet, Failure> {
    let mut scopes = arguments
        .role
        .map(|role| role.0.scopes())
        .unwrap_or_default();
    for word in &arguments.scope {
        let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        let scope = scope.ok_or_else(|| {
            let known = Scope::ALL.map(Scope::as_str).join(", ");
            Failure::new(
                FailureKind::Usage,
                format!("there is no scope {word}: there are {known}"),
            )
        })?;
        scopes = scopes.with([scope].into_iter().collect());
    }
    Ok(scopes)
}
