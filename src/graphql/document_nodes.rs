//! How many objects an operation may bring, by the sizes of the pages that it asks for: pages within pages multiply.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use async_graphql::{Value, Variables};

use super::error::{ApiError, ErrorCode};
use crate::types::page::{PAGE_SIZE_DEFAULT, PAGE_SIZE_LIMIT};

/// How many objects an operation may bring.
const NODE_LIMIT: usize = 10_000;

/// Refuses an operation that asks for too much.
///
/// # Errors
/// [`ErrorCode::GraphqlValidationFailed`] above 10,000 objects.
pub fn check(
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &Variables,
) -> Result<(), ApiError> {
    let counter = Counter {
        document,
        variables,
    };
    let nodes = counter.count(&operation.selection_set, 1);
    if nodes <= NODE_LIMIT {
        return Ok(());
    }
    Err(ApiError::composed(
        ErrorCode::GraphqlValidationFailed,
        format!(
            "The operation asks for too much: its pages may have {NODE_LIMIT} objects together, those within others \
             multiplied. Ask for smaller pages."
        ),
    ))
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
}

impl Counter<'_> {
    fn count(&self, selections: &SelectionSet, times: usize) -> usize {
        selections
            .selections
            .iter()
            .fold(0_usize, |total, selection| {
                let nodes = match selection {
                    Selection::Field(field) => self.count_field(field, times),
                    Selection::InlineFragment(fragment) => {
                        self.count(&fragment.selection_set, times)
                    }
                    Selection::FragmentSpread(spread) => self
                        .document
                        .fragments
                        .get(&spread.fragment_name)
                        .map_or(0, |fragment| self.count(&fragment.selection_set, times)),
                };
                total.saturating_add(nodes)
            })
    }

    fn count_field(&self, field: &Field, times: usize) -> usize {
        match self.list_size(field) {
            Some(size) => {
                let nodes = times.saturating_mul(size);
                nodes.saturating_add(self.count(&field.selection_set, nodes))
            }
            None => self.count(&field.selection_set, times),
        }
    }

    /// How many objects the field brings at most; `None` for one that is no list of its own.
    fn list_size(&self, field: &Field) -> Option<usize> {
        if field.definition.argument_by_name("first").is_some() {
            let asked = self
                .number(field, "first")
                .or_else(|| self.number(field, "last"));
            // What is out of bounds is refused when it is executed.
            return Some(asked.unwrap_or(PAGE_SIZE_DEFAULT).min(PAGE_SIZE_LIMIT));
        }
        match field.specified_argument_by_name("ids")?.as_ref() {
            Literal::List(ids) => Some(ids.len()),
            Literal::Variable(name) => match self.variables.get(name.as_str()) {
                Some(Value::List(ids)) => Some(ids.len()),
                _ => Some(1),
            },
            _ => Some(1),
        }
    }

    fn number(&self, field: &Field, argument: &str) -> Option<usize> {
        let number = match field.specified_argument_by_name(argument)?.as_ref() {
            Literal::Int(number) => i64::from(number.try_to_i32().ok()?),
            Literal::Variable(name) => match self.variables.get(name.as_str())? {
                Value::Number(number) => number.as_i64()?,
                _ => return None,
            },
            _ => return None,
        };
        usize::try_from(number).ok()
    }
}
