//! Fields of a mutation's root with one name in the answer: they are one field (GraphQL specification, section 6.3.2), and are executed
//! once. async-graphql would execute each of them.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
};
use async_graphql::parser::types::{OperationType, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value, Variables};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Merges the root fields of the operation of a document when it is a mutation. What the variables skip is left out.
pub fn merge_root_fields(document: &mut ExecutableDocument, variables: &Variables) {
    let fragments = &document.fragments;
    let DocumentOperations::Single(operation) = &mut document.operations else {
        return;
    };
    let operation = &mut operation.node;
    if operation.ty == OperationType::Mutation && !is_one_field(&operation.selection_set) {
        let mut merged = Vec::new();
        collect(&operation.selection_set, fragments, variables, &mut merged);
        operation.selection_set.node.items = merged
            .into_iter()
            .map(|field| Positioned::new(Selection::Field(field.clone()), field.pos))
            .collect();
    }
}

fn is_one_field(selections: &Positioned<SelectionSet>) -> bool {
    matches!(selections.node.items.as_slice(), [only] if matches!(only.node, Selection::Field(_)))
}

/// Collects fields in their order. Types are not looked at: whatever stands at the root of a mutation is on it.
fn collect(
    selections: &Positioned<SelectionSet>,
    fragments: &Fragments,
    variables: &Variables,
    merged: &mut Vec<Positioned<Field>>,
) {
    let included =
        |selection: &&Positioned<Selection>| is_included(selection.node.directives(), variables);
    for selection in selections.node.items.iter().filter(included) {
        match &selection.node {
            Selection::Field(field) => add(field, merged),
            Selection::InlineFragment(fragment) => {
                collect(&fragment.node.selection_set, fragments, variables, merged);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    collect(&fragment.node.selection_set, fragments, variables, merged);
                }
            }
        }
    }
}

fn add(field: &Positioned<Field>, merged: &mut Vec<Positioned<Field>>) {
    let key = field.node.response_key();
    let same = merged
        .iter_mut()
        .find(|known| known.node.response_key().node == key.node);
    if let Some(known) = same {
        let selections = &field.node.selection_set.node.items;
        known
            .node
            .selection_set
            .node
            .items
            .extend(selections.iter().cloned());
    } else {
        merged.push(field.clone());
    }
}

fn is_included(directives: &[Positioned<Directive>], variables: &Variables) -> bool {
    directives.iter().all(|directive| {
        let skips = match directive.node.name.node.as_str() {
            "skip" => true,
            "include" => false,
            _ => return true,
        };
        let condition = directive.node.get_argument("if").map(|value| {
            let value = value.node.clone();
            value.into_const_with(|name| variables.get(&name).cloned().ok_or(()))
        });
        condition != Some(Ok(Value::Boolean(skips)))
    })
}
