//! content-queries/: one GraphQL operation a file, shared fragments in files of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apollo_compiler::ast::{Definition, Document, OperationDefinition, Selection, Type};

use super::asked::{self, Asked};
use super::query_syntax::parse;
use super::selection::{self, Root, Shape};
use super::{Dotted, files_below, read_text};
use crate::report::{Diagnostic, Place, codes};

/// A variable that an operation declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name, without `$`.
    pub name: String,
    /// The innermost type name: `String`, `Int`, `TourModelFilter`.
    pub named_type: String,
    /// Whether the type is a list.
    pub list: bool,
    /// Non-null and without default: a value has to be given.
    pub required: bool,
    /// The default value, when it is a whole number.
    pub default_int: Option<u64>,
}

/// One file of a query's sent form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPart {
    /// Path relative to the site directory.
    pub file: String,
    /// Byte offset of the file's text in the sent form.
    pub start: usize,
    /// Length of the file's text in bytes.
    pub len: usize,
}

/// One query.
#[derive(Debug, Clone)]
pub struct Query {
    /// The file's stem.
    pub name: String,
    /// Path relative to the site directory.
    pub file: String,
    /// The Sites configuration, if a first line `# configuration: other` names one.
    pub configuration: Option<String>,
    /// What is executed, persisted and compared: the file, one newline, then the needed fragment files in order of first use.
    pub sent: String,
    /// The files of the sent form.
    pub parts: Vec<QueryPart>,
    /// The variables it declares.
    pub variables: Vec<Variable>,
    /// Its root fields.
    pub roots: Vec<Root>,
    /// Every field that it asks for; `None` if there are too many to compare an answer with.
    pub asked: Option<Asked>,
}

impl Query {
    /// The root field with this response key.
    pub fn root(&self, key: &str) -> Option<&Root> {
        self.roots.iter().find(|root| root.key == key)
    }

    /// The root whose items a route takes: the one named, else the only one, else the only one with items.
    pub fn items_root(&self, from: Option<&str>) -> Option<&Root> {
        if let Some(from) = from {
            return self.root(from);
        }
        if let [only] = self.roots.as_slice() {
            return Some(only);
        }
        let mut with_items = self.roots.iter().filter(|root| root.shape != Shape::Other);
        with_items.next().filter(|_| with_items.next().is_none())
    }

    /// The variable with this name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// The place in the user's file of a byte offset in the sent form.
    pub fn place_in_sent(&self, offset: usize) -> Place {
        let part = self.parts.iter().rev().find(|part| part.start <= offset).unwrap_or(&self.parts[0]);
        let text = &self.sent[part.start..part.start + part.len];
        let start = (offset - part.start).min(text.len());
        let word = text[start..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        Place::in_text(&part.file, text, start, start + word)
    }

    /// The place in the user's file of a line and column (both from 1) in the sent form, as GraphQL errors name them.
    pub fn place_at(&self, line: usize, column: usize) -> Place {
        let line_start = self
            .sent
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum::<usize>()
            .min(self.sent.len());
        let in_line = self.sent[line_start..].char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at);
        self.place_in_sent(line_start + in_line)
    }
}

/// All queries, by name.
#[derive(Debug, Clone, Default)]
pub struct Queries {
    by_name: BTreeMap<String, Query>,
    broken: BTreeSet<String>,
}

impl Queries {
    /// The query of this name.
    pub fn get(&self, name: &str) -> Option<&Query> {
        self.by_name.get(name)
    }

    /// Whether a file of that name exists but could not be read as a query; its problem has been told.
    pub fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Every query, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Query> {
        self.by_name.values()
    }
}

struct Source {
    file: String,
    text: String,
    document: Document,
}

impl Source {
    fn operations(&self) -> usize {
        self.document.definitions.iter().filter(|definition| definition.as_operation_definition().is_some()).count()
    }

    fn fragments(&self) -> impl Iterator<Item = &str> {
        self.document
            .definitions
            .iter()
            .filter_map(|definition| Some(definition.as_fragment_definition()?.name.as_str()))
    }

    /// Names of the fragments it spreads, in order of first use, with the byte offset of the spread.
    fn spreads(&self) -> Vec<(String, usize)> {
        let mut out: Vec<(String, usize)> = Vec::new();
        for definition in &self.document.definitions {
            match definition {
                Definition::OperationDefinition(operation) => spreads_in(&operation.selection_set, &mut out),
                Definition::FragmentDefinition(fragment) => spreads_in(&fragment.selection_set, &mut out),
                _ => {}
            }
        }
        out
    }
}

fn spreads_in(selections: &[Selection], out: &mut Vec<(String, usize)>) {
    for selection in selections {
        match selection {
            Selection::Field(field) => spreads_in(&field.selection_set, out),
            Selection::InlineFragment(inline) => spreads_in(&inline.selection_set, out),
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.to_string();
                if !out.iter().any(|(known, _)| *known == name) {
                    out.push((name, spread.location().map_or(0, |span| span.offset())));
                }
            }
        }
    }
}

/// Reads content-queries/.
pub(super) fn load(dir: &Path, problems: &mut Vec<Diagnostic>) -> Queries {
    let mut queries = Queries::default();
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    for file in files_below(dir, "content-queries", Dotted::Skip, problems) {
        if !(file.ends_with(".graphql") || file.ends_with(".gql")) {
            continue;
        }
        let name = stem(&file).to_owned();
        let Some(text) = read_text(dir, &file, problems) else {
            queries.broken.insert(name);
            continue;
        };
        if let Some(other) = sources.get(&name) {
            problems.push(
                Diagnostic::error(codes::DUPLICATE_QUERY, format!("two query files are named `{name}`"))
                    .at(Place::file(&file))
                    .note("also", other.file.clone())
                    .help("rename one: folders only sort files"),
            );
            continue;
        }
        match parse(&file, &text, problems) {
            Some(document) => {
                sources.insert(name, Source { file, text, document });
            }
            None => {
                queries.broken.insert(name);
            }
        }
    }
    let shared = shared_fragments(&sources, problems);
    // A fragment that is missing may stand in a file that could not be read, which has been told.
    let whole = queries.broken.is_empty();
    for (name, source) in &sources {
        if source.operations() == 0 {
            continue;
        }
        let mut found = Vec::new();
        let built = build(name, source, &sources, &shared, &mut found);
        if whole {
            problems.extend(found);
        }
        match built {
            Some(query) => {
                queries.by_name.insert(name.clone(), query);
            }
            None => {
                queries.broken.insert(name.clone());
            }
        }
    }
    queries
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Fragment name → name of the fragments-only file that defines it.
fn shared_fragments(sources: &BTreeMap<String, Source>, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, String> {
    let mut shared: BTreeMap<String, String> = BTreeMap::new();
    for (name, source) in sources.iter().filter(|(_, source)| source.operations() == 0) {
        for fragment in source.fragments() {
            if let Some(other) = shared.insert(fragment.to_owned(), name.clone()) {
                problems.push(
                    Diagnostic::error(
                        codes::UNKNOWN_FRAGMENT,
                        format!("fragment `{fragment}` is defined in two files"),
                    )
                    .at(Place::file(&source.file))
                    .note("also", sources[&other].file.clone()),
                );
            }
        }
    }
    shared
}

fn build(
    name: &str,
    source: &Source,
    sources: &BTreeMap<String, Source>,
    shared: &BTreeMap<String, String>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Query> {
    let files = needed_files(name, source, sources, shared, problems)?;
    let mut sent = String::new();
    let mut parts = Vec::new();
    for file in files {
        if !parts.is_empty() {
            sent.push('\n');
        }
        parts.push(QueryPart { file: file.file.clone(), start: sent.len(), len: file.text.len() });
        sent.push_str(&file.text);
    }
    let document = Document::parser().recursion_limit(200).parse_ast(sent.as_str(), name).map_err(|with_errors| {
        let message = format!("`{name}` cannot be parsed with its fragment files: {}", with_errors.errors);
        problems.push(Diagnostic::error(codes::QUERY_SYNTAX, message).at(Place::file(&source.file)));
    });
    let document = document.ok()?;
    let operation = document.definitions.iter().find_map(Definition::as_operation_definition)?;
    let configuration = source.text.lines().next().and_then(|line| {
        let rest = line.strip_prefix('#')?.trim_start().strip_prefix("configuration:")?;
        Some(rest.trim().to_owned()).filter(|name| !name.is_empty())
    });
    let query = Query {
        name: name.to_owned(),
        file: source.file.clone(),
        configuration,
        variables: variables(operation),
        roots: selection::roots(&document, operation),
        asked: asked::asked(&document, operation),
        sent,
        parts,
    };
    check_paging(&query, problems);
    Some(query)
}

/// What would end a result early without a word: a second paged root, whose pages nobody follows, and `after` without the
/// `pageInfo` that says how to go on.
fn check_paging(query: &Query, problems: &mut Vec<Diagnostic>) {
    let mut paged = query.roots.iter().filter(|root| root.paging != selection::Paging::None);
    if let (Some(first), Some(second)) = (paged.next(), paged.next()) {
        let message =
            format!("query `{}` pages `{}` and `{}`, only one can be followed", query.name, first.key, second.key);
        problems.push(
            Diagnostic::error(codes::QUERY_SHAPE, message)
                .at(query.place_in_sent(second.field_at))
                .help("put the second field into a query file of its own"),
        );
    }
    for root in query.roots.iter().filter(|root| root.after && root.paging == selection::Paging::None) {
        let message = format!("`{}` takes `after` as a variable, but its further pages cannot be followed", root.key);
        problems.push(
            Diagnostic::error(codes::QUERY_SHAPE, message)
                .at(query.place_in_sent(root.field_at))
                .help("select `pageInfo { hasNextPage endCursor }` in it"),
        );
    }
}

/// The files of the sent form: the query's own, then fragment files in order of first use.
fn needed_files<'a>(
    name: &str,
    source: &'a Source,
    sources: &'a BTreeMap<String, Source>,
    shared: &BTreeMap<String, String>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Vec<&'a Source>> {
    let mut files: Vec<(&str, &Source)> = vec![(name, source)];
    let mut next = 0;
    let mut fine = true;
    while let Some((_, file)) = files.get(next).copied() {
        next += 1;
        for (fragment, at) in file.spreads() {
            if file.fragments().any(|own| own == fragment) || source.fragments().any(|own| own == fragment) {
                continue;
            }
            match shared.get(&fragment) {
                Some(owner) if files.iter().any(|(known, _)| known == owner) => {}
                Some(owner) => files.push((owner, &sources[owner])),
                None => {
                    let mut problem = Diagnostic::error(
                        codes::UNKNOWN_FRAGMENT,
                        format!("no file defines the fragment `{fragment}`"),
                    )
                    .at(Place::in_text(&file.file, &file.text, at, at + 3));
                    problem = match super::nearest(&fragment, shared.keys().map(String::as_str)) {
                        Some(near) => problem.help(format!("did you mean `{near}`?")),
                        None => problem.help("define it in this file, or in a file of its own below content-queries/"),
                    };
                    problems.push(problem);
                    fine = false;
                }
            }
        }
    }
    fine.then(|| files.into_iter().map(|(_, file)| file).collect())
}

fn variables(operation: &OperationDefinition) -> Vec<Variable> {
    operation
        .variables
        .iter()
        .map(|variable| Variable {
            name: variable.name.to_string(),
            named_type: variable.ty.inner_named_type().to_string(),
            list: matches!(&*variable.ty, Type::List(_) | Type::NonNullList(_)),
            required: variable.ty.is_non_null() && variable.default_value.is_none(),
            default_int: variable.default_value.as_ref().and_then(|value| value.to_string().parse().ok()),
        })
        .collect()
}
