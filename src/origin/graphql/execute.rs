//! One GraphQL request: limits, parsing, validation, execution, answer. Never panics on what a client sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;
use apollo_compiler::parser::Parser;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::{ExecutionResponse, GraphQLError, JsonMap, JsonValue};
use apollo_compiler::validation::Valid;

use super::super::content::repository::Repository;
use super::errors;
use super::fragment_value::Context;
use super::limits;
use super::orders::Orders;
use super::root_value::RootValue;
use super::schema::Served;

/// Documents kept parsed and validated; a client sends few different ones. When full, all are forgotten.
const KEPT_DOCUMENTS: usize = 256;

/// Content with the schema of an endpoint: immutable but for the documents and orders it remembers.
pub(in crate::origin) struct Serving {
    pub repository: Arc<Repository>,
    pub served: Served,
    documents: Mutex<BTreeMap<String, Arc<Valid<ExecutableDocument>>>>,
    orders: Arc<Orders>,
}

/// A request as it came.
pub(in crate::origin) struct Request<'a> {
    pub query: &'a str,
    /// Needed only where the document has several operations.
    pub operation: Option<&'a str>,
    pub variables: &'a JsonMap,
}

/// What became of a request, for services that say it by their status too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::origin) enum Outcome {
    /// No errors.
    Answered,
    /// Not executed: limits, syntax, validation, variables.
    Refused,
    /// Executed with errors, with partial data or none.
    Failed,
}

impl Serving {
    /// Serves a repository by a schema. Orders are of the repository; its other schemas may share them.
    pub fn new(repository: Arc<Repository>, served: Served, orders: Arc<Orders>) -> Self {
        Self { repository, served, documents: Mutex::default(), orders }
    }

    /// The body of the answer, JSON.
    pub fn answer(&self, request: &Request<'_>) -> (Outcome, Vec<u8>) {
        let response = self.document(request.query).and_then(|document| self.execute(&document, request));
        let mut body = JsonMap::new();
        let outcome = match response {
            Ok(ExecutionResponse { data, errors }) => {
                let outcome = if errors.is_empty() { Outcome::Answered } else { Outcome::Failed };
                if !errors.is_empty() {
                    insert_errors(&mut body, errors.into_iter().map(errors::of_execution).collect());
                }
                let mut data = data.map_or(JsonValue::Null, JsonValue::Object);
                whole_numbers(&mut data);
                body.insert("data", data);
                outcome
            }
            // A request that was not executed has no `data`.
            Err(errors) => {
                insert_errors(&mut body, errors);
                Outcome::Refused
            }
        };
        (outcome, serde_json::to_vec(&JsonValue::Object(body)).unwrap_or_default())
    }

    /// The parsed and validated document.
    pub fn document(&self, query: &str) -> Result<Arc<Valid<ExecutableDocument>>, Vec<GraphQLError>> {
        if let Some(document) = self.documents.lock().unwrap_or_else(PoisonError::into_inner).get(query) {
            return Ok(document.clone());
        }
        limits::check_text(query).map_err(|message| vec![errors::plain(message, "InvalidSyntax")])?;
        let schema = &self.served.schema;
        let mut parser = Parser::new().recursion_limit(limits::MOST_NESTING).token_limit(limits::MOST_PARSER_TOKENS);
        let document =
            parser.parse_executable(schema, query, "query").map_err(|error| errors::of_validation(&error.errors))?;
        let document = document.validate(schema).map_err(|error| errors::of_validation(&error.errors))?;
        limits::check_depth(&document).map_err(|message| vec![errors::plain(message, "ExecutionAborted")])?;
        let document = Arc::new(document);
        let mut kept = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_DOCUMENTS {
            kept.clear();
        }
        kept.insert(query.to_owned(), document.clone());
        Ok(document)
    }

    fn execute(
        &self,
        document: &Valid<ExecutableDocument>,
        request: &Request<'_>,
    ) -> Result<ExecutionResponse, Vec<GraphQLError>> {
        let schema = &self.served.schema;
        let name = request.operation.filter(|name| !name.is_empty());
        let operation = document.operations.get(name).map_err(|_| {
            let message = name.map_or_else(
                || "Must provide operation name if query contains multiple operations.".to_owned(),
                |name| format!("Unknown operation named '{name}'."),
            );
            vec![errors::plain(message, "ValidationError")]
        })?;
        check_variables(document, operation, request.variables)?;
        let variables = coerce_variable_values(schema, operation, request.variables).map_err(|error| {
            let mut error = error.to_graphql_error(&document.sources);
            errors::classify(&mut error, "ValidationError");
            vec![error]
        })?;
        let context = Context::new(&self.repository, &self.orders, &self.served.seen);
        let root = RootValue { context: &context, roots: &self.served.roots };
        Execution::new(schema, document)
            .operation(operation)
            .coerced_variable_values(&variables)
            .enable_schema_introspection(true)
            .execute_sync(&root)
            .map_err(|error| vec![error.to_graphql_error(&document.sources)])
    }
}

fn insert_errors(body: &mut JsonMap, errors: Vec<GraphQLError>) {
    let errors = errors.iter().filter_map(|error| serde_json_bytes::to_value(error).ok()).collect();
    body.insert("errors", JsonValue::Array(errors));
}

/// Required variables that are missing, in graphql-java's words.
fn check_variables(
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &JsonMap,
) -> Result<(), Vec<GraphQLError>> {
    let missing = operation.variables.iter().filter(|variable| {
        let given = variables.get(variable.name.as_str());
        let absent = given.is_none() && variable.default_value.is_none();
        variable.ty.is_non_null() && (absent || given.is_some_and(JsonValue::is_null))
    });
    let errors: Vec<GraphQLError> = missing
        .map(|variable| {
            let message =
                format!("Variable '{}' has coerced Null value for NonNull type '{}'", variable.name, variable.ty);
            let mut error = GraphQLError::new(message, variable.location(), &document.sources);
            errors::classify(&mut error, "ValidationError");
            error
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Writes whole numbers without `.0` (protocol §13, "number type"). Beyond 2^53 they are left alone.
fn whole_numbers(value: &mut JsonValue) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        JsonValue::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT) {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                let whole = float as i64;
                *number = whole.into();
            }
        }
        JsonValue::Array(values) => values.iter_mut().for_each(whole_numbers),
        JsonValue::Object(members) => members.values_mut().for_each(whole_numbers),
        _ => {}
    }
}
