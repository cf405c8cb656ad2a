//! What a query may be at most: the documented limits (protocol §5.7) and a depth of our own, so that hostile queries end in
//! an error and nothing else.

use std::collections::BTreeMap;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Selection;

/// Characters in a query.
const MOST_CHARACTERS: usize = 1_048_576;
/// Grammar tokens in a query.
const MOST_TOKENS: usize = 15_000;
/// White space characters, commas included: each is a token of its own to the service's parser.
const MOST_WHITE_SPACE: usize = 200_000;
/// What the parser may count, white space included.
pub(in crate::origin) const MOST_PARSER_TOKENS: usize = MOST_TOKENS + MOST_WHITE_SPACE;
/// Nested braces and brackets while parsing.
pub(in crate::origin) const MOST_NESTING: usize = 200;
/// Fields below fields while executing. Not documented by Adobe; introspection tools need about fifteen.
const MOST_DEPTH: usize = 50;

/// Checks length and number of tokens.
///
/// # Errors
/// The sentence for the client.
pub(in crate::origin) fn check_text(query: &str) -> Result<(), String> {
    if query.len() > MOST_CHARACTERS && query.chars().count() > MOST_CHARACTERS {
        return Err(format!("Invalid Syntax : the query has more than {MOST_CHARACTERS} characters"));
    }
    let (grammar, white_space) = tokens(query);
    if white_space > MOST_WHITE_SPACE {
        return Err(format!("Invalid Syntax : the query has more than {MOST_WHITE_SPACE} whitespace tokens"));
    }
    if grammar > MOST_TOKENS {
        return Err(format!("Invalid Syntax : the query has more than {MOST_TOKENS} grammar tokens"));
    }
    Ok(())
}

/// Grammar tokens (names, numbers, strings, punctuation) and those of white space. Exact for valid queries.
fn tokens(query: &str) -> (usize, usize) {
    let bytes = query.as_bytes();
    let (mut at, mut tokens, mut white_space) = (0, 0, 0);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let length = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                white_space += 1;
                1
            }
            b'#' => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            _ => {
                tokens += 1;
                token_length(rest)
            }
        };
        at += length;
    }
    (tokens, white_space)
}

fn token_length(rest: &[u8]) -> usize {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-');
    if rest.starts_with(br#"""""#) {
        let end = rest[3..].windows(3).position(|window| window == br#"""""#);
        end.map_or(rest.len(), |end| end + 6)
    } else if rest[0] == b'"' {
        let mut escaped = false;
        let end = rest[1..].iter().position(|byte| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        end.map_or(rest.len(), |end| end + 2)
    } else if rest.starts_with(b"...") {
        3
    } else {
        rest.iter().take_while(|byte| word(byte)).count().max(1)
    }
}

/// Checks the depth of every operation of a valid document.
///
/// # Errors
/// The sentence for the client.
pub(in crate::origin) fn check_depth(document: &ExecutableDocument) -> Result<(), String> {
    let mut known = BTreeMap::new();
    let deepest = document
        .operations
        .iter()
        .map(|operation| depth(document, &operation.selection_set.selections, &mut known))
        .max();
    if deepest.unwrap_or(0) > MOST_DEPTH {
        return Err(format!("maximum query depth exceeded {} > {MOST_DEPTH}", deepest.unwrap_or(0)));
    }
    Ok(())
}

/// Fields below fields; validation has excluded cycles, and each fragment is measured once.
fn depth<'a>(
    document: &'a ExecutableDocument,
    selections: &'a [Selection],
    known: &mut BTreeMap<&'a str, usize>,
) -> usize {
    let mut deepest = 0;
    for selection in selections {
        let below = match selection {
            Selection::Field(field) => 1 + depth(document, &field.selection_set.selections, known),
            Selection::InlineFragment(inline) => depth(document, &inline.selection_set.selections, known),
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.as_str();
                match (known.get(name), document.fragments.get(name)) {
                    (Some(known), _) => *known,
                    (None, None) => 0,
                    (None, Some(fragment)) => {
                        let below = depth(document, &fragment.selection_set.selections, known);
                        known.insert(name, below);
                        below
                    }
                }
            }
        };
        deepest = deepest.max(below);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn tokens_as_the_grammar_counts_them() {
        assert_eq!(tokens(""), (0, 0));
        assert_eq!(tokens("{ a(b: \"x y \\\" z\", c: -1.5) { ...F } } # { x }"), (15, 10));
        assert_eq!(tokens("\"\"\"a \" b\"\"\" x"), (2, 1));
        assert_eq!(tokens("\"never closed"), (1, 0));
    }
}
