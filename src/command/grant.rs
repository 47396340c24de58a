//! What the commands that let somebody in are told: for whom, and what they may do.

use std::env;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use credence::crypto::token::is_subject;
use credence::failure::{Failure, FailureKind};
use credence::types::scope::{Role, Scope, ScopeSet};
use rustix::process::getuid;

/// A role, on the command line.
#[derive(Clone, Copy)]
pub struct RoleArgument(Role);

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

/// The scopes of a role and of a list of words together.
///
/// # Errors
/// [`FailureKind::Usage`] for a word that is no scope.
pub fn scopes(role: Option<RoleArgument>, words: &[String]) -> Result<ScopeSet, Failure> {
    let mut scopes = role.map(|role| role.0.scopes()).unwrap_or_default();
    for word in words {
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

/// Lets pass what can be the subject of a token.
///
/// # Errors
/// [`FailureKind::Usage`] for what cannot.
pub fn check_subject(subject: &str) -> Result<(), Failure> {
    if is_subject(subject) {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Usage,
        "--sub has 1 to 255 bytes, and no control characters",
    ))
}

/// Who asks, when nobody is named: the user of the operating system, as the log-in named them.
pub fn operator() -> String {
    let named = ["LOGNAME", "USER"].into_iter().find_map(|variable| {
        let name = env::var(variable).ok();
        name.filter(|name| is_subject(name))
    });
    named.unwrap_or_else(|| format!("uid-{}", getuid().as_raw()))
}
