//! What tokens say of a user, over several instances: the latest token counts, whichever instance it comes to.

use credence::crypto::master_key::MasterKey;
use credence::data_directory::write_secret_file;
use credence::types::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::token::{HS256, ISSUER, SECRET, sign_hs256};

/// The name that the user has after a token of so many seconds ago, which says this name, came to an instance.
async fn name_after(server: &Server, age_seconds: i64, name: &str) -> Value {
    let now = server.clock.now().seconds();
    let claims = json!({
        "iss": ISSUER, "aud": "credence", "sub": "alice", "scope": "credentials:read", "name": name,
        "iat": now - age_seconds, "exp": now + 3_600
    });
    let token = sign_hs256(HS256, &claims.to_string());
    let answer = server.bearer(&token).ask("{ viewer { name } }").await;
    answer.field()["name"].clone()
}

#[tokio::test]
async fn an_older_token_never_writes_over_what_a_newer_one_said_to_another_instance() {
    let directory = TempDir::new().unwrap();
    let (master_key, secret) = (
        directory.path().join("master.key"),
        directory.path().join("secret"),
    );
    let text = MasterKey::generate().unwrap().to_text();
    write_secret_file(&master_key, text.as_bytes()).unwrap();
    write_secret_file(&secret, SECRET).unwrap();
    let arguments = [
        "--master-key-file",
        master_key.to_str().unwrap(),
        "--jwt-key-file",
        secret.to_str().unwrap(),
        "--jwt-issuer",
        ISSUER,
    ];
    let data = directory.path().join("data");
    let start = async || {
        let server = Server::instance(&data, Clock::system(), &arguments).await;
        server.unwrap()
    };
    let (first, second, third) = (start().await, start().await, start().await);
    assert_eq!(name_after(&first, 400, "one").await, "one");
    assert_eq!(name_after(&second, 200, "three").await, "three");
    // What this instance knows of the user is older than the token, and what the database knows is newer.
    assert_eq!(name_after(&first, 300, "two").await, "three");
    // This one knows nothing of the user yet.
    assert_eq!(name_after(&third, 300, "two").await, "three");
    assert_eq!(name_after(&second, 200, "three").await, "three");
    // A token that says more than the latest one did is the latest one from then on, everywhere.
    assert_eq!(name_after(&third, 100, "four").await, "four");
    assert_eq!(name_after(&second, 150, "late").await, "four");
}
