//! Fields with one name in the answer are one field (GraphQL specification, section 6.3.2), and are executed once. async-graphql would
//! execute each of them, and put lists together item by item: when the list changes in between, of different objects.

use std::collections::HashMap;

use apollo_compiler::Schema;
use apollo_compiler::schema::ExtendedType;
use async_graphql::parser::types::{
    Directive, Field, FragmentDefinition, InlineFragment, OperationDefinition, OperationType,
    Selection, SelectionSet, TypeCondition,
};
use async_graphql::{Name, Pos, Positioned, Value, Variables};

use super::absent_variable::AbsentVariables;

/// How an operation is made into what is executed.
pub struct Merge<'a> {
    /// What it was checked against.
    pub schema: &'a Schema,
    /// The fragments of its document.
    pub fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// Its variables.
    pub variables: &'a Variables,
    /// Those that leave arguments out.
    pub absent: AbsentVariables<'a>,
}

/// A field, and what is selected in it wherever it stands.
struct Merged<'a> {
    field: &'a Positioned<Field>,
    selections: Vec<&'a SelectionSet>,
}

impl<'a> Merge<'a> {
    /// The operation with the fields of one name merged, at every level. Fragments are put in the place of their spreads, and what the
    /// variables skip is left out. `None` when it does not fit the schema, which was checked before.
    pub fn operation(&self, operation: &'a OperationDefinition) -> Option<OperationDefinition> {
        let roots = &self.schema.schema_definition;
        let root = match operation.ty {
            OperationType::Query => &roots.query,
            OperationType::Mutation => &roots.mutation,
            OperationType::Subscription => &roots.subscription,
        };
        let set = &operation.selection_set;
        let items = self.selections(root.as_ref()?, &[&set.node])?;
        Some(OperationDefinition {
            ty: operation.ty,
            variable_definitions: operation.variable_definitions.clone(),
            directives: Vec::new(),
            selection_set: Positioned::new(SelectionSet { items }, set.pos),
        })
    }

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
        let field = &merged.field.node;
        let set = &field.selection_set;
        let items = if set.node.items.is_empty() {
            Vec::new()
        } else {
            let definition = self.schema.type_field(object, &field.name.node).ok()?;
            self.selections(definition.ty.inner_named_type(), &merged.selections)?
        };
        let whole = Field {
            alias: field.alias.clone(),
            name: field.name.clone(),
            arguments: self.absent.without(&field.arguments),
            directives: Vec::new(),
            selection_set: Positioned::new(SelectionSet { items }, set.pos),
        };
        let position = merged.field.pos;
        let selection = Selection::Field(Positioned::new(whole, position));
        Some(Positioned::new(selection, position))
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
