//! From a request to an answer: the document is checked, its variables are coerced, it is executed, and its errors are
//! translated.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use apollo_compiler::ast::OperationType;
use apollo_compiler::executable::Operation;
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection,
};
use async_graphql::{Name, Pos, Positioned, Request, Value, Variables};
use futures_util::{FutureExt, Stream, StreamExt};

use super::absent_variable::AbsentVariables;
use super::document::{CheckedDocument, Documents};
use super::document_nodes;
use super::document_problem::DocumentProblem;
use super::error::{ApiError, ErrorCode};
use super::merged_field::Merge;
use super::null_variable::{self, FailedField};
use super::observation::Observation;
use super::response::{ERROR_LIMIT, GraphqlResponse, ResponseError, translate_response};
use super::variable;
use super::{ApiSchema, schema, sdl};
use crate::domain::Domain;
use crate::domain::caller::Caller;
use crate::metrics::Metrics;
use crate::traces::{TraceParent, Traces};

/// A request, as it came.
#[derive(Default)]
pub struct GraphqlRequest {
    /// The document; `None` when only its hash came.
    pub query: Option<String>,
    /// The SHA-256 of the document in hexadecimal digits, of automatic persisted queries.
    pub persisted_hash: Option<String>,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// The variables.
    pub variables: IndexMap<Name, Value>,
    /// What it belongs to, when operations are traced.
    pub trace_parent: Option<TraceParent>,
}

/// A request whose document and variables are good.
pub struct PreparedRequest {
    request: Request,
    kind: OperationType,
    failed: Vec<FailedField>,
    observation: Observation,
}

impl PreparedRequest {
    /// Whether it only reads, once.
    #[must_use]
    pub fn is_query(&self) -> bool {
        self.kind == OperationType::Query
    }

    /// Whether it is answered by many answers.
    #[must_use]
    pub fn is_subscription(&self) -> bool {
        self.kind == OperationType::Subscription
    }
}

/// Answers requests.
pub struct Api {
    schema: ApiSchema,
    documents: Documents,
    introspection: bool,
    metrics: Arc<Metrics>,
    traces: Option<Traces>,
}

impl Api {
    /// Answers by the rules; `None` when the schema is not valid, which a test excludes. Without `introspection`, nobody is told what
    /// the schema is.
    #[must_use]
    pub fn new(domain: Arc<Domain>, introspection: bool) -> Option<Self> {
        let metrics = Arc::clone(domain.metrics());
        let codes = ErrorCode::ALL.map(ErrorCode::as_str);
        metrics.operations.expect_codes(&codes);
        Some(Self {
            metrics,
            traces: None,
            schema: schema(domain),
            documents: Documents::new(&sdl::sdl())?,
            introspection,
        })
    }

    /// Tells of each operation by a span.
    #[must_use]
    pub fn traced(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Whether operations are traced.
    #[must_use]
    pub const fn is_traced(&self) -> bool {
        self.traces.is_some()
    }

    /// Checks a request.
    ///
    /// # Errors
    /// The answer to a request that is refused as a whole.
    pub fn prepare(&self, request: GraphqlRequest) -> Result<PreparedRequest, GraphqlResponse> {
        let traces = self.traces.as_ref();
        let span = traces.map(|traces| traces.begin(request.trace_parent.as_ref()));
        let mut observation = Observation::begin(&self.metrics, span);
        let preparing = AssertUnwindSafe(|| self.prepare_unguarded(request, &mut observation));
        match catch_unwind(preparing).unwrap_or_else(|_panic| Err(fault())) {
            Ok((kind, request, failed)) => Ok(PreparedRequest {
                request,
                kind,
                failed,
                observation,
            }),
            Err(refused) => {
                observation.refuse(&refused);
                Err(refused)
            }
        }
    }

    fn prepare_unguarded(
        &self,
        request: GraphqlRequest,
        observation: &mut Observation,
    ) -> Result<(OperationType, Request, Vec<FailedField>), GraphqlResponse> {
        let document = self
            .document(&request)
            .map_err(GraphqlResponse::refused_for)?;
        let operation = document
            .validated
            .operations
            .get(request.operation_name.as_deref())
            .map_err(|_unknown| {
                GraphqlResponse::refused(unknown_operation(request.operation_name.is_some()))
            })?;
        let name = operation.name.as_ref().map(apollo_compiler::Name::as_str);
        observation.describe(operation.operation_type, name, &document);
        if !self.introspection && asks_for_schema(operation, &document) {
            return Err(GraphqlResponse::refused(ApiError::new(
                ErrorCode::GraphqlValidationFailed,
                "Introspection is turned off on this server.",
            )));
        }
        let variables = variable::coerce(self.documents.schema(), operation, request.variables)
            .map_err(GraphqlResponse::refused)?;
        let failed = null_variable::find(
            self.documents.schema(),
            &document.validated,
            operation,
            &variables,
        )
        .map_err(GraphqlResponse::refused)?;
        // A subscription has one field: without it there is nothing to follow.
        if operation.operation_type == OperationType::Subscription
            && let Some(field) = failed.first()
        {
            return Err(GraphqlResponse::refused(field.error.clone()));
        }
        document_nodes::check(&document.validated, operation, &variables)
            .map_err(GraphqlResponse::refused)?;
        let merge = Merge {
            schema: self.documents.schema(),
            fragments: &document.parsed.fragments,
            variables: &variables,
            absent: AbsentVariables::of(operation, &variables),
        };
        let mut executed = named(&document.parsed, request.operation_name.as_deref())
            .and_then(|parsed| merge.operation(parsed))
            .ok_or_else(fault)?;
        leave_out_failed(&mut executed, &failed);
        let executed = assemble(executed, variables);
        Ok((operation.operation_type, executed, failed))
    }

    fn document(
        &self,
        request: &GraphqlRequest,
    ) -> Result<Arc<CheckedDocument>, Vec<DocumentProblem>> {
        let refused = |error: ApiError| vec![DocumentProblem::from(error)];
        match (&request.query, &request.persisted_hash) {
            (Some(query), Some(hash)) if !Documents::is_hash_of(hash, query) => {
                Err(refused(ApiError::new(
                    ErrorCode::BadRequest,
                    "`sha256Hash` is not the SHA-256 of the document in `query`.",
                )))
            }
            (Some(query), _) => self.documents.check(query),
            // Clients of the protocol compare the message.
            (None, Some(hash)) => self.documents.find(hash).ok_or_else(|| {
                refused(ApiError::new(
                    ErrorCode::PersistedQueryNotFound,
                    "PersistedQueryNotFound",
                ))
            }),
            (None, None) => Err(refused(ApiError::new(
                ErrorCode::BadRequest,
                "`query` must be a text with the document.",
            ))),
        }
    }

    /// Answers a query or a mutation.
    pub async fn answer(&self, caller: Caller, prepared: PreparedRequest) -> GraphqlResponse {
        let mut observation = prepared.observation;
        observation.execute();
        let answering = async {
            let response = self.schema.execute(prepared.request.data(caller)).await;
            let mut answer = translate_response(response);
            add_failed(&mut answer, prepared.failed);
            answer
        };
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        let answer = answered.unwrap_or_else(|_panic| fault());
        observation.answer(&answer);
        answer
    }

    /// The answers of a subscription, until it ends.
    pub fn follow(
        &self,
        caller: Caller,
        prepared: PreparedRequest,
    ) -> impl Stream<Item = GraphqlResponse> + Send + use<> {
        let mut observation = prepared.observation;
        observation.execute();
        let responses = self.schema.execute_stream(prepared.request.data(caller));
        let guarded = AssertUnwindSafe(responses).catch_unwind();
        guarded.map(move |response| {
            let mut answer = response.map_or_else(|_panic| fault(), translate_response);
            // When the stream of events could not be made, nothing was executed (GraphQL specification, section 6.2.3).
            if answer.data == Some(Value::Null) {
                answer.data = None;
            }
            observation.answer(&answer);
            answer
        })
    }
}

/// The answer when the server panicked. The log has the place.
fn fault() -> GraphqlResponse {
    GraphqlResponse::refused(ApiError::internal())
}

fn asks_for_schema(operation: &Operation, document: &CheckedDocument) -> bool {
    operation
        .root_fields(&document.validated)
        .any(|field| ["__schema", "__type"].contains(&field.name.as_str()))
}

fn unknown_operation(named: bool) -> ApiError {
    let message = if named {
        "The document has no operation of the name in `operationName`."
    } else {
        "The document has several operations: name one in `operationName`."
    };
    ApiError::new(ErrorCode::OperationResolutionFailure, message)
}

/// The operation that is executed.
fn named<'a>(
    parsed: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a OperationDefinition> {
    let operation = match (&parsed.operations, name) {
        (DocumentOperations::Single(operation), _) => operation,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name)?,
        (DocumentOperations::Multiple(operations), None) => operations.values().next()?,
    };
    Some(&operation.node)
}

/// Takes out the root fields that cannot be executed.
fn leave_out_failed(operation: &mut OperationDefinition, failed: &[FailedField]) {
    let is_failed = |key: &str| failed.iter().any(|field| field.response_key == key);
    let selections = &mut operation.selection_set.node.items;
    selections.retain(|selection| match &selection.node {
        Selection::Field(field) => !is_failed(&field.node.response_key().node),
        _ => true,
    });
}

/// Puts the fields that were not executed into the answer: null, each with its error.
fn add_failed(answer: &mut GraphqlResponse, failed: Vec<FailedField>) {
    let Some(Value::Object(data)) = &mut answer.data else {
        return;
    };
    for field in failed {
        let key = Name::new(&field.response_key);
        data.shift_remove(&key);
        data.shift_insert(field.index.min(data.len()), key, Value::Null);
        answer.errors.push(ResponseError::of_field(
            field.error,
            field.response_key,
            field.location,
        ));
    }
    answer.errors.truncate(ERROR_LIMIT);
}

fn assemble(operation: OperationDefinition, variables: Variables) -> Request {
    let mut request = Request::new(String::new()).variables(variables);
    request.set_parsed_query(ExecutableDocument {
        operations: DocumentOperations::Single(Positioned::new(operation, Pos::default())),
        fragments: HashMap::new(),
    });
    request
}
