//! Fields with one name in the answer are one field (GraphQL specification, section 6.3.2), and are executed once. async-graphql would
//! execute each of them, and put lists together item by item: when the list changes in between, of different objects.

use std::collections::HashMap;

use apollo_compiler::Schema;
use apollo_compiler::schema::ExtendedType;
use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, InlineFragment,
    OperationType, Selection, SelectionSet, TypeCondition,
};
use async_graphql::{Name, Pos, Positioned, Value, Variables};

/// Merges the fields of the one operation of a document, at every level. Fragments are put in the place of their spreads, and what the
/// variables skip is left out. `None` when the document does not fit the schema, which was checked before.
pub fn merge_fields(
    schema: &Schema,
    document: &mut ExecutableDocument,
    variables: &Variables,
) -> Option<()> {
    let ExecutableDocument {
        operations,
        fragments,
    } = document;
    let DocumentOperations::Single(operation) = operations else {
        return None;
    };
    let operation = &mut operation.node;
    let definition = &schema.schema_definition;
    let root = match operation.ty {
        OperationType::Query => &definition.query,
        OperationType::Mutation => &definition.mutation,
        OperationType::Subscription => &definition.subscription,
    };
    let merge = Merge {
        schema,
        fragments,
        variables,
    };
    let root = root.as_ref()?;
    let merged = merge.selections(root, &[&operation.selection_set.node])?;
    operation.selection_set.node.items = merged;
    fragments.clear();
    Some(())
}

struct Merge<'a> {
    schema: &'a Schema,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &'a Variables,
}

/// A field, and what is selected in it wherever it stands.
struct Merged<'a> {
    field: &'a Positioned<Field>,
    selections: Vec<&'a SelectionSet>,
}

impl<'a> Merge<'a> {
    /// The selections in an object. What may be an object of several types is written down for each of them.
    fn selections(
        &self,
        parent: &str,
        sets: &[&'a SelectionSet],
    ) -> Option<Vec<Positioned<Selection>>> {
        if let ExtendedType::Object(_) = self.schema.types.get(parent)? {
            return self.fields(parent, sets);
        }
        let mut of_each = Vec::new();
        for (name, kind) in &self.schema.types {
            if !kind.is_object() || !self.schema.is_subtype(parent, name) {
                continue;
            }
            let fields = self.fields(name, sets)?;
            if !fields.is_empty() {
                of_each.push(fragment_on(name, fields));
            }
        }
        Some(of_each)
    }

    fn fields(
        &self,
        object: &str,
        sets: &[&'a SelectionSet],
    ) -> Option<Vec<Positioned<Selection>>> {
        let mut merged = Vec::new();
        for set in sets {
            self.collect(object, set, &mut merged);
        }
        let field = |merged: Merged<'a>| self.field(object, &merged);
        merged.into_iter().map(field).collect()
    }

    /// Collects fields in their order.
    fn collect(&self, object: &str, set: &'a SelectionSet, merged: &mut Vec<Merged<'a>>) {
        for selection in &set.items {
            if !self.is_included(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => add(field, merged),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| self.applies(&condition.node, object)) {
                        self.collect(object, &fragment.node.selection_set.node, merged);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node)
                        && self.applies(&fragment.node.type_condition.node, object)
                    {
                        self.collect(object, &fragment.node.selection_set.node, merged);
                    }
                }
            }
        }
    }

    fn field(&self, object: &str, merged: &Merged<'a>) -> Option<Positioned<Selection>> {
        let mut field = merged.field.clone();
        field.node.directives.clear();
        if !field.node.selection_set.node.items.is_empty() {
            let definition = self.schema.type_field(object, &field.node.name.node).ok()?;
            let ty = definition.ty.inner_named_type();
            field.node.selection_set.node.items = self.selections(ty, &merged.selections)?;
        }
        Some(Positioned::new(Selection::Field(field.clone()), field.pos))
    }

    fn applies(&self, condition: &TypeCondition, object: &str) -> bool {
        let on = condition.on.node.as_str();
        on == object || self.schema.is_subtype(on, object)
    }

    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let skips = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return true,
            };
            let condition = directive.node.get_argument("if").map(|value| {
                let value = value.node.clone();
                value.into_const_with(|name| self.variables.get(&name).cloned().ok_or(()))
            });
            condition != Some(Ok(Value::Boolean(skips)))
        })
    }
}

fn add<'a>(field: &'a Positioned<Field>, merged: &mut Vec<Merged<'a>>) {
    let key = &field.node.response_key().node;
    let selections = &field.node.selection_set.node;
    let same = merged
        .iter_mut()
        .find(|known| known.field.node.response_key().node == *key);
    if let Some(known) = same {
        known.selections.push(selections);
    } else {
        merged.push(Merged {
            field,
            selections: vec![selections],
        });
    }
}

fn fragment_on(object: &str, fields: Vec<Positioned<Selection>>) -> Positioned<Selection> {
    let position = fields.first().map_or_else(Pos::default, |field| field.pos);
    let at = |name: &str| Positioned::new(Name::new(name), position);
    let fragment = InlineFragment {
        type_condition: Some(Positioned::new(TypeCondition { on: at(object) }, position)),
        directives: Vec::new(),
        selection_set: Positioned::new(SelectionSet { items: fields }, position),
    };
    Positioned::new(
        Selection::InlineFragment(Positioned::new(fragment, position)),
        position,
    )
}
