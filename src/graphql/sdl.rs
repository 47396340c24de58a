//! The schema as text, in the schema definition language.

use apollo_compiler::ast::{Definition, Document};
use async_graphql::SDLExportOptions;

/// The schema: sorted, two spaces of indent, each description in block style. The directives that every GraphQL server has
/// are left out (GraphQL specification, section 3.13).
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    let text = super::builder().finish().sdl_with_options(options);
    // async-graphql wrote it a moment ago: were it no schema, `Documents::new` would say so.
    let mut document =
        Document::parse(text, "schema.graphql").unwrap_or_else(|failed| failed.partial);
    document
        .definitions
        .retain(|definition| !matches!(definition, Definition::DirectiveDefinition(_)));
    document
        .definitions
        .sort_by_key(|definition| definition.name().map(ToString::to_string));
    document.to_string()
}
