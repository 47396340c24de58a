//! Variables that were not given: what async-graphql would take for null is left out, so that defaults apply.

use apollo_compiler::executable::Operation;
use async_graphql::{Name, Positioned, Value, Variables};
use async_graphql_value::Value as Literal;

/// The variables of an operation that leave something out.
pub struct AbsentVariables<'a> {
    absent: Vec<&'a str>,
    null: Vec<&'a str>,
}

impl<'a> AbsentVariables<'a> {
    /// Those of an operation, as it was called.
    pub fn of(operation: &'a Operation, variables: &Variables) -> Self {
        let names = operation
            .variables
            .iter()
            .map(|variable| variable.name.as_str());
        let (mut absent, mut null) = (Vec::new(), Vec::new());
        for name in names {
            match variables.get(name) {
                None => absent.push(name),
                Some(Value::Null) => null.push(name),
                Some(_) => {}
            }
        }
        Self { absent, null }
    }

    /// The arguments of a field without those whose variable was not given, so that their defaults apply (GraphQL specification,
    /// section 6.4.1).
    pub fn without(
        &self,
        arguments: &[(Positioned<Name>, Positioned<Literal>)],
    ) -> Vec<(Positioned<Name>, Positioned<Literal>)> {
        let given = arguments
            .iter()
            .filter(|(name, value)| !self.is_left_out(&name.node, &value.node));
        let mut given: Vec<_> = given.cloned().collect();
        if !self.absent.is_empty() {
            for (_, value) in &mut given {
                self.leave_out_fields(&mut value.node);
            }
        }
        given
    }

    fn is_left_out(&self, argument: &str, value: &Literal) -> bool {
        // async-graphql knows no null for `includeDeprecated`, where the specification has it for the default.
        let is_null =
            matches!(value, Literal::Variable(name) if self.null.contains(&name.as_str()));
        self.is_absent(value) || is_null && argument == "includeDeprecated"
    }

    fn is_absent(&self, value: &Literal) -> bool {
        matches!(value, Literal::Variable(name) if self.absent.contains(&name.as_str()))
    }

    fn leave_out_fields(&self, value: &mut Literal) {
        match value {
            Literal::Object(fields) => {
                fields.retain(|_, field| !self.is_absent(field));
                for field in fields.values_mut() {
                    self.leave_out_fields(field);
                }
            }
            Literal::List(items) => {
                for item in items {
                    self.leave_out_fields(item);
                }
            }
            _ => {}
        }
    }
}
