//! Anchors of several instances over one database.

use std::path::Path;
use std::sync::Arc;

use credence::crypto::audit_key::audit_signer;
use credence::crypto::token::TokenVerifier;
use credence::crypto::token_key::TokenKeys;
use credence::crypto::token_rules::TokenRules;
use credence::domain::Domain;
use credence::domain::audit_anchor::Anchoring;
use credence::domain::issuer_keys::IssuerKeys;
use credence::domain::keyring::LiveKeyring;
use credence::domain::session::SignIn;
use credence::domain::token::Tokens;
use credence::keyring_start::open_keyring;
use credence::store::{Store, StoreEnd};
use credence::types::clock::Clock;
use tempfile::TempDir;

use crate::support::database;
use crate::support::keys::{new_key, wrapping_key};
use crate::support::store::lines;

/// The rules of an instance, without the server around them, which looks every second.
fn instance(data: &Path, master_key: &Path, clock: &Clock) -> (Domain, StoreEnd) {
    let database = database::database(data);
    let keys = [wrapping_key(master_key)];
    let keyring = open_keyring(&database, &keys, clock.now()).unwrap();
    let (store, end) = Store::open(&database, &audit_signer(&keyring)).unwrap();
    let live = LiveKeyring::new(keyring, Vec::new(), Box::new(Vec::new));
    let secret: Vec<u8> = (0..32).collect();
    let tokens = TokenKeys::from_secret(&secret).unwrap();
    let rules = TokenRules::new("issuer".to_owned(), "audience".to_owned());
    let keys = IssuerKeys::fixed(TokenVerifier::new(tokens, rules));
    let tokens = Tokens::new(keys, Vec::new());
    let sign_in = SignIn {
        session_lifetime_seconds: 60,
        codes: None,
        provider: None,
    };
    let domain = Domain::new(store, Arc::new(live), tokens, sign_in, clock.clone(), 0);
    (domain, end)
}

#[tokio::test]
async fn two_instances_over_a_log_that_nobody_adds_to_write_no_anchors_for_each_others_anchors() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (master_key, _) = new_key(directory.path(), "master.key");
    let clock = Clock::system();
    let instances = [
        instance(&data, &master_key, &clock),
        instance(&data, &master_key, &clock),
    ];
    let mut anchorings = [Anchoring::default(), Anchoring::default()];
    let mut connection = database::database(&data).connect().unwrap();
    let mut anchored = async |minutes: usize| {
        let mut lines_written = 0;
        for _ in 0..minutes {
            for ((domain, _), anchoring) in instances.iter().zip(&mut anchorings) {
                let line = domain.anchor(anchoring, false).await.unwrap();
                lines_written += usize::from(line.is_some());
            }
            clock.shift_seconds(60);
        }
        let query =
            "SELECT CAST(count(*) AS text) AS line FROM audit_events WHERE action = 'LOG_ANCHORED'";
        (lines_written, lines(&mut connection, query).remove(0))
    };
    assert_eq!(anchored(5).await, (0, "0".to_owned()));
    for round in 1..=2 {
        let (domain, _) = &instances[round % 2];
        domain.note_refused_proof("malformed");
        domain.write_refusals(true).await.unwrap();
        // Each anchors it, once.
        assert_eq!(anchored(8).await, (2, (2 * round).to_string()));
    }
    for (domain, end) in instances {
        drop(domain);
        tokio::task::spawn_blocking(|| end.finish()).await.unwrap();
    }
}
