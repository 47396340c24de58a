//! Requests to one server, as a client of GraphQL sends them: a document that stays, and variables.

use serde_json::{Value, json};

use super::connection::Connection;

/// Whom is asked, and by whom.
pub struct Client {
    address: String,
    authorization: String,
}

impl Client {
    pub fn new(address: &str, token: Option<&str>) -> Self {
        Self {
            address: address.to_owned(),
            authorization: token.map_or_else(String::new, |token| {
                format!("authorization: Bearer {token}\r\n")
            }),
        }
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(&self.address).await
    }

    /// The bytes of a request.
    pub fn request(&self, document: &str, variables: &Value) -> Vec<u8> {
        let body = json!({ "query": document, "variables": variables }).to_string();
        format!(
            "POST /graphql HTTP/1.1\r\n\
             host: {}\r\n\
             accept: application/json\r\n\
             content-type: application/json\r\n\
             {}\
             content-length: {}\r\n\r\n\
             {body}",
            self.address,
            self.authorization,
            body.len()
        )
        .into_bytes()
    }
}

/// The data of an answer that must have no errors.
pub fn data(body: &[u8]) -> Value {
    let answer: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"].clone()
}
