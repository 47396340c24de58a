//! The credentials that both servers have: created through the API, then copied as the file they are in.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::client::{Client, data};
use super::process::{self, ServerProcess};

const CREDENTIALS: usize = 1_000;
const OWNERS: usize = 10;
const DOCUMENT: &str = "mutation Create($input: CreateCredentialInput!) {
  createCredential(input: $input) { credential { id } userErrors { message } }
}";

/// A credential that was created.
pub struct Seeded {
    pub id: String,
    pub name: String,
    pub value: String,
}

/// Creates the credentials in a new data directory, and returns them in the order of their names.
pub async fn create_credentials(data_directory: &Path) -> Vec<Seeded> {
    let server = ServerProcess::start_credence(data_directory);
    let owners: Vec<Client> = (0..OWNERS)
        .map(|owner| {
            let token = process::token(data_directory, &format!("owner-{owner}"), "editor");
            Client::new(&server.address, Some(&token))
        })
        .collect();
    let mut credentials = Vec::new();
    for number in 0..CREDENTIALS {
        credentials.push(create(&owners[number % OWNERS], number).await);
    }
    server.stop();
    credentials
}

async fn create(owner: &Client, number: usize) -> Seeded {
    let name = format!("SERVICE_{number:04}_API_KEY");
    // About as long as the keys of the usual services.
    let value = format!("sk-{number:08}-{}", "0123456789abcdef".repeat(3));
    let variables = json!({ "input": { "name": name, "value": value } });
    let request = owner.request(DOCUMENT, &variables);
    let answer = data(owner.connect().await.ask(&request).await);
    let id = answer["createCredential"]["credential"]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{answer}")).to_owned();
    Seeded { id, name, value }
}

/// Copies what a server needs to read and open the credentials.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in ["credence.db", "master.key"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}
