//! One query file, parsed: exactly one operation, or only fragments. Nothing is looked up in other files.

use apollo_compiler::ast::{Definition, Document};

use crate::report::{Diagnostic, Place, codes};

/// Parses one file. Of its syntax errors the first is told: what a parser says after one follows from it.
pub(super) fn parse(file: &str, text: &str, problems: &mut Vec<Diagnostic>) -> Option<Document> {
    let refuse = |message: String, start: usize, end: usize| {
        Diagnostic::error(codes::QUERY_SYNTAX, message).at(Place::in_text(file, text, start, end))
    };
    let document = match Document::parser().recursion_limit(200).parse_ast(text, file) {
        Ok(document) => document,
        Err(with_errors) => {
            problems.extend(with_errors.errors.iter().next().map(|error| {
                let (start, end) = error
                    .line_column_range()
                    .map_or((0, 0), |range| (offset_of(text, range.start), offset_of(text, range.end)));
                let last = text.trim_end().len();
                refuse(spoken(&error.error.to_string()), start.min(last.saturating_sub(1)), end.min(last))
            }));
            return None;
        }
    };
    let mut fine = true;
    let mut operations = 0;
    for definition in &document.definitions {
        let at = definition.location().map_or(0, |span| span.offset());
        match definition {
            Definition::OperationDefinition(operation) if operation.operation_type.is_query() => operations += 1,
            Definition::FragmentDefinition(_) => continue,
            Definition::OperationDefinition(_) => {
                problems.push(refuse("AEM's GraphQL API has queries only".to_owned(), at, at));
                fine = false;
            }
            _ => {
                problems.push(refuse(
                    "a query file holds one operation or fragments, no type definitions".to_owned(),
                    at,
                    at,
                ));
                fine = false;
            }
        }
        if operations > 1 {
            problems.push(
                refuse("a query file holds exactly one operation".to_owned(), at, at)
                    .help("put the second one into a file of its own"),
            );
            return None;
        }
    }
    if document.definitions.is_empty() {
        problems.push(refuse("the file holds no operation".to_owned(), 0, 0));
        return None;
    }
    fine.then_some(document)
}

/// Byte offset of apollo's line and column, both from 1, the column in characters.
fn offset_of(text: &str, at: apollo_compiler::parser::LineColumn) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum();
    let in_line = text.get(line_start..).and_then(|line| line.char_indices().nth(at.column.saturating_sub(1)));
    in_line.map_or(text.len(), |(offset, _)| line_start + offset)
}

/// A parser's message in words of people: tokens as they are written.
fn spoken(message: &str) -> String {
    let message = message.strip_prefix("syntax error: ").unwrap_or(message);
    let Some((expected, found)) = message.split_once(", got ") else {
        return message.replace("a StringValue, Name or OperationDefinition", "an operation or a fragment");
    };
    let token = expected.strip_prefix("expected ").unwrap_or(expected);
    let token = match token {
        "L_CURLY" => "`{`",
        "R_CURLY" => "`}`",
        "L_PAREN" => "`(`",
        "R_PAREN" => "`)`",
        "L_BRACK" => "`[`",
        "R_BRACK" => "`]`",
        other => other,
    };
    match found {
        "EOF" => format!("expected {token}, and the file ends"),
        found => format!("expected {token}, found `{found}`"),
    }
}
