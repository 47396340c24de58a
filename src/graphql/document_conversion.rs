//! From apollo-compiler's syntax tree to async-graphql's: the same document, with the same places for errors to point at.

use std::collections::HashMap;

use apollo_compiler::Node;
use apollo_compiler::ast;
use apollo_compiler::parser::SourceMap;
use async_graphql::parser::types::{
    BaseType, Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
    FragmentSpread, InlineFragment, OperationDefinition, OperationType, Selection, SelectionSet,
    Type, TypeCondition, VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::{ConstValue, Number, Value};

/// Converts a document that was validated; `None` when a number in it cannot be represented.
pub fn convert(document: &ast::Document) -> Option<ExecutableDocument> {
    let converter = Converter {
        sources: &document.sources,
        fragments: document
            .definitions
            .iter()
            .filter_map(|definition| match definition {
                ast::Definition::FragmentDefinition(fragment) => {
                    Some((fragment.name.as_str(), &**fragment))
                }
                _ => None,
            })
            .collect(),
    };
    let mut anonymous = None;
    let mut named = HashMap::new();
    let mut fragments = HashMap::new();
    for definition in &document.definitions {
        match definition {
            ast::Definition::OperationDefinition(operation) => {
                let converted = converter.operation(operation)?;
                match &operation.name {
                    Some(name) => {
                        named.insert(Name::new(name), converted);
                    }
                    None => anonymous = Some(converted),
                }
            }
            ast::Definition::FragmentDefinition(fragment) => {
                fragments.insert(Name::new(&fragment.name), converter.fragment(fragment)?);
            }
            _ => {}
        }
    }
    let operations = match anonymous {
        Some(operation) => DocumentOperations::Single(operation),
        None => DocumentOperations::Multiple(named),
    };
    Some(ExecutableDocument {
        operations,
        fragments,
    })
}

struct Converter<'a> {
    sources: &'a SourceMap,
    fragments: HashMap<&'a str, &'a ast::FragmentDefinition>,
}

impl Converter<'_> {
    fn pos<T>(&self, node: &Node<T>) -> Pos {
        let start = node
            .line_column_range(self.sources)
            .map(|range| range.start);
        start.map_or_else(Pos::default, |start| Pos {
            line: start.line,
            column: start.column,
        })
    }

    fn operation(
        &self,
        operation: &Node<ast::OperationDefinition>,
    ) -> Option<Positioned<OperationDefinition>> {
        let pos = self.pos(operation);
        let variables: Option<Vec<_>> = operation
            .variables
            .iter()
            .map(|variable| self.variable(variable))
            .collect();
        let converted = OperationDefinition {
            ty: match operation.operation_type {
                ast::OperationType::Query => OperationType::Query,
                ast::OperationType::Mutation => OperationType::Mutation,
                ast::OperationType::Subscription => OperationType::Subscription,
            },
            variable_definitions: variables?,
            directives: self.directives(&operation.directives)?,
            selection_set: match operation.operation_type {
                ast::OperationType::Subscription => {
                    self.selections(&self.root_field(&operation.selection_set), pos)?
                }
                _ => self.selections(&operation.selection_set, pos)?,
            },
        };
        Some(Positioned::new(converted, pos))
    }

    /// The fields of a subscription's root, taken out of the fragments around them: async-graphql looks into none there. Validation has
    /// seen that there is one field, and no condition on it.
    fn root_field(&self, selections: &[ast::Selection]) -> Vec<ast::Selection> {
        selections
            .iter()
            .flat_map(|selection| match selection {
                ast::Selection::Field(_) => vec![selection.clone()],
                ast::Selection::InlineFragment(fragment) => {
                    self.root_field(&fragment.selection_set)
                }
                ast::Selection::FragmentSpread(spread) => self
                    .fragments
                    .get(spread.fragment_name.as_str())
                    .map(|fragment| self.root_field(&fragment.selection_set))
                    .unwrap_or_default(),
            })
            .collect()
    }

    fn fragment(
        &self,
        fragment: &Node<ast::FragmentDefinition>,
    ) -> Option<Positioned<FragmentDefinition>> {
        let pos = self.pos(fragment);
        let converted = FragmentDefinition {
            type_condition: type_condition(&fragment.type_condition, pos),
            directives: self.directives(&fragment.directives)?,
            selection_set: self.selections(&fragment.selection_set, pos)?,
        };
        Some(Positioned::new(converted, pos))
    }

    fn variable(
        &self,
        variable: &Node<ast::VariableDefinition>,
    ) -> Option<Positioned<VariableDefinition>> {
        let pos = self.pos(variable);
        let default_value = match &variable.default_value {
            Some(value) => Some(Positioned::new(constant(value)?, pos)),
            None => None,
        };
        let converted = VariableDefinition {
            name: Positioned::new(Name::new(&variable.name), pos),
            var_type: Positioned::new(convert_type(&variable.ty), pos),
            directives: self.directives(&variable.directives)?,
            default_value,
        };
        Some(Positioned::new(converted, pos))
    }

    fn selections(
        &self,
        selections: &[ast::Selection],
        pos: Pos,
    ) -> Option<Positioned<SelectionSet>> {
        let items: Option<Vec<_>> = selections
            .iter()
            .map(|selection| self.selection(selection))
            .collect();
        Some(Positioned::new(SelectionSet { items: items? }, pos))
    }

    fn selection(&self, selection: &ast::Selection) -> Option<Positioned<Selection>> {
        let (pos, converted) = match selection {
            ast::Selection::Field(field) => {
                let pos = self.pos(field);
                (
                    pos,
                    Selection::Field(Positioned::new(self.field(field, pos)?, pos)),
                )
            }
            ast::Selection::FragmentSpread(spread) => {
                let pos = self.pos(spread);
                let converted = FragmentSpread {
                    fragment_name: Positioned::new(Name::new(&spread.fragment_name), pos),
                    directives: self.directives(&spread.directives)?,
                };
                (
                    pos,
                    Selection::FragmentSpread(Positioned::new(converted, pos)),
                )
            }
            ast::Selection::InlineFragment(fragment) => {
                let pos = self.pos(fragment);
                let condition = fragment.type_condition.as_ref();
                let converted = InlineFragment {
                    type_condition: condition.map(|name| type_condition(name, pos)),
                    directives: self.directives(&fragment.directives)?,
                    selection_set: self.selections(&fragment.selection_set, pos)?,
                };
                (
                    pos,
                    Selection::InlineFragment(Positioned::new(converted, pos)),
                )
            }
        };
        Some(Positioned::new(converted, pos))
    }

    fn field(&self, field: &ast::Field, pos: Pos) -> Option<Field> {
        Some(Field {
            alias: field
                .alias
                .as_ref()
                .map(|alias| Positioned::new(Name::new(alias), pos)),
            name: Positioned::new(Name::new(&field.name), pos),
            arguments: self.arguments(&field.arguments)?,
            directives: self.directives(&field.directives)?,
            selection_set: self.selections(&field.selection_set, pos)?,
        })
    }

    fn directives(&self, directives: &ast::DirectiveList) -> Option<Vec<Positioned<Directive>>> {
        let convert = |directive: &Node<ast::Directive>| {
            let pos = self.pos(directive);
            let converted = Directive {
                name: Positioned::new(Name::new(&directive.name), pos),
                arguments: self.arguments(&directive.arguments)?,
            };
            Some(Positioned::new(converted, pos))
        };
        directives.iter().map(convert).collect()
    }

    fn arguments(
        &self,
        arguments: &[Node<ast::Argument>],
    ) -> Option<Vec<(Positioned<Name>, Positioned<Value>)>> {
        let convert = |argument: &Node<ast::Argument>| {
            let pos = self.pos(argument);
            let name = Positioned::new(Name::new(&argument.name), pos);
            Some((name, Positioned::new(convert_value(&argument.value)?, pos)))
        };
        // Null for this one is the default of the specification (section 4.2), and an error to async-graphql.
        let is_default = |argument: &&Node<ast::Argument>| {
            argument.name == "includeDeprecated" && argument.value.is_null()
        };
        arguments
            .iter()
            .filter(|argument| !is_default(argument))
            .map(convert)
            .collect()
    }
}

fn type_condition(name: &ast::NamedType, pos: Pos) -> Positioned<TypeCondition> {
    let on = Positioned::new(Name::new(name), pos);
    Positioned::new(TypeCondition { on }, pos)
}

fn convert_type(ast: &ast::Type) -> Type {
    let base = match ast {
        ast::Type::Named(name) | ast::Type::NonNullNamed(name) => BaseType::Named(Name::new(name)),
        ast::Type::List(inner) | ast::Type::NonNullList(inner) => {
            BaseType::List(Box::new(convert_type(inner)))
        }
    };
    Type {
        base,
        nullable: !ast.is_non_null(),
    }
}

/// Converts a literal without variables; `None` for one with some.
pub fn constant(value: &ast::Value) -> Option<ConstValue> {
    convert_value(value)?.into_const()
}

fn convert_value(value: &ast::Value) -> Option<Value> {
    Some(match value {
        ast::Value::Null => Value::Null,
        ast::Value::Enum(name) => Value::Enum(Name::new(name)),
        ast::Value::Variable(name) => Value::Variable(Name::new(name)),
        ast::Value::String(text) => Value::String(text.clone()),
        ast::Value::Float(number) => Value::Number(number.as_str().parse::<Number>().ok()?),
        // What is no Int can only be an ID, which is a text (GraphQL specification, section 3.5.5).
        ast::Value::Int(number) => match number.as_str().parse::<i64>() {
            Ok(whole) => Value::Number(whole.into()),
            Err(_too_large) => Value::String(number.as_str().to_owned()),
        },
        ast::Value::Boolean(truth) => Value::Boolean(*truth),
        ast::Value::List(items) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| convert_value(item)).collect();
            Value::List(items?)
        }
        ast::Value::Object(fields) => {
            let convert = |(name, field): &(apollo_compiler::Name, Node<ast::Value>)| {
                Some((Name::new(name), convert_value(field)?))
            };
            Value::Object(fields.iter().map(convert).collect::<Option<_>>()?)
        }
    })
}
