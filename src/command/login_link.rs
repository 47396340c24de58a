//! `credence login-link`, and the link that `credence serve` prints.

use clap::Args;
use credence::config::{
    DataSettings, JWKS_FILE_VARIABLE, JWKS_URL_VARIABLE, JWT_KEY_FILE_VARIABLE,
};
use credence::data_directory::DataDirectory;
use credence::failure::Failure;
use credence::http::public_url::PublicUrl;
use credence::local_mode::issue_code;
use credence::types::clock::Clock;
use credence::types::scope::{Role, ScopeSet};
use zeroize::Zeroizing;

use super::grant::{RoleArgument, check_subject, operator, scopes};

/// The arguments of `credence login-link`.
#[derive(Args)]
pub struct LoginLinkArguments {
    /// Who signs in with it; without it, the user of the operating system
    #[arg(long, value_name = "SUBJECT")]
    sub: Option<String>,
    /// What they may do, as a role; without this and --scope, admin
    #[arg(long)]
    role: Option<RoleArgument>,
    /// What they may do, as scopes, beside those of the role
    #[arg(long, value_name = "SCOPE", num_args = 1.., value_delimiter = ' ')]
    scope: Vec<String>,
    /// Where browsers reach the server
    #[arg(
        long,
        env = "CREDENCE_PUBLIC_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    public_url: PublicUrl,
    #[command(flatten)]
    data: DataSettings,
}

/// Prints a link, alone, on standard output.
pub fn run(arguments: &LoginLinkArguments) -> Result<(), Failure> {
    check_local_mode()?;
    let subject = arguments.sub.clone().unwrap_or_else(operator);
    check_subject(&subject)?;
    let is_unlimited = arguments.role.is_none() && arguments.scope.is_empty();
    let scopes = if is_unlimited {
        Role::Admin.scopes()
    } else {
        scopes(arguments.role, &arguments.scope)?
    };
    let link = make(
        &arguments.data,
        arguments.public_url.origin(),
        &subject,
        scopes,
    )?;
    super::print(&format!("{}\n", *link))
}

/// Refuses to make a link that the server would not take, as far as that can be known here: by the settings that both have.
fn check_local_mode() -> Result<(), Failure> {
    match [JWT_KEY_FILE_VARIABLE, JWKS_FILE_VARIABLE, JWKS_URL_VARIABLE]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some())
    {
        Some(name) => Err(Failure::configuration(format!(
            "{name} is set: a server with this setting is not in local mode and takes no links. Sign in through its provider, or with a token of its issuer"
        ))),
        None => Ok(()),
    }
}

/// A link for the operator, who may do all that a person may.
///
/// # Errors
/// A [`Failure`] when the database cannot be written.
pub fn for_operator(data: &DataSettings, origin: &str) -> Result<Zeroizing<String>, Failure> {
    make(data, origin, &operator(), Role::Admin.scopes())
}

/// Makes a code, and a link of it. The code stands behind the `#`, which browsers send to nobody.
fn make(
    data: &DataSettings,
    origin: &str,
    subject: &str,
    scopes: ScopeSet,
) -> Result<Zeroizing<String>, Failure> {
    let directory = DataDirectory::open(&data.data_dir)?;
    let now = Clock::system().now();
    let code = issue_code(&directory, &data.database()?, subject, scopes, now)?;
    Ok(Zeroizing::new(format!("{origin}/login#{}", *code)))
}
