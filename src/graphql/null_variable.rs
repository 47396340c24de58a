//! Variables that are null in a place that takes no null. A variable of a nullable type may stand there when the place has a default
//! (GraphQL specification, section 5.8.5), so that validation cannot see it.

use apollo_compiler::ast::{Type, Value as Literal};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use async_graphql::{Value, Variables};

use super::error::{ApiError, ErrorCode};

/// Refuses an operation with such a variable.
///
/// # Errors
/// [`ErrorCode::BadUserInput`] with the variable's name.
pub fn check(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &Variables,
) -> Result<(), ApiError> {
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
    if null.is_empty() {
        return Ok(());
    }
    let walk = Walk {
        schema,
        document,
        null,
    };
    match walk.selections(&operation.selection_set) {
        Some(name) => Err(ApiError::composed(
            ErrorCode::BadUserInput,
            format!(
                "The variable ${name} is null where null is not allowed: leave it out for the default."
            ),
        )),
        None => Ok(()),
    }
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
            .find_map(|selection| match selection {
                Selection::Field(field) => self
                    .field(field)
                    .or_else(|| self.selections(&field.selection_set)),
                Selection::InlineFragment(fragment) => self.selections(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name)?;
                    self.selections(&fragment.selection_set)
                }
            })
    }

    fn field(&self, field: &Field) -> Option<&'a str> {
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
