//! Which pages have to be rendered: those whose key is not that of the last build, and those whose file is not what that build
//! left (design §8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::keys::{self, Keys, Results};
use super::needs::Met;
use super::pass::{Purpose, Shared, class_of};
use super::{Stop, lock};
use crate::output::{Output, OutputError};
use crate::render::{AssetRequest, Needs, QueryRequest};
use crate::state::{Key, NONE, PageRecord, PageRecords, Read, Reason, Recording};

/// Pages that a thread takes at a time.
const CHUNK: usize = 256;

/// The pages of a build beside those of the last one.
pub(super) struct Sift<'a> {
    shared: &'a Shared,
    before: Option<&'a PageRecords>,
    workers: usize,
    /// By page: its new record, as far as it is known; and the row of the last build whose results have to be compared.
    rows: Vec<(PageRecord, Option<u32>)>,
}

/// What came of it.
pub(super) struct Sifted {
    /// Pages to render, in order.
    pub(super) todo: Vec<u32>,
    /// By page. Of those to render, results and reads are still to come.
    pub(super) records: Vec<PageRecord>,
    /// What was told of pages that are kept, by page.
    pub(super) notes: BTreeMap<u32, Vec<String>>,
    /// What pages that are kept show of others.
    pub(super) assets: BTreeSet<String>,
    pub(super) static_files: BTreeSet<String>,
}

impl<'a> Sift<'a> {
    /// Compares what needs no request: set-up, content, place.
    pub(super) fn new(
        shared: &'a Shared,
        keys: &Keys,
        before: Option<&'a PageRecords>,
        build: u32,
        workers: usize,
    ) -> Self {
        let setups: Vec<u32> = {
            let mut recording = lock(&shared.recording);
            keys.setups.iter().map(|setup| recording.setup(setup.clone())).collect()
        };
        let pages = &shared.pages;
        let row = |number: usize| {
            let page = &pages.pages[number];
            let mut record = PageRecord {
                content: keys.content(&shared.gathered, page),
                place: keys::place(&shared.site, pages, page),
                results: Key::default(),
                setup: setups[page.route as usize],
                reads: 0,
                fragment: NONE,
                build,
                reason: Reason::New,
            };
            let position = shared.output.listing().position(pages.permalink(page).output());
            let old = before.zip(position).and_then(|(before, at)| Some((before, at, before.get(at)?)));
            let Some((before, at, old)) = old else {
                if shared.full {
                    record.reason = Reason::Forced;
                }
                return (record, None);
            };
            let setup = before.setup(old.setup).map(|setup| setup.key);
            record.reason = if old.reason == Reason::Held {
                Reason::Released
            } else if setup != Some(keys.setup(page).key) {
                Reason::Setup
            } else if old.content != record.content {
                Reason::Content
            } else if old.place != record.place {
                Reason::Place
            } else {
                return (record, u32::try_from(at).ok());
            };
            (record, None)
        };
        let rows = in_parallel(workers, pages.pages.len(), row);
        Sift { shared, before, workers, rows }
    }

    /// What the last renders of the pages that may be kept have read.
    pub(super) fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for read in self.reads().into_values() {
            match read {
                Read::Query(json) => {
                    if let Ok(request) = serde_json::from_str::<QueryRequest>(json) {
                        needs.queries.insert(request.key(), request);
                    }
                }
                Read::Asset(location) => needs.assets.extend(AssetRequest::new(location)),
                Read::Link(_) | Read::Static(_) => {}
            }
        }
        needs
    }

    /// The reads of pages that may be kept, by number.
    fn reads(&self) -> BTreeMap<u32, &'a Read> {
        let Some(before) = self.before else { return BTreeMap::new() };
        let sets: BTreeSet<u32> = self.old_rows().map(|old| old.reads).collect();
        let reads: BTreeSet<u32> = sets.iter().flat_map(|set| before.set(*set)).copied().collect();
        reads.into_iter().filter_map(|number| Some((number, before.read(number)?))).collect()
    }

    fn old_rows(&self) -> impl Iterator<Item = PageRecord> + '_ {
        let positions = self.rows.iter().filter_map(|(_, old)| *old);
        positions.filter_map(|at| self.before?.get(at as usize))
    }

    /// Compares results and files. `wanted` are the pages that are made at all.
    pub(super) fn finish(self, met: &Met, wanted: &[u32]) -> Result<Sifted, Stop> {
        let results = Results { world: &met.world, queries: &met.queries };
        let of_reads: BTreeMap<u32, Key> =
            self.reads().into_iter().map(|(number, read)| (number, results.of(read))).collect();
        let sets: BTreeSet<u32> = self.old_rows().map(|old| old.reads).collect();
        let of_sets: BTreeMap<u32, Key> = sets
            .into_iter()
            .map(|set| {
                let reads = self.before.map_or(&[][..], |before| before.set(set));
                (set, keys::together(reads.iter().filter_map(|read| of_reads.get(read).copied())))
            })
            .collect();
        let judged: Vec<Result<Option<Reason>, OutputError>> =
            in_parallel(self.workers, wanted.len(), |index| self.judge(wanted[index], &of_sets));
        let mut sifted = Sifted {
            todo: Vec::new(),
            records: self.rows.iter().map(|(record, _)| *record).collect(),
            notes: BTreeMap::new(),
            assets: BTreeSet::new(),
            static_files: BTreeSet::new(),
        };
        let mut recording = lock(&self.shared.recording);
        let mut renumbered = BTreeMap::new();
        for (number, judged) in wanted.iter().zip(judged) {
            match judged.map_err(|error| Stop::from(error.diagnostic()))? {
                Some(reason) => {
                    sifted.records[*number as usize].reason = reason;
                    sifted.todo.push(*number);
                }
                None => self.keep(*number, &mut sifted, &mut recording, &mut renumbered),
            }
        }
        Ok(sifted)
    }

    /// Why a page has to be rendered; `None` if not.
    fn judge(&self, number: u32, of_sets: &BTreeMap<u32, Key>) -> Result<Option<Reason>, OutputError> {
        let (record, old) = &self.rows[number as usize];
        let old = old.and_then(|at| self.before?.get(at as usize));
        let Some(old) = old else { return Ok(Some(record.reason)) };
        if of_sets.get(&old.reads) != Some(&old.results) {
            return Ok(Some(Reason::Reads));
        }
        if self.shared.purpose == Purpose::Problems {
            return Ok(None);
        }
        let page = &self.shared.pages.pages[number as usize];
        let permalink = self.shared.pages.permalink(page);
        let output: &Output = &self.shared.output;
        let kept = output.keep(permalink.output(), class_of(page, &permalink), None, number)?;
        Ok(if kept { None } else { Some(Reason::ByHand) })
    }

    /// Takes over what is noted of a page.
    fn keep(&self, number: u32, sifted: &mut Sifted, recording: &mut Recording, renumbered: &mut BTreeMap<u32, u32>) {
        let (Some(before), Some(at)) = (self.before, self.rows[number as usize].1) else { return };
        let Some(old) = before.get(at as usize) else { return };
        let reads = || before.set(old.reads).iter().filter_map(|read| before.read(*read));
        let record = &mut sifted.records[number as usize];
        record.results = old.results;
        record.build = old.build;
        record.reason = old.reason;
        record.reads = *renumbered.entry(old.reads).or_insert_with(|| {
            for read in reads() {
                match read {
                    Read::Asset(location) => {
                        sifted.assets.insert(location.clone());
                    }
                    Read::Static(file) => {
                        sifted.static_files.insert(file.clone());
                    }
                    Read::Query(_) | Read::Link(_) => {}
                }
            }
            recording.set(reads().cloned())
        });
        let notes = before.notes(at as usize);
        if !notes.is_empty() {
            sifted.notes.insert(number, notes.to_vec());
        }
    }
}

/// Calls `make` for every number below `len`, on some threads; results in order.
fn in_parallel<T: Send>(workers: usize, len: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if len <= CHUNK || workers < 2 {
        return (0..len).map(make).collect();
    }
    let next = AtomicUsize::new(0);
    let mut parts: Vec<(usize, Vec<T>)> = std::thread::scope(|scope| {
        let work = || {
            let mut mine = Vec::new();
            loop {
                let start = next.fetch_add(CHUNK, Ordering::Relaxed);
                if start >= len {
                    return mine;
                }
                mine.push((start, (start..len.min(start + CHUNK)).map(&make).collect()));
            }
        };
        let threads: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut parts = work();
        for thread in threads {
            match thread.join() {
                Ok(part) => parts.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parts
    });
    parts.sort_unstable_by_key(|(start, _)| *start);
    parts.into_iter().flat_map(|(_, part)| part).collect()
}
