//! Variables that are null in a place that takes no null. A variable of a nullable type may stand there when the place has a default
//! (GraphQL specification, section 5.8.5), so that validation cannot see it.

use apollo_compiler::ast::{Type, Value as Literal};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use async_graphql::{Value, Variables};

use super::error::{ApiError, ErrorCode};

/// A root field that cannot be executed because of such a variable: it is null, and an error says why (section 6.4.1).
pub struct FailedField {
    /// Its name in the answer.
    pub response_key: String,
    /// Its place among the fields of the root.
    pub index: usize,
    /// Where it stands: the line and the column.
    pub place: Option<(usize, usize)>,
    /// Why.
    pub error: ApiError,
}

/// Finds the root fields of an operation that have such a variable.
///
/// # Errors
/// [`ErrorCode::BadUserInput`] when it stands deeper, or in a fragment: where the answer would have its null is then not known before
/// something is executed, and nothing is.
pub fn find(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &Variables,
) -> Result<Vec<FailedField>, ApiError> {
    let is_null = |name: &str, default: Option<&Literal>| match variables.get(name) {
        Some(value) => *value == Value::Null,
        None => default.is_some_and(Literal::is_null),
    };
    let null: Vec<&str> = operation
        .variables
        .iter()
        .filter(|variable| is_null(variable.name.as_str(), variable.default_value.as_deref()))
        .map(|variable| variable.name.as_str())
        .collect();
    let mut failed = Vec::new();
    if null.is_empty() {
        return Ok(failed);
    }
    let walk = Walk {
        schema,
        document,
        null,
    };
    for (index, selection) in operation.selection_set.selections.iter().enumerate() {
        let Selection::Field(field) = selection else {
            walk.selection(selection)
                .map_or(Ok(()), |name| Err(wrong(name)))?;
            continue;
        };
        if let Some(name) = walk.arguments(field).filter(|_| !field.ty().is_non_null()) {
            let range = field.line_column_range(&document.sources);
            failed.push(FailedField {
                response_key: field.response_key().to_string(),
                index,
                place: range.map(|range| (range.start.line, range.start.column)),
                error: wrong(name),
            });
        } else if let Some(name) = walk.selection(selection) {
            return Err(wrong(name));
        }
    }
    Ok(failed)
}

fn wrong(name: &str) -> ApiError {
    ApiError::composed(
        ErrorCode::BadUserInput,
        format!(
            "The variable ${name} is null where null is not allowed: leave it out for the default."
        ),
    )
}

struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    null: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn selections(&self, selections: &SelectionSet) -> Option<&'a str> {
        selections
            .selections
            .iter()
            .find_map(|selection| self.selection(selection))
    }

    fn selection(&self, selection: &Selection) -> Option<&'a str> {
        match selection {
            Selection::Field(field) => self
                .arguments(field)
                .or_else(|| self.selections(&field.selection_set)),
            Selection::InlineFragment(fragment) => self.selections(&fragment.selection_set),
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.fragment_name)?;
                self.selections(&fragment.selection_set)
            }
        }
    }

    fn arguments(&self, field: &Field) -> Option<&'a str> {
        field.arguments.iter().find_map(|argument| {
            let definition = field.definition.argument_by_name(&argument.name)?;
            self.value(&argument.value, &definition.ty)
        })
    }

    /// The null variable that stands for a value, or in it, where its type takes no null.
    fn value(&self, value: &Literal, ty: &Type) -> Option<&'a str> {
        match value {
            Literal::Variable(name) if ty.is_non_null() => self
                .null
                .iter()
                .copied()
                .find(|null| *null == name.as_str()),
            Literal::List(items) => items
                .iter()
                .find_map(|item| self.value(item, ty.item_type())),
            Literal::Object(fields) => {
                let Some(ExtendedType::InputObject(input)) =
                    self.schema.types.get(ty.inner_named_type())
                else {
                    return None;
                };
                fields
                    .iter()
                    .find_map(|(name, field)| self.value(field, &input.fields.get(name)?.ty))
            }
            _ => None,
        }
    }
}
