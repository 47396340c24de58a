//! `credence check`: are the credentials there that files refer to?

mod declare;
mod document;
mod file;
mod finding;
mod uses;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::Args;
use credence::client::CredentialStatus;
use credence::failure::{Failure, FailureKind};
use credence::types::credential::Credential;
use credence::types::id::Id;
use credence::types::scope::Scope;

use super::remote::{Remote, RemoteArguments, block_on};
use file::CheckedFile;
use finding::{Report, counted};

/// What the help shows at its end.
pub const EXAMPLES: &str = "\
Look through workflows and MCP servers before they are put to use:

    credence check workflows/*.yaml mcp.json

It reads YAML, of one document or several, and JSON. Of a workflow, it looks at settings.api_key of each of the defs with \
kind: model; of MCP servers, in a list or under mcp_servers, mcpServers or servers, at credential. It finds IDs of \
credentials that were deleted or never were, what is no ID, secrets that stand where an ID belongs (they are neither \
shown nor sent anywhere), and credentials of stdio servers, which take none. The values of the credentials are not needed.

With --declare, each model and each MCP server becomes a consumer under the name FILE#NAME. A credential is then not \
deleted while it is in use, unless by force. What a consumer no longer uses is withdrawn with it; a consumer that was \
renamed or taken out of a file stays declared, until its old name is declared with nothing.

Exit codes: 0 all is well; 1 there are findings; 64 usage; 69 the server cannot be reached or has no answer now; 74 a \
file cannot be read; 78 the token is not right.";

/// The arguments of `credence check`.
#[derive(Args)]
pub struct CheckArguments {
    /// The files: YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object in place of lines for people
    #[arg(long)]
    json: bool,
    /// Declare to the server what the files refer to
    #[arg(long)]
    declare: bool,
    /// What to put in front of FILE#NAME, when consumers are declared
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        requires = "declare"
    )]
    consumer_prefix: String,
    #[command(flatten)]
    server: RemoteArguments,
}

/// What became of the IDs in the files.
type Statuses = HashMap<Id<Credential>, CredentialStatus>;

/// What the server said, as far as it could be asked.
#[derive(Default)]
struct Asked {
    statuses: Statuses,
    declared_consumers: Option<usize>,
    failure: Option<Failure>,
}

/// Checks the files, and prints what it found.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let files = arguments.files.iter().map(|path| CheckedFile::read(path));
    let files = files.collect::<Result<Vec<CheckedFile>, Failure>>()?;
    let asked = ask(arguments, &files);
    let asked = asked.unwrap_or_else(|failure| Asked {
        failure: Some(failure),
        ..Asked::default()
    });
    let findings = files.iter().flat_map(|file| file.findings(&asked.statuses));
    let report = Report {
        files: files.len(),
        references: files.iter().flat_map(CheckedFile::ids).count(),
        findings: findings.collect(),
        declared_consumers: asked.declared_consumers,
    };
    print(&report, arguments.json)?;
    match asked.failure {
        Some(failure) => Err(failure),
        None if report.findings.is_empty() => Ok(()),
        None => {
            let findings = counted(report.findings.len(), "finding");
            let message = format!("{findings}: correct the files, and check again");
            Err(Failure::new(FailureKind::CheckFailed, message))
        }
    }
}

fn print(report: &Report, as_json: bool) -> Result<(), Failure> {
    if as_json {
        // It is made of texts and numbers: it can always be written.
        let json = serde_json::to_string_pretty(report).unwrap_or_default();
        super::print(&format!("{json}\n"))
    } else {
        super::print(&report.to_string())
    }
}

/// Asks the server. Where there is nothing to ask, none has to run.
fn ask(arguments: &CheckArguments, files: &[CheckedFile]) -> Result<Asked, Failure> {
    let mut seen = HashSet::new();
    let ids = files.iter().flat_map(CheckedFile::ids);
    let ids: Vec<Id<Credential>> = ids.filter(|id| seen.insert(*id)).collect();
    if ids.is_empty() && !arguments.declare {
        return Ok(Asked::default());
    }
    let remote = arguments.server.connect(Scope::ReferencesDeclare)?;
    block_on(ask_remote(&remote, arguments, files, &ids))?
}

async fn ask_remote(
    remote: &Remote,
    arguments: &CheckArguments,
    files: &[CheckedFile],
    ids: &[Id<Credential>],
) -> Result<Asked, Failure> {
    let statuses = remote.client.statuses(ids).await;
    let statuses = statuses.map_err(|error| remote.failure(&error))?;
    let mut asked = Asked {
        statuses: statuses
            .into_iter()
            .map(|status| (status.id, status))
            .collect(),
        ..Asked::default()
    };
    if arguments.declare {
        let prefix = &arguments.consumer_prefix;
        match declare::declare(remote, files, prefix, &asked.statuses).await {
            Ok(consumers) => asked.declared_consumers = Some(consumers),
            Err(failure) => asked.failure = Some(failure),
        }
    }
    Ok(asked)
}
