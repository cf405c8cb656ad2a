//! `why --fragment`: every file that a content fragment reaches, found in what the last build kept. Nobody is asked, nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::assets;
use super::gathered::Gathered;
use super::index::Known;
use super::needs::Failing;
use super::{AnswersFrom, Cancel, Export, Folders, Options, Stop, merge};
use crate::aem::{Aem, Connection, SetupError};
use crate::output::{Adopt, Mode, Output};
use crate::render::{LinkRequest, QueryRequest};
use crate::report::{Diagnostic, Reporter};
use crate::shape::{Location, Page, PageSource, Pages};
use crate::site::Site;
use crate::state::{self, PageRecords, Read, State};

/// In which way a fragment reaches a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The file is made of its item.
    Shows,
    /// Its path is somewhere in the content that the file is made of.
    Holds,
    /// It is in the result of a query that the file's template asks.
    Asks,
    /// The file links to its page, or would if there was one.
    Links,
}

impl Way {
    /// For people and for JSON events.
    pub fn name(self) -> &'static str {
        match self {
            Way::Shows => "shows it",
            Way::Holds => "holds it in its content",
            Way::Asks => "asks a query that holds it",
            Way::Links => "links to it",
        }
    }
}

/// What [`reach`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Output paths, sorted, each with the first way that applies.
    Files(Vec<(String, Way)>),
    /// The state is not that of what is in `out/`, or was made with another site: build once, then ask again.
    Unknown,
}

/// Finds every file of the last build that `fragment`, a path, reaches.
///
/// # Errors
/// When no client can be made of the connection.
pub async fn reach(
    site: Arc<Site>,
    connection: Connection,
    fragment: &str,
    reporter: Arc<dyn Reporter>,
) -> Result<Reach, SetupError> {
    let aem = Aem::new(connection)?;
    let mut problems = merge::Told::new(reporter.clone());
    Ok(match run(&site, aem, fragment, reporter).await {
        Ok(files) => Reach::Files(files.into_iter().collect()),
        Err(Stop::Interrupted | Stop::Unmade(..)) => Reach::Unknown,
        Err(Stop::Problems(found)) => {
            problems.tell(found);
            Reach::Unknown
        }
    })
}

async fn run(
    site: &Arc<Site>,
    aem: Aem,
    fragment: &str,
    reporter: Arc<dyn Reporter>,
) -> Result<BTreeMap<String, Way>, Stop> {
    let _lock = state::lock(&site.dir, "why", Duration::from_secs(5)).map_err(|error| error.diagnostic())?;
    let options = Options::reading(AnswersFrom::Kept, Folders::of(site));
    let state = Arc::new(State::open(&site.dir).map_err(|error| error.diagnostic())?);
    let output = Output::open(&site.out_dir(), Mode::DryRun, Adopt::No).map_err(|error| error.diagnostic())?;
    let cancel = Cancel::default();
    let mut export = Export {
        site: site.clone(),
        aem,
        options: &options,
        reporter,
        cancel,
        state: state.clone(),
        stages: Vec::new(),
        expected: BTreeSet::new(),
    };
    let Known { gathered, pages, .. } = export.known(None).await?;
    let search = Search { needle: fragment.as_bytes(), gathered: &gathered };
    let mut files = BTreeMap::new();
    for page in &pages.pages {
        if let Some(way) = search.page(&pages, page, fragment)? {
            files.insert(pages.permalink(page).output().to_owned(), way);
        }
    }
    let records = &state.manifest().pages;
    let asks = search.queries(site, records, fragment).await?;
    for (position, (path, _)) in output.listing().iter().enumerate() {
        let Some(record) = records.get(position) else { continue };
        let way = records.set(record.reads).iter().filter_map(|read| asks.get(read)).min();
        if let Some(way) = way {
            files.entry(path.to_owned()).or_insert(*way);
        }
    }
    files.retain(|path, _| output.listing().position(path).is_some());
    Ok(files)
}

struct Search<'a> {
    needle: &'a [u8],
    gathered: &'a Gathered,
}

impl Search<'_> {
    fn page(&self, pages: &Pages, page: &Page, fragment: &str) -> Result<Option<Way>, Diagnostic> {
        let entries = self.gathered.entries_of(page);
        let held = match (&page.source, entries) {
            (PageSource::Each(each), Some(entries)) => {
                if self.gathered.fragment_of(pages, page).as_deref() == Some(fragment) {
                    return Ok(Some(Way::Shows));
                }
                let outer = entries.origin(each.entry).and_then(|origin| origin.outer);
                self.any(entries.at(each.entry).into_iter().chain(outer))?
            }
            (PageSource::List(list), Some(entries)) => {
                self.any(list.entries.iter().filter_map(|entry| entries.at(*entry)))?
            }
            (PageSource::Whole, _) => match self.gathered.whole_call(page) {
                Some(info) => {
                    let mut held = false;
                    for number in &info.answers {
                        held |= self.is_in(&self.gathered.body(*number)?);
                    }
                    held
                }
                None => false,
            },
            _ => false,
        };
        Ok(held.then_some(Way::Holds))
    }

    fn any(&self, locations: impl Iterator<Item = Location>) -> Result<bool, Diagnostic> {
        let mut bytes = Vec::new();
        for at in locations {
            self.gathered.read(at, &mut bytes)?;
            if self.is_in(&bytes) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the path is there as a whole: not as the beginning of a longer one.
    fn is_in(&self, bytes: &[u8]) -> bool {
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/');
        let mut windows = bytes.windows(self.needle.len().max(1)).enumerate();
        windows.any(|(at, window)| window == self.needle && !bytes.get(at + self.needle.len()).is_some_and(goes_on))
    }

    /// The recorded reads whose results hold the fragment, by number.
    async fn queries(
        &self,
        site: &Arc<Site>,
        records: &PageRecords,
        fragment: &str,
    ) -> Result<BTreeMap<u32, Way>, Stop> {
        let mut asks = BTreeMap::new();
        for (number, read) in (0..).zip(records.all_reads()) {
            match read {
                Read::Link(json) => {
                    let request = serde_json::from_str::<LinkRequest>(json).ok();
                    if request.is_some_and(|request| request.fragment == fragment) {
                        asks.insert(number, Way::Links);
                    }
                }
                Read::Query(json) => {
                    let Ok(request) = serde_json::from_str::<QueryRequest>(json) else { continue };
                    let requests = BTreeMap::from([(request.key(), request)]);
                    let asked = assets::ask(site, self.gathered, requests, Failing::IsOpen).await;
                    let located = asked.map_err(Stop::Problems)?.results.into_values();
                    let locations: BTreeSet<Location> = located
                        .filter_map(|located| located.result.ok())
                        .flat_map(|(locations, _)| locations)
                        .collect();
                    if self.any(locations.into_iter())? {
                        asks.insert(number, Way::Asks);
                    }
                }
                Read::Asset(_) | Read::Static(_) => {}
            }
        }
        Ok(asks)
    }
}
