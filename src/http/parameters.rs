//! The parameters of a request (GraphQL over HTTP, section 5): in a JSON body, or in the query of a URL. Read by hand: no type
//! is guessed.

use std::borrow::Cow;

use async_graphql::Value;
use percent_encoding::percent_decode_str;

use super::failure::Failure;
use super::json::{self, Members};
use crate::graphql::execution::GraphqlRequest;

/// The version of automatic persisted queries that there is.
const PERSISTED_QUERY_VERSION: i64 = 1;

/// Reads the request in a body.
///
/// # Errors
/// [`Failure::BadRequest`] for what is no JSON, or no request.
pub fn from_body(body: &[u8]) -> Result<GraphqlRequest, Failure> {
    match json::parse(body)? {
        Value::Object(members) => from_members(members),
        Value::List(_) => Err(Failure::BadRequest(
            "Batches are not accepted: send one request at a time.",
        )),
        _ => Err(Failure::BadRequest("The body must be a JSON object.")),
    }
}

/// Reads the request in the query of a URL.
///
/// # Errors
/// [`Failure::BadRequest`] for a parameter that stands twice, or is of another type.
pub fn from_url_query(query: &str) -> Result<GraphqlRequest, Failure> {
    let mut members = Members::new();
    for pair in query.split('&') {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, text) = (decoded(name)?, decoded(text)?);
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(text),
            "variables" | "extensions" if text.is_empty() => Value::Null,
            "variables" | "extensions" => json::parse(text.as_bytes())?,
            _ => continue,
        };
        if members
            .insert(async_graphql::Name::new(name), value)
            .is_some()
        {
            return Err(Failure::BadRequest("A parameter stands twice in the URL."));
        }
    }
    // An empty text names no operation here, where a parameter cannot be null.
    if members.get("operationName") == Some(&Value::String(String::new())) {
        members.swap_remove("operationName");
    }
    from_members(members)
}

/// Reads a name or a value of a query (URL Standard, section 5.1). What is no UTF-8 is not made to be some.
fn decoded(text: &str) -> Result<String, Failure> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(Cow::into_owned)
        .map_err(|_no_utf8| Failure::BadRequest("A parameter in the URL is no UTF-8."))
}

/// Reads a request from its members. Others than those of the specification are passed over.
///
/// # Errors
/// [`Failure::BadRequest`] for one of another type.
pub fn from_members(mut members: Members) -> Result<GraphqlRequest, Failure> {
    let extensions = object(
        &mut members,
        "extensions",
        "`extensions` must be an object.",
    )?;
    let persisted_hash = persisted_hash(extensions)?;
    let query = match members.swap_remove("query") {
        Some(Value::String(query)) => Some(query),
        None | Some(Value::Null) if persisted_hash.is_some() => None,
        _ => {
            return Err(Failure::BadRequest(
                "`query` must be a text with the document.",
            ));
        }
    };
    let operation_name = match members.swap_remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(Failure::BadRequest("`operationName` must be a text.")),
    };
    Ok(GraphqlRequest {
        query,
        persisted_hash,
        operation_name,
        variables: object(&mut members, "variables", "`variables` must be an object.")?,
        trace_parent: None,
    })
}

fn object(members: &mut Members, name: &str, message: &'static str) -> Result<Members, Failure> {
    match members.swap_remove(name) {
        None | Some(Value::Null) => Ok(Members::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Failure::BadRequest(message)),
    }
}

/// The hash of Apollo's automatic persisted queries, if there is one.
fn persisted_hash(mut extensions: Members) -> Result<Option<String>, Failure> {
    let mut persisted = match extensions.swap_remove("persistedQuery") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(persisted)) => persisted,
        Some(_) => return Err(Failure::BadRequest("`persistedQuery` must be an object.")),
    };
    let version = persisted.swap_remove("version");
    if version != Some(Value::from(PERSISTED_QUERY_VERSION)) {
        return Err(Failure::BadRequest(
            "The `version` of `persistedQuery` must be 1.",
        ));
    }
    match persisted.swap_remove("sha256Hash") {
        Some(Value::String(hash)) => Ok(Some(hash)),
        _ => Err(Failure::BadRequest("`sha256Hash` must be a text.")),
    }
}
