//! An answer of the server.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::holds_marker;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Takes an answer in, and looks it through for values that have no business there.
    pub async fn from(response: reqwest::Response) -> Self {
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let mut shown = body.clone();
        if let Some(data) = shown.get_mut("data") {
            remove_resolved(data);
        }
        assert!(
            !holds_marker(shown.to_string().as_bytes()),
            "a value stands in {shown}"
        );
        assert!(
            body != Value::Null || !holds_marker(&bytes),
            "a value stands in an answer that is no JSON"
        );
        for (name, value) in &headers {
            assert!(
                !holds_marker(value.as_bytes()),
                "a value stands in the header {name}"
            );
        }
        Self {
            status,
            headers,
            body,
        }
    }

    /// What was asked for; fails when there are errors.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(self.body.get("errors"), None, "{}", self.body);
        &self.body["data"]
    }

    /// The codes of the errors, in their order.
    pub fn codes(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str().unwrap())
            .collect()
    }

    /// The only root field of the data.
    #[track_caller]
    pub fn field(&self) -> &Value {
        self.data().as_object().unwrap().values().next().unwrap()
    }

    /// The codes of the user errors of the only root field, with the field that each is about: `TAKEN name`.
    #[track_caller]
    pub fn user_errors(&self) -> Vec<String> {
        let errors = self.field()["userErrors"].as_array().unwrap();
        errors
            .iter()
            .map(|error| {
                let path: Vec<&str> = error["field"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap())
                    .collect();
                assert_eq!(path[0], "input");
                assert!(!error["message"].as_str().unwrap().is_empty());
                format!(
                    "{} {}",
                    error["code"].as_str().unwrap(),
                    path[1..].join(".")
                )
            })
            .collect()
    }
}

/// Takes out what `resolveCredential` is meant to show: the field `value` of its payload.
fn remove_resolved(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("value");
            members.values_mut().for_each(remove_resolved);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_resolved),
        _ => {}
    }
}
