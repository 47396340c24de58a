//! Variables that are null in a place that takes no null. A variable of a nullable type may stand there when the place has a default
//! (GraphQL specification, section 5.8.5), so that validation cannot see it.

use apollo_compiler::ast::{DirectiveList, Type, Value as Literal};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Node, Schema};
use async_graphql::{Value, Variables};

use super::error::{ApiError, ErrorCode};
use super::response::Location;
use super::variable::shortened;

/// A root field that cannot be executed because of such a variable: it is null, and an error says why (section 6.4.1).
pub struct FailedField {
    /// Its name in the answer.
    pub response_key: String,
    /// Its place among the fields of the root.
    pub index: usize,
    /// Where it stands.
    pub location: Option<Location>,
    /// Why.
    pub error: ApiError,
}

/// Finds the root fields of an operation that have such a variable.
///
/// # Errors
/// [`ErrorCode::BadUserInput`] when it stands deeper, in a fragment, or in a condition of a root field: where the answer would have its null
/// is then not known before something is executed, and nothing is.
pub fn find(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &Variables,
) -> Result<Vec<FailedField>, ApiError> {
    let names = operation
        .variables
        .iter()
        .map(|variable| variable.name.as_str());
    let null: Vec<&str> = names
        .filter(|name| variables.get(*name) == Some(&Value::Null))
        .collect();
    if null.is_empty() {
        return Ok(Vec::new());
    }
    let walk = Walk {
        schema,
        document,
        null,
        variables,
    };
    Root::default().find(&walk, operation)
}

/// The root of an operation, as it is gone through.
#[derive(Default)]
struct Root {
    /// The names in the answer, in their order, each once (GraphQL specification, section 6.3.2).
    keys: Vec<String>,
    /// Those that stand in a fragment.
    spread: Vec<String>,
    failed: Vec<FailedField>,
}

impl Root {
    fn find(
        mut self,
        walk: &Walk<'_>,
        operation: &Operation,
    ) -> Result<Vec<FailedField>, ApiError> {
        for selection in &operation.selection_set.selections {
            if let Some(name) = walk.directives(selection.directives()) {
                return Err(wrong(name));
            }
            if walk.is_left_out(selection.directives()) {
                continue;
            }
            match selection {
                Selection::Field(field) => self.field(walk, selection, field)?,
                _ => self.fragment(walk, selection)?,
            }
        }
        let is_spread = |field: &&FailedField| self.spread.contains(&field.response_key);
        match self.failed.iter().find(is_spread) {
            Some(field) => Err(field.error.clone()),
            None => Ok(self.failed),
        }
    }

    fn field(
        &mut self,
        walk: &Walk<'_>,
        selection: &Selection,
        field: &Node<Field>,
    ) -> Result<(), ApiError> {
        let key = field.response_key().to_string();
        let index = self.index_of(&key);
        if let Some(name) = walk.own(field).filter(|_| !field.ty().is_non_null()) {
            if self.failed.iter().all(|known| known.response_key != key) {
                self.failed.push(FailedField {
                    response_key: key,
                    index,
                    location: field
                        .line_column_range(&walk.document.sources)
                        .map(|range| Location::from(range.start)),
                    error: wrong(name),
                });
            }
        } else if let Some(name) = walk.selection(selection) {
            return Err(wrong(name));
        }
        Ok(())
    }

    fn fragment(&mut self, walk: &Walk<'_>, selection: &Selection) -> Result<(), ApiError> {
        if let Some(name) = walk.selection(selection) {
            return Err(wrong(name));
        }
        for key in walk.keys(selection) {
            self.index_of(&key);
            self.spread.push(key);
        }
        Ok(())
    }

    /// The place of a name in the answer.
    fn index_of(&mut self, key: &str) -> usize {
        let known = self.keys.iter().position(|known| known == key);
        known.unwrap_or_else(|| {
            self.keys.push(key.to_owned());
            self.keys.len() - 1
        })
    }
}

fn wrong(name: &str) -> ApiError {
    ApiError::composed(
        ErrorCode::BadUserInput,
        format!(
            "The variable ${} is null where null is not allowed: leave it out for the default.",
            shortened(name)
        ),
    )
}

/// The conditions of `@skip` and `@include`, each with what it must be to keep the selection.
fn conditions(directives: &DirectiveList) -> impl Iterator<Item = (bool, &Literal)> {
    [("skip", false), ("include", true)]
        .into_iter()
        .filter_map(|(name, kept_when)| {
            let directive = directives.get(name)?;
            let condition = directive.specified_argument_by_name("if")?;
            Some((kept_when, &**condition))
        })
}

struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    null: Vec<&'a str>,
    variables: &'a Variables,
}

impl<'a> Walk<'a> {
    fn selections(&self, selections: &SelectionSet) -> Option<&'a str> {
        selections
            .selections
            .iter()
            .find_map(|selection| self.selection(selection))
    }

    fn selection(&self, selection: &Selection) -> Option<&'a str> {
        let directives = selection.directives();
        if let Some(name) = self.directives(directives) {
            return Some(name);
        }
        if self.is_left_out(directives) {
            return None;
        }
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

    /// The names in the answer of the fields of a selection, those of fragments in it included.
    fn keys(&self, selection: &Selection) -> Vec<String> {
        if self.is_left_out(selection.directives()) {
            return Vec::new();
        }
        let of = |selections: &SelectionSet| {
            let each = selections.selections.iter();
            each.flat_map(|below| self.keys(below)).collect()
        };
        match selection {
            Selection::Field(field) => vec![field.response_key().to_string()],
            Selection::InlineFragment(fragment) => of(&fragment.selection_set),
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.fragment_name);
                fragment.map_or_else(Vec::new, |fragment| of(&fragment.selection_set))
            }
        }
    }

    /// The null variable that `@skip` or `@include` depends on.
    fn directives(&self, directives: &DirectiveList) -> Option<&'a str> {
        conditions(directives).find_map(|(_, condition)| self.null_variable(condition))
    }

    /// Whether `@skip` or `@include` leave the selection out (GraphQL specification, section 6.3.2).
    fn is_left_out(&self, directives: &DirectiveList) -> bool {
        conditions(directives).any(|(kept_when, condition)| {
            let met = match condition {
                Literal::Boolean(met) => Some(*met),
                Literal::Variable(name) => match self.variables.get(name.as_str()) {
                    Some(Value::Boolean(met)) => Some(*met),
                    _ => None,
                },
                _ => None,
            };
            met.is_some_and(|met| met != kept_when)
        })
    }

    fn null_variable(&self, value: &Literal) -> Option<&'a str> {
        let name = value.as_variable()?;
        let mut null = self.null.iter().copied();
        null.find(|null| *null == name.as_str())
    }

    /// The null variable that a field itself fails by: in its arguments, or in a condition of what is selected in it.
    fn own(&self, field: &Field) -> Option<&'a str> {
        let mut selections = field.selection_set.selections.iter();
        self.arguments(field)
            .or_else(|| selections.find_map(|below| self.directives(below.directives())))
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
            Literal::Variable(_) if ty.is_non_null() => self.null_variable(value),
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
