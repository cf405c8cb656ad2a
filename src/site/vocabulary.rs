//! The names that templates may use beyond Tera's own. build.rs includes this file as well, so it imports nothing.

/// Functions of templates (design §5).
pub const FUNCTIONS: &[&str] = &["query", "url_for", "image", "asset", "static_url", "dump"];

/// Filters of templates and, but for `rich_text`, of route expressions.
pub const FILTERS: &[&str] =
    &["rich_text", "slugify", "date", "urlencode", "plain_text", "json", "markdown", "absolute_url", "default"];

/// Suffixes whose values are escaped as HTML.
pub const ESCAPED_SUFFIXES: &[&str] =
    &[".html", ".htm", ".xml", ".svg", ".html.tera", ".htm.tera", ".xml.tera", ".svg.tera"];

/// Suffixes in which values stand as they are.
pub const PLAIN_SUFFIXES: &[&str] = &[".json", ".txt", ".csv", ".json.tera", ".txt.tera", ".csv.tera"];
