//! ID tokens of a provider: what is accepted, and what is of another sign-in, for another client, or forged. The flow itself is checked with
//! a real provider (`conformance/test/oidc.test.js`).

use credence::crypto::id_token::IdTokenRules;
use credence::crypto::token::{TokenProblem, VerifiedToken};
use credence::crypto::token_key::RsaAlgorithm;
use credence::types::clock::Timestamp;
use credence::types::scope::{Role, Scope, ScopeSet};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::token::sign;

const NOW: i64 = 1_800_000_000;
const KEY_SET: &[u8] = include_bytes!("keys/jwks.json");
const ED25519: &str = r#"{"alg":"EdDSA","kid":"ed25519"}"#;

fn rules(role_claim: Option<&str>) -> IdTokenRules {
    IdTokenRules {
        issuer: "https://id.example.com".to_owned(),
        client_id: "credence".to_owned(),
        role_claim: role_claim.map(str::to_owned),
        rsa_algorithm: RsaAlgorithm::Rs256,
        leeway_seconds: 30,
    }
}

fn signed(header: &str, claims: &str) -> String {
    let key = EncodingKey::from_ed_pem(include_bytes!("keys/ed25519.pem")).unwrap();
    sign(header, claims, &key, Algorithm::EdDSA)
}

/// Good claims with some of them changed; null takes one away.
fn claims(changes: Value) -> String {
    let mut all = json!({
        "iss": "https://id.example.com", "aud": "credence", "sub": "alice", "iat": NOW, "exp": NOW + 300,
        "nonce": "the nonce", "scope": "openid credentials:read", "name": "Alice",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
            value => all[name] = value.clone(),
        }
    }
    all.to_string()
}

fn verify(role_claim: Option<&str>, token: &str) -> Result<VerifiedToken, TokenProblem> {
    let now = Timestamp(NOW * 1_000_000);
    rules(role_claim).verify(token, KEY_SET, "the nonce", now)
}

#[test]
fn a_good_id_token_says_who_it_is_and_what_they_may() {
    for changes in [
        json!({}),
        json!({ "azp": "credence" }),
        json!({ "aud": ["credence"] }),
        json!({ "aud": ["another", "credence"], "azp": "credence" }),
        json!({ "roles": ["admin"] }),
        json!({ "scope": "credentials:resolve credentials:read" }),
    ] {
        let verified = verify(None, &signed(ED25519, &claims(changes))).unwrap();
        assert_eq!(verified.user.issuer, "https://id.example.com");
        assert_eq!(verified.user.subject, "alice");
        assert_eq!(verified.profile.name.as_deref(), Some("Alice"));
        assert_eq!(
            verified.scopes,
            [Scope::CredentialsRead].into_iter().collect()
        );
    }
}

#[test]
fn an_id_token_of_another_sign_in_or_for_another_client_is_refused() {
    for (changes, problem) in [
        (json!({ "nonce": null }), TokenProblem::Nonce),
        (json!({ "nonce": "another" }), TokenProblem::Nonce),
        (json!({ "nonce": "" }), TokenProblem::Nonce),
        (json!({ "nonce": 1 }), TokenProblem::Claims),
        (json!({ "aud": "another" }), TokenProblem::Audience),
        (
            json!({ "aud": ["credence", "another"] }),
            TokenProblem::Audience,
        ),
        (json!({ "azp": "another" }), TokenProblem::Audience),
        (
            json!({ "iss": "https://evil.example" }),
            TokenProblem::Issuer,
        ),
        (json!({ "exp": NOW - 31 }), TokenProblem::Expired),
        (json!({ "iat": NOW + 31 }), TokenProblem::NotYetValid),
        (json!({ "iat": null }), TokenProblem::Claims),
        (json!({ "sub": "" }), TokenProblem::Subject),
    ] {
        let refused = verify(None, &signed(ED25519, &claims(changes.clone()))).err();
        assert_eq!(refused, Some(problem), "{changes}");
    }
}

#[test]
fn an_id_token_that_is_forged_is_refused() {
    let good = signed(ED25519, &claims(json!({})));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = signed(ED25519, &claims(json!({ "sub": "ada" })));
    let (other_message, _) = other.rsplit_once('.').unwrap();
    let secret = EncodingKey::from_secret(KEY_SET);
    let header = r#"{"alg":"HS256","kid":"ed25519"}"#;
    for (token, problem) in [
        (format!("{message}."), TokenProblem::Signature),
        (
            format!("{other_message}.{signature}"),
            TokenProblem::Signature,
        ),
        (
            sign(header, &claims(json!({})), &secret, Algorithm::HS256),
            TokenProblem::Algorithm,
        ),
        (
            signed(r#"{"alg":"none","kid":"ed25519"}"#, &claims(json!({}))),
            TokenProblem::Algorithm,
        ),
        (
            signed(r#"{"alg":"EdDSA","kid":"unknown"}"#, &claims(json!({}))),
            TokenProblem::UnknownKey,
        ),
        (
            signed(r#"{"alg":"EdDSA"}"#, &claims(json!({}))),
            TokenProblem::UnknownKey,
        ),
        (
            signed(
                r#"{"alg":"EdDSA","kid":"ed25519","crit":[]}"#,
                &claims(json!({})),
            ),
            TokenProblem::Header,
        ),
    ] {
        assert_eq!(verify(None, &token).err(), Some(problem), "{token}");
    }
    let now = Timestamp(NOW * 1_000_000);
    for key_set in [&b"{}"[..], b"{\"keys\":[]}", b"none"] {
        let refused = rules(None).verify(&good, key_set, "the nonce", now);
        assert_eq!(refused.err(), Some(TokenProblem::KeySet));
    }
}

#[test]
fn roles_are_the_words_of_the_claim_that_is_configured() {
    let viewer = Role::Viewer.scopes();
    let both = Role::Editor.scopes().with(Role::Admin.scopes());
    let none = ScopeSet::default();
    for (roles, scopes) in [
        (json!("admin"), Role::Admin.scopes()),
        (json!("editor admin"), both),
        (json!(["editor", "admin", "none of ours"]), both),
        (json!(["editor admin"]), none),
        // A person resolves nothing.
        (json!("viewer runtime"), viewer),
        (json!(["runtime"]), none),
        (json!(["Admin", "admin "]), none),
        (json!([]), none),
        (json!(null), none),
    ] {
        let changes = json!({ "scope": null, "https://example.com/roles": roles });
        let token = signed(ED25519, &claims(changes));
        let verified = verify(Some("https://example.com/roles"), &token).unwrap();
        assert_eq!(verified.scopes, scopes, "{roles}");
        assert_eq!(verify(None, &token).unwrap().scopes, none);
    }
    for roles in [
        json!(1),
        json!({ "admin": true }),
        json!([["admin"]]),
        json!([1]),
    ] {
        let token = signed(ED25519, &claims(json!({ "roles": roles })));
        assert_eq!(
            verify(Some("roles"), &token).err(),
            Some(TokenProblem::Claims)
        );
    }
    let twice =
        claims(json!({ "roles": "viewer" })).replace("{\"aud\"", "{\"roles\":\"admin\",\"aud\"");
    assert!(twice.contains("admin"));
    let token = signed(ED25519, &twice);
    assert_eq!(
        verify(Some("roles"), &token).err(),
        Some(TokenProblem::Claims)
    );
}
