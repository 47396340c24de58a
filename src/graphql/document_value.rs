//! Values in a document that apollo-compiler does not look at closely: fields that stand twice in an input, variables within lists and
//! inputs, and date-times.

use apollo_compiler::ast::{Type, Value};
use apollo_compiler::executable::{Directive, Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{ExtendedType, InputValueDefinition};
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};

use super::document_problem::DocumentProblem;
use super::error::{ApiError, ErrorCode};
use super::response::Location;
use crate::types::clock::Timestamp;

/// Checks the values of an operation and of the fragments that it spreads.
///
/// # Errors
/// The first problem.
pub fn check(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Operation,
) -> Result<(), DocumentProblem> {
    let walk = Walk {
        schema,
        document,
        operation,
    };
    for variable in &operation.variables {
        if let Some(default) = &variable.default_value {
            walk.value(default, &variable.ty)?;
        }
    }
    walk.selections(&operation.selection_set)
}

struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
}

impl Walk<'_> {
    fn selections(&self, selections: &SelectionSet) -> Result<(), DocumentProblem> {
        for selection in &selections.selections {
            match selection {
                Selection::Field(field) => self.field(field)?,
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.directives)?;
                    self.selections(&fragment.selection_set)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives)?;
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name) {
                        self.selections(&fragment.selection_set)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&self, field: &Field) -> Result<(), DocumentProblem> {
        self.directives(&field.directives)?;
        for argument in &field.arguments {
            if let Some(definition) = field.definition.argument_by_name(&argument.name) {
                self.inner(&argument.value, &definition.ty, has_default(definition))?;
            }
        }
        self.selections(&field.selection_set)
    }

    fn directives(&self, directives: &[Node<Directive>]) -> Result<(), DocumentProblem> {
        for directive in directives {
            let definition = self.schema.directive_definitions.get(&directive.name);
            for argument in &directive.arguments {
                if let Some(definition) =
                    definition.and_then(|found| found.argument_by_name(&argument.name))
                {
                    self.inner(&argument.value, &definition.ty, has_default(definition))?;
                }
            }
        }
        Ok(())
    }

    /// Checks a literal, and what stands in it.
    fn value(&self, value: &Node<Value>, ty: &Type) -> Result<(), DocumentProblem> {
        match &**value {
            Value::List(items) => items
                .iter()
                .try_for_each(|item| self.inner(item, ty.item_type(), false)),
            Value::Object(fields) => self.object(value, fields, ty),
            Value::Variable(_) | Value::Null => Ok(()),
            literal if ty.inner_named_type() == "DateTime" => match literal {
                Value::String(text) if Timestamp::parse_rfc3339(text).is_some() => Ok(()),
                _ => Err(self.problem(
                    value,
                    "The literal is no RFC 3339 date-time, such as \"2026-01-31T09:30:00Z\".",
                )),
            },
            _ => Ok(()),
        }
    }

    fn object(
        &self,
        value: &Node<Value>,
        fields: &[(Name, Node<Value>)],
        ty: &Type,
    ) -> Result<(), DocumentProblem> {
        let Some(ExtendedType::InputObject(input)) = self.schema.types.get(ty.inner_named_type())
        else {
            // A scalar of ours is never an object; another type is refused by apollo-compiler.
            return Err(self.problem(
                value,
                "The literal is of another type than this place takes.",
            ));
        };
        for (number, (name, field)) in fields.iter().enumerate() {
            if fields
                .iter()
                .take(number)
                .any(|(earlier, _)| earlier == name)
            {
                return Err(self.problem(field, "A field of an input is given twice."));
            }
            if let Some(definition) = input.fields.get(name) {
                self.inner(field, &definition.ty, has_default(definition))?;
            }
        }
        Ok(())
    }

    fn inner(
        &self,
        value: &Node<Value>,
        ty: &Type,
        has_default: bool,
    ) -> Result<(), DocumentProblem> {
        let Value::Variable(name) = &**value else {
            return self.value(value, ty);
        };
        let Some(variable) = self
            .operation
            .variables
            .iter()
            .find(|variable| variable.name == *name)
        else {
            return Ok(());
        };
        let is_given = variable
            .default_value
            .as_ref()
            .is_some_and(|default| !default.is_null());
        let given = variable.ty.as_ref().clone();
        // A variable that may be null fits where a default stands in for it (GraphQL specification, section 5.8.5).
        let fits = if ty.is_non_null() && !given.is_non_null() {
            (is_given || has_default) && is_compatible(&given, &ty.clone().nullable())
        } else {
            is_compatible(&given, ty)
        };
        if fits {
            Ok(())
        } else {
            Err(self.problem(
                value,
                "The variable is of another type than this place takes.",
            ))
        }
    }

    fn problem(&self, value: &Node<Value>, message: &'static str) -> DocumentProblem {
        let range = value.line_column_range(&self.document.sources);
        DocumentProblem {
            error: ApiError::new(ErrorCode::GraphqlValidationFailed, message),
            location: range.map(|range| Location::from(range.start)),
        }
    }
}

fn has_default(definition: &InputValueDefinition) -> bool {
    definition
        .default_value
        .as_ref()
        .is_some_and(|default| !default.is_null())
}

/// Whether every value of a variable's type is one of a place's type.
fn is_compatible(variable: &Type, place: &Type) -> bool {
    if place.is_non_null() && !variable.is_non_null() {
        return false;
    }
    match (variable.is_list(), place.is_list()) {
        (true, true) => is_compatible(variable.item_type(), place.item_type()),
        (false, false) => variable.inner_named_type() == place.inner_named_type(),
        _ => false,
    }
}
