//! What a query asks for, read from its selection: where the items are, and how the result is paged.

use std::collections::BTreeMap;

use apollo_compiler::Node;
use apollo_compiler::ast::{Document, Field, FragmentDefinition, OperationDefinition, Selection, Value};

/// Where a root field's items are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `item { … }`
    Item,
    /// `items { … }`
    Items,
    /// `edges { node { … } }`
    Edges,
    /// None of these: fit for a `page` route only.
    Other,
}

/// How a root field is followed to its end (design §4, Paging).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// One request.
    None,
    /// `after:` takes this variable, `pageInfo { hasNextPage endCursor }` says how to go on (protocol §5.4).
    Cursor {
        /// The variable of `after:`.
        after: String,
        /// The variable of `first:`, if it is one.
        first: Option<String>,
        /// Response key of `pageInfo`.
        page_info: String,
        /// Response key of `endCursor`.
        end_cursor: String,
        /// Response key of `hasNextPage`.
        has_next_page: String,
    },
    /// `offset:` and `limit:` take these variables (protocol §5.3).
    Offset {
        /// The variable of `offset:`.
        offset: String,
        /// The variable of `limit:`, if it is one.
        limit: Option<String>,
    },
}

/// One root field of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The response key: the alias if there is one.
    pub key: String,
    /// Where its items are.
    pub shape: Shape,
    /// The response keys from the root field to an item: `["items"]`, `["edges", "node"]`.
    pub to_items: Vec<String>,
    /// How it is paged.
    pub paging: Paging,
    /// Whether an item carries `_path`.
    pub selects_path: bool,
    /// Whether an item carries `_variation`.
    pub selects_variation: bool,
    /// Whether every variation is asked for as an item of its own (`includeVariations`).
    pub variations: bool,
    /// Whether `after:` takes a variable.
    pub after: bool,
    /// Whether the field has a `sort` argument.
    pub sorted: bool,
    /// The response keys of an item, in query order.
    pub fields: Vec<String>,
    /// Byte offset of the root field in the sent form.
    pub field_at: usize,
    /// Byte offset of the field that holds the items in the sent form.
    pub items_at: usize,
}

/// The root fields of `operation`.
pub(super) fn roots(document: &Document, operation: &OperationDefinition) -> Vec<Root> {
    let fragments: BTreeMap<&str, &FragmentDefinition> = document
        .definitions
        .iter()
        .filter_map(|definition| definition.as_fragment_definition())
        .map(|fragment| (fragment.name.as_str(), &**fragment))
        .collect();
    let walker = Walker { fragments };
    walker.fields(&operation.selection_set).into_iter().map(|field| walker.root(field)).collect()
}

struct Walker<'a> {
    fragments: BTreeMap<&'a str, &'a FragmentDefinition>,
}

impl<'a> Walker<'a> {
    /// The fields of a selection, fragments opened. A fragment that spreads itself is opened once.
    fn fields(&self, selections: &'a [Selection]) -> Vec<&'a Node<Field>> {
        let mut out = Vec::new();
        self.collect(selections, &mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, selections: &'a [Selection], open: &mut Vec<&'a str>, out: &mut Vec<&'a Node<Field>>) {
        for selection in selections {
            match selection {
                Selection::Field(field) => out.push(field),
                Selection::InlineFragment(inline) => self.collect(&inline.selection_set, open, out),
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    if let Some(fragment) = self.fragments.get(name).filter(|_| !open.contains(&name)) {
                        open.push(name);
                        self.collect(&fragment.selection_set, open, out);
                        open.pop();
                    }
                }
            }
        }
    }

    fn root(&self, field: &'a Node<Field>) -> Root {
        let below = self.fields(&field.selection_set);
        let named = |name: &str| below.iter().copied().find(|child| child.name == name);
        let (shape, holders) = if let Some(edges) = named("edges") {
            match self.fields(&edges.selection_set).into_iter().find(|child| child.name == "node") {
                Some(node) => (Shape::Edges, vec![edges, node]),
                None => (Shape::Other, vec![]),
            }
        } else if let Some(items) = named("items") {
            (Shape::Items, vec![items])
        } else if let Some(item) = named("item") {
            (Shape::Item, vec![item])
        } else {
            (Shape::Other, vec![])
        };
        let fields: Vec<String> = holders.last().map_or_else(Vec::new, |holder| {
            let mut keys: Vec<String> = Vec::new();
            for child in self.fields(&holder.selection_set) {
                let key = response_key(child);
                if !keys.iter().any(|known| known == key) {
                    keys.push(key.to_owned());
                }
            }
            keys
        });
        Root {
            key: response_key(field).to_owned(),
            shape,
            to_items: holders.iter().map(|holder| response_key(holder).to_owned()).collect(),
            paging: self.paging(field, named("pageInfo")),
            selects_path: fields.iter().any(|key| key == "_path"),
            selects_variation: fields.iter().any(|key| key == "_variation"),
            variations: argument(field, "includeVariations").is_some_and(|value| *value != Value::Boolean(false)),
            after: variable(field, "after").is_some(),
            sorted: argument(field, "sort").is_some(),
            fields,
            field_at: field.location().map_or(0, |span| span.offset()),
            items_at: holders.last().and_then(|holder| holder.location()).map_or(0, |span| span.offset()),
        }
    }

    fn paging(&self, field: &Field, page_info: Option<&'a Node<Field>>) -> Paging {
        if let (Some(after), Some(info)) = (variable(field, "after"), page_info) {
            let below = self.fields(&info.selection_set);
            let key_of =
                |name: &str| below.iter().find(|child| child.name == name).map(|child| response_key(child).to_owned());
            if let (Some(end_cursor), Some(has_next_page)) = (key_of("endCursor"), key_of("hasNextPage")) {
                let page_info = response_key(info).to_owned();
                return Paging::Cursor { after, first: variable(field, "first"), page_info, end_cursor, has_next_page };
            }
        }
        match variable(field, "offset") {
            Some(offset) => Paging::Offset { offset, limit: variable(field, "limit") },
            None => Paging::None,
        }
    }
}

fn response_key(field: &Field) -> &str {
    field.alias.as_ref().unwrap_or(&field.name).as_str()
}

fn argument<'a>(field: &'a Field, name: &str) -> Option<&'a Value> {
    field.arguments.iter().find(|argument| argument.name == name).map(|argument| &*argument.value)
}

fn variable(field: &Field, name: &str) -> Option<String> {
    match argument(field, name)? {
        Value::Variable(variable) => Some(variable.to_string()),
        _ => None,
    }
}
