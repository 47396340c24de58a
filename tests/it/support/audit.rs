//! The audit log as it is verified, and what is done to it.

use std::path::Path;
use std::process::Output;

use credence::crypto::audit_key::audit_signer;
use credence::crypto::keyring::Keyring;
use credence::domain::audit_verification::Verification;
use credence::store::connection::DatabaseConnection;
use credence::types::audit::Signer;
use diesel::connection::SimpleConnection;

use super::keys::{stored_keyring, wrapping_key};
use super::process::{Place, stderr, stdout};

/// What authenticates the log of a database that this master key opens.
pub fn signer(connection: &mut DatabaseConnection, master_key: &Path) -> Signer {
    let stored = stored_keyring(connection);
    audit_signer(&Keyring::open(&stored, &[wrapping_key(master_key)]).unwrap())
}

/// What is found in the log, as text. That it cannot even be read is a finding too.
pub fn findings(connection: &mut DatabaseConnection, signer: &Signer) -> Vec<String> {
    let mut verification = Verification::default();
    match verification.run(connection, signer, &[], &mut |_count| {}) {
        Ok(()) => verification
            .findings
            .iter()
            .map(ToString::to_string)
            .collect(),
        Err(error) => vec![format!("it cannot be read: {error:?}")],
    }
}

/// Says that every event was counted into the references: what is not counted yet is not pruned.
pub fn count_all(connection: &mut DatabaseConnection) {
    let count = "UPDATE reference_progress SET counted_through = (SELECT id FROM audit_events ORDER BY id DESC LIMIT 1)";
    connection.batch_execute(count).unwrap();
}

/// Runs `credence audit`.
pub fn audit(place: &Place, words: &[&str]) -> Output {
    let mut command = place.command(&[&["audit"], words].concat());
    command.output().unwrap()
}

/// What a command says that succeeds.
#[track_caller]
pub fn succeeds(output: &Output) -> String {
    let told = format!("{}{}", stdout(output), stderr(output));
    assert!(output.status.success(), "{told}");
    told
}

/// What `credence audit verify` says of a log that verifies.
#[track_caller]
pub fn verifies(place: &Place, words: &[&str]) -> String {
    succeeds(&audit(place, &[&["verify"], words].concat()))
}

/// What `credence audit verify` shows of a log that does not verify.
#[track_caller]
pub fn does_not_verify(place: &Place, words: &[&str]) -> String {
    let output = audit(place, &[&["verify"], words].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("does not verify"));
    stdout(&output)
}

/// Random numbers that are the same in every run (Steele, Lea and Flood: `SplitMix`).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One that is smaller than this.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
}
