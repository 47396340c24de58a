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
use apollo_parser::{Lexer, TokenKind};
use async_graphql::parser::types::ExecutableDocument as ParsedDocument;
use quick_cache::sync::Cache;

use super::document_conversion::convert;
use super::document_limit;
use super::document_problem::{self, DocumentProblem};
use super::error::{ApiError, ErrorCode};
use crate::crypto::digest::sha256;

/// How many tokens a document may have.
const TOKEN_LIMIT: usize = 2_000;
/// How many there may be with the white space, the comments and the commas between them.
const LEXEME_LIMIT: usize = 4 * TOKEN_LIMIT;
/// How deep the parser goes: selection sets, lists and objects in each other.
const RECURSION_LIMIT: usize = 100;
/// How many documents are remembered.
const CACHE_LIMIT_DOCUMENTS: usize = 1_000;
/// Longer documents are checked each time, in bytes.
const CACHE_LIMIT_BYTES: usize = 16 * 1024;

/// A document that was checked.
pub struct CheckedDocument {
    /// As it was validated: variables and the operation are looked up in it.
    pub validated: Valid<ExecutableDocument>,
    /// As it is executed.
    pub parsed: ParsedDocument,
}

/// Checks documents against the schema.
pub struct Documents {
    schema: Valid<Schema>,
    checked: Cache<[u8; 32], Arc<CheckedDocument>>,
}

impl Documents {
    /// Checks documents against a schema in the schema definition language; `None` when it is none.
    #[must_use]
    pub fn new(sdl: &str) -> Option<Self> {
        let schema = Schema::parse_and_validate(sdl, "schema.graphql").ok()?;
        Some(Self {
            schema,
            checked: Cache::new(CACHE_LIMIT_DOCUMENTS),
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
        let ast = parse(source)?;
        let checked = Arc::new(self.validate(&ast)?);
        if source.len() <= CACHE_LIMIT_BYTES && !may_hold_value(&ast) {
            self.checked.insert(hash, Arc::clone(&checked));
        }
        Ok(checked)
    }

    fn validate(&self, ast: &ast::Document) -> Result<CheckedDocument, Vec<DocumentProblem>> {
        document_limit::check(ast).map_err(|error| vec![error.into()])?;
        let validated = ast
            .to_executable_validate(&self.schema)
            .map_err(|errors| document_problem::describe_all(&errors))?;
        for operation in validated.operations.iter() {
            check_max_depth(&validated, operation).map_err(|_too_deep| {
                vec![DocumentProblem::from(ApiError::new(
                    ErrorCode::GraphqlValidationFailed,
                    "The introspection query goes too deep into lists.",
                ))]
            })?;
        }
        let parsed = convert(ast).ok_or_else(|| vec![ApiError::internal().into()])?;
        Ok(CheckedDocument { validated, parsed })
    }
}

fn parse(source: &str) -> Result<ast::Document, Vec<DocumentProblem>> {
    if count_tokens(source) > TOKEN_LIMIT {
        return Err(vec![too_many_tokens().into()]);
    }
    let mut parser = Parser::new()
        .token_limit(LEXEME_LIMIT)
        .recursion_limit(RECURSION_LIMIT);
    parser.parse_ast(source, "document").map_err(|failed| {
        if parser.tokens_reached() > LEXEME_LIMIT {
            return vec![too_many_tokens().into()];
        }
        document_problem::describe_syntax(&failed.errors)
    })
}

/// Counts the tokens that mean something (GraphQL specification, section 2.1.6): the parser's own limit counts white space,
/// comments and commas too.
fn count_tokens(source: &str) -> usize {
    let tokens = Lexer::new(source).with_limit(LEXEME_LIMIT);
    tokens
        .filter(|token| {
            token.as_ref().is_ok_and(|token| {
                !matches!(
                    token.kind(),
                    TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof
                )
            })
        })
        .count()
}

fn too_many_tokens() -> ApiError {
    ApiError::composed(
        ErrorCode::GraphqlParseFailed,
        format!("A document has at most {TOKEN_LIMIT} tokens. Send values as variables."),
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
