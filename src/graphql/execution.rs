//! From a request to an answer: the document is checked, its variables are coerced, it is executed, and its errors are
//! translated.

use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Selection, SelectionSet,
};
use async_graphql::{Name, PathSegment, Positioned, Request, ServerError, Value, Variables};
use async_graphql_value::Value as Literal;
use serde::Serialize;

use super::document::{CheckedDocument, Documents};
use super::document_problem::DocumentProblem;
use super::error::{ApiError, ErrorCode};
use super::variable;
use super::{ApiSchema, schema, sdl};
use crate::domain::Domain;
use crate::domain::caller::Caller;

/// How many errors an answer has at most.
const ERROR_LIMIT: usize = 10;

/// A request, as it came.
#[derive(Default)]
pub struct GraphqlRequest {
    /// The document.
    pub query: String,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// The variables.
    pub variables: IndexMap<Name, Value>,
}

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
    message: std::borrow::Cow<'static, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<PathSegment>,
    extensions: Extensions,
}

#[derive(Serialize)]
struct Location {
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Extensions {
    code: &'static str,
}

impl GraphqlResponse {
    /// The answer to a request that is refused as a whole.
    #[must_use]
    pub fn refused(error: ApiError) -> Self {
        Self::refused_for(vec![error.into()])
    }

    fn refused_for(problems: Vec<DocumentProblem>) -> Self {
        let errors = problems
            .into_iter()
            .map(|problem| {
                let place = problem.place.into_iter();
                ResponseError {
                    locations: place
                        .map(|(line, column)| Location { line, column })
                        .collect(),
                    ..ResponseError::from(problem.error)
                }
            })
            .collect();
        Self { errors, data: None }
    }

    /// Whether a fault of the server is among the errors.
    #[must_use]
    pub fn has_fault(&self) -> bool {
        let fault = ErrorCode::InternalServerError.as_str();
        self.errors
            .iter()
            .any(|error| error.extensions.code == fault)
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
            },
        }
    }
}

/// Answers requests.
pub struct Api {
    schema: ApiSchema,
    documents: Documents,
}

impl Api {
    /// Answers by the rules; `None` when the schema is not valid, which a test excludes.
    #[must_use]
    pub fn new(domain: Arc<Domain>) -> Option<Self> {
        Some(Self {
            schema: schema(domain),
            documents: Documents::new(&sdl::sdl())?,
        })
    }

    /// Answers a request.
    pub async fn answer(&self, caller: Caller, request: GraphqlRequest) -> GraphqlResponse {
        let document = match self.documents.check(&request.query) {
            Ok(document) => document,
            Err(problems) => return GraphqlResponse::refused_for(problems),
        };
        let Ok(operation) = document
            .validated
            .operations
            .get(request.operation_name.as_deref())
        else {
            return GraphqlResponse::refused(unknown_operation(request.operation_name.is_some()));
        };
        let variables =
            match variable::coerce(self.documents.schema(), operation, request.variables) {
                Ok(variables) => variables,
                Err(error) => return GraphqlResponse::refused(error),
            };
        let has_null = variables.values().any(|value| *value == Value::Null);
        let prepared =
            prepare(&document, variables, request.operation_name.as_deref()).data(caller);
        let response = self.schema.execute(prepared).await;
        let errors = response.errors.into_iter().take(ERROR_LIMIT);
        GraphqlResponse {
            errors: errors.map(|error| translate(error, has_null)).collect(),
            data: Some(response.data),
        }
    }
}

fn unknown_operation(named: bool) -> ApiError {
    let message = if named {
        "The document has no operation of the name in `operationName`."
    } else {
        "The document has several operations: name one in `operationName`."
    };
    ApiError::new(ErrorCode::OperationResolutionFailure, message)
}

fn prepare(
    document: &CheckedDocument,
    variables: Variables,
    operation_name: Option<&str>,
) -> Request {
    let mut parsed = document.parsed.clone();
    leave_out_absent(&mut parsed, &variables, document);
    let mut request = Request::new(String::new()).variables(variables);
    request.set_parsed_query(parsed);
    // A document with one operation needs no name, and async-graphql finds the only one by none.
    match operation_name {
        Some(name) => request.operation_name(name),
        None => request,
    }
}

/// Leaves out the arguments whose variable was not given, so that their defaults apply (GraphQL specification, section
/// 6.4.1): async-graphql would take null for them.
fn leave_out_absent(
    parsed: &mut ExecutableDocument,
    variables: &Variables,
    document: &CheckedDocument,
) {
    let absent: Vec<&str> = document
        .validated
        .operations
        .iter()
        .flat_map(|operation| &operation.variables)
        .filter(|variable| {
            variable.default_value.is_none() && !variables.contains_key(variable.name.as_str())
        })
        .map(|variable| variable.name.as_str())
        .collect();
    if absent.is_empty() {
        return;
    }
    let operations: Vec<_> = match &mut parsed.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations {
        leave_out_of(&mut operation.node.selection_set, &absent);
    }
    for fragment in parsed.fragments.values_mut() {
        leave_out_of(&mut fragment.node.selection_set, &absent);
    }
}

fn leave_out_of(selections: &mut Positioned<SelectionSet>, absent: &[&str]) {
    let is_absent = |value: &Literal| matches!(value, Literal::Variable(name) if absent.contains(&name.as_str()));
    for selection in &mut selections.node.items {
        match &mut selection.node {
            Selection::Field(field) => {
                field
                    .node
                    .arguments
                    .retain(|(_, value)| !is_absent(&value.node));
                for (_, value) in &mut field.node.arguments {
                    leave_out_fields(&mut value.node, &is_absent);
                }
                leave_out_of(&mut field.node.selection_set, absent);
            }
            Selection::InlineFragment(fragment) => {
                leave_out_of(&mut fragment.node.selection_set, absent);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn leave_out_fields(value: &mut Literal, is_absent: &impl Fn(&Literal) -> bool) {
    match value {
        Literal::Object(fields) => {
            fields.retain(|_, field| !is_absent(field));
            for field in fields.values_mut() {
                leave_out_fields(field, is_absent);
            }
        }
        Literal::List(items) => {
            for item in items {
                leave_out_fields(item, is_absent);
            }
        }
        _ => {}
    }
}

/// Our own errors carry what they say with them. Any other is one of async-graphql, whose text is not handed on: since
/// documents and variables are checked, all that it can still refuse is a null in a place that takes none, which a
/// variable of a nullable type may bring there (GraphQL specification, section 5.8.5).
fn translate(error: ServerError, has_null: bool) -> ResponseError {
    let own = match error.source::<ApiError>() {
        Some(own) => own.clone(),
        None if has_null => ApiError::new(
            ErrorCode::BadUserInput,
            "A variable is null where null is not allowed.",
        ),
        None => ApiError::internal(),
    };
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
