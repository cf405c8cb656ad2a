//! Content fragments from the JSON of a file: one, a list of them as the APIs answer it, and those that an answer brought
//! along as its references (protocol §9.2, §9.3).

use apollo_compiler::response::JsonValue;

use super::super::Tier;
use super::identity;
use super::models::{Model, Models, Wanted};
use super::place::{At, Way};
use super::problem::{Page, Problem, nearest};
use super::published;
use super::repository::{Fragment, Variation};
use super::values::{self, Paths};

/// A fragment, and where in its file it stands.
pub(in crate::origin) struct Found {
    pub fragment: Fragment,
    pub way: Way,
    /// Whether the file has it for another fragment's sake: a file of its own goes first, and one is enough.
    pub brought_along: bool,
    /// What is wrong with a fragment that was brought along; to be told if it is served.
    pub problems: Vec<Problem>,
}

/// How deep answers may bring along what their references refer to.
const DEEPEST: usize = 16;

/// Reads the fragments of a file, in order.
pub(in crate::origin) struct Reader<'a, 'p> {
    pub models: &'a Models,
    pub tier: Tier,
    pub page: Page<'p>,
    pub found: Vec<Found>,
}

impl Reader<'_, '_> {
    /// Everything in the file's value; `default_path` is for a single fragment that states none.
    pub fn file(&mut self, start: &At<'_>, default_path: &str) {
        let list = if start.json.is_array() {
            Some(*start)
        } else {
            // `{"items": […], "cursor": …}` is how both APIs answer a list (protocol §9.2, §9.3).
            start.member("items").filter(|items| items.json.is_array() && start.json.get("model").is_none())
        };
        match list {
            Some(list) => list.items().for_each(|item| self.document(&item, None, 0)),
            None => self.document(start, Some(default_path), 0),
        }
    }

    /// A fragment and what was brought along with it. One that is not on the tier is read for its problems.
    fn document(&mut self, at: &At<'_>, default_path: Option<&str>, depth: usize) {
        if let Some(fragment) = self.fragment(at, default_path)
            && published::is_on(self.tier, at)
        {
            self.found.push(Found { fragment, way: at.way(), brought_along: depth > 0, problems: Vec::new() });
        }
        if depth < DEEPEST
            && let Some(references) = at.member("references")
        {
            references.items().for_each(|reference| self.along(&reference, depth));
            for (_, reference) in references.members() {
                if let Some(value) = reference.member("value") {
                    self.along(&value, depth);
                }
            }
        }
    }

    /// A reference that came with its fields; others are only names of what lies elsewhere.
    fn along(&mut self, at: &At<'_>, depth: usize) {
        if at.json.get("fields").is_none() || at.json.get("model").is_none() {
            return;
        }
        let (problems, position) = (self.page.problems.len(), self.found.len());
        self.document(at, None, depth + 1);
        let problems = self.page.problems.split_off(problems);
        // A copy that cannot be served at all is none, as if it had not been brought along.
        if let Some(found) = self.found.get_mut(position).filter(|found| found.way == at.way()) {
            found.problems = problems;
        }
    }

    fn fragment(&mut self, at: &At<'_>, default_path: Option<&str>) -> Option<Fragment> {
        if !at.json.is_object() {
            self.page.at(at, "a fragment is a JSON object");
            return None;
        }
        let Some(path) = at.text("path").or(default_path).map(str::to_owned) else {
            self.page.at(at, "a fragment in a list has a `path`");
            return None;
        };
        if !path.starts_with("/content/dam/") {
            let place = at.member("path").unwrap_or(*at);
            self.page.at(&place, format!("`{path}` is not below /content/dam"));
            return None;
        }
        let model = self.model_of(at)?;
        let fields = &self.models.list[model];
        let when = |key: &str| at.member(key).and_then(|what| what.text("at").map(str::to_owned));
        let paths = paths_of(at);
        Some(Fragment {
            id: at.text("id").map_or_else(|| identity::of_path(&path), str::to_owned),
            title: at.text("title").unwrap_or_else(|| path.rsplit('/').next().unwrap_or("")).to_owned(),
            description: at.text("description").unwrap_or("").to_owned(),
            model,
            created: when("created"),
            modified: when("modified"),
            tags: self.tags(at).unwrap_or_default(),
            cells: values::cells(at, fields, &paths, &mut self.page)
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
            variations: self.variations(at, fields, &paths),
            path,
        })
    }

    /// `model` is an object with `path`, `id` or `name`, or one of them as a string.
    fn model_of(&mut self, at: &At<'_>) -> Option<usize> {
        let stated = at.member("model");
        let names = ["path", "id", "name"];
        let wanted = stated.as_ref().and_then(|model| match model.json.as_str() {
            Some(name) => Some((name, *model)),
            None => names.iter().find_map(|key| Some((model.text(key)?, model.member(key)?))),
        });
        let Some((wanted, place)) = wanted else {
            self.page.at(at, "the fragment names no model: `\"model\": {\"path\": …}`");
            return None;
        };
        match self.models.find(wanted) {
            Wanted::Found(position) => Some(position),
            // Its model is not on this tier, so neither is the fragment.
            Wanted::Unpublished => None,
            Wanted::Draft => {
                self.page.at(&place, format!("the fragment's model `{wanted}` is a draft, and in no schema"));
                None
            }
            Wanted::Missing => {
                let near = nearest(wanted, self.models.names());
                self.page.at(&place, format!("the fragment's model `{wanted}` is not there{near}"));
                None
            }
        }
    }

    /// An array of objects with `name`; members of them are undocumented (protocol §9.3), `fields` is taken in either shape.
    /// An object of variations by name is taken, too.
    fn variations(&mut self, at: &At<'_>, model: &Model, paths: &Paths<'_>) -> Box<[Variation]> {
        let mut variations: Vec<Variation> = Vec::new();
        let Some(all) = at.member("variations") else {
            return Box::default();
        };
        let named = all.items().map(|variation| (variation.text("name"), variation));
        let keyed = all.members().map(|(name, variation)| (Some(name), variation));
        for (name, variation) in named.chain(keyed) {
            let Some(name) = name.filter(|_| variation.json.is_object()) else {
                self.page.field(&variation, "variations", "a variation is an object with a `name`");
                continue;
            };
            if name == "master" || variations.iter().any(|variation| variation.name == name) {
                self.page.field(&variation, "variations", format!("the variation name `{name}` is taken"));
                continue;
            }
            let cells = values::cells(&variation, model, paths, &mut self.page).into_boxed_slice();
            let tags = self.tags(&variation);
            if published::is_on(self.tier, &variation) {
                variations.push(Variation { name: name.to_owned(), cells, tags });
            }
        }
        if !matches!(all.json, JsonValue::Array(_) | JsonValue::Object(_)) {
            self.page.field(&all, "variations", "`variations` is an array");
        }
        variations.into_boxed_slice()
    }

    /// Tag ids; on disk strings or objects with `id`.
    fn tags(&mut self, at: &At<'_>) -> Option<Box<[JsonValue]>> {
        let tags = at.member("tags")?;
        if !tags.json.is_array() {
            self.page.field(&tags, "tags", "`tags` is an array");
            return None;
        }
        let mut ids = Vec::new();
        for tag in tags.items() {
            match tag.json.as_str().or_else(|| tag.text("id")) {
                Some(id) => ids.push(id.into()),
                None => self.page.field(&tag, "tags", "a tag is its id, or an object with `id`"),
            }
        }
        Some(ids.into_boxed_slice())
    }
}

/// The paths behind identifiers, which is what the delivery API has in `fields` instead of paths (protocol §9.2).
fn paths_of<'a>(at: &'a At<'a>) -> Paths<'a> {
    let mut paths = Paths::new();
    let references = at.json.get("references");
    for (id, reference) in references.and_then(JsonValue::as_object).into_iter().flatten() {
        let path = reference.get("value").and_then(|value| value.get("path")).and_then(JsonValue::as_str);
        // A tag has a path, too, but is known by its id.
        let is_tag = reference.get("type").and_then(JsonValue::as_str) == Some("tag");
        if let Some(path) = path.filter(|path| !path.is_empty() && !is_tag) {
            paths.insert(id.as_str(), path);
        }
    }
    // The management API's references have both, and fields may hold the id (protocol §9.3).
    for reference in references.and_then(JsonValue::as_array).into_iter().flatten() {
        let member = |name| reference.get(name).and_then(JsonValue::as_str).filter(|text| !text.is_empty());
        if let (Some(id), Some(path)) = (member("id"), member("path")) {
            paths.insert(id, path);
        }
    }
    paths
}
