//! How much a document may ask for. Counted before it is validated, in one pass: a fragment is counted once, however often
//! it is spread.

use std::collections::HashMap;

use apollo_compiler::ast::{Definition, DirectiveList, Document, Selection, Value};

use super::error::{ApiError, ErrorCode};

/// How many selections a document may have once its fragments are spread.
const SELECTION_LIMIT: usize = 1_000;
/// How deep fields may stand in each other.
const DEPTH_LIMIT: usize = 20;
/// How deep selection sets may stand in each other, those of fragments included.
pub const NESTING_LIMIT: usize = 60;
const ROOT_FIELD_LIMIT: usize = 20;
const ALIAS_LIMIT: usize = 30;
const DIRECTIVE_LIMIT: usize = 50;
const DIRECTIVE_LIMIT_PER_PLACE: usize = 8;
const VARIABLE_LIMIT: usize = 64;
const LIST_LIMIT: usize = 100;
const VALUE_NESTING_LIMIT: usize = 8;
const OPERATION_LIMIT: usize = 8;
const FRAGMENT_LIMIT: usize = 32;

/// Refuses a document that asks for too much.
///
/// # Errors
/// The limit that it passes.
pub fn check(document: &Document) -> Result<(), ApiError> {
    let mut fragments = HashMap::new();
    let mut operations = 0;
    for definition in &document.definitions {
        match definition {
            Definition::FragmentDefinition(fragment) => {
                fragments.insert(fragment.name.as_str(), fragment.selection_set.as_slice());
            }
            Definition::OperationDefinition(_) => operations += 1,
            _ => {}
        }
    }
    within(operations, OPERATION_LIMIT, "operations")?;
    within(fragments.len(), FRAGMENT_LIMIT, "fragments")?;
    check_syntax(document)?;
    let mut counter = Counter {
        fragments,
        counted: HashMap::new(),
    };
    for definition in &document.definitions {
        if let Definition::OperationDefinition(operation) = definition {
            let size = counter.count(&operation.selection_set);
            within(
                size.selections,
                SELECTION_LIMIT,
                "selections, those of fragments included",
            )?;
            within(size.depth, DEPTH_LIMIT, "levels of fields")?;
            within(size.nesting, NESTING_LIMIT, "levels of selections")?;
            within(size.top_fields, ROOT_FIELD_LIMIT, "root fields")?;
        }
    }
    Ok(())
}

/// Whether a string stands anywhere in the document.
pub fn has_text(document: &Document) -> bool {
    let mut walk = Walk::default();
    walk.document(document);
    walk.has_text
}

fn within(count: usize, limit: usize, what: &str) -> Result<(), ApiError> {
    if count <= limit {
        return Ok(());
    }
    Err(ApiError::composed(
        ErrorCode::GraphqlValidationFailed,
        format!("The document asks for too much: at most {limit} {what} are allowed."),
    ))
}

fn check_syntax(document: &Document) -> Result<(), ApiError> {
    let mut walk = Walk::default();
    walk.document(document);
    within(walk.aliases, ALIAS_LIMIT, "aliases")?;
    within(walk.directives, DIRECTIVE_LIMIT, "directives")?;
    within(
        walk.directives_at_one_place,
        DIRECTIVE_LIMIT_PER_PLACE,
        "directives at one place",
    )?;
    within(walk.variables, VARIABLE_LIMIT, "variables")?;
    within(walk.longest_list, LIST_LIMIT, "items in a list")?;
    within(
        walk.value_nesting,
        VALUE_NESTING_LIMIT,
        "levels of lists and objects",
    )
}

/// What a selection set amounts to.
#[derive(Clone, Copy, Default)]
struct Size {
    selections: usize,
    depth: usize,
    nesting: usize,
    top_fields: usize,
}

struct Counter<'a> {
    fragments: HashMap<&'a str, &'a [Selection]>,
    // `None` while a fragment is being counted: one that contains itself counts nothing more, and validation refuses it.
    counted: HashMap<&'a str, Option<Size>>,
}

impl<'a> Counter<'a> {
    fn count(&mut self, selections: &'a [Selection]) -> Size {
        let mut total = Size {
            nesting: 1,
            ..Size::default()
        };
        for selection in selections {
            let size = match selection {
                Selection::Field(field) => {
                    let inner = self.count_inner(&field.selection_set);
                    Size {
                        depth: inner.depth.saturating_add(1),
                        top_fields: 1,
                        ..inner
                    }
                }
                Selection::InlineFragment(fragment) => self.count_inner(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    self.count_fragment(spread.fragment_name.as_str())
                }
            };
            total.selections = total
                .selections
                .saturating_add(size.selections)
                .saturating_add(1);
            total.depth = total.depth.max(size.depth);
            total.nesting = total.nesting.max(size.nesting.saturating_add(1));
            total.top_fields = total.top_fields.saturating_add(size.top_fields);
        }
        total
    }

    fn count_inner(&mut self, selections: &'a [Selection]) -> Size {
        if selections.is_empty() {
            Size::default()
        } else {
            self.count(selections)
        }
    }

    fn count_fragment(&mut self, name: &'a str) -> Size {
        if let Some(counted) = self.counted.get(name) {
            return counted.unwrap_or_default();
        }
        let Some(selections) = self.fragments.get(name).copied() else {
            return Size::default();
        };
        self.counted.insert(name, None);
        let size = self.count(selections);
        self.counted.insert(name, Some(size));
        size
    }
}

/// Counts what stands in a document as it is written.
#[derive(Default)]
struct Walk {
    aliases: usize,
    directives: usize,
    directives_at_one_place: usize,
    variables: usize,
    longest_list: usize,
    value_nesting: usize,
    has_text: bool,
}

impl Walk {
    fn document(&mut self, document: &Document) {
        for definition in &document.definitions {
            match definition {
                Definition::OperationDefinition(operation) => {
                    self.variables = self.variables.max(operation.variables.len());
                    for variable in &operation.variables {
                        self.directives(&variable.directives);
                        if let Some(value) = &variable.default_value {
                            self.value(value, 1);
                        }
                    }
                    self.directives(&operation.directives);
                    self.selections(&operation.selection_set);
                }
                Definition::FragmentDefinition(fragment) => {
                    self.directives(&fragment.directives);
                    self.selections(&fragment.selection_set);
                }
                _ => {}
            }
        }
    }

    fn selections(&mut self, selections: &[Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.aliases += usize::from(field.alias.is_some());
                    for argument in &field.arguments {
                        self.value(&argument.value, 1);
                    }
                    self.directives(&field.directives);
                    self.selections(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.directives);
                    self.selections(&fragment.selection_set);
                }
                Selection::FragmentSpread(spread) => self.directives(&spread.directives),
            }
        }
    }

    fn directives(&mut self, directives: &DirectiveList) {
        self.directives += directives.len();
        self.directives_at_one_place = self.directives_at_one_place.max(directives.len());
        for argument in directives.iter().flat_map(|directive| &directive.arguments) {
            self.value(&argument.value, 1);
        }
    }

    fn value(&mut self, value: &Value, level: usize) {
        self.value_nesting = self.value_nesting.max(level);
        match value {
            Value::String(_) => self.has_text = true,
            Value::List(items) => {
                self.longest_list = self.longest_list.max(items.len());
                for item in items {
                    self.value(item, level + 1);
                }
            }
            Value::Object(fields) => {
                for (_, field) in fields {
                    self.value(field, level + 1);
                }
            }
            _ => {}
        }
    }
}
