//! Second stroke: every page whose key changed rendered into staging. Workers are plain threads; each owns an engine. Pages that turn
//! out to need an asset or a query are rendered again when it has been fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::gathered::Gathered;
use super::hold::{Holding, Kept, Left};
use super::index::Known;
use super::keys::Keys;
use super::needs::{self, Failing, Met};
use super::pass::{Pass, Purpose, Shared, render_all};
use super::sift::{Sift, Sifted};
use super::{Export, Stop, facts, lock};
use crate::output::{Class, Output, OutputError, Staged, UNMARKED};
use crate::render::{self, Absent, World};
use crate::report::{Diagnostic, Event, FileChange, Stage, codes};
use crate::shape::{ItemReader, PageSource, Pages, Standing};
use crate::site::{Kind, OnError, Route, Site};
use crate::state::{AssetRecord, CallRecord, IndexWriter, PageRecord, PageRecords, Reason, Recording, State};
use crate::text::permalink::Claims;

/// Rounds of rendering at most: a page whose needs never end is a bug of its template.
const ROUNDS: usize = 8;

/// What the second stroke brought.
pub(super) struct Published {
    pub(super) staged: Staged,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) noted: Noted,
}

/// What the next build is told of this one's pages.
pub(super) struct Noted {
    /// What templates asked.
    pub(super) asked: BTreeMap<String, CallRecord>,
    pub(super) assets: BTreeMap<String, AssetRecord>,
    pub(super) index: Option<IndexWriter>,
    recording: Recording,
    /// By page.
    pub(super) records: Vec<PageRecord>,
    notes: BTreeMap<u32, Vec<String>>,
    /// Pages that could not be made anew, sorted by path.
    pub(super) held: Vec<Kept>,
}

impl Noted {
    /// Whether this build did anything that the last one had not done.
    pub(super) fn is_new(&self, staged: &Staged, state: &State) -> bool {
        let build = state.manifest().build.saturating_add(1);
        staged.change_count() > 0 || self.records.iter().any(|record| record.build == build)
    }

    /// Why a file is made, changed or removed.
    pub(super) fn reason(&self, change: FileChange, mark: u32) -> &'static str {
        match (change, self.records.get(mark as usize)) {
            (FileChange::Removed, _) => "no longer made",
            (_, Some(record)) => record.reason.name(),
            (FileChange::Created, None) => Reason::New.name(),
            (_, None) => "its source changed",
        }
    }

    /// The records in the order of the list, which has the pages' numbers as marks.
    pub(super) fn pages(self, staged: &Staged) -> PageRecords {
        let mut notes = BTreeMap::new();
        for (row, mark) in (0..).zip(staged.marks()) {
            if let Some(told) = self.notes.get(&mark) {
                notes.insert(row, told.clone());
            }
        }
        let row = |mark: u32| self.records.get(mark as usize).copied();
        self.recording.finish(staged.marks().map(row), notes)
    }
}

impl Export<'_> {
    /// Renders what has to be rendered into staging, or finds the other problems of a site that has some.
    pub(super) async fn publish(&mut self, output: Arc<Output>, mut known: Known) -> Result<Published, Stop> {
        let purpose = if known.has_errors() { Purpose::Problems } else { Purpose::Documents };
        let absent = known.absent();
        let before = std::mem::take(&mut known.problems);
        // Where the build stops all the same, what would have been held is wrong, too.
        let held = known.held.problems.clone();
        match self.render(output, known, purpose, absent).await {
            Ok(published) => {
                let warnings = before.into_iter().chain(published.warnings).collect();
                Ok(Published { warnings, ..published })
            }
            Err(stop) => Err(stop.with(before).with(held)),
        }
    }

    async fn render(
        &mut self,
        output: Arc<Output>,
        known: Known,
        purpose: Purpose,
        absent: Absent,
    ) -> Result<Published, Stop> {
        let (gathered, pages) = (known.gathered.clone(), known.pages.clone());
        let holds = self.options.on_error == OnError::Hold && purpose == Purpose::Documents;
        let wanted = (0..).zip(&pages.pages).filter(|(number, page)| match purpose {
            Purpose::Documents if holds => known.is_made(*number, page),
            Purpose::Documents => true,
            Purpose::Problems => known.is_whole(page),
        });
        let wanted: Vec<u32> = wanted.map(|(number, _)| number).collect();
        let shared = Arc::new(self.shared(&output, &gathered, &pages, purpose)?);
        let mut met = Met::new(World {
            site: self.site.clone(),
            pages: pages.clone(),
            results: BTreeMap::new(),
            assets: BTreeMap::new(),
            absent,
            unmade: known
                .held
                .unmade
                .iter()
                .map(|page| pages.permalink(&pages.pages[*page as usize]).url().to_owned())
                .collect(),
            dump: self.options.dump,
        });
        let sifted = self.sift(&shared, &mut met, &wanted).await?;
        let Sifted { todo, mut records, mut notes, mut assets, mut static_files } = sifted;
        let total = todo.len() as u64;
        shared.total.store(total, Ordering::Relaxed);
        let started = self.stage_started(Stage::Render, Some(total));
        let pass = self.rounds(&shared, &mut met, todo).await?;
        if self.cancel.is_set() {
            return Err(Stop::Interrupted);
        }
        self.stage_finished(Stage::Render, total, started);
        let mut problems = pass.problems;
        for (number, results, reads) in pass.made {
            records[number as usize].results = results;
            records[number as usize].reads = reads;
        }
        notes.extend(pass.notes);
        assets.extend(pass.assets);
        static_files.extend(pass.static_files);
        problems.extend(told(&shared, &notes));
        let mut holding = Holding::default();
        if holds && !shared.broken.load(Ordering::Relaxed) {
            let failed = (0..).take(pages.pages.len()).filter(|page| wanted.binary_search(page).is_err());
            let failed: BTreeSet<u32> = failed.chain(pass.failed).collect();
            let errors =
                problems.extract_if(.., |problem| problem.is_error()).chain(gathered.gatherer.held()).collect();
            holding = self.hold(&shared, &known, &failed, &mut records, errors)?;
        }
        let shown: BTreeMap<String, AssetRecord> =
            std::mem::take(&mut met.assets).into_iter().filter(|(location, _)| assets.contains(location)).collect();
        let mut claims = known.claims;
        problems.extend(self.put_rest(&shared, &static_files, &shown, &mut claims, &holding));
        problems.extend(holding.put_copies(&output, &mut claims));
        if purpose == Purpose::Problems || problems.iter().any(Diagnostic::is_error) {
            problems.extend(holding.problems);
            return Err(Stop::Problems(problems));
        }
        problems.extend(holding.problems);
        let mut recording = std::mem::take(&mut *lock(&shared.recording));
        for (record, page) in records.iter_mut().zip(&pages.pages) {
            if let Some(fragment) = gathered.fragment_of(&pages, page) {
                record.fragment = recording.fragment(&fragment);
            }
        }
        self.options.facts.note(|elapsed| facts::of_all(&gathered, &met, &records, &recording, elapsed));
        let noted = Noted {
            asked: std::mem::take(&mut *gathered.gatherer.asked()),
            assets: shown,
            index: gathered.gatherer.take_writer(),
            recording,
            records,
            notes,
            held: holding.kept,
        };
        // Planning the commit takes memory of its own, so what the renders needed goes first.
        drop((shared, met.world, gathered, pages, claims, known.gathered, known.pages, known.left));
        let output = Arc::try_unwrap(output).map_err(|_| {
            Stop::Problems(vec![Diagnostic::error(codes::OUTPUT_IO, "the staging is still in use, which is a bug")])
        })?;
        let staged = output.finish().map_err(|error| error.diagnostic())?;
        Ok(Published { staged, warnings: problems, noted })
    }

    /// Finds out what has to be rendered, and asks for what that takes.
    async fn sift(&mut self, shared: &Arc<Shared>, met: &mut Met, wanted: &[u32]) -> Result<Sifted, Stop> {
        let gathered = &shared.gathered;
        self.meet(&needs::literal(&self.site, &shared.pages), met, gathered, Failing::Stops).await?;
        let keys = Keys::new(&self.site, gathered, shared.reads_groups, self.options.dump);
        let state = self.state.clone();
        let manifest = state.manifest();
        // Rows of another commit than the one in out/ are somebody else's.
        let fits = !self.options.full && shared.output.listing().commit() == Some(&*manifest.files.commit);
        let before = Some(&manifest.pages).filter(|_| fits);
        let sift = Sift::new(shared, &keys, before, manifest.build.saturating_add(1), self.workers());
        self.meet(&sift.needs(), met, gathered, Failing::IsOpen).await?;
        sift.finish(met, wanted)
    }

    fn shared(
        &self,
        output: &Arc<Output>,
        gathered: &Gathered,
        pages: &Arc<Pages>,
        purpose: Purpose,
    ) -> Result<Shared, Stop> {
        Ok(Shared {
            site: self.site.clone(),
            recording: Mutex::default(),
            full: self.options.full,
            total: AtomicU64::new(0),
            gathered: gathered.clone(),
            pages: pages.clone(),
            output: output.clone(),
            purpose,
            engine: render::engine(&self.site).map_err(|problem| Stop::Problems(vec![*problem]))?,
            reporter: self.reporter.clone(),
            cancel: self.cancel.clone(),
            rendered: AtomicU64::new(0),
            reads_groups: self.site.templates.iter().any(|(_, source)| source.contains("group_items")),
            readers: readers(&self.site),
            whole: ItemReader::of(None),
            broken: AtomicBool::new(false),
            facts: self.options.facts.clone(),
            heavy: Mutex::new(()),
        })
    }

    /// Renders pages, and those again that turned out to need something; all passes in one.
    async fn rounds(&mut self, shared: &Arc<Shared>, met: &mut Met, mut todo: Vec<u32>) -> Result<Pass, Stop> {
        let mut all = Pass::default();
        if todo.is_empty() {
            return Ok(all);
        }
        let mut needs = needs::literal(&self.site, &shared.pages);
        for round in 0.. {
            let asked = match self.meet(&needs, met, &shared.gathered, Failing::Stops).await {
                Ok(()) => met.read(&shared.gathered, needs.queries.keys()).map_err(Stop::from),
                Err(stop) => Err(stop),
            };
            if let Err(stop) = asked {
                return Err(stop.with(all.problems));
            }
            let mut pass = self.pass(shared.clone(), met, todo).await?;
            (needs, todo) = (std::mem::take(&mut pass.needs), std::mem::take(&mut pass.again));
            all.add(pass);
            if needs.is_empty() {
                break;
            }
            if round == ROUNDS {
                all.problems.push(endless(&self.site, &shared.pages, &todo));
                all.failed.extend(&todo);
                break;
            }
        }
        if met.fetched > 0 {
            self.reporter.emit(Event::Detail(format!("{} assets asked for", met.fetched)));
        }
        all.problems.extend(all.emptied.iter().filter_map(|key| met.emptied.remove(key)));
        Ok(all)
    }

    fn workers(&self) -> usize {
        match self.options.workers {
            0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            workers => workers,
        }
    }

    async fn pass(&self, shared: Arc<Shared>, met: &Met, todo: Vec<u32>) -> Result<Pass, Stop> {
        let workers = self.workers();
        let (world, queries) = (Arc::new(met.world.clone()), met.queries.clone());
        let passed = tokio::task::spawn_blocking(move || render_all(&shared, &world, &queries, &todo, workers)).await;
        match passed {
            Ok(pass) => Ok(pass),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// static/, its digest-named copies, and the sitemap.
    fn put_rest(
        &self,
        shared: &Shared,
        named: &BTreeSet<String>,
        assets: &BTreeMap<String, AssetRecord>,
        claims: &mut Claims,
        holding: &Holding,
    ) -> Vec<Diagnostic> {
        let (output, pages, puts) = (&shared.output, &shared.pages, shared.purpose == Purpose::Documents);
        let mut problems = Vec::new();
        let mut claim = |path: &str, what: &str| {
            let conflict = claims.insert(path, u32::MAX);
            conflict.map(|conflict| {
                let (other, fragment) = self.source_name(pages, &shared.gathered, conflict.other);
                let message = format!("{what} and a page or file of yours have one output path");
                let mut problem = Diagnostic::error(codes::SAME_PATH, message)
                    .note("path", format!("/{path}"))
                    .note("first", other)
                    .note("second", what)
                    .help("move the first one");
                problem.fragments.extend(fragment);
                problem
            })
        };
        // The same bytes under the same name are one file.
        let copies: BTreeMap<&str, &AssetRecord> = assets.values().map(|asset| (asset.path.as_str(), asset)).collect();
        for (path, asset) in copies {
            problems.extend(claim(path, "the copy of an asset"));
            if puts && let Err(error) = self.put_asset(output, asset) {
                problems.push(error.diagnostic());
            }
        }
        for file in self.site.static_files.0.values() {
            let copies =
                std::iter::once(file.output.clone()).chain(named.contains(&file.output).then(|| file.with_digest()));
            for path in copies {
                if path != file.output {
                    problems.extend(claim(&path, "the digest-named copy of a static file"));
                }
                if puts && let Err(error) = output.put_copy(&path, Class::Asset, &file.source) {
                    problems.push(error.diagnostic());
                }
            }
        }
        let own_sitemap = pages.pages.iter().any(|page| pages.path(page) == "/sitemap.xml")
            || self.site.static_files.0.contains_key("sitemap.xml");
        if !own_sitemap {
            let standing: Vec<Standing<'_>> = holding.left.iter().filter_map(Left::standing).collect();
            for (path, bytes) in render::sitemaps(&self.site, pages, &holding.absent, &standing) {
                if let Some(problem) = claim(&path, "the sitemap") {
                    problems.push(problem);
                } else if puts && let Err(error) = output.put(&path, Class::Index, &bytes) {
                    problems.push(error.diagnostic());
                }
            }
        }
        problems
    }

    /// Copies an asset from the kept answers, unless the copy is there.
    fn put_asset(&self, output: &Output, asset: &AssetRecord) -> Result<(), OutputError> {
        if output.keep(&asset.path, Class::Asset, Some(asset.id.digest()), UNMARKED)? {
            return Ok(());
        }
        output.put_copy(&asset.path, Class::Asset, &self.state.answers().path(&asset.id)).map(|_| ())
    }
}

/// What was found on pages, rendered or kept, and is only told.
fn told(shared: &Shared, notes: &BTreeMap<u32, Vec<String>>) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    for (number, notes) in notes {
        let page = &shared.pages.pages[*number as usize];
        for note in notes {
            let warning = Diagnostic::warning(codes::RICH_TEXT, format!("rich text: {note}"));
            told.push(match shared.gathered.fragment_of(&shared.pages, page) {
                Some(fragment) if matches!(page.source, PageSource::Each(_)) => warning.fragment(fragment),
                _ => warning.note("page", shared.pages.path(page)),
            });
        }
    }
    told
}

/// Pages whose every render asks for something new.
fn endless(site: &Site, pages: &Pages, again: &[u32]) -> Diagnostic {
    let mut problem = Diagnostic::error(
        codes::TEMPLATE_RENDER,
        format!("pages still need more after {ROUNDS} rounds of rendering"),
    )
    .help(
        "a template computes the arguments of `query` or `image` from the result of the one before: shorten the chain",
    );
    for page in again.iter().take(5).map(|number| &pages.pages[*number as usize]) {
        let template = site.routes[page.route as usize].template.as_deref().unwrap_or_default();
        problem = problem.note("page", format!("{} (templates/{template})", pages.path(page)));
    }
    problem
}

/// What the templates of list routes can read of items.
fn readers(site: &Site) -> BTreeMap<u32, ItemReader> {
    let reader = |route: &Route| {
        let fields = site.templates.item_fields(route.template.as_deref()?)?;
        Some((u32::try_from(route.index).ok()?, ItemReader::of(Some(fields))))
    };
    site.routes.iter().filter(|route| route.kind == Kind::List).filter_map(reader).collect()
}
