//! What is asked of both servers.

use serde_json::{Value, json};

use super::client::{Client, data};
use super::seed::Seeded;

const PAGE_SIZE: usize = 20;
const CREDENTIAL_DOCUMENT: &str = "query Credential($id: ID!) {
  credential(id: $id) { id name valueVersion createdAt updatedAt owner { id name } }
}";
const PAGE_DOCUMENT: &str = "query Page($first: Int, $after: String) {
  credentials(first: $first, after: $after) {
    edges { cursor node { id name valueVersion createdAt updatedAt owner { id name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}";
const RESOLVE_DOCUMENT: &str = "mutation Resolve($input: ResolveCredentialInput!) {
  resolveCredential(input: $input) { value valueVersion userErrors { message } }
}";

/// A kind of request.
#[derive(Clone, Copy)]
pub enum Workload {
    Credential,
    Page,
    Resolve,
}

/// A request, and the only answer that is right.
pub struct Exchange {
    pub request: Vec<u8>,
    pub answer: Vec<u8>,
    // What the answers of both servers have in common.
    content: Vec<Value>,
}

impl Workload {
    pub const ALL: [Self; 3] = [Self::Credential, Self::Page, Self::Resolve];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential by ID",
            Self::Page => "page of 20",
            Self::Resolve => "resolve",
        }
    }

    /// How many per cent of the bare server's rate are aimed at: fewer for a resolve, which waits until its audit event is
    /// durable, while the bare server has none.
    pub const fn aim_percent(self) -> u32 {
        match self {
            Self::Credential | Self::Page => 80,
            Self::Resolve => 60,
        }
    }

    /// The role that may ask.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Credential | Self::Page => "viewer",
            Self::Resolve => "runtime",
        }
    }

    /// The requests about all credentials, each answered once and looked through.
    pub async fn exchanges(self, client: &Client, credentials: &[Seeded]) -> Vec<Exchange> {
        let mut connection = client.connect().await;
        let mut after = Value::Null;
        let mut exchanges = Vec::new();
        for expected in credentials.chunks(self.credentials_per_request()) {
            let (document, variables) = self.question(&expected[0], &after);
            let request = client.request(document, &variables);
            let answer = connection.ask(&request).await.to_owned();
            let data = data(&answer);
            after = data["credentials"]["pageInfo"]["endCursor"].clone();
            exchanges.push(Exchange {
                request,
                answer,
                content: self.content(&data, expected),
            });
        }
        exchanges
    }

    const fn credentials_per_request(self) -> usize {
        match self {
            Self::Credential | Self::Resolve => 1,
            Self::Page => PAGE_SIZE,
        }
    }

    fn question(self, first: &Seeded, after: &Value) -> (&'static str, Value) {
        match self {
            Self::Credential => (CREDENTIAL_DOCUMENT, json!({ "id": first.id })),
            Self::Page => (PAGE_DOCUMENT, json!({ "first": PAGE_SIZE, "after": after })),
            Self::Resolve => {
                let consumer = json!({ "kind": "AI_MODEL_BINDING", "externalId": "support.yaml#primary_model" });
                let input = json!({ "credentialId": first.id, "consumer": consumer });
                (RESOLVE_DOCUMENT, json!({ "input": input }))
            }
        }
    }

    /// What an answer says, without the cursors, which are each server's own. Fails when it is not about the expected
    /// credentials.
    fn content(self, data: &Value, expected: &[Seeded]) -> Vec<Value> {
        if let Self::Resolve = self {
            let payload = &data["resolveCredential"];
            assert_eq!(payload["value"], expected[0].value);
            return vec![payload.clone()];
        }
        let nodes = match self {
            Self::Page => {
                let edges = data["credentials"]["edges"].as_array().unwrap();
                assert!(edges.iter().all(|edge| edge["cursor"].is_string()));
                edges.iter().map(|edge| edge["node"].clone()).collect()
            }
            _ => vec![data["credential"].clone()],
        };
        assert_eq!(nodes.len(), expected.len());
        for (node, expected) in nodes.iter().zip(expected) {
            assert_eq!(
                (&node["id"], &node["name"]),
                (&json!(expected.id), &json!(expected.name))
            );
        }
        nodes
    }
}

/// Fails unless both servers say the same.
pub fn compare(own: &[Exchange], bare: &[Exchange]) {
    assert_eq!(own.len(), bare.len());
    for (own, bare) in own.iter().zip(bare) {
        assert_eq!(own.content, bare.content);
    }
}
