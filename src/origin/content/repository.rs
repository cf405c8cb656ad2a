//! Everything `content/` holds, loaded once and never changed afterwards: models, fragments with their variations, assets.
//! Whoever serves it holds it behind an `Arc`; new content is a new repository.

use std::collections::{BTreeMap, HashMap};

use apollo_compiler::response::JsonValue;

use super::assets::Asset;
use super::models::Model;

/// The values of one field, always a list as on disk; a single field has at most one.
#[derive(Debug, Clone, Default)]
pub(in crate::origin) struct Cell {
    pub values: Box<[JsonValue]>,
    /// Multi line text only: the format it is stored in, where that is not html.
    pub mime: Option<Box<str>>,
}

/// A variation: the values it changes; what it leaves out it shares with the master.
#[derive(Debug)]
pub(in crate::origin) struct Variation {
    pub name: String,
    pub cells: Box<[Option<Cell>]>,
    pub tags: Option<Box<[JsonValue]>>,
}

/// A content fragment.
#[derive(Debug)]
pub(in crate::origin) struct Fragment {
    pub path: String,
    pub id: String,
    pub title: String,
    pub description: String,
    pub model: usize,
    pub created: Option<String>,
    pub modified: Option<String>,
    pub tags: Box<[JsonValue]>,
    pub cells: Box<[Cell]>,
    pub variations: Box<[Variation]>,
}

impl Fragment {
    /// The values of a field in a variation (`None`: master).
    pub fn cell(&self, field: usize, variation: Option<usize>) -> &Cell {
        let own = variation.and_then(|variation| self.variations[variation].cells[field].as_ref());
        own.unwrap_or(&self.cells[field])
    }

    /// The values of a field in the fragment and all its variations, to be put right while content is loaded.
    pub fn reference_values(&mut self, field: usize) -> impl Iterator<Item = &mut JsonValue> {
        let variations = self.variations.iter_mut().filter_map(move |variation| variation.cells[field].as_mut());
        std::iter::once(&mut self.cells[field]).chain(variations).flat_map(|cell| cell.values.iter_mut())
    }

    /// The tags of the fragment or variation.
    pub fn tags(&self, variation: Option<usize>) -> &[JsonValue] {
        let own = variation.and_then(|variation| self.variations[variation].tags.as_deref());
        own.unwrap_or(&self.tags)
    }

    /// The variation of that name; `None` is the master, which is also the fallback (protocol §5.5).
    pub fn variation(&self, name: Option<&str>) -> Option<usize> {
        let name = name?;
        self.variations.iter().position(|variation| variation.name == name)
    }

    /// The name of a variation; the base is called `master`.
    pub fn variation_name(&self, variation: Option<usize>) -> &str {
        variation.map_or("master", |variation| &self.variations[variation].name)
    }
}

/// One thing a list delivers: a fragment in one of its variations.
#[derive(Debug, Clone, Copy)]
pub(in crate::origin) struct Item<'a> {
    pub fragment: &'a Fragment,
    pub variation: Option<usize>,
}

/// The loaded content.
#[derive(Debug, Default)]
pub(in crate::origin) struct Repository {
    pub models: Vec<Model>,
    /// In order of path, the default order of lists (protocol §5.3).
    fragments: Vec<Fragment>,
    by_path: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    by_model: Vec<Vec<usize>>,
    pub assets: BTreeMap<String, Asset>,
}

impl Repository {
    /// Puts loaded content in order. Paths are unique already.
    pub fn new(models: Vec<Model>, mut fragments: Vec<Fragment>, assets: BTreeMap<String, Asset>) -> Self {
        fragments.sort_by(|a, b| a.path.cmp(&b.path));
        let mut by_model = vec![Vec::new(); models.len()];
        for (position, fragment) in fragments.iter().enumerate() {
            by_model[fragment.model].push(position);
        }
        let by_path =
            fragments.iter().enumerate().map(|(position, fragment)| (fragment.path.clone(), position)).collect();
        let by_id = fragments.iter().enumerate().map(|(position, fragment)| (fragment.id.clone(), position)).collect();
        Self { models, fragments, by_path, by_id, by_model, assets }
    }

    /// How many fragments there are.
    pub fn len(&self) -> usize {
        self.fragments.len()
    }

    /// The fragment at a path.
    pub fn fragment(&self, path: &str) -> Option<&Fragment> {
        self.by_path.get(path).map(|position| &self.fragments[*position])
    }

    /// The fragment with an identifier.
    pub fn fragment_by_id(&self, id: &str) -> Option<&Fragment> {
        self.by_id.get(id).map(|position| &self.fragments[*position])
    }

    /// The positions of all fragments of a model, by path.
    pub fn positions_of(&self, model: usize) -> &[usize] {
        &self.by_model[model]
    }

    /// The fragment at a position: one of [`positions_of`](Self::positions_of), of this repository.
    pub fn at(&self, position: usize) -> &Fragment {
        &self.fragments[position]
    }

    /// The model of a fragment.
    pub fn model_of(&self, fragment: &Fragment) -> &Model {
        &self.models[fragment.model]
    }
}
