//! `_references`: the assets, pages and fragments that the texts and content references of a result name (protocol §6.1).
//!
//! All texts and content references of the result's own items count, selected or not: samples ask for `_references` alone.
//! Of nested fragments those count that the query selects. An embedded fragment's own texts do not. Order is that of first
//! appearance; each path stands once.

use std::collections::BTreeSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Field as Selected, Selection};
use apollo_compiler::response::JsonValue;

use super::super::content::models::Kind;
use super::super::content::repository::{Fragment, Item, Repository};
use super::super::text::rich_text::Text;
use super::fragment_value::Context;

/// Selections of one response field, merged as execution merges them.
pub(in crate::origin) type Fields<'a> = Vec<&'a Selected>;

/// The selections of a field below others, through fragments. Type conditions are not looked at: a field that another type
/// selects finds no value.
pub(in crate::origin) fn below<'a>(
    document: &'a ExecutableDocument,
    selected: &[&'a Selected],
    name: &str,
) -> Fields<'a> {
    let mut found = Vec::new();
    let mut spread = BTreeSet::new();
    for field in selected {
        collect(document, &field.selection_set.selections, name, &mut spread, &mut found);
    }
    found
}

fn collect<'a>(
    document: &'a ExecutableDocument,
    selections: &'a [Selection],
    name: &str,
    spread: &mut BTreeSet<&'a str>,
    found: &mut Fields<'a>,
) {
    for selection in selections {
        match selection {
            Selection::Field(field) if field.name == name => found.push(field),
            Selection::Field(_) => {}
            Selection::InlineFragment(inline) => {
                collect(document, &inline.selection_set.selections, name, spread, found)
            }
            Selection::FragmentSpread(named) => {
                if let Some(fragment) = document.fragments.get(&named.fragment_name)
                    && spread.insert(named.fragment_name.as_str())
                {
                    collect(document, &fragment.selection_set.selections, name, spread, found);
                }
            }
        }
    }
}

/// One thing a result refers to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::origin) enum Target<'a> {
    /// What the repository holds at a path.
    Path(&'a str),
    /// An asset of another repository, as stored.
    Remote(&'a JsonValue),
}

/// What the items refer to. `selected` is the selection of the items.
pub(in crate::origin) fn references<'a>(
    context: &'a Context<'a>,
    document: &'a ExecutableDocument,
    selected: &[&'a Selected],
    items: &[Item<'a>],
    wanted: Option<&str>,
) -> Vec<Target<'a>> {
    let mut walk =
        Walk { context, repository: context.repository, document, wanted, seen: BTreeSet::new(), targets: Vec::new() };
    for item in items {
        walk.item(*item, selected, &mut Vec::new());
    }
    walk.targets
}

struct Walk<'a, 'w> {
    context: &'a Context<'a>,
    repository: &'a Repository,
    document: &'a ExecutableDocument,
    wanted: Option<&'w str>,
    seen: BTreeSet<&'a str>,
    targets: Vec<Target<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn item(&mut self, item: Item<'a>, selected: &[&'a Selected], chain: &mut Vec<&'a Fragment>) {
        if chain.iter().any(|fragment| std::ptr::eq(*fragment, item.fragment)) {
            return;
        }
        chain.push(item.fragment);
        for (position, field) in self.repository.model_of(item.fragment).fields.iter().enumerate() {
            let cell = item.fragment.cell(position, item.variation);
            match field.kind {
                Kind::ContentReference => {
                    for value in &cell.values {
                        match value.as_str() {
                            Some(path) => self.add(path),
                            None => self.add_remote(value),
                        }
                    }
                }
                Kind::LongText => {
                    for value in &cell.values {
                        let text = Text::new(value.as_str().unwrap_or(""), cell.mime.as_deref());
                        text.references().iter().for_each(|path| self.add(path));
                    }
                }
                Kind::FragmentReference => {
                    let nested = below(self.document, selected, &field.name);
                    if !nested.is_empty() {
                        let targets = cell.values.iter().filter_map(|path| self.repository.fragment(path.as_str()?));
                        for fragment in targets.filter(|fragment| self.context.sees(fragment)) {
                            let item = Item { fragment, variation: fragment.variation(self.wanted) };
                            self.item(item, &nested, chain);
                        }
                    }
                }
                _ => {}
            }
        }
        chain.pop();
    }

    /// Only what is there: the repository's own spelling of the path, which lives as long as it does.
    fn add(&mut self, path: &str) {
        let fragment = self.repository.fragment(path).map(|fragment| fragment.path.as_str());
        let known = fragment.or_else(|| self.repository.assets.get(path).map(|asset| asset.path.as_str()));
        if let Some(path) = known
            && self.seen.insert(path)
        {
            self.targets.push(Target::Path(path));
        }
    }

    fn add_remote(&mut self, stored: &'a JsonValue) {
        let target = Target::Remote(stored);
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }
}
