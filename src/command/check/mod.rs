//! `credence check`: are the credentials there that files refer to?

mod declare;
mod document;
mod file;
mod finding;
mod json;
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
credentials that were deleted or never were, what is no ID, secrets that stand where an ID belongs or in a header (they \
are neither shown nor sent anywhere), and credentials of stdio servers, which take none. The values of the credentials are \
not needed. A file in which it knows nothing again is told, and is no finding.

With --declare, each model and each MCP server becomes a consumer under the name FILE#NAME, in which FILE is the path below \
the present directory, or all of it. In a list, a server without a name has its host for one. A credential is then not deleted while it is in use, unless by force. What a consumer no longer uses \
is withdrawn with it; one that was renamed or taken out of a file stays declared until it is withdrawn by its old name:

    credence check --declare --consumer-prefix team/repo: --withdraw team/repo:old.yaml#model workflows/*.yaml

Exit codes: 1 there are findings, whatever else there is; otherwise 0 all is well; 64 usage; 69 the server cannot be reached or has no answer now; 74 a \
file cannot be read; 78 the token is not right.";

/// The arguments of `credence check`.
#[derive(Args)]
pub struct CheckArguments {
    /// The files: YAML or JSON; - is standard input
    #[arg(required_unless_present = "withdraw", value_name = "FILE")]
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
    /// Declare that a consumer of this name uses no credential any more; may be given several times
    #[arg(long, value_name = "CONSUMER")]
    withdraw: Vec<String>,
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
    let (files, unread) = read(&arguments.files);
    let asked = ask(arguments, &files);
    let asked = asked.unwrap_or_else(|failure| Asked {
        failure: Some(failure),
        ..Asked::default()
    });
    let findings = files.iter().flat_map(|file| file.findings(&asked.statuses));
    let references = files.iter().flat_map(CheckedFile::ids);
    let report = Report {
        files: files.len(),
        references: references.clone().count(),
        unchecked_references: references
            .filter(|id| !asked.statuses.contains_key(id))
            .count(),
        unrecognized_files: CheckedFile::unrecognized(&files),
        findings: findings.collect(),
        declared_consumers: asked.declared_consumers,
    };
    print(&report, arguments.json)?;
    let found = (!report.findings.is_empty()).then(|| {
        let findings = counted(report.findings.len(), "finding");
        let message = format!("{findings}: correct the files, and check again");
        Failure::new(FailureKind::CheckFailed, message)
    });
    // The last of them is told by who called. What was found is certain, and what failed may work the next time.
    let mut failures = unread
        .into_iter()
        .chain(asked.failure)
        .chain(found)
        .peekable();
    while let Some(failure) = failures.next() {
        if failures.peek().is_none() {
            return Err(failure);
        }
        super::tell(&format!("credence: {failure}"));
    }
    Ok(())
}

/// The files, and why some cannot be read: the others are checked all the same.
fn read(paths: &[PathBuf]) -> (Vec<CheckedFile>, Vec<Failure>) {
    let mut files = Vec::new();
    let mut unread = Vec::new();
    for path in paths {
        match CheckedFile::read(path) {
            Ok(file) => files.push(file),
            Err(failure) => unread.push(failure),
        }
    }
    (files, unread)
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
    if ids.is_empty() && !arguments.declare && arguments.withdraw.is_empty() {
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
    let declaring = async {
        let mut declared = 0;
        if arguments.declare {
            let prefix = &arguments.consumer_prefix;
            declared += declare::declare(remote, files, prefix, &asked.statuses).await?;
        }
        declare::withdraw(remote, &arguments.withdraw).await?;
        Ok(arguments.declare.then_some(declared))
    };
    match declaring.await {
        Ok(consumers) => asked.declared_consumers = consumers,
        Err(failure) => asked.failure = Some(failure),
    }
    Ok(asked)
}
