//! `credence audit verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use credence::domain::audit_anchor::{AnchorLine, parse_line};
use credence::domain::audit_verification::Verification;
use credence::failure::Failure;
use credence::keyring_start::store_failure;
use credence::types::audit::ChainPoint;
use credence::types::audit::Signer;
use serde_json::json;

use super::{bar, check_failed, signer};
use crate::command::keyring::{KeyringSettings, Place};
use crate::command::print;

/// What the help shows.
pub const EXAMPLES: &str = "\
From cron, each night, with the anchors that the server has added to a file (`credence serve --audit-anchor FILE`):

  credence audit verify --anchor /var/log/credence/anchors --master-key-file /etc/credence/master.key

Without a second place, whoever can write the database can put all of it back to what it was before: nothing in it tells that. With
--anchor, everything up to the last anchor is found. The file may also be a log of the server, in either format.";

/// The arguments of `credence audit verify`.
#[derive(Args)]
pub struct VerifyArguments {
    /// A file with anchors, from the second place: several are given by several options
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: KeyringSettings,
}

/// Verifies the log.
pub fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    let mut place = arguments.settings.open()?;
    let signer = signer(&arguments.settings, &place)?;
    let mut verification = Verification::default();
    let mut anchors = Vec::new();
    for path in &arguments.anchor {
        anchors.extend(read(path, &place, &signer, &mut verification)?);
    }
    verify(&mut place, &signer, &anchors, &mut verification)?;
    report(&verification, anchors.len(), arguments.json)
}

/// Verifies the log, while somebody looks on.
pub fn verify(
    place: &mut Place,
    signer: &Signer,
    anchors: &[ChainPoint],
    verification: &mut Verification,
) -> Result<(), Failure> {
    let bar = bar("verifying");
    let verified = verification.run(&mut place.connection, signer, anchors, &mut |count| {
        bar.inc(count);
    });
    bar.finish_and_clear();
    verified.map_err(|error| store_failure(&place.database, error))
}

/// The anchors in a file. Lines that are none are passed over.
fn read(
    path: &Path,
    place: &Place,
    signer: &Signer,
    verification: &mut Verification,
) -> Result<Vec<ChainPoint>, Failure> {
    let content = std::fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
    let text = String::from_utf8_lossy(&content);
    let mut points = Vec::new();
    let mut has_anchor = false;
    for (number, line) in (1..).zip(text.lines()) {
        match parse_line(signer, &place.stored.deployment_id, line) {
            AnchorLine::Other => continue,
            AnchorLine::Damaged => verification.note_damaged_line(number),
            AnchorLine::Heads(heads) => points.extend(heads),
        }
        has_anchor = true;
    }
    if has_anchor {
        return Ok(points);
    }
    Err(Failure::configuration(format!(
        "{} has no anchor in it: is it the file that `credence serve --audit-anchor` names?",
        path.display()
    )))
}

fn report(
    verification: &Verification,
    anchored_points: usize,
    as_json: bool,
) -> Result<(), Failure> {
    let findings: Vec<String> = verification
        .findings
        .iter()
        .map(ToString::to_string)
        .collect();
    if as_json {
        let report = json!({
            "events": verification.events,
            "chains": verification.chains,
            "credentials": verification.credentials,
            "anchoredPoints": anchored_points,
            "findingCount": verification.finding_count,
            "findings": findings,
        });
        print(&format!("{report}\n"))?;
    } else if findings.is_empty() {
        print(&format!(
            "{} events in {} chains are as they were written, and {} credentials are as the log says.\n",
            verification.events, verification.chains, verification.credentials
        ))?;
    } else {
        print(&format!("{}\n", findings.join("\n")))?;
    }
    match verification.finding_count {
        0 => Ok(()),
        1 => Err(check_failed(
            "the audit log does not verify: 1 finding".to_owned(),
        )),
        count => Err(check_failed(format!(
            "the audit log does not verify: {count} findings"
        ))),
    }
}
