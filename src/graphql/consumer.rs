//! Consumers: what uses credentials.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::types::consumer;

/// The kinds of consumer. There is none for stdio MCP servers: they take their secrets from environment variables.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "consumer::ConsumerKind")]
pub enum ConsumerKind {
    /// A model binding of a built-in AI action.
    AiModelBinding,
    /// An MCP server reached over HTTP.
    HttpMcpServer,
    /// A workflow that uses a credential outside of a model binding.
    Workflow,
    /// Any other integration, a command run with secrets in its environment among them.
    Integration,
}

/// Something that uses credentials.
#[derive(SimpleObject, Clone, Debug)]
pub struct Consumer {
    /// What it is.
    kind: ConsumerKind,
    /// Its identifier in the system it lives in, such as `support.yaml#primary_model`.
    external_id: String,
    /// A name for people.
    name: Option<String>,
}

impl From<consumer::Consumer> for Consumer {
    fn from(consumer: consumer::Consumer) -> Self {
        Self {
            kind: consumer.kind.into(),
            external_id: consumer.external_id,
            name: consumer.name,
        }
    }
}

/// Names a consumer.
#[derive(InputObject, Debug)]
pub struct ConsumerInput {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its identifier in the system it lives in: 1 to 255 characters.
    pub external_id: String,
    /// A name for people: up to 255 characters.
    pub name: Option<String>,
}
