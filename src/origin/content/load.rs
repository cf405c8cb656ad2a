//! Reads the `content/` directory into a [`Repository`]. Whatever is broken becomes a [`Problem`] and is left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use apollo_compiler::response::JsonValue;

use super::super::Tier;
use super::assets;
use super::files;
use super::fragments::{Found, Reader};
use super::model_files::{self, Draft};
use super::models::{Kind, Models};
use super::place::{At, Way};
use super::problem::{Page, Problem};
use super::repository::{Fragment, Repository};

/// Loads everything below `content` that is on the tier. A directory that is not there is empty content with one problem.
pub(in crate::origin) fn load(content: &Path, tier: Tier) -> (Repository, Vec<Problem>) {
    let mut problems = Vec::new();
    if !content.is_dir() {
        Page { file: content, text: "", problems: &mut problems }.problem("the content directory is not there");
    }
    let models = load_models(&content.join("models"), tier, &mut problems);
    let fragments = load_fragments(&content.join("fragments"), tier, &models, &mut problems);
    let assets = assets::scan(&content.join("assets"), &mut problems);
    (Repository::new(models.list, fragments, assets), problems)
}

fn load_models(directory: &Path, tier: Tier, problems: &mut Vec<Problem>) -> Models {
    let before = problems.len();
    let mut sources = Vec::new();
    let (mut drafts, mut hidden) = (Vec::new(), Vec::new());
    for file in files::list(directory, problems) {
        let Some((text, json)) = files::read(&file, problems) else {
            continue;
        };
        let mut page = Page { file: &file, text: &text, problems };
        for draft in model_files::read(&At::start(&json), &model_place(directory, &file), tier, &mut page) {
            match draft.hidden {
                Some(why) => hidden.push((vec![draft.model.path, draft.model.id, draft.model.name], why)),
                None => drafts.push((draft, sources.len())),
            }
        }
        sources.push((file, text));
    }
    let drafts = without_doubles(drafts, &sources, problems);
    let source_of: Vec<usize> = drafts.iter().map(|(_, source)| *source).collect();
    let (list, allowed) = drafts.into_iter().map(|(draft, _)| (draft.model, draft.allowed)).unzip();
    let mut models = Models::new(list, &hidden);
    models.resolve(allowed, |model, field, name, way| {
        let (file, text) = &sources[source_of[model]];
        Page { file, text, problems }.way(way, Some(field), format!("allowed model `{name}` is not there"));
    });
    in_order(&mut problems[before..]);
    models
}

/// Problems of one file together, from its first line to its last.
fn in_order(problems: &mut [Problem]) {
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
}

/// The models whose paths and GraphQL names no other model had before, in their order.
fn without_doubles(
    drafts: Vec<(Draft, usize)>,
    sources: &[(PathBuf, String)],
    problems: &mut Vec<Problem>,
) -> Vec<(Draft, usize)> {
    let mut kept: Vec<(Draft, usize)> = Vec::new();
    for (draft, source) in drafts {
        let model = &draft.model;
        let double =
            kept.iter().find(|(other, _)| other.model.path == model.path || other.model.object == model.object);
        let Some((other, of)) = double else {
            kept.push((draft, source));
            continue;
        };
        let (same, way) = if other.model.path == model.path {
            (format!("path `{}`", model.path), draft.way.member("path"))
        } else {
            (format!("GraphQL name `{}`", model.base), draft.way.member("title"))
        };
        let (file, text) = &sources[source];
        let message = format!("`{}` has the same {same}; the first is taken", sources[*of].0.display());
        Page { file, text, problems }.way(&way, None, message);
    }
    kept
}

fn load_fragments(directory: &Path, tier: Tier, models: &Models, problems: &mut Vec<Problem>) -> Vec<Fragment> {
    let before = problems.len();
    let files = files::list(directory, problems);
    let read = files::in_parallel(&files, |file| {
        let mut problems = Vec::new();
        let Some((text, json)) = files::read(file, &mut problems) else {
            return (Vec::new(), problems);
        };
        let page = Page { file, text: &text, problems: &mut problems };
        let mut reader = Reader { models, tier, page, found: Vec::new() };
        reader.file(&At::start(&json), &dam_path(directory, file));
        (reader.found, problems)
    });
    let (mut own, mut along) = (Vec::new(), Vec::new());
    for (file, (found, told)) in files.iter().zip(read) {
        problems.extend(told);
        for found in found {
            if found.brought_along { along.push((found, file)) } else { own.push((found, file)) }
        }
    }
    let mut fragments = taken(own, along, problems);
    in_order(&mut problems[before..]);
    paths_for_ids(&mut fragments, models);
    fragments
}

/// Of several fragments with one path or id, the first; those that were brought along come after all others.
fn taken(own: Vec<(Found, &PathBuf)>, along: Vec<(Found, &PathBuf)>, problems: &mut Vec<Problem>) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::with_capacity(own.len());
    let mut sources: Vec<&PathBuf> = Vec::with_capacity(own.len());
    let (mut by_path, mut by_id) = (HashMap::new(), HashMap::new());
    for (found, file) in own.into_iter().chain(along) {
        let Found { fragment, way, brought_along, problems: told } = found;
        let path = by_path.get(&fragment.path).copied();
        let id = by_id.get(&fragment.id).copied();
        if path.is_none() && id.is_none() {
            by_path.insert(fragment.path.clone(), fragments.len());
            by_id.insert(fragment.id.clone(), fragments.len());
            problems.extend(told);
            fragments.push(fragment);
            sources.push(file);
        } else if !brought_along {
            let first: usize = path.or(id).unwrap_or_default();
            let (same, way) = match path {
                Some(_) => (format!("path `{}`", fragment.path), way.member("path")),
                None => (format!("id `{}`", fragment.id), way.member("id")),
            };
            let message = format!("`{}` has the same {same}; the first is taken", sources[first].display());
            tell_again(file, &way, message, problems);
        }
    }
    fragments
}

/// A problem of a file whose text is gone; it is rare enough to read it once more.
fn tell_again(file: &Path, way: &Way, message: String, problems: &mut Vec<Problem>) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    Page { file, text: text.trim_start_matches('\u{feff}'), problems }.way(way, None, message);
}

/// References are paths here; where a file has identifiers that it does not explain itself (protocol §9.2, §9.3), the
/// fragment of that identifier is meant.
fn paths_for_ids(fragments: &mut [Fragment], models: &Models) {
    let mut paths: Option<HashMap<String, String>> = None;
    for position in 0..fragments.len() {
        let fields = &models.list[fragments[position].model].fields;
        for (index, field) in fields.iter().enumerate() {
            if !matches!(field.kind, Kind::FragmentReference | Kind::ContentReference)
                || !has_ids(&fragments[position], index)
            {
                continue;
            }
            let paths = paths.get_or_insert_with(|| {
                fragments.iter().map(|fragment| (fragment.id.clone(), fragment.path.clone())).collect()
            });
            for value in fragments[position].reference_values(index).filter(|value| is_id(value)) {
                if let Some(path) = value.as_str().and_then(|id| paths.get(id)) {
                    *value = path.as_str().into();
                }
            }
        }
    }
}

fn has_ids(fragment: &Fragment, field: usize) -> bool {
    let variations = fragment.variations.iter().filter_map(|variation| variation.cells[field].as_ref());
    std::iter::once(&fragment.cells[field]).chain(variations).any(|cell| cell.values.iter().any(is_id))
}

fn is_id(value: &JsonValue) -> bool {
    value.as_str().is_some_and(|text| !text.starts_with('/'))
}

/// The path of a model whose file lies in a copy of the repository's tree, below `conf/`; else the file's name.
fn model_place(directory: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(directory).unwrap_or(file).with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    let whole = parts.join("/");
    // `recipe.infinity.json` is how the repository calls its own JSON of a node.
    let whole = whole.strip_suffix(".infinity").unwrap_or(&whole);
    if whole.starts_with("conf/") {
        return format!("/{whole}");
    }
    whole.rsplit('/').next().unwrap_or(whole).to_owned()
}

/// The path of a fragment that states none: where its file lies.
fn dam_path(directory: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(directory).unwrap_or(file).with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    format!("/content/dam/{}", parts.join("/"))
}
