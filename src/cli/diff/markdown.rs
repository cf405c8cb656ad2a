//! The changes as Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use aem_static::report::FileChange;

use super::super::visible;
use super::told::{ToldFile, instead};

/// Bytes at most: a comment on GitHub holds 65,536 characters.
const LIMIT: usize = 60_000;

/// Gathers the files under what becomes of them.
#[derive(Default)]
pub struct Markdown {
    updated: Section,
    created: Section,
    removed: Section,
}

#[derive(Default)]
struct Section {
    text: String,
    left_out: usize,
}

impl Markdown {
    /// Adds a file, or counts it where there is no more room.
    pub fn file(&mut self, file: &ToldFile<'_>) {
        let mut text = match file.change {
            // Of these the reason says no more than the heading.
            FileChange::Created | FileChange::Removed => format!("- {}\n", code(file.path)),
            FileChange::Updated | FileChange::Unchanged => format!("- {}: {}\n", code(file.path), file.reason),
        };
        match &file.text {
            None => {}
            Some(told) => match (instead(told), told) {
                (Some(instead), _) => text = format!("{}; {instead}\n", text.trim_end()),
                (None, Ok(diff)) => fenced(&mut text, diff),
                (None, Err(_)) => {}
            },
        }
        let room = LIMIT - self.updated.text.len() - self.created.text.len() - self.removed.text.len();
        let section = match file.change {
            FileChange::Created => &mut self.created,
            FileChange::Removed => &mut self.removed,
            FileChange::Updated | FileChange::Unchanged => &mut self.updated,
        };
        if text.len() > room {
            section.left_out += 1;
        } else {
            section.text.push_str(&text);
        }
    }

    /// The whole of it, under what it comes to.
    pub fn end(self, head: &str) -> String {
        let mut all = format!("**{head}**\n");
        for (title, section) in [("Updated", self.updated), ("Created", self.created), ("Removed", self.removed)] {
            if section.text.is_empty() && section.left_out == 0 {
                continue;
            }
            let _ = write!(all, "\n### {title}\n\n{}", section.text);
            all.truncate(all.trim_end().len());
            all.push('\n');
            if section.left_out > 0 {
                let _ = writeln!(all, "- and {} more", section.left_out);
            }
        }
        all
    }
}

/// Text as code; whatever it holds, it does not end the code.
fn code(text: &str) -> String {
    let text = visible::line(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    match fence.len() {
        1 => format!("`{text}`"),
        _ => format!("{fence} {text} {fence}"),
    }
}

/// A diff below an item of a list. A control character in it could begin a line of its own, outside of the item.
fn fenced(text: &mut String, diff: &str) {
    let fence = "`".repeat(longest_run(diff).max(2) + 1);
    let _ = write!(text, "\n  {fence}diff\n");
    for line in diff.split_terminator('\n') {
        let _ = writeln!(text, "  {}", visible::block(line));
    }
    let _ = write!(text, "  {fence}\n\n");
}

fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(markdown: &mut Markdown, path: &str, diff: &str) {
        let text = Some(Ok(diff.to_owned()));
        markdown.file(&ToldFile { change: FileChange::Updated, path, reason: "content changed", text });
    }

    #[test]
    fn content_cannot_end_its_code() {
        let mut markdown = Markdown::default();
        updated(&mut markdown, "a`b``/index.html", "@@ -1 +1 @@\n-old\n+````\n+a\r# Head\n");
        let text = markdown.end("head");
        assert!(text.contains("- ``` a`b``/index.html ```: content changed\n\n  `````diff\n"), "{text}");
        assert!(text.contains("  +````\n  +a␍# Head\n  `````\n"), "{text}");
    }

    #[test]
    fn it_fits_into_a_comment_and_says_what_is_left_out() {
        let mut markdown = Markdown::default();
        for number in 0..3000 {
            updated(&mut markdown, &format!("{number}/index.html"), "@@ -1 +1 @@\n-old\n+new\n");
        }
        let text = markdown.end("head");
        assert!(text.len() < 65_536, "{}", text.len());
        let shown = text.matches("content changed").count();
        assert!(shown > 500 && text.ends_with(&format!("- and {} more\n", 3000 - shown)), "{shown}");
    }
}
