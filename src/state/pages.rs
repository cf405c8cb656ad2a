//! What each file of `out/` was made from: a packed row a file, in the order of `out/.aem-static`, and what many files share
//! (reads, set-ups, fragments) once beside the rows.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// A digest cut to 128 bits: among a million pages, two different ones meet with a probability below 10⁻²⁶.
pub type Key = [u8; 16];

/// Why a file was last rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was not there before, or nothing was known of it.
    New,
    /// `--full`, or a state that could not be used.
    Forced,
    /// Another template, another route, another setting, another version of the tool.
    Setup,
    /// Its content changed.
    Content,
    /// Its URL, its counterparts, or its place in a list changed.
    Place,
    /// A query, link, asset or static file that it read has another result.
    Reads,
    /// It was changed or deleted by hand.
    ByHand,
    /// It was held, or absent, in the build before.
    Released,
    /// It is held: its last good version stays.
    Held,
}

impl Reason {
    const ALL: [Reason; 9] = [
        Reason::New,
        Reason::Forced,
        Reason::Setup,
        Reason::Content,
        Reason::Place,
        Reason::Reads,
        Reason::ByHand,
        Reason::Released,
        Reason::Held,
    ];

    /// For people and for JSON events.
    pub fn name(self) -> &'static str {
        match self {
            Reason::New => "new",
            Reason::Forced => "forced",
            Reason::Setup => "template, route or settings changed",
            Reason::Content => "content changed",
            Reason::Place => "its place among other pages changed",
            Reason::Reads => "something it reads changed",
            Reason::ByHand => "changed by hand",
            Reason::Released => "held before",
            Reason::Held => "held",
        }
    }

    fn number(self) -> u8 {
        self as u8
    }
}

/// One file's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRecord {
    /// Digest of its content: items, outer item, variables.
    pub content: Key,
    /// Digest of what it is told about itself: URL, counterparts, pagination.
    pub place: Key,
    /// Digest of the results of its reads.
    pub results: Key,
    /// Number of its set-up.
    pub setup: u32,
    /// Number of its set of reads.
    pub reads: u32,
    /// Number of its fragment, or [`NONE`].
    pub fragment: u32,
    /// The build that rendered it last.
    pub build: u32,
    /// Why that one did.
    pub reason: Reason,
}

/// No number.
pub const NONE: u32 = u32::MAX;

impl PageRecord {
    const SIZE: usize = 3 * 16 + 4 * 4 + 1;

    fn write(&self, into: &mut Vec<u8>) {
        for key in [self.content, self.place, self.results] {
            into.extend(key);
        }
        for number in [self.setup, self.reads, self.fragment, self.build] {
            into.extend(number.to_le_bytes());
        }
        into.push(self.reason.number());
    }

    fn read(row: &[u8]) -> Option<PageRecord> {
        let key = |at: usize| row.get(at * 16..at * 16 + 16)?.try_into().ok();
        let number = |at: usize| Some(u32::from_le_bytes(row.get(48 + at * 4..52 + at * 4)?.try_into().ok()?));
        Some(PageRecord {
            content: key(0)?,
            place: key(1)?,
            results: key(2)?,
            setup: number(0)?,
            reads: number(1)?,
            fragment: number(2)?,
            build: number(3)?,
            reason: *Reason::ALL.get(usize::from(*row.get(64)?))?,
        })
    }
}

/// What pages of one route in one state of the site have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setup {
    /// Digest of all of it: tool, route, settings, sources of templates.
    pub key: Key,
    /// The route's name.
    pub route: String,
    /// The query.
    pub query: Option<String>,
    /// Template, parents, includes, components; the template first.
    pub templates: Vec<String>,
}

/// Something that a page read besides its own content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Read {
    /// A query, as JSON of its request.
    Query(String),
    /// A link, as JSON of its request.
    Link(String),
    /// An asset, by location.
    Asset(String),
    /// A file of static/, by output path.
    Static(String),
}

/// The rows and what they share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRecords {
    rows: Vec<u8>,
    setups: Vec<Setup>,
    reads: Vec<Read>,
    sets: Vec<Vec<u32>>,
    fragments: Vec<String>,
    /// What was found and told while a file was rendered, by row.
    notes: BTreeMap<u32, Vec<String>>,
}

impl PageRecords {
    /// The row of a file, by its position in the list; `None` for what is no page.
    pub fn get(&self, position: usize) -> Option<PageRecord> {
        let start = position.checked_mul(PageRecord::SIZE)?;
        let record = PageRecord::read(self.rows.get(start..start + PageRecord::SIZE)?)?;
        (record.setup != NONE).then_some(record)
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len() / PageRecord::SIZE
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A set-up by number.
    pub fn setup(&self, number: u32) -> Option<&Setup> {
        self.setups.get(number as usize)
    }

    /// The numbers of the reads in a set.
    pub fn set(&self, number: u32) -> &[u32] {
        self.sets.get(number as usize).map_or(&[], Vec::as_slice)
    }

    /// A read by number.
    pub fn read(&self, number: u32) -> Option<&Read> {
        self.reads.get(number as usize)
    }

    /// All reads.
    pub fn all_reads(&self) -> &[Read] {
        &self.reads
    }

    /// A content fragment by number.
    pub fn fragment(&self, number: u32) -> Option<&str> {
        self.fragments.get(number as usize).map(String::as_str)
    }

    /// What was told of a row.
    pub fn notes(&self, position: usize) -> &[String] {
        u32::try_from(position).ok().and_then(|row| self.notes.get(&row)).map_or(&[], Vec::as_slice)
    }

    /// Whether every number leads somewhere.
    pub(super) fn is_sound(&self) -> bool {
        let reads = |set: &Vec<u32>| set.iter().all(|read| (*read as usize) < self.reads.len());
        let row = |row: &[u8]| {
            PageRecord::read(row).is_some_and(|record| {
                record.setup == NONE
                    || ((record.setup as usize) < self.setups.len() && (record.reads as usize) < self.sets.len())
            })
        };
        self.rows.len().is_multiple_of(PageRecord::SIZE)
            && self.rows.chunks(PageRecord::SIZE).all(row)
            && self.sets.iter().all(reads)
    }
}

/// Gathers the records of a build, in any order.
#[derive(Debug, Default)]
pub struct Recording {
    setups: HashMap<Setup, u32>,
    reads: HashMap<Read, u32>,
    sets: HashMap<Vec<u32>, u32>,
    fragments: Vec<String>,
}

impl std::hash::Hash for Setup {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

fn number_of<T: std::hash::Hash + Eq>(known: &mut HashMap<T, u32>, value: T) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(NONE);
    *known.entry(value).or_insert(next)
}

impl Recording {
    /// The number of a set-up.
    pub fn setup(&mut self, setup: Setup) -> u32 {
        number_of(&mut self.setups, setup)
    }

    /// The number of a set of reads.
    pub fn set(&mut self, reads: impl IntoIterator<Item = Read>) -> u32 {
        let mut set: Vec<u32> = reads.into_iter().map(|read| number_of(&mut self.reads, read)).collect();
        set.sort_unstable();
        set.dedup();
        number_of(&mut self.sets, set)
    }

    /// The number of a fragment; equal ones are not looked for, since a page each has one.
    pub fn fragment(&mut self, fragment: &str) -> u32 {
        self.fragments.push(fragment.to_owned());
        u32::try_from(self.fragments.len() - 1).unwrap_or(NONE)
    }

    /// All reads by number, and all sets of them by number, so far.
    pub fn reads(&self) -> (Vec<Read>, Vec<Vec<u32>>) {
        (in_order(self.reads.clone()), in_order(self.sets.clone()))
    }

    /// The records, in the order of the list: `rows` gives that of each file, where it has one.
    pub fn finish(
        self,
        rows: impl Iterator<Item = Option<PageRecord>>,
        notes: BTreeMap<u32, Vec<String>>,
    ) -> PageRecords {
        let none = PageRecord {
            content: [0; 16],
            place: [0; 16],
            results: [0; 16],
            setup: NONE,
            reads: 0,
            fragment: NONE,
            build: 0,
            reason: Reason::New,
        };
        let mut packed = Vec::new();
        rows.for_each(|row| row.unwrap_or(none).write(&mut packed));
        PageRecords {
            rows: packed,
            setups: in_order(self.setups),
            reads: in_order(self.reads),
            sets: in_order(self.sets),
            fragments: self.fragments,
            notes,
        }
    }
}

fn in_order<T>(known: HashMap<T, u32>) -> Vec<T> {
    let mut pairs: Vec<(T, u32)> = known.into_iter().collect();
    pairs.sort_unstable_by_key(|(_, number)| *number);
    pairs.into_iter().map(|(value, _)| value).collect()
}
