//! Reads the `content/` directory into a [`Repository`]. Whatever is broken becomes a [`Problem`] and is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apollo_compiler::response::JsonValue;

use super::assets;
use super::fragments;
use super::models::{self, Draft};
use super::problem::{Page, Problem};
use super::repository::{Fragment, Repository};

/// Loads everything below `content`. A directory that is not there is empty content with one problem.
pub(in crate::origin) fn load(content: &Path) -> (Repository, Vec<Problem>) {
    let mut problems = Vec::new();
    if !content.is_dir() {
        let message = "the content directory is not there".to_owned();
        problems.push(Problem { file: content.to_owned(), line: 0, column: 0, field: None, message });
    }
    let models = load_models(&content.join("models"), &mut problems);
    let fragments = load_fragments(&content.join("fragments"), &models, &mut problems);
    let assets = assets::scan(&content.join("assets"), &mut problems);
    (Repository::new(models, fragments, assets), problems)
}

fn load_models(directory: &Path, problems: &mut Vec<Problem>) -> Vec<models::Model> {
    let mut drafts: Vec<(Draft, (PathBuf, String))> = Vec::new();
    for (file, text, json) in json_files(directory, problems) {
        let name = stem(&file);
        let mut page = Page { file: &file, text: &text, problems };
        if let Some(draft) = models::read(&json, &name, &mut page) {
            drafts.push((draft, (file, text)));
        }
    }
    let kept = models::without_doubles(drafts, |draft, (file, text)| {
        let message = format!("another model has the path `{}` or the name `{}`", draft.model.path, draft.model.base);
        Page { file: &file, text: &text, problems }.problem(message);
    });
    let (drafts, sources): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
    models::resolve(drafts, |model, field, missing| {
        let (file, text) = &sources[model];
        Page { file, text, problems }.field_problem(field, format!("allowed model `{missing}` is not there"));
    })
}

fn load_fragments(directory: &Path, models: &[models::Model], problems: &mut Vec<Problem>) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::new();
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for (file, text, json) in json_files(directory, problems) {
        let default_path = dam_path(directory, &file);
        let mut page = Page { file: &file, text: &text, problems };
        let Some(fragment) = fragments::read(&json, default_path, models, &mut page) else {
            continue;
        };
        if let Some(other) = files.get(&fragment.path) {
            page.problem(format!("`{}` has the same path `{}`; the first is taken", other.display(), fragment.path));
        } else if let Some(other) = ids.get(&fragment.id) {
            page.problem(format!("`{other}` has the same id `{}`; the first is taken", fragment.id));
        } else {
            ids.insert(fragment.id.clone(), fragment.path.clone());
            files.insert(fragment.path.clone(), file.clone());
            fragments.push(fragment);
        }
    }
    fragments
}

/// Every `*.json` below a directory, in order of name, read and parsed; hidden files are none.
fn json_files(directory: &Path, problems: &mut Vec<Problem>) -> Vec<(PathBuf, String, JsonValue)> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().filter_map(Result::ok) {
        let file = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden || !entry.file_type().is_file() || file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                Page { file, text: "", problems }.problem(format!("not readable: {error}"));
                continue;
            }
        };
        match serde_json::from_str::<JsonValue>(text.trim_start_matches('\u{feff}')) {
            Ok(json) => files.push((file.to_owned(), text, json)),
            Err(error) => Page { file, text: &text, problems }.syntax(&error),
        }
    }
    files
}

fn stem(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// The path of a fragment that states none: where its file lies.
fn dam_path(directory: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(directory).unwrap_or(file).with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    format!("/content/dam/{}", parts.join("/"))
}
