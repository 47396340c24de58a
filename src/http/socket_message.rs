//! The messages of the protocol graphql-transport-ws.

use async_graphql::Value;
use serde::Serialize;

use super::json::{self, Members};

/// A message of the server.
#[derive(Serialize)]
pub struct Sent<'a, T> {
    /// The operation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it says beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<T>,
}

/// A message of a client.
pub enum Received {
    /// With the value of an `Authorization` header, which may be empty.
    Init(String),
    /// Answered with the same payload.
    Ping(Option<Value>),
    /// Asks for nothing.
    Pong,
    /// An operation: its ID, and the members of a request.
    Subscribe(String, Members),
    /// Ends the operation of an ID.
    Complete(String),
}

/// Reads a message of a client; `None` when it is none of the protocol.
pub fn parse(text: &str) -> Option<Received> {
    let Ok(Value::Object(mut members)) = json::parse(text.as_bytes()) else {
        return None;
    };
    let Some(Value::String(kind)) = members.swap_remove("type") else {
        return None;
    };
    let mut id = || match members.swap_remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id),
        _ => None,
    };
    match kind.as_str() {
        "connection_init" => authorization(members.swap_remove("payload")).map(Received::Init),
        "ping" => Some(Received::Ping(members.swap_remove("payload"))),
        "pong" => Some(Received::Pong),
        "complete" => id().map(Received::Complete),
        "subscribe" => {
            let id = id()?;
            match members.swap_remove("payload") {
                Some(Value::Object(payload)) => Some(Received::Subscribe(id, payload)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The member `Authorization` of an introduction, in any case, or an empty text; `None` for what is no introduction.
fn authorization(payload: Option<Value>) -> Option<String> {
    let members = match payload {
        None | Some(Value::Null) => return Some(String::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return None,
    };
    let found = members
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    match found {
        None => Some(String::new()),
        Some((_, Value::String(value))) => Some(value),
        Some(_) => None,
    }
}
