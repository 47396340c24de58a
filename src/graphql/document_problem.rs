//! What is said of a document that is not executed. The checker's own messages quote the document, which may hold a value:
//! only the kind of its problems and their places are taken from it.

use apollo_compiler::diagnostic::Diagnostic;
use apollo_compiler::validation::{DiagnosticData, DiagnosticList, WithErrors};

use super::error::{ApiError, ErrorCode};
use super::response::{ERROR_LIMIT, Location};

const UNKNOWN_FIELD: &str = "UndefinedField";
const NOTHING_SELECTED: &str = "MissingSubselection";

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub struct DocumentProblem {
    /// What is wrong.
    pub error: ApiError,
    /// Where: the line and the column, each from 1.
    pub location: Option<Location>,
}

impl From<ApiError> for DocumentProblem {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            location: None,
        }
    }
}

/// Describes what keeps a document from being parsed. Only the first problem counts: what follows comes of it.
pub fn describe_syntax(diagnostics: &DiagnosticList) -> Vec<DocumentProblem> {
    let location = diagnostics
        .iter()
        .next()
        .and_then(|diagnostic| diagnostic.line_column_range())
        .map(|range| Location::from(range.start));
    vec![no_graphql_at(location)]
}

/// That a text is no GraphQL from one of its bytes on.
pub fn no_graphql(source: &str, index: usize) -> DocumentProblem {
    let before = source.get(..index).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    no_graphql_at(Some(Location { line, column }))
}

fn no_graphql_at(location: Option<Location>) -> DocumentProblem {
    let error = ApiError::new(
        ErrorCode::GraphqlParseFailed,
        "The document is no GraphQL: see the line and column in `locations`.",
    );
    DocumentProblem { error, location }
}

/// Describes what keeps a document from fitting the schema.
pub fn describe_all<T>(failed: &WithErrors<T>) -> Vec<DocumentProblem> {
    let kind = |diagnostic: &Diagnostic<'_, DiagnosticData>| {
        diagnostic.error.unstable_error_name().unwrap_or_default()
    };
    // The checker leaves out the fields that do not exist, and then finds that nothing is selected: that comes of it.
    let has_unknown_field = failed
        .errors
        .iter()
        .any(|diagnostic| kind(&diagnostic) == UNKNOWN_FIELD);
    let problems = failed
        .errors
        .iter()
        .filter(|diagnostic| !has_unknown_field || kind(diagnostic) != NOTHING_SELECTED)
        .map(|diagnostic| DocumentProblem {
            error: ApiError::new(
                ErrorCode::GraphqlValidationFailed,
                message(kind(&diagnostic)),
            ),
            location: diagnostic
                .line_column_range()
                .map(|range| Location::from(range.start)),
        });
    problems.take(ERROR_LIMIT).collect()
}

fn message(kind: &str) -> &'static str {
    match kind {
        UNKNOWN_FIELD => "There is no such field on this type.",
        "UndefinedArgument" => "There is no such argument here.",
        "UndefinedInputValue" => "There is no such field in this input.",
        "UndefinedEnumValue" => "There is no such value in this enum.",
        "UndefinedDefinition"
        | "UndefinedTypeInNamedFragmentTypeCondition"
        | "UndefinedTypeInInlineFragmentTypeCondition" => "There is no such type.",
        "UndefinedDirective" => "There is no such directive.",
        "UndefinedVariable" => "This variable is not defined by the operation.",
        "UndefinedFragment" => "There is no such fragment in the document.",
        "UndefinedRootOperation" => "The schema has no operations of this kind.",
        "UniqueVariable" => "Two variables have one name.",
        "UniqueArgument" => "An argument is given twice.",
        "UniqueInputValue" => "A field of an input is given twice.",
        "UniqueDirective" => "A directive that may stand once stands twice.",
        "RequiredArgument" => "A required argument is missing.",
        "RequiredField" => "A required field of an input is missing.",
        "VariableInputType" => "A variable must be of an input type.",
        "UnusedVariable" => "A variable is defined but not used.",
        "UnusedFragment" => "A fragment is defined but not used.",
        "UnsupportedLocation" => "The directive may not stand here.",
        "UnsupportedValueType" => "The literal is of another type than this place takes.",
        "IntCoercionError" => "The literal is no 32-bit integer.",
        "FloatCoercionError" => "The literal is no number.",
        "DisallowedVariableUsage" => "The variable is of another type than this place takes.",
        NOTHING_SELECTED => "Fields must be selected of an object: { … } is missing.",
        "SubselectionOnScalarType" | "SubselectionOnEnumType" => {
            "Nothing can be selected of a scalar or enum."
        }
        "InvalidFragmentTarget" => "A fragment can be on an object, an interface or a union only.",
        "InvalidFragmentSpread" => "The fragment can never apply here.",
        "RecursiveFragmentDefinition" => "The fragment contains itself.",
        "ConflictingFieldType" | "ConflictingFieldName" | "ConflictingFieldArgument" => {
            "Two fields would have one name in the answer. Give one of them an alias."
        }
        "AmbiguousAnonymousOperation" => {
            "An operation without a name must be the only one of the document."
        }
        "OperationNameCollision" => "Two operations have one name.",
        "FragmentNameCollision" => "Two fragments have one name.",
        "TypeSystemDefinition" => "A document that is executed cannot define types.",
        _ => "The document does not fit the schema.",
    }
}
