//! `credence run`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use clap::Args;
use credence::client::{ClientError, Resolved};
use credence::failure::{Failure, FailureKind};
use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::credential::Credential;
use credence::types::id::Id;
use credence::types::scope::Scope;

use super::grant::operator;
use super::program::Program;
use super::remote::{Remote, RemoteArguments, block_on};
use crate::hardening::Inherited;

/// What the help shows at its end.
pub const EXAMPLES: &str = "\
Start a stdio MCP server that expects its secret in CRM_TOKEN:

    credence run --env CRM_TOKEN=MCP_CRM_TOKEN -- npx crm-mcp-server --verbose

The values are resolved first, each with its event in the audit log. Then the process becomes the command: signals, exit \
code and terminal are the command's own (SIGPIPE alone is never ignored, even where it was). No value is in an argument or \
on disk, and no variable whose name begins with CREDENCE_ is left. A value that is rotated later is seen by the next start.

In the references of a credential, the command is credence-run:USER/COMMAND, on each machine and in each container the same. \
--consumer-id says it better, and lets a service be told from others: give it the name of the service, and of the machine only when \
that lasts.

    credence run --consumer-id crm/production --env CRM_TOKEN=MCP_CRM_TOKEN -- npx crm-mcp-server

Exit codes, when the command was not started: 64 usage; 69 the server cannot be reached or has no answer now; 74 a read failed; \
78 the token, a file that an option names, or a credential is not right; 126 the command cannot be executed; 127 there is none: \
this is found before anything is resolved. Otherwise that of the command.";

/// The arguments of `credence run`.
#[derive(Args)]
pub struct RunArguments {
    /// The command and its arguments
    #[arg(
        last = true,
        required = true,
        value_name = "COMMAND",
        value_hint = clap::ValueHint::CommandWithArguments
    )]
    command: Vec<OsString>,
    /// A variable of the command's environment, and the ID or the name of the credential whose value it gets. May be given several
    /// times
    #[arg(long, value_name = "NAME=CREDENTIAL", required = true)]
    env: Vec<String>,
    /// How the audit log and the credential's references call the command: `credence-run:USER/COMMAND`, by their names, unless said
    /// otherwise. A name that lasts is best: each new one is one more reference of the credential
    #[arg(long, value_name = "ID")]
    consumer_id: Option<String>,
    /// A name for people beside it
    #[arg(long, value_name = "NAME")]
    consumer_name: Option<String>,
    #[command(flatten)]
    server: RemoteArguments,
}

/// A variable to be, and what its value is the value of.
struct Variable<'a> {
    name: &'a str,
    credential: &'a str,
}

/// Resolves, and becomes the command.
pub fn run(arguments: &RunArguments, inherited: Inherited) -> Result<(), Failure> {
    let Some((program, words)) = arguments.command.split_first() else {
        return Err(usage("there is no command behind --".to_owned()));
    };
    let variables = variables(&arguments.env)?;
    let consumer = consumer(arguments, program)?;
    let has_path = variables.iter().any(|variable| variable.name == "PATH");
    let found = Program::new(program, has_path)?;
    found.check()?;
    let remote = arguments.server.connect(Scope::CredentialsResolve)?;
    let values = block_on(resolve(&remote, &variables, &consumer))??;
    let mut command = Command::new(program);
    command.args(words);
    for (name, _) in env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    for (variable, resolved) in variables.iter().zip(&values) {
        command.env(variable.name, resolved.value.expose());
    }
    inherited.restore();
    Err(found.failure(command.exec().kind()))
}

/// Whether a variable is one of Credence's own settings, of which the command is to see none.
fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"CREDENCE_")
}

/// Reads the variables. What stands behind the `=` is never repeated: it may be a value, put there by mistake.
fn variables(arguments: &[String]) -> Result<Vec<Variable<'_>>, Failure> {
    let mut variables: Vec<Variable<'_>> = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let (name, credential) = argument.split_once('=').ok_or_else(|| {
            usage(
                "--env has the form NAME=CREDENTIAL, with the ID or the name of a credential"
                    .to_owned(),
            )
        })?;
        let mut bytes = name.bytes();
        let is_name = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(usage(
                "--env NAME=CREDENTIAL: the name of a variable has letters of ASCII, digits and _, and begins with no digit".to_owned(),
            ));
        }
        if is_ours(OsStr::new(name)) {
            return Err(usage(format!(
                "--env {name}: variables whose names begin with CREDENCE_ are never handed on: choose another name"
            )));
        }
        if variables.iter().any(|other| other.name == name) {
            return Err(usage(format!("--env {name} is given twice")));
        }
        if credential.trim().is_empty() {
            return Err(usage(format!(
                "--env {name}: the ID or the name of a credential is missing behind the ="
            )));
        }
        variables.push(Variable { name, credential });
    }
    Ok(variables)
}

fn consumer(arguments: &RunArguments, program: &OsStr) -> Result<Consumer, Failure> {
    let external_id = arguments.consumer_id.clone().unwrap_or_else(|| {
        let name = Path::new(program).file_name().unwrap_or(program);
        // Without the name of the machine: a container has another one each time, and each would stay as a reference.
        format!("credence-run:{}/{}", operator(), name.to_string_lossy())
    });
    let name = arguments.consumer_name.as_deref();
    Consumer::parse(ConsumerKind::Integration, &external_id, name).map_err(|_problem| {
        usage(
            "--consumer-id, or the name of the command in its place, has 1 to 255 characters, and --consumer-name at most 255; \
             neither has any that cannot be seen"
                .to_owned(),
        )
    })
}

async fn resolve(
    remote: &Remote,
    variables: &[Variable<'_>],
    consumer: &Consumer,
) -> Result<Vec<Arc<Resolved>>, Failure> {
    let mut values = Vec::with_capacity(variables.len());
    for variable in variables {
        let name = variable.name;
        let id = find(remote, variable).await?;
        let resolved = remote.client.resolve(id, consumer).await;
        let resolved = resolved.map_err(|error| {
            if let ClientError::NotFound { .. } = error {
                return not_found(variable, "ID");
            }
            let failure = remote.failure(&error);
            Failure::new(failure.kind, format!("--env {name}: {failure}"))
        })?;
        if resolved.value.expose().contains('\0') {
            return Err(Failure::configuration(format!(
                "--env {name}: the value of {} has a null byte in it, which no environment can hold: set it again without",
                resolved.name
            )));
        }
        values.push(resolved);
    }
    Ok(values)
}

/// The ID of the credential that a variable names. What looks like an ID is one.
async fn find(remote: &Remote, variable: &Variable<'_>) -> Result<Id<Credential>, Failure> {
    if let Some(id) = Id::parse(variable.credential) {
        return Ok(id);
    }
    let found = remote.client.find_by_name(variable.credential).await;
    let unnamed = |error: ClientError| {
        let failure = remote.failure(&error);
        Failure::new(failure.kind, format!("--env {}: {failure}", variable.name))
    };
    found
        .map_err(unnamed)?
        .ok_or_else(|| not_found(variable, "name"))
}

fn not_found(variable: &Variable<'_>, what: &str) -> Failure {
    Failure::configuration(format!(
        "--env {}: no credential has the {what} that stands behind the =; it is not repeated here, in case it is a value",
        variable.name
    ))
}

fn usage(message: String) -> Failure {
    Failure::new(FailureKind::Usage, message)
}
