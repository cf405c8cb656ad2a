//! Second stroke: every page rendered into staging. Workers are plain threads; each owns an engine. Pages that turn out to need
//! an asset or a query are rendered again when it has been fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use super::assets::{self, Written};
use super::gathered::Gathered;
use super::index::Known;
use super::pass::{Pass, Purpose, Shared, render_all};
use super::{Export, Stop};
use crate::output::{Class, Output, Staged};
use crate::render::{self, Absent, Needs, QueryRequest, World};
use crate::report::{Diagnostic, Event, Stage, codes};
use crate::shape::{ItemReader, Pages};
use crate::site::{Kind, Route, Site};
use crate::state::CallRecord;
use crate::text::permalink::Claims;

/// Rounds of rendering at most: a page whose needs never end is a bug of its template.
const ROUNDS: usize = 8;

/// What the second stroke brought.
pub(super) struct Published {
    pub(super) staged: Staged,
    pub(super) warnings: Vec<Diagnostic>,
    /// What templates asked, for the next build.
    pub(super) asked: BTreeMap<String, CallRecord>,
}

impl Export<'_> {
    /// Renders everything into staging, or finds the other problems of a site that has some.
    pub(super) async fn publish(&mut self, output: Arc<Output>, mut known: Known) -> Result<Published, Stop> {
        let purpose = if known.has_errors() { Purpose::Problems } else { Purpose::Documents };
        let absent = known.absent();
        let before = std::mem::take(&mut known.problems);
        match self.render(output, known, purpose, absent).await {
            Ok(published) => {
                let warnings = before.into_iter().chain(published.warnings).collect();
                Ok(Published { warnings, ..published })
            }
            Err(stop) => Err(stop.with(before)),
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
        let todo = (0..).zip(&pages.pages).filter(|(_, page)| purpose == Purpose::Documents || known.is_whole(page));
        let todo: Vec<u32> = todo.map(|(number, _)| number).collect();
        let total = todo.len() as u64;
        let started = self.stage_started(Stage::Render, Some(total));
        let shared = Arc::new(self.shared(&output, &gathered, &pages, purpose)?);
        let written: Written = Arc::default();
        let world = World {
            site: self.site.clone(),
            pages: pages.clone(),
            results: BTreeMap::new(),
            assets: BTreeMap::new(),
            absent,
            dump: self.options.dump,
        };
        let Pass { mut problems, static_files, .. } = self.rounds(&shared, world, todo, &written).await?;
        if self.cancel.is_set() {
            return Err(Stop::Interrupted);
        }
        self.stage_finished(Stage::Render, total, started);
        let mut claims = known.claims;
        problems.extend(self.put_rest(&shared, &static_files, &written, &mut claims));
        if purpose == Purpose::Problems || problems.iter().any(Diagnostic::is_error) {
            return Err(Stop::Problems(problems));
        }
        let asked = std::mem::take(&mut *gathered.gatherer.asked());
        // Planning the commit takes memory of its own, so what the renders needed goes first.
        drop((shared, gathered, pages, claims, known.gathered, known.pages));
        let output = Arc::try_unwrap(output).map_err(|_| {
            Stop::Problems(vec![Diagnostic::error(codes::OUTPUT_IO, "the staging is still in use, which is a bug")])
        })?;
        let staged = output.finish().map_err(|error| error.diagnostic())?;
        Ok(Published { staged, warnings: problems, asked })
    }

    fn shared(
        &self,
        output: &Arc<Output>,
        gathered: &Gathered,
        pages: &Arc<Pages>,
        purpose: Purpose,
    ) -> Result<Shared, Stop> {
        Ok(Shared {
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
    async fn rounds(
        &mut self,
        shared: &Arc<Shared>,
        mut world: World,
        mut todo: Vec<u32>,
        written: &Written,
    ) -> Result<Pass, Stop> {
        let mut needs = literal_needs(&self.site, &shared.pages);
        let mut all = Pass::default();
        let mut emptied = BTreeMap::new();
        let mut fetched = 0;
        for round in 0.. {
            fetched += needs.assets.len() as u64;
            let met = self.meet(&needs, &mut world, shared, written, &mut emptied).await;
            if let Err(stop) = met {
                return Err(stop.with(all.problems));
            }
            let pass = self.pass(shared.clone(), Arc::new(world.clone()), todo).await?;
            all.problems.extend(pass.problems);
            all.static_files.extend(pass.static_files);
            all.emptied.extend(pass.emptied);
            if pass.needs.is_empty() {
                break;
            }
            if round == ROUNDS {
                all.problems.push(endless(&self.site, &shared.pages, &pass.again));
                break;
            }
            (needs, todo) = (pass.needs, pass.again);
        }
        if fetched > 0 {
            self.reporter.emit(Event::Detail(format!("{fetched} assets fetched")));
        }
        all.problems.extend(all.emptied.iter().filter_map(|key| emptied.remove(key)));
        Ok(all)
    }

    /// Fetches what renders need.
    async fn meet(
        &mut self,
        needs: &Needs,
        world: &mut World,
        shared: &Shared,
        written: &Written,
        emptied: &mut BTreeMap<String, Diagnostic>,
    ) -> Result<(), Stop> {
        let cancel = self.cancel.clone();
        let total = needs.assets.len() as u64;
        let started = (total > 0).then(|| self.stage_started(Stage::Assets, Some(total)));
        let meet = async {
            let asked = assets::ask(&self.site, &shared.gathered, needs).await?;
            let requests = needs.assets.iter().cloned();
            let fetched = assets::fetch(&self.aem, &shared.output, written, &self.reporter, requests).await;
            Ok((asked, fetched))
        };
        let (asked, fetched) = tokio::select! {
            met = meet => met.map_err(Stop::Problems)?,
            () = cancel.wait() => return Err(Stop::Interrupted),
        };
        world.results.extend(asked.results);
        world.absent.emptied.extend(asked.emptied.keys().cloned());
        emptied.extend(asked.emptied);
        if let Some(started) = started {
            let copied = fetched.values().filter(|asset| asset.is_ok()).count() as u64;
            self.stage_finished(Stage::Assets, copied, started);
        }
        world.assets.extend(fetched);
        Ok(())
    }

    async fn pass(&self, shared: Arc<Shared>, world: Arc<World>, todo: Vec<u32>) -> Result<Pass, Stop> {
        let workers = match self.options.workers {
            0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            workers => workers,
        };
        let passed = tokio::task::spawn_blocking(move || render_all(&shared, &world, &todo, workers)).await;
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
        written: &Written,
        claims: &mut Claims,
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
        for path in written.lock().unwrap_or_else(PoisonError::into_inner).keys() {
            problems.extend(claim(path, "the copy of an asset"));
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
            for (path, bytes) in render::sitemaps(&self.site, pages) {
                if let Some(problem) = claim(&path, "the sitemap") {
                    problems.push(problem);
                } else if puts && let Err(error) = output.put(&path, Class::Index, &bytes) {
                    problems.push(error.diagnostic());
                }
            }
        }
        problems
    }
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

/// The queries that templates name literally, in every locale that pages have.
fn literal_needs(site: &Site, pages: &Pages) -> Needs {
    let mut needs = Needs::default();
    let page_locales: BTreeSet<Option<u16>> = pages.pages.iter().map(|page| page.locale).collect();
    for name in site.templates.literal_queries() {
        let Some(query) = site.queries.get(name) else { continue };
        // One that takes variables of the template's is asked for when the template is known to need it.
        if query.variables.iter().any(|variable| variable.required && variable.name != "locale") {
            continue;
        }
        for locale in &page_locales {
            let localized = query.variable("locale").is_some() && !site.config.site.locales.is_empty();
            let locale = locale.or(Some(0)).filter(|_| localized);
            let request = QueryRequest { name: name.to_owned(), variables: serde_json::Map::new(), locale, from: None };
            needs.queries.insert(request.key(), request);
        }
    }
    needs
}
