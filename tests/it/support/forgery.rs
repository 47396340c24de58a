//! Forged tokens: how they are written down, shown to a server and looked for in its logs.

use std::collections::BTreeMap;

use credence::types::clock::Clock;
use tempfile::TempDir;

use super::keys::new_key;
use super::log::Log;
use super::store::lines;
use super::token::{ISSUER, assert_accepted, assert_refused};
use super::{Server, database, text};

/// Tokens that are forged in one way, and a good one.
pub struct Family {
    pub name: &'static str,
    pub control: String,
    pub forged: Vec<Forged>,
}

pub struct Forged {
    what: String,
    token: String,
    reason: String,
}

pub fn forged(what: &str, token: String, reason: &str) -> Forged {
    Forged {
        what: what.to_owned(),
        token,
        reason: reason.to_owned(),
    }
}

/// What a table makes of its lines.
pub fn from_table(table: &str, token: impl Fn(&str) -> String) -> Vec<Forged> {
    let lines = table.lines().filter(|line| !line.is_empty());
    let split = lines.map(|line| line.split_once(' ').unwrap());
    split
        .map(|(reason, text)| forged(text, token(text), reason))
        .collect()
}

/// A text with the seconds in it that `NOW`, `NOW+40` and the like stand for.
pub fn with_times(text: &str, now: i64) -> String {
    let mut parts = text.split("NOW");
    let mut all = parts.next().unwrap().to_owned();
    for part in parts {
        let is_digit = |c: char| c.is_ascii_digit() || "+-".contains(c);
        let end = part.find(|c| !is_digit(c)).unwrap_or(part.len());
        let shift: i64 = part[..end].parse().unwrap_or(0);
        all.push_str(&format!("{}{}", now + shift, &part[end..]));
    }
    all
}

/// Shows the tokens to a server with these options, and looks for the reasons. Returns how many were forged.
pub async fn judge(options: &[&str], families: fn(&Server) -> Vec<Family>) -> usize {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (master_key, _id) = new_key(directory.path(), "master.key");
    let fixed = ["--jwt-issuer", ISSUER, "--master-key-file"];
    let arguments = [&fixed, [text(&master_key)].as_slice(), options].concat();
    let server = Server::instance(&data, Clock::system(), &arguments).await;
    let server = server.unwrap();
    let log = Log::begin();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for family in families(&server) {
        assert_accepted(&server, &family.control, family.name).await;
        for Forged {
            what,
            token,
            reason,
        } in family.forged
        {
            log.take();
            let what = format!("{}: {what}", family.name);
            assert_refused(&server, &token, &what).await;
            let told = log.take();
            let is_told = told.contains(&format!("reason=\"{reason}\""));
            assert!(is_told && !told.contains("eyJ"), "{what}: {told}");
            *counts.entry(reason).or_default() += 1;
        }
        assert_accepted(&server, &family.control, family.name).await;
    }
    // What was counted is written when the server ends, if not before.
    server.end().await;
    let query = "SELECT reason || ' ' || CAST(sum(times) AS text) AS line FROM audit_events
                 WHERE action = 'ACCESS_REFUSED' GROUP BY reason ORDER BY reason";
    let counted = lines(&mut database::database(&data).connect().unwrap(), query);
    let expected: Vec<String> = counts
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    assert_eq!(counted, expected);
    counts.values().sum()
}
