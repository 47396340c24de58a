//! Documents: parsed, validated and measured once, then remembered by their SHA-256.
//!
//! The parser and the validation are apollo-compiler's, which agree with the reference implementation where async-graphql's
//! do not, and whose time is bounded. async-graphql gets the parsed document: neither parses nor validates anything again.

use std::sync::Arc;

use apollo_compiler::ast;
use apollo_compiler::introspection::check_max_depth;
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use async_graphql::parser::types::ExecutableDocument as ParsedDocument;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::document_conversion::convert;
use super::document_limit;
use super::document_problem::{self, DocumentProblem};
use super::document_source::{self, LENGTH_LIMIT_BYTES, LEXEME_LIMIT, SourceProblem, TOKEN_LIMIT};
use super::document_value;
use super::error::{ApiError, ErrorCode};
use crate::crypto::digest::sha256;

/// How deep the parser goes: selection sets, lists and objects in each other.
const RECURSION_LIMIT: usize = 100;
/// How many documents are remembered, about.
const CACHE_LIMIT_DOCUMENTS: usize = 1_000;
/// How much memory the documents that are remembered take at most, in bytes.
const CACHE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// How much memory a document takes for each of its bytes at most: a field of two letters, with its space, takes 450 (measured).
const WEIGHT_OF_A_BYTE: u64 = 150;
/// Longer documents are checked each time, in bytes.
const REMEMBERED_LIMIT_BYTES: usize = 16 * 1024;

/// What tools ask for and apollo-compiler does not know of (specification of September 2025, section 4.2.2).
const INTROSPECTION_OF_ONE_OF: &str = "extend type __Type { isOneOf: Boolean }";

/// A document that was checked.
pub struct CheckedDocument {
    /// As it was validated: variables and the operation are looked up in it.
    pub validated: Valid<ExecutableDocument>,
    /// As it is executed.
    pub parsed: ParsedDocument,
    /// Its SHA-256; `None` for one that may hold a value: who knows the hash could try values until one fits.
    pub hash: Option<[u8; 32]>,
    /// How much memory it takes at most, in bytes.
    weight: u64,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<[u8; 32], Arc<CheckedDocument>> for ByMemory {
    fn weight(&self, _hash: &[u8; 32], document: &Arc<CheckedDocument>) -> u64 {
        document.weight
    }
}

/// Checks documents against the schema.
pub struct Documents {
    schema: Valid<Schema>,
    checked: Cache<[u8; 32], Arc<CheckedDocument>, ByMemory>,
}

impl Documents {
    /// Checks documents against a schema in the schema definition language; `None` when it is none.
    #[must_use]
    pub fn new(sdl: &str) -> Option<Self> {
        let schema = format!("{sdl}\n{INTROSPECTION_OF_ONE_OF}");
        let schema = Schema::parse_and_validate(schema, "schema.graphql").ok()?;
        Some(Self {
            schema,
            checked: Cache::with_weighter(CACHE_LIMIT_DOCUMENTS, CACHE_LIMIT_BYTES, ByMemory),
        })
    }

    /// The schema that documents are checked against.
    #[must_use]
    pub const fn schema(&self) -> &Valid<Schema> {
        &self.schema
    }

    /// The document with this SHA-256, in hexadecimal digits, if it is remembered.
    #[must_use]
    pub fn find(&self, hash: &str) -> Option<Arc<CheckedDocument>> {
        self.checked.get(&parse_hash(hash)?)
    }

    /// Whether `hash` is the SHA-256 of a document, in hexadecimal digits.
    #[must_use]
    pub fn is_hash_of(hash: &str, source: &str) -> bool {
        parse_hash(hash) == Some(sha256(source.as_bytes()))
    }

    /// Checks a document, or finds that it was checked before.
    ///
    /// # Errors
    /// What is wrong with it, never more than ten problems.
    pub fn check(&self, source: &str) -> Result<Arc<CheckedDocument>, Vec<DocumentProblem>> {
        let hash = sha256(source.as_bytes());
        if let Some(known) = self.checked.get(&hash) {
            return Ok(known);
        }
        let mut ast = parse(source)?;
        merge_subscription_fields(&mut ast);
        let telling_hash = (!may_hold_value(&ast)).then_some(hash);
        let checked = Arc::new(self.validate(&ast, source.len(), telling_hash)?);
        tracing::debug!("a document was checked");
        if source.len() <= REMEMBERED_LIMIT_BYTES && telling_hash.is_some() {
            self.checked.insert(hash, Arc::clone(&checked));
        }
        Ok(checked)
    }

    fn validate(
        &self,
        ast: &ast::Document,
        length_bytes: usize,
        hash: Option<[u8; 32]>,
    ) -> Result<CheckedDocument, Vec<DocumentProblem>> {
        document_limit::check(ast).map_err(|error| vec![error.into()])?;
        let validated = ast
            .to_executable_validate(&self.schema)
            .map_err(|errors| document_problem::describe_all(&errors))?;
        for operation in validated.operations.iter() {
            document_value::check(&self.schema, &validated, operation)
                .map_err(|problem| vec![problem])?;
            check_max_depth(&validated, operation).map_err(|_too_deep| {
                vec![DocumentProblem::from(ApiError::new(
                    ErrorCode::GraphqlValidationFailed,
                    "The introspection query goes too deep into lists.",
                ))]
            })?;
        }
        let parsed = convert(ast).ok_or_else(|| vec![ApiError::internal().into()])?;
        let length_bytes = u64::try_from(length_bytes).unwrap_or(u64::MAX);
        Ok(CheckedDocument {
            validated,
            parsed,
            hash,
            weight: length_bytes.saturating_mul(WEIGHT_OF_A_BYTE),
        })
    }
}

fn parse(source: &str) -> Result<ast::Document, Vec<DocumentProblem>> {
    let prepared = document_source::prepare(source).map_err(|problem| match problem {
        SourceProblem::TooManyTokens => vec![too_many_tokens().into()],
        SourceProblem::TooLong => vec![too_long().into()],
        SourceProblem::TooManyLexemes => vec![too_many_lexemes().into()],
        SourceProblem::NoToken(index) => vec![document_problem::no_graphql(source, index)],
    })?;
    let mut parser = Parser::new()
        .token_limit(LEXEME_LIMIT)
        .recursion_limit(RECURSION_LIMIT);
    let parsed = parser
        .parse_ast(prepared.as_str(), "document")
        .map_err(|failed| document_problem::describe_syntax(&failed.errors))?;
    match document_source::first_lost(&prepared, &parsed) {
        None => Ok(parsed),
        Some(index) => Err(vec![document_problem::no_graphql(source, index)]),
    }
}

/// Merges the root fields of subscriptions that are one field in the answer: apollo-compiler counts them as several.
fn merge_subscription_fields(ast: &mut ast::Document) {
    for definition in &mut ast.definitions {
        if let ast::Definition::OperationDefinition(operation) = definition
            && operation.operation_type == ast::OperationType::Subscription
            && operation.selection_set.len() > 1
        {
            let operation = operation.make_mut();
            let mut merged: Vec<ast::Selection> = Vec::new();
            for selection in std::mem::take(&mut operation.selection_set) {
                if !merge_into(&mut merged, &selection) {
                    merged.push(selection);
                }
            }
            operation.selection_set = merged;
        }
    }
}

/// Adds what a field selects to the same field before it. Says whether there is one.
fn merge_into(merged: &mut [ast::Selection], selection: &ast::Selection) -> bool {
    let ast::Selection::Field(field) = selection else {
        return false;
    };
    let same = |known: &&mut ast::Selection| match known {
        ast::Selection::Field(known) => {
            known.response_name() == field.response_name()
                && known.name == field.name
                && known.arguments == field.arguments
                && known.directives == field.directives
                && known.selection_set.is_empty() == field.selection_set.is_empty()
        }
        _ => false,
    };
    let Some(ast::Selection::Field(known)) = merged.iter_mut().find(same) else {
        return false;
    };
    known
        .make_mut()
        .selection_set
        .extend(field.selection_set.iter().cloned());
    true
}

fn too_many_tokens() -> ApiError {
    ApiError::composed(
        ErrorCode::GraphqlParseFailed,
        format!("A document has at most {TOKEN_LIMIT} tokens. Send values as variables."),
    )
}

fn too_long() -> ApiError {
    ApiError::composed(
        ErrorCode::GraphqlParseFailed,
        format!("A document has at most {LENGTH_LIMIT_BYTES} bytes beside its texts."),
    )
}

fn too_many_lexemes() -> ApiError {
    ApiError::composed(
        ErrorCode::GraphqlParseFailed,
        format!(
            "A document has at most {LEXEME_LIMIT} tokens together with its comments, commas and white space."
        ),
    )
}

/// Whether a document could hold the value of a credential: it changes something and has a text in it.
fn may_hold_value(ast: &ast::Document) -> bool {
    ast.definitions.iter().any(|definition| match definition {
        ast::Definition::OperationDefinition(operation) => {
            operation.operation_type == ast::OperationType::Mutation
        }
        _ => false,
    }) && document_limit::has_text(ast)
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return None;
    }
    for (number, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * number..2 * number + 2)?, 16).ok()?;
    }
    Some(hash)
}
