//! The `/filter` rules of a project's Dispatcher folder, read from its files (`--dispatcher DIR`).

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::any::{Include, Item, Property, Value, parse};
use super::rules::{Request, Rule, ruling};
use crate::report::Place;

/// Folders are looked into so deep.
const DEEPEST: usize = 12;

/// What the files say.
#[derive(Debug)]
pub(super) struct Filters {
    /// The file that a project's own rules belong into.
    pub own: String,
    farms: Vec<Farm>,
    /// Included files that are not there, as they are written.
    pub missing: BTreeSet<String>,
}

/// One list of rules, in the order of the Dispatcher.
#[derive(Debug)]
struct Farm {
    file: String,
    rules: Vec<Rule>,
}

/// What a list of rules says of a request.
#[derive(Debug)]
pub(super) struct Ruling<'a> {
    /// Whether it passes.
    pub allowed: bool,
    /// The rule that decides, if any fits.
    pub rule: Option<&'a Place>,
    /// The file where the list begins.
    pub file: &'a str,
}

impl Filters {
    /// Reads what is below `dir`. Names of files are told as `dir` is spelt.
    ///
    /// # Errors
    /// One line: the folder cannot be read, or no file in it has rules.
    pub fn read(dir: &Path) -> Result<Filters, String> {
        let files = files(dir)?;
        let mut reader = Reading { missing: BTreeSet::new(), depth: 0 };
        let mut farms = Vec::new();
        for file in roots(&files) {
            let items = reader.items(file);
            let missing = reader.missing.len();
            let rules = reader.section(file, &items);
            if !rules.is_empty() || reader.missing.len() > missing {
                farms.push(Farm { file: shown(file), rules });
            }
        }
        if farms.is_empty() {
            return Err(format!("no file below {} has rules of a /filter section", dir.display()));
        }
        let own = files.iter().find(|file| file.ends_with("filters/filters.any"));
        let own = own.map_or_else(|| farms[0].file.clone(), |file| shown(file));
        Ok(Filters { own, farms, missing: reader.missing })
    }

    /// Whether files that are not there may hold the rule that decides.
    pub fn leave_open(&self, ruling: &Ruling<'_>) -> bool {
        ruling.rule.is_none() && !self.missing.is_empty()
    }

    /// What becomes of a request: the first list that denies it, else the last that allows it.
    pub fn ruling(&self, request: Request<'_>) -> Ruling<'_> {
        let mut told = None;
        for farm in &self.farms {
            let found = ruling(&farm.rules, request);
            let allowed = found.is_some_and(|(_, allows)| allows);
            told = Some(Ruling { allowed, rule: found.map(|(rule, _)| &rule.place), file: &farm.file });
            if !allowed {
                break;
            }
        }
        told.unwrap_or(Ruling { allowed: false, rule: None, file: &self.own })
    }
}

/// Files that may hold filters, sorted.
fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir).follow_links(true).max_depth(DEEPEST).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let kind = entry.path().extension().and_then(|kind| kind.to_str());
                files.extend(kind.filter(|kind| matches!(*kind, "any" | "farm")).map(|_| entry.path().to_owned()));
            }
            Ok(_) => {}
            // A link that leads nowhere is no filter.
            Err(error) if error.depth() > 0 => {}
            Err(error) => {
                let cause = error.io_error().map_or_else(|| "it cannot be read".to_owned(), ToString::to_string);
                return Err(format!("{}: {cause}", dir.display()));
            }
        }
    }
    Ok(files)
}

/// Where lists of rules begin: farms that are enabled; else every file with a `/filter` section; else the list itself.
fn roots(files: &[PathBuf]) -> Vec<&PathBuf> {
    // A farm for author says nothing of publish (Adobe Managed Services name it so).
    let of_author = |file: &PathBuf| {
        file.file_name().is_some_and(|name| name.to_string_lossy().to_ascii_lowercase().contains("author"))
    };
    let with_section = |file: &PathBuf| has_section(&parse(&text(file))) && !of_author(file);
    let in_folder = |file: &PathBuf, name: &str| file.parent().is_some_and(|folder| folder.ends_with(name));
    let with_sections: Vec<&PathBuf> = files.iter().filter(|file| with_section(file)).collect();
    let enabled: Vec<&PathBuf> =
        with_sections.iter().copied().filter(|file| in_folder(file, "enabled_farms")).collect();
    if !enabled.is_empty() {
        return enabled;
    }
    if !with_sections.is_empty() {
        return with_sections;
    }
    let named = files.iter().filter(|file| file.ends_with("filters.any"));
    let named: Vec<&PathBuf> = named.collect();
    if !named.is_empty() {
        return named;
    }
    files.iter().filter(|file| !of_author(file)).collect()
}

fn has_section(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Property(Property { name, value: Value::Block(inside), .. }) => name == "filter" || has_section(inside),
        _ => false,
    })
}

fn text(file: &Path) -> String {
    // What is no text has no rules that the Dispatcher could read.
    std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn shown(file: &Path) -> String {
    // Without the dots of `$include "../filters/filters.any"`; those before everything else stay.
    let mut plain = PathBuf::new();
    for part in file.components() {
        match part {
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain.display().to_string().replace('\\', "/")
}

/// Reads files and what they include.
struct Reading {
    missing: BTreeSet<String>,
    depth: usize,
}

impl Reading {
    fn items(&mut self, file: &Path) -> Vec<Item> {
        parse(&text(file))
    }

    /// The rules of a file's `/filter` sections, or of the file itself if it has none.
    fn section(&mut self, file: &Path, items: &[Item]) -> Vec<Rule> {
        if !has_section(items) {
            return self.rules(file, items);
        }
        let mut rules = Vec::new();
        for item in items {
            if let Item::Property(Property { name, value: Value::Block(inside), .. }) = item {
                if name == "filter" {
                    rules.extend(self.rules(file, inside));
                } else if has_section(inside) {
                    rules.extend(self.section(file, inside));
                }
            }
        }
        rules
    }

    fn rules(&mut self, file: &Path, items: &[Item]) -> Vec<Rule> {
        let source = text(file);
        let mut rules = Vec::new();
        for item in items {
            match item {
                Item::Property(property) => {
                    let place = Place::in_text(shown(file), &source, property.start, property.end);
                    rules.extend(Rule::read(property, place));
                }
                Item::Include(include) => rules.extend(self.included(file, include)),
            }
        }
        rules
    }

    fn included(&mut self, file: &Path, include: &Include) -> Vec<Rule> {
        let path = file.parent().unwrap_or(Path::new("")).join(&include.path);
        // A file that includes itself ends here, too.
        if self.depth >= DEEPEST || !path.is_file() {
            self.missing.insert(include.path.clone());
            return Vec::new();
        }
        self.depth += 1;
        let items = self.items(&path);
        let rules = self.rules(&path, &items);
        self.depth -= 1;
        rules
    }
}
