//! The schema: as a file, described whole, and without a way to a value.

use std::path::Path;

use apollo_compiler::Schema;
use apollo_compiler::schema::ExtendedType;
use credence::graphql::sdl::sdl;

fn schema() -> Schema {
    Schema::parse(sdl(), "schema.graphql").unwrap()
}

#[test]
fn schema_graphql_is_what_the_command_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let file = std::fs::read_to_string(path).unwrap();
    assert!(
        file == sdl(),
        "schema.graphql is stale. Mend it: cargo run -- schema > schema.graphql"
    );
}

#[test]
fn types_fields_arguments_and_values_are_sorted_and_indented_by_two_spaces() {
    let text = sdl();
    assert!(text.lines().all(
        |line| !line.contains('\t') && (line.len() - line.trim_start().len()).is_multiple_of(2)
    ));
    let schema = schema();
    let is_sorted = |names: Vec<&str>, what: &str| assert!(names.is_sorted(), "{what}: {names:?}");
    let types = text
        .lines()
        .filter(|line| !line.starts_with([' ', '"', '}', ')']) && line.ends_with('{'));
    is_sorted(
        types
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|name| *name != "{")
            .collect(),
        "types",
    );
    for (name, ty) in schema
        .types
        .iter()
        .filter(|(name, ty)| !ty.is_built_in() && !name.starts_with("__"))
    {
        match ty {
            ExtendedType::Object(object) => {
                is_sorted(
                    object
                        .fields
                        .keys()
                        .map(apollo_compiler::Name::as_str)
                        .collect(),
                    name,
                );
                for field in object.fields.values() {
                    is_sorted(
                        field
                            .arguments
                            .iter()
                            .map(|argument| argument.name.as_str())
                            .collect(),
                        name,
                    );
                }
            }
            ExtendedType::InputObject(input) => is_sorted(
                input
                    .fields
                    .keys()
                    .map(apollo_compiler::Name::as_str)
                    .collect(),
                name,
            ),
            ExtendedType::Enum(values) => is_sorted(
                values
                    .values
                    .keys()
                    .map(apollo_compiler::Name::as_str)
                    .collect(),
                name,
            ),
            _ => {}
        }
    }
}

#[test]
fn every_type_field_argument_and_enum_value_is_described() {
    let mut bare = Vec::new();
    let mut check = |what: String, described: bool| {
        if !described {
            bare.push(what);
        }
    };
    for (name, ty) in schema()
        .types
        .iter()
        .filter(|(name, ty)| !ty.is_built_in() && !name.starts_with("__"))
    {
        check(
            name.to_string(),
            ty.description().is_some_and(|text| !text.is_empty()),
        );
        match ty {
            ExtendedType::Object(object) => {
                for (field, definition) in &object.fields {
                    check(format!("{name}.{field}"), definition.description.is_some());
                    for argument in &definition.arguments {
                        check(
                            format!("{name}.{field}({})", argument.name),
                            argument.description.is_some(),
                        );
                    }
                }
            }
            ExtendedType::Interface(interface) => {
                for (field, definition) in &interface.fields {
                    check(format!("{name}.{field}"), definition.description.is_some());
                }
            }
            ExtendedType::InputObject(input) => {
                for (field, definition) in &input.fields {
                    check(format!("{name}.{field}"), definition.description.is_some());
                }
            }
            ExtendedType::Enum(values) => {
                for (value, definition) in &values.values {
                    check(format!("{name}.{value}"), definition.description.is_some());
                }
            }
            _ => {}
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}

/// A value goes in by two inputs, and comes out by one field. No filter, order or argument is about it.
#[test]
fn a_value_comes_out_of_one_field_only() {
    let schema = schema();
    let mut outputs = Vec::new();
    let mut inputs = Vec::new();
    for (name, ty) in schema
        .types
        .iter()
        .filter(|(name, _)| !name.starts_with("__"))
    {
        match ty {
            ExtendedType::Object(object) => {
                for (field, definition) in &object.fields {
                    outputs.push((name.to_string(), field.to_string()));
                    for argument in &definition.arguments {
                        inputs.push((format!("{name}.{field}"), argument.name.to_string()));
                    }
                }
            }
            ExtendedType::InputObject(input) => {
                inputs.extend(
                    input
                        .fields
                        .keys()
                        .map(|field| (name.to_string(), field.to_string())),
                );
            }
            ExtendedType::Enum(values)
                if name != "AuditAction" && name != "CredentialErrorCode" =>
            {
                inputs.extend(
                    values
                        .values
                        .keys()
                        .map(|value| (name.to_string(), value.to_string())),
                );
            }
            _ => {}
        }
    }
    let about_values = |pairs: &[(String, String)]| -> Vec<String> {
        let about = pairs.iter().filter(|(_, name)| {
            let name = name.to_lowercase();
            ["value", "secret", "length", "hash", "prefix", "mask"]
                .iter()
                .any(|word| name.contains(word))
        });
        about.map(|(of, name)| format!("{of}.{name}")).collect()
    };
    assert_eq!(
        about_values(&outputs),
        [
            // Of the name of a token, and neither of a token nor of a value.
            "AuditEvent.tokenIdHash",
            "AuditEvent.valueVersion",
            "Credential.valueUpdatedAt",
            "Credential.valueVersion",
            "CredentialChange.valueVersion",
            "ResolveCredentialPayload.value",
            "ResolveCredentialPayload.valueVersion",
        ]
    );
    assert_eq!(
        about_values(&inputs),
        [
            "CreateCredentialInput.value",
            "UpdateCredentialInput.expectedValueVersion",
            "UpdateCredentialInput.value"
        ]
    );
}

/// Whoever owns a credential is said by the token alone.
#[test]
fn no_input_names_the_owner_of_a_new_credential() {
    let schema = schema();
    let ExtendedType::InputObject(input) = &schema.types["CreateCredentialInput"] else {
        panic!("CreateCredentialInput is no input");
    };
    assert_eq!(
        input
            .fields
            .keys()
            .map(apollo_compiler::Name::as_str)
            .collect::<Vec<_>>(),
        ["name", "value"]
    );
}

#[test]
fn mutations_take_one_input_and_answer_with_user_errors() {
    let schema = schema();
    let ExtendedType::Object(mutation) = &schema.types["Mutation"] else {
        panic!("Mutation is no object");
    };
    for (name, field) in &mutation.fields {
        assert_eq!(field.arguments.len(), 1, "{name}");
        assert_eq!(field.arguments[0].name, "input", "{name}");
        let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        assert_eq!(
            field.arguments[0].ty.to_string(),
            format!("{capital}Input!")
        );
        assert_eq!(field.ty.to_string(), format!("{capital}Payload"));
        let ExtendedType::Object(payload) = &schema.types[field.ty.inner_named_type()] else {
            panic!("{name} answers with no object");
        };
        assert_eq!(
            payload.fields["userErrors"].ty.to_string(),
            "[CredentialError!]!"
        );
    }
}
