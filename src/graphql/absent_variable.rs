//! Variables that were not given: what async-graphql would take for null is left out, so that defaults apply.

use apollo_compiler::executable::Operation;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Selection, SelectionSet,
};
use async_graphql::{Positioned, Value, Variables};
use async_graphql_value::Value as Literal;

/// Leaves out the arguments whose variable was not given to the operation, so that their defaults apply (GraphQL specification,
/// section 6.4.1).
pub fn leave_out_absent(
    parsed: &mut ExecutableDocument,
    defined: &Operation,
    variables: &Variables,
) {
    let names = defined
        .variables
        .iter()
        .map(|variable| variable.name.as_str());
    let absent: Vec<&str> = names
        .filter(|name| !variables.contains_key(*name))
        .collect();
    let null: Vec<&str> = defined
        .variables
        .iter()
        .map(|variable| variable.name.as_str())
        .filter(|name| variables.get(*name) == Some(&Value::Null))
        .collect();
    if absent.is_empty() && null.is_empty() {
        return;
    }
    let without = Without { absent, null };
    if let DocumentOperations::Single(operation) = &mut parsed.operations {
        leave_out_of(&mut operation.node.selection_set, &without);
    }
    for fragment in parsed.fragments.values_mut() {
        leave_out_of(&mut fragment.node.selection_set, &without);
    }
}

/// The variables that have no value, and those that are null.
struct Without<'a> {
    absent: Vec<&'a str>,
    null: Vec<&'a str>,
}

impl Without<'_> {
    fn is_absent(&self, value: &Literal) -> bool {
        matches!(value, Literal::Variable(name) if self.absent.contains(&name.as_str()))
    }

    fn is_left_out(&self, argument: &str, value: &Literal) -> bool {
        // async-graphql knows no null for it, where the specification has it for the default.
        let is_null =
            matches!(value, Literal::Variable(name) if self.null.contains(&name.as_str()));
        self.is_absent(value) || is_null && argument == "includeDeprecated"
    }
}

fn leave_out_of(selections: &mut Positioned<SelectionSet>, without: &Without<'_>) {
    for selection in &mut selections.node.items {
        match &mut selection.node {
            Selection::Field(field) => {
                field
                    .node
                    .arguments
                    .retain(|(name, value)| !without.is_left_out(&name.node, &value.node));
                for (_, value) in &mut field.node.arguments {
                    leave_out_fields(&mut value.node, &|value| without.is_absent(value));
                }
                leave_out_of(&mut field.node.selection_set, without);
            }
            Selection::InlineFragment(fragment) => {
                leave_out_of(&mut fragment.node.selection_set, without);
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
