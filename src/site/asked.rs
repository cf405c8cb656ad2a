//! What a query asks for, key by key: an answer to it holds these keys and no others. Without a schema nobody knows which type an
//! object has, so what stands under a type condition is there together or not at all.

use std::collections::BTreeMap;

use apollo_compiler::Node;
use apollo_compiler::ast::{DirectiveList, Document, Field, FragmentDefinition, OperationDefinition, Selection};

/// Fields in all, fragments opened; a query that opens into more is not compared.
const MOST_FIELDS: usize = 20_000;

/// What is asked of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its fields, in the order of the query.
    pub fields: Vec<AskedField>,
    /// Indexes of fields that stand under one type condition. If one that stands under no other is there, all are.
    pub together: Vec<Vec<usize>>,
}

/// One field, however often it is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedField {
    /// The response key: the alias if there is one.
    pub key: String,
    /// How surely it is there.
    pub presence: Presence,
    /// What is asked of its value; `None` for a field without a selection.
    pub below: Option<Asked>,
}

/// How surely a field is in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// In every answer.
    Always,
    /// Where one type condition holds: the index into [`Asked::together`].
    Under(usize),
    /// Where one of several type conditions holds, or a directive lets it.
    Perhaps,
}

/// The selection of `operation`. `None` if it opens into too many fields to be compared.
pub(super) fn asked(document: &Document, operation: &OperationDefinition) -> Option<Asked> {
    let fragments = document.definitions.iter().filter_map(|definition| definition.as_fragment_definition());
    let fragments = fragments.map(|fragment| (fragment.name.as_str(), &**fragment)).collect();
    let mut opener = Opener { fragments, left: MOST_FIELDS };
    opener.object(&[(None, &operation.selection_set)])
}

/// Under which condition a field was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Under {
    Nothing,
    Type(usize),
    Directive,
}

struct Opener<'a> {
    fragments: BTreeMap<&'a str, &'a FragmentDefinition>,
    left: usize,
}

/// A field with all the places where it is selected.
type Found<'a> = (&'a str, Vec<(Under, &'a Node<Field>)>);

impl<'a> Opener<'a> {
    /// One object, of which several selections may ask; each is unconditional or stands under a condition of its own.
    fn object(&mut self, selections: &[(Option<Under>, &'a [Selection])]) -> Option<Asked> {
        let mut found = Collected { fields: Vec::new(), conditions: 0 };
        for (under, selections) in selections {
            let under = match under {
                None => Under::Nothing,
                Some(Under::Directive) => Under::Directive,
                Some(_) => found.condition(),
            };
            self.collect(selections, under, &mut Vec::new(), &mut found)?;
        }
        let mut asked = Asked { fields: Vec::new(), together: vec![Vec::new(); found.conditions] };
        for (index, (key, places)) in found.fields.into_iter().enumerate() {
            let presence = presence(&places);
            for (under, _) in &places {
                if let Under::Type(condition) = under
                    && !asked.together[*condition].contains(&index)
                {
                    asked.together[*condition].push(index);
                }
            }
            let below = self.below(&places)?;
            asked.fields.push(AskedField { key: key.to_owned(), presence, below });
        }
        Some(asked)
    }

    fn below(&mut self, places: &[(Under, &'a Node<Field>)]) -> Option<Option<Asked>> {
        if places.iter().all(|(_, field)| field.selection_set.is_empty()) {
            return Some(None);
        }
        // Found in one place only, its selection is whole whenever it is there.
        let single = places.iter().all(|(under, _)| *under == places[0].0);
        let selections: Vec<_> = places
            .iter()
            .map(|(under, field)| {
                let own = Some(*under).filter(|under| !single && *under != Under::Nothing);
                (own, field.selection_set.as_slice())
            })
            .collect();
        self.object(&selections).map(Some)
    }

    fn collect(
        &mut self,
        selections: &'a [Selection],
        under: Under,
        open: &mut Vec<&'a str>,
        found: &mut Collected<'a>,
    ) -> Option<()> {
        for selection in selections {
            self.left = self.left.checked_sub(1)?;
            match selection {
                Selection::Field(field) => found.add(field, condition(under, &field.directives)),
                Selection::InlineFragment(inline) => {
                    let under = match condition(under, &inline.directives) {
                        Under::Directive => Under::Directive,
                        _ if inline.type_condition.is_some() => found.condition(),
                        under => under,
                    };
                    self.collect(&inline.selection_set, under, open, found)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let Some(fragment) = self.fragments.get(name).copied().filter(|_| !open.contains(&name)) else {
                        continue;
                    };
                    let under = match condition(under, &spread.directives) {
                        Under::Directive => Under::Directive,
                        _ => found.condition(),
                    };
                    open.push(name);
                    self.collect(&fragment.selection_set, under, open, found)?;
                    open.pop();
                }
            }
        }
        Some(())
    }
}

struct Collected<'a> {
    fields: Vec<Found<'a>>,
    conditions: usize,
}

impl<'a> Collected<'a> {
    fn condition(&mut self) -> Under {
        self.conditions += 1;
        Under::Type(self.conditions - 1)
    }

    fn add(&mut self, field: &'a Node<Field>, under: Under) {
        let key = field.alias.as_ref().unwrap_or(&field.name).as_str();
        match self.fields.iter_mut().find(|(known, _)| *known == key) {
            Some((_, places)) => places.push((under, field)),
            None => self.fields.push((key, vec![(under, field)])),
        }
    }
}

/// `@skip` and `@include` decide when the query runs.
fn condition(under: Under, directives: &DirectiveList) -> Under {
    if directives.iter().any(|directive| directive.name == "skip" || directive.name == "include") {
        Under::Directive
    } else {
        under
    }
}

fn presence(places: &[(Under, &Node<Field>)]) -> Presence {
    if places.iter().any(|(under, _)| *under == Under::Nothing) {
        return Presence::Always;
    }
    match places[0].0 {
        Under::Type(condition) if places.iter().all(|(under, _)| *under == places[0].0) => Presence::Under(condition),
        _ => Presence::Perhaps,
    }
}
