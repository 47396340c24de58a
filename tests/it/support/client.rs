//! A client of servers that are processes.

use serde_json::{Value, json};

use super::http_client;
use super::process::ServerProcess;

/// Creates a credential, given its name and value.
pub const CREATE: &str = "mutation($name: String!, $value: String!) { createCredential(input: {name: $name, value: $value}) { credential { id owner { id } } userErrors { code } } }";
/// Resolves a credential, given its ID.
pub const RESOLVE: &str = "mutation($id: ID!) { resolveCredential(input: {credentialId: $id, consumer: {kind: WORKFLOW, externalId: \"w\"}}) { value } }";

/// What the one field of a query is answered with. There must be no errors.
pub async fn ask(server: &ServerProcess, token: &str, query: &str, variables: Value) -> Value {
    let data = ask_all(server, token, query, variables).await;
    let mut fields = data.as_object().unwrap().values();
    fields.next().unwrap().clone()
}

/// What all fields of a query are answered with. There must be no errors.
pub async fn ask_all(server: &ServerProcess, token: &str, query: &str, variables: Value) -> Value {
    let client = http_client();
    let request = client
        .post(format!("http://{}/graphql", server.address))
        .bearer_auth(token)
        .header("content-type", "application/json")
        .body(json!({ "query": query, "variables": variables }).to_string());
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"].clone()
}
