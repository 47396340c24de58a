//! `credence audit export`.

use clap::Args;
use credence::failure::Failure;
use credence::keyring_start::store_failure;
use credence::store::audit::list_rows;
use credence::store::audit_row::AuditRow;
use credence::types::clock::Timestamp;
use credence::types::hex::hex;
use serde_json::{Value, json};

use super::parse_time;
use crate::command::keyring::{KeyringSettings, Place};
use crate::command::print;

/// How many rows are read at once.
const BATCH_LIMIT_ROWS: i64 = 1_000;

/// The arguments of `credence audit export`.
#[derive(Args)]
pub struct ExportArguments {
    /// Only events of this time or later: a day or a time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    #[command(flatten)]
    settings: KeyringSettings,
}

/// Prints the log.
pub fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let Place {
        database,
        mut connection,
        ..
    } = arguments.settings.open()?;
    let failure = |error| store_failure(&database, error);
    let mut after = Vec::new();
    loop {
        let rows = list_rows(&mut connection, &after, BATCH_LIMIT_ROWS).map_err(failure)?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.id);
        let is_wanted = |row: &&AuditRow| {
            let is_since = arguments.since.is_none_or(|at| row.occurred_at_us >= at.0);
            is_since && arguments.until.is_none_or(|at| row.occurred_at_us < at.0)
        };
        let lines: Vec<String> = rows.iter().filter(is_wanted).map(line).collect();
        print(&lines.concat())?;
    }
}

fn line(row: &AuditRow) -> String {
    let event = json!({
        "id": id(Some(&row.id)),
        "occurredAt": Timestamp(row.occurred_at_us).to_rfc3339(),
        "occurredAtMicroseconds": row.occurred_at_us,
        "action": row.action,
        "actorIssuer": row.actor_issuer,
        "actorSubject": row.actor_subject,
        "actorClientId": row.actor_client,
        "tokenIdHash": row.token_id_hash.as_deref().map(hex),
        "peerAddress": row.peer,
        "credentialId": id(row.credential_id.as_ref()),
        "credentialName": row.credential_name,
        "valueVersion": row.value_version,
        "ownerId": id(row.owner_id.as_ref()),
        "userId": id(row.user_id.as_ref()),
        "userSubject": row.user_subject,
        "consumerKind": row.consumer_kind,
        "consumerExternalId": row.consumer_external_id,
        "consumerName": row.consumer_name,
        "requestId": row.request_id,
        "reason": row.reason,
        "times": row.times,
        "heads": row.heads.as_deref().map(hex),
        "chain": row.chain,
        "chainSequence": row.chain_sequence,
        "mac": hex(&row.mac),
    });
    format!("{event}\n")
}

/// An ID as the API shows it.
fn id(bytes: Option<&Vec<u8>>) -> Value {
    let Some(bytes) = bytes else {
        return Value::Null;
    };
    match <[u8; 16]>::try_from(bytes.as_slice()) {
        Ok(bytes) => {
            let id: credence::types::id::Id<()> = credence::types::id::Id::from_bytes(bytes);
            Value::String(id.to_string())
        }
        Err(_length) => Value::String(hex(bytes)),
    }
}
