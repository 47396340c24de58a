//! `credence check`: are the credentials there that files refer to?

mod declaration;
mod declare;
mod document;
mod encoding;
mod file;
mod finding;
mod json;
mod misplaced;
mod models;
mod problem;
mod reading;
mod report;
mod servers;
mod uses;
mod value;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::Args;
use credence::client::CredentialStatus;
use credence::failure::{Failure, FailureKind};
use credence::types::credential::Credential;
use credence::types::id::Id;
use credence::types::scope::Scope;

use super::remote::{Remote, RemoteArguments, block_on};
use declare::Declared;
use file::{CheckedFile, UnreadFile, is_standard_input};
use finding::counted;
use report::{Report, ReportedFailure};

/// What the help shows at its end.
pub const EXAMPLES: &str = "\
Look through workflows and MCP servers before they are put to use:

    credence check workflows/*.yaml mcp.json

It reads YAML, of one document or several, and JSON. Of a workflow, it looks at settings.api_key of each of the defs with \
kind: model. Of MCP servers, it looks at credential, credential_id and credentialId; they stand in a list, or by their names in a \
mapping, at the top of the file or under mcp_servers, mcpServers or servers, there or below mcp. One is a server over stdio when its \
transport or type says so, or when it has a command and no url.

It finds IDs of credentials that were deleted or never were, what is no ID, credentials that slipped into a place where nobody looks \
for them, secrets that stand where an ID belongs or in a header, and credentials of stdio servers, which take none. What may be a \
secret is not shown. None is sent anywhere, unless it has the form of an ID: the server is asked for those. The values of the \
credentials are not needed. A file that has neither models nor MCP servers is named, and is no finding.

With --declare, each model and each MCP server becomes a consumer under the name FILE#NAME, in which FILE is the path below \
the present directory, or all of it. In a list, a server without a name has its host for one. A credential is then not deleted \
while it is in use, unless by force. What a consumer no longer uses is withdrawn with it; a consumer of which not all is known is \
left out, and keeps what it declared before. One that was renamed or taken out of a file stays declared until it is withdrawn by \
its old name:

    credence check --declare --consumer-prefix team/repo: --withdraw team/repo:old.yaml#model workflows/*.yaml

The server does not tell whether a name that is withdrawn had declared anything: each is printed, so that a wrong one is seen.

docs/check.md has all the rules, and the form of --json.

Exit codes: 1 there are findings, whatever else there is; otherwise 0 all is well; 64 usage, or a consumer that cannot be named; 69 the \
server cannot be reached or has no answer now; 74 a file that is to be checked cannot be read; 78 the token, a file that an option \
names, or a consumer that the server refuses, is not right.";

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
    declared: Option<Declared>,
    withdrawn: Vec<String>,
    failure: Option<Failure>,
}

/// Checks the files, and prints what it found.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let inputs = arguments
        .files
        .iter()
        .filter(|path| is_standard_input(path));
    if inputs.count() > 1 {
        let message = "- is given twice: standard input can be read once";
        return Err(Failure::new(FailureKind::Usage, message));
    }
    let (files, unread) = read(&arguments.files);
    let asked = ask(arguments, &files);
    let mut asked = asked.unwrap_or_else(|failure| Asked {
        failure: Some(failure),
        ..Asked::default()
    });
    let unread_failures: Vec<Failure> = unread
        .iter()
        .map(|file| Failure::new(FailureKind::InputOutput, file.message.clone()))
        .collect();
    let failure = asked.failure.take();
    let report = report(&files, unread, asked, failure.as_ref());
    print(&report, arguments.json)?;
    let found = (!report.findings.is_empty()).then(|| {
        let findings = counted(report.findings.len(), "finding");
        let message = format!("{findings}: correct the files, and check again");
        Failure::new(FailureKind::CheckFailed, message)
    });
    // The last of them is told by who called. What was found is certain, and what failed may work the next time.
    let mut failures = unread_failures
        .into_iter()
        .chain(failure)
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

/// The files, and those that cannot be read: the others are checked all the same.
fn read(paths: &[PathBuf]) -> (Vec<CheckedFile>, Vec<UnreadFile>) {
    let mut files = Vec::new();
    let mut unread = Vec::new();
    for path in paths {
        match CheckedFile::read(path) {
            Ok(file) => files.push(file),
            Err(file) => unread.push(file),
        }
    }
    (files, unread)
}

fn report(
    files: &[CheckedFile],
    unread_files: Vec<UnreadFile>,
    asked: Asked,
    failure: Option<&Failure>,
) -> Report {
    let findings = files.iter().flat_map(|file| file.findings(&asked.statuses));
    let references = files.iter().flat_map(CheckedFile::ids);
    let unchecked = references
        .clone()
        .filter(|id| !asked.statuses.contains_key(id));
    Report {
        files: files.len(),
        references: references.count(),
        unchecked_references: unchecked.count(),
        unread_files,
        unrecognized_files: CheckedFile::unrecognized(files),
        findings: findings.collect(),
        declared_consumers: asked.declared.as_ref().map(|declared| declared.consumers),
        omitted_consumers: asked.declared.map(|declared| declared.omitted),
        withdrawn_consumers: asked.withdrawn,
        failure: failure.map(|failure| ReportedFailure {
            message: failure.message.clone(),
            exit_code: failure.kind.exit_code(),
        }),
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
    if arguments.declare {
        let prefix = &arguments.consumer_prefix;
        let mut declared = declare::declare(remote, files, prefix, &asked.statuses).await;
        asked.failure = declared.failure.take();
        asked.declared = Some(declared);
    }
    let is_reached = |failure: &Failure| failure.kind != FailureKind::ServerUnreachable;
    if asked.failure.as_ref().is_none_or(is_reached) {
        let withdrawn = &mut asked.withdrawn;
        let outcome = declare::withdraw(remote, &arguments.withdraw, withdrawn).await;
        asked.failure = asked.failure.or(outcome.err());
    }
    Ok(asked)
}
