//! `explain CODE`: the long form of a diagnostic code.

use aem_static::report::codes;
use unicode_width::UnicodeWidthStr;

use super::args::ExplainArgs;
use super::outcome::Status;
use super::terminal::Terminal;

/// Columns of a paragraph.
const COLUMNS: usize = 80;

/// Prints what the code means, or the codes that begin alike.
pub fn run(args: &ExplainArgs, terminal: &Terminal) -> Status {
    let Some(code) = codes::find(args.code.trim()) else {
        terminal.failure(&unknown(&args.code));
        return Status::Usage;
    };
    let paragraphs: Vec<_> = code.explanation.split("\n\n").map(wrapped).collect();
    let text = format!("{}: {}\n\n{}\n", code.id, code.title, paragraphs.join("\n\n"));
    let fields = [("code", code.id.into()), ("title", code.title.into()), ("explanation", code.explanation.into())];
    terminal.result(&text, "explanation", &fields);
    Status::Done
}

fn unknown(typed: &str) -> String {
    let distance = |id: &str| strsim::damerau_levenshtein(&id.to_ascii_lowercase(), &typed.trim().to_ascii_lowercase());
    let nearest = codes::all().iter().map(|code| (distance(code.id), code)).min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, code)) if distance <= 2 => {
            format!("there is no code `{typed}`; the nearest is {} ({})", code.id, code.title)
        }
        _ => format!("there is no code `{typed}`; codes look like E0302 and stand in the brackets of a message"),
    }
}

/// `paragraph` with line breaks between words, so that no line is wider than it has to be.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        if column > 0 && column + 1 + word.width() > COLUMNS {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.width();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_names_its_neighbour() {
        assert!(unknown("E030").contains("nearest is E03"));
        assert!(unknown("teaser").contains("codes look like"));
    }

    #[test]
    fn paragraphs_fit() {
        let long = codes::all().iter().flat_map(|code| code.explanation.split("\n\n"));
        assert!(long.map(wrapped).all(|text| text.lines().all(|line| line.width() <= COLUMNS)));
    }
}
