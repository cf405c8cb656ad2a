//! Persisted queries from a directory of query files: each file with an operation is one, named by its stem; what it spreads
//! from files that hold only fragments is sent with it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use apollo_compiler::ast::{Definition, Document, Selection};

use super::super::content::problem::{Page, Problem};

/// Query texts by configuration and name.
#[derive(Debug, Default)]
pub(in crate::origin) struct Queries {
    by_configuration: BTreeMap<String, BTreeMap<String, String>>,
}

impl Queries {
    /// The text of a persisted query.
    pub fn text(&self, configuration: &str, name: &str) -> Option<&str> {
        self.by_configuration.get(configuration)?.get(name).map(String::as_str)
    }

    /// Configurations with their queries, in order of name.
    pub fn configurations(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.by_configuration.iter().map(|(configuration, queries)| (configuration.as_str(), queries))
    }
}

struct QueryFile {
    file: PathBuf,
    text: String,
    operations: usize,
    /// Names of the fragments it defines.
    defines: Vec<String>,
    /// Names of the fragments it spreads, in order of first use.
    spreads: Vec<String>,
}

/// Reads the directory. A file that is not GraphQL becomes a problem, and is served nevertheless when it is asked for, so
/// that the client sees the error AEM would answer.
pub(in crate::origin) fn load(directory: Option<&Path>, configuration: &str, problems: &mut Vec<Problem>) -> Queries {
    let files = directory.map_or_else(Vec::new, |directory| read(directory, problems));
    let mut queries = Queries::default();
    for file in files.iter().filter(|file| file.operations > 0 || file.defines.is_empty()) {
        let name = file.file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let configuration = stated_configuration(&file.text).unwrap_or(configuration);
        let of = queries.by_configuration.entry(configuration.to_owned()).or_default();
        match of.entry(name) {
            Entry::Vacant(free) => {
                free.insert(sent_form(file, &files));
            }
            Entry::Occupied(taken) => {
                let mut page = Page { file: &file.file, text: &file.text, problems };
                page.problem(format!("another query file is called `{}`; the first is taken", taken.key()));
            }
        }
    }
    queries
}

fn read(directory: &Path, problems: &mut Vec<Problem>) -> Vec<QueryFile> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().filter_map(Result::ok) {
        let file = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden || !entry.file_type().is_file() || file.extension().is_none_or(|extension| extension != "graphql") {
            continue;
        }
        match std::fs::read_to_string(file) {
            Ok(text) => files.push(examine(file.to_owned(), text, problems)),
            Err(error) => Page { file, text: "", problems }.problem(format!("not readable: {error}")),
        }
    }
    files
}

fn examine(file: PathBuf, text: String, problems: &mut Vec<Problem>) -> QueryFile {
    let document = Document::parse(text.as_str(), &file).unwrap_or_else(|error| {
        let first = error.errors.iter().next();
        let place = first.as_ref().and_then(|diagnostic| diagnostic.line_column_range()).map(|range| range.start);
        let message = first.map_or_else(|| "not GraphQL".to_owned(), |diagnostic| diagnostic.error.to_string());
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        problems.push(Problem { file: file.clone(), line, column, field: None, message });
        error.partial
    });
    let (mut operations, mut defines, mut spreads) = (0, Vec::new(), Vec::new());
    for definition in &document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => {
                operations += 1;
                collect_spreads(&operation.selection_set, &mut spreads);
            }
            Definition::FragmentDefinition(fragment) => {
                defines.push(fragment.name.to_string());
                collect_spreads(&fragment.selection_set, &mut spreads);
            }
            _ => {}
        }
    }
    QueryFile { file, text, operations, defines, spreads }
}

fn collect_spreads(selections: &[Selection], spreads: &mut Vec<String>) {
    for selection in selections {
        match selection {
            Selection::Field(field) => collect_spreads(&field.selection_set, spreads),
            Selection::InlineFragment(inline) => collect_spreads(&inline.selection_set, spreads),
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.to_string();
                if !spreads.contains(&name) {
                    spreads.push(name);
                }
            }
        }
    }
}

/// The file, then the fragment files it needs in order of first use, breadth first, a newline between each two.
fn sent_form(query: &QueryFile, files: &[QueryFile]) -> String {
    let mut parts = vec![query];
    let mut next = 0;
    while let Some(part) = parts.get(next).copied() {
        next += 1;
        for name in &part.spreads {
            let own = parts.iter().any(|part| part.defines.contains(name));
            let shared = files.iter().find(|file| file.operations == 0 && file.defines.contains(name));
            if let (false, Some(file)) = (own, shared) {
                parts.push(file);
            }
        }
    }
    parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The configuration a first line `# configuration: other` names.
fn stated_configuration(text: &str) -> Option<&str> {
    let first = text.trim_start_matches('\u{feff}').lines().next()?;
    let name = first.strip_prefix('#')?.trim_start().strip_prefix("configuration:")?.trim();
    (!name.is_empty()).then_some(name)
}
