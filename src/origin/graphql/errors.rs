//! Errors as graphql-java words them, on which AEM's service is built (protocol §2.2, §3.7).

use apollo_compiler::diagnostic::Diagnostic;
use apollo_compiler::response::{GraphQLError, JsonMap, ResponseDataPathSegment};
use apollo_compiler::validation::{DiagnosticData, DiagnosticList};

/// Errors of validation, or the first of parsing if there is one: graphql-java stops there.
pub(in crate::origin) fn of_validation(list: &DiagnosticList) -> Vec<GraphQLError> {
    let errors: Vec<GraphQLError> = list.iter().map(|diagnostic| of_diagnostic(&diagnostic)).collect();
    match errors.iter().find(|error| error.message.starts_with("Invalid Syntax")) {
        Some(syntax) => vec![syntax.clone()],
        None => errors,
    }
}

fn of_diagnostic(diagnostic: &Diagnostic<'_, DiagnosticData>) -> GraphQLError {
    let mut error = diagnostic.to_json();
    let Some(name) = diagnostic.error.unstable_error_name() else {
        error.message = format!("Invalid Syntax : {}", error.message);
        classify(&mut error, "InvalidSyntax");
        return error;
    };
    let words = diagnostic.error.unstable_compat_message().unwrap_or_else(|| error.message.clone());
    error.message = format!("Validation error of type {}: {}", kind(name), reworded(name, &words));
    classify(&mut error, "ValidationError");
    error
}

/// An error that belongs to no place.
pub(in crate::origin) fn plain(message: impl Into<String>, classification: &str) -> GraphQLError {
    let mut error = GraphQLError::new(message, None, &Default::default());
    classify(&mut error, classification);
    error
}

/// Names the kind of an error.
pub(in crate::origin) fn classify(error: &mut GraphQLError, classification: &str) {
    let mut extensions = JsonMap::new();
    extensions.insert("classification", classification.into());
    error.extensions = extensions;
}

/// Rewords an error of execution.
pub(in crate::origin) fn of_execution(mut error: GraphQLError) -> GraphQLError {
    let path = error.path.iter().map(|segment| match segment {
        ResponseDataPathSegment::Field(name) => format!("/{name}"),
        ResponseDataPathSegment::ListIndex(index) => format!("[{index}]"),
    });
    let path: String = path.collect();
    let cause = error.message.strip_prefix("resolver error: ").unwrap_or(&error.message);
    error.message = format!("Exception while fetching data ({path}) : {cause}");
    classify(&mut error, "DataFetchingException");
    error
}

fn kind(name: &str) -> &'static str {
    match name {
        "UndefinedField" => "FieldUndefined",
        "UndefinedDefinition"
        | "UndefinedTypeInInlineFragmentTypeCondition"
        | "UndefinedTypeInNamedFragmentTypeCondition" => "UnknownType",
        "UndefinedArgument" => "UnknownArgument",
        "RequiredArgument" => "MissingFieldArgument",
        "MissingSubselection" => "SubselectionRequired",
        "SubselectionOnScalarType" | "SubselectionOnEnumType" => "SubselectionNotAllowed",
        "UndefinedVariable" => "UndefinedVariable",
        "UnusedVariable" => "UnusedVariable",
        "UndefinedFragment" => "UndefinedFragment",
        "UnusedFragment" => "UnusedFragment",
        "UndefinedDirective" => "UnknownDirective",
        "DisallowedVariableUsage" => "VariableTypeMismatch",
        "VariableInputType" => "NonInputTypeOnVariable",
        "UnsupportedValueType"
        | "UndefinedEnumValue"
        | "UndefinedInputValue"
        | "RequiredField"
        | "IntCoercionError"
        | "FloatCoercionError" => "WrongType",
        "ConflictingFieldType" | "ConflictingFieldName" | "ConflictingFieldArgument" => "FieldsConflict",
        "InvalidFragmentTarget" | "InvalidFragmentSpread" => "InvalidFragmentType",
        "RecursiveFragmentDefinition" => "FragmentCycle",
        _ => "InvalidDocument",
    }
}

/// The sentences of graphql-java that are known (protocol §3.7); the rest keep theirs.
fn reworded(name: &str, words: &str) -> String {
    let quoted: Vec<&str> = words.split('"').skip(1).step_by(2).collect();
    match (name, quoted.as_slice()) {
        ("UndefinedField", [field, of, ..]) => format!("Field '{field}' in type '{of}' is undefined"),
        ("RequiredArgument", [_, argument, ..]) => format!("Missing field argument '{argument}'"),
        ("UndefinedArgument", [argument, ..]) => format!("Unknown field argument '{argument}'"),
        ("MissingSubselection", [field, of, ..]) => format!("Subselection required for type '{of}' of field '{field}'"),
        (_, [of, ..]) if kind(name) == "UnknownType" => format!("Unknown type '{of}'"),
        _ => words.replace('"', "'"),
    }
}
