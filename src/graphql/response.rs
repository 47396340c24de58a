//! Answers, and how their errors are translated.

use std::borrow::Cow;

use apollo_compiler::parser::LineColumn;
use async_graphql::{PathSegment, ServerError, Value};
use serde::Serialize;

use super::document_problem::DocumentProblem;
use super::error::{ApiError, ErrorCode};
use crate::metrics::OK;

/// How many errors an answer has at most.
pub const ERROR_LIMIT: usize = 10;

/// What a request is answered with (GraphQL specification, section 7.1).
#[derive(Serialize)]
pub struct GraphqlResponse {
    /// What went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ResponseError>,
    /// What was asked for; `None` when nothing was executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// An error of an answer (GraphQL specification, section 7.1.2).
#[derive(Serialize)]
pub struct ResponseError {
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<PathSegment>,
    extensions: Extensions,
}

/// A place in a document (GraphQL specification, section 7.1.2): both count from 1.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl From<LineColumn> for Location {
    fn from(at: LineColumn) -> Self {
        Self {
            line: at.line,
            column: at.column,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl GraphqlResponse {
    /// The answer to a request that is refused as a whole.
    #[must_use]
    pub fn refused(error: ApiError) -> Self {
        Self::refused_for(vec![error.into()])
    }

    /// The answer to a document that is refused.
    #[must_use]
    pub fn refused_for(problems: Vec<DocumentProblem>) -> Self {
        let errors = problems
            .into_iter()
            .map(|problem| ResponseError {
                locations: problem.location.into_iter().collect(),
                ..ResponseError::from(problem.error)
            })
            .collect();
        Self { errors, data: None }
    }

    /// What it comes to, as a code: that of the first error, or `OK`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.errors
            .first()
            .map_or(OK, |error| error.extensions.code)
    }

    /// Whether an error of this code is among the errors.
    #[must_use]
    pub fn has(&self, code: ErrorCode) -> bool {
        self.errors
            .iter()
            .any(|error| error.extensions.code == code.as_str())
    }
}

impl ResponseError {
    /// The error of a root field.
    #[must_use]
    pub fn of_field(error: ApiError, response_key: String, location: Option<Location>) -> Self {
        Self {
            locations: location.into_iter().collect(),
            path: vec![PathSegment::Field(response_key)],
            ..Self::from(error)
        }
    }
}

impl From<ApiError> for ResponseError {
    fn from(error: ApiError) -> Self {
        Self {
            message: error.message,
            locations: Vec::new(),
            path: Vec::new(),
            extensions: Extensions {
                code: error.code.as_str(),
                retry_after_ms: error.retry_after_ms,
            },
        }
    }
}

/// Translates what was executed.
pub fn translate_response(response: async_graphql::Response) -> GraphqlResponse {
    let errors = response.errors.into_iter().take(ERROR_LIMIT);
    GraphqlResponse {
        errors: errors.map(translate).collect(),
        data: Some(response.data),
    }
}

/// Our own errors carry what they say with them. Any other is one of async-graphql: since documents and variables are checked, it is a
/// fault, and its text is not handed on.
fn translate(error: ServerError) -> ResponseError {
    let own = error.source::<ApiError>().cloned().unwrap_or_else(|| {
        tracing::error!(
            cause = "an error of async-graphql",
            "a request met a fault of the server"
        );
        ApiError::internal()
    });
    let locations = error.locations.iter().map(|at| Location {
        line: at.line,
        column: at.column,
    });
    ResponseError {
        locations: locations.collect(),
        path: error.path,
        ..ResponseError::from(own)
    }
}
