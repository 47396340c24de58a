//! Variables that were not given: what async-graphql would take for null is left out, so that defaults apply.

use apollo_compiler::executable::Operation;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Selection, SelectionSet,
};
use async_graphql::{Positioned, Variables};
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
    if absent.is_empty() {
        return;
    }
    if let DocumentOperations::Single(operation) = &mut parsed.operations {
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
