//! `on_error = "hold"`: what fails stays as the last good build left it, and the rest is exported (design §7).
//!
//! A call that fails is answered with what the last build kept, so that its pages, its lists and links to them are of one content,
//! and nothing of it is removed. Where there is no such answer, and for an item or a list that cannot be placed, the files of the
//! last build stay as they are. A page that cannot be rendered keeps its file; one that never had any is absent, and nothing
//! links to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::gather::{Gatherer, Run};
use super::index::Known;
use super::pass::{Shared, class_of};
use super::walk::{Walked, walk};
use super::{AnswersFrom, Export, Stop, assets, guards, lock};
use crate::output::{Class, Output, UNMARKED};
use crate::report::Diagnostic;
use crate::shape::{Outer, Page, PageSource, Standing};
use crate::site::OnError;
use crate::state::{NONE, PageRecord, PageRecords, Read, Reason, Recording};
use crate::text::permalink::{self, Claims};

/// What is held.
#[derive(Debug, Default, Clone)]
pub(super) struct Held {
    /// Items that could not be placed: route, locale, content fragment.
    pub(super) items: BTreeSet<(usize, Option<u16>, String)>,
    /// Routes of which something cannot be made: their files that are not made stay.
    pub(super) routes: BTreeSet<usize>,
    /// Routes whose items are those of the last build.
    pub(super) old: BTreeSet<usize>,
    /// Pages that cannot be made.
    pub(super) pages: BTreeSet<u32>,
    /// Pages that cannot be made and never were, so that nothing may link to them.
    pub(super) unmade: BTreeSet<u32>,
    /// What is wrong: errors that stop nothing.
    pub(super) problems: Vec<Diagnostic>,
}

/// A page that could not be made anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kept {
    /// Output path.
    pub(super) path: String,
    /// It never was made.
    pub(super) is_absent: bool,
}

/// A file of the last build that stays without being made.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// Output path.
    path: String,
    class: Class,
    /// Its row in the last build's records.
    row: usize,
    /// Its page's path, as in a link.
    url: String,
    fragment: Option<String>,
    route: usize,
    locale: Option<u16>,
    /// Links lead to it.
    is_linked: bool,
}

impl Left {
    /// As links and the sitemap see it.
    pub(super) fn standing(&self) -> Option<Standing<'_>> {
        let Left { url, fragment, route, locale, is_linked, .. } = self;
        let fragment = fragment.as_deref().unwrap_or_default();
        is_linked.then_some(Standing { fragment, path: url, route: *route, locale: *locale })
    }
}

impl Export<'_> {
    /// The last build's records, where they are those of the files in `out/`.
    pub(super) fn records_of(&self, output: &Output) -> Option<&PageRecords> {
        let manifest = self.state.manifest();
        (output.listing().commit() == Some(&*manifest.files.commit)).then_some(&manifest.pages)
    }

    /// Which files of the last build stay: those of items and routes that are held, where nothing of this build wants their paths.
    pub(super) fn left(&self, output: &Output, held: &Held, claims: &mut Claims) -> Vec<Left> {
        let mut left = Vec::new();
        let Some(before) = self.records_of(output).filter(|_| !held.items.is_empty() || !held.routes.is_empty()) else {
            return left;
        };
        let named = |index: &usize, name: &str| self.site.routes[*index].name == name;
        for (row, (path, entry)) in output.listing().iter().enumerate() {
            let Some((record, setup)) = before.get(row).and_then(|record| Some((record, before.setup(record.setup)?)))
            else {
                continue;
            };
            let fragment = before.fragment(record.fragment);
            let item =
                held.items.iter().find(|(route, _, held)| named(route, &setup.route) && Some(&**held) == fragment);
            let route = held.routes.iter().find(|route| named(route, &setup.route));
            let (route, locale) = match (item, route) {
                (Some((route, locale, _)), _) => (*route, *locale),
                (None, Some(route)) => (*route, None),
                (None, None) => continue,
            };
            if claims.insert(path, u32::MAX).is_none() {
                let folder = path.strip_suffix("index.html").filter(|rest| rest.is_empty() || rest.ends_with('/'));
                let url = format!("/{}", folder.unwrap_or(path));
                let is_html = permalink::parse(&url).is_ok_and(|permalink| permalink.is_html());
                let is_linked = self.site.routes[route].template.is_some() && is_html;
                let fragment = fragment.map(str::to_owned);
                left.push(Left {
                    path: path.to_owned(),
                    class: entry.class,
                    row,
                    url,
                    fragment,
                    route,
                    locale,
                    is_linked,
                });
            }
        }
        left
    }
}

/// What holding came to.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// Sorted by path.
    pub(super) kept: Vec<Kept>,
    /// Numbers of the pages that are absent.
    pub(super) absent: BTreeSet<u32>,
    pub(super) left: Vec<Left>,
    pub(super) problems: Vec<Diagnostic>,
    /// Output paths of copies that held files show.
    copies: BTreeSet<String>,
}

impl Holding {
    /// Keeps what held files show: the copies of assets and static files as they were, beside today's.
    pub(super) fn put_copies(&self, output: &Output, claims: &mut Claims) -> Vec<Diagnostic> {
        let copies = self.copies.iter().filter(|path| claims.insert(path, u32::MAX).is_none());
        let kept = copies.map(|path| output.keep(path, Class::Asset, None, UNMARKED));
        kept.filter_map(|kept| Some(kept.err()?.diagnostic())).collect()
    }
}

impl Export<'_> {
    /// Holds the pages that failed and the files that are left: they stay as they are, and so does what is noted of them. New records
    /// follow those of pages.
    ///
    /// # Errors
    /// [`Stop::Unmade`] where pages turn out to be absent that others may link to.
    pub(super) fn hold(
        &self,
        shared: &Shared,
        known: &Known,
        failed: &BTreeSet<u32>,
        records: &mut Vec<PageRecord>,
        errors: Vec<Diagnostic>,
    ) -> Result<Holding, Stop> {
        let (output, pages) = (&shared.output, &shared.pages);
        let before = self.records_of(output);
        let mut holding = Holding::default();
        let (mut unmade, mut reads, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for number in failed {
            let page = &pages.pages[*number as usize];
            let permalink = pages.permalink(page);
            let path = permalink.output();
            if !seen.insert(path.to_owned()) || self.site.static_files.0.contains_key(path) {
                continue;
            }
            let is_kept = output.keep(path, class_of(page, &permalink), None, *number);
            let is_absent = !is_kept.map_err(|error| error.diagnostic())?;
            let record = &mut records[*number as usize];
            record.reason = Reason::Held;
            if is_absent {
                holding.absent.insert(*number);
                let is_linked = matches!(page.source, PageSource::Each(_)) && permalink.is_html();
                unmade.extend(Some(*number).filter(|number| is_linked && !known.held.unmade.contains(number)));
            } else if let Some(old) = before.zip(output.listing().position(path)) {
                reads.extend(take_over(old, record, &mut lock(&shared.recording)));
            }
            holding.kept.push(Kept { path: path.to_owned(), is_absent });
        }
        if !unmade.is_empty() {
            return Err(Stop::Unmade(unmade, errors));
        }
        for left in &known.left {
            let mark = u32::try_from(records.len()).unwrap_or(UNMARKED);
            let is_kept = output.keep(&left.path, left.class, None, mark).map_err(|error| error.diagnostic())?;
            if let (true, Some(before)) = (is_kept, before)
                && let Some(mut record) = before.get(left.row)
            {
                reads.extend(take_over((before, left.row), &mut record, &mut lock(&shared.recording)));
                record.reason = Reason::Held;
                records.push(record);
                holding.left.push(left.clone());
            }
            holding.kept.push(Kept { path: left.path.clone(), is_absent: !is_kept });
        }
        let old = |page: &Page| known.held.old.contains(&(page.route as usize));
        for (number, page) in (0..).zip(&pages.pages).filter(|(number, page)| old(page) && !failed.contains(number)) {
            let number: u32 = number;
            records[number as usize].reason = Reason::Held;
            holding.kept.push(Kept { path: pages.permalink(page).output().to_owned(), is_absent: false });
        }
        holding.kept.sort();
        holding.copies = copies(output, &reads);
        holding.problems = errors;
        holding.problems.extend(known.held.problems.iter().cloned());
        Ok(holding)
    }
}

/// Takes over what was noted of a file, and gives back what it shows.
fn take_over(old: (&PageRecords, usize), record: &mut PageRecord, recording: &mut Recording) -> Vec<Read> {
    let (before, row) = old;
    let Some(old) = before.get(row) else { return Vec::new() };
    let reads: Vec<Read> = before.set(old.reads).iter().filter_map(|read| before.read(*read)).cloned().collect();
    let setup = before.setup(old.setup).map_or(record.setup, |setup| recording.setup(setup.clone()));
    let fragment = before.fragment(old.fragment).map_or(NONE, |fragment| recording.fragment(fragment));
    *record = PageRecord { setup, fragment, reads: recording.set(reads.iter().cloned()), reason: Reason::Held, ..old };
    reads
}

/// The copies of assets and static files that the last build made for these reads. Today's may be others: the names hold digests.
fn copies(output: &Output, reads: &BTreeSet<Read>) -> BTreeSet<String> {
    let beginnings: Vec<String> = reads
        .iter()
        .filter_map(|read| match read {
            Read::Asset(location) => Some(assets::name_before_digest(location)),
            Read::Static(file) => Some(format!("{}.", file.rsplit_once('.').map_or(&**file, |(stem, _)| stem))),
            Read::Query(_) | Read::Link(_) => None,
        })
        .collect();
    if beginnings.is_empty() {
        return BTreeSet::new();
    }
    let assets = output.listing().iter().filter(|(_, entry)| entry.class == Class::Asset).map(|(path, _)| path);
    assets.filter(|path| beginnings.iter().any(|start| path.starts_with(start.as_str()))).map(str::to_owned).collect()
}

/// What stands in for the answer to a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    /// What the last build kept.
    Kept,
    /// Nothing.
    Nothing,
}

impl Held {
    /// Takes up what a walk says of itself; its problems stop nothing.
    pub(super) fn take(&mut self, run: &Run, walked: &mut Walked) {
        let routes = || run.call.routes.iter().chain(&run.call.outer_of).copied();
        match walked.instead {
            Some(Instead::Kept) => self.old.extend(routes()),
            Some(Instead::Nothing) => self.routes.extend(routes()),
            None => {}
        }
        let (errors, others) = std::mem::take(&mut walked.problems).into_iter().partition(Diagnostic::is_error);
        walked.problems = others;
        self.problems.extend::<Vec<_>>(errors);
        self.problems.append(&mut walked.misplaced);
        let locale = run.call.locale;
        self.items.extend(walked.unplaced.drain(..).map(|(route, fragment)| (route, locale, fragment)));
    }
}

/// A call, walked. With [`OnError::Hold`] one that fails brings what the last build kept, or nothing.
///
/// # Errors
/// With [`OnError::Stop`], what [`walk`] says.
pub(super) async fn answered(
    gatherer: &Arc<Gatherer>,
    run: &Run,
    outer: Option<&Outer>,
) -> Result<Walked, Vec<Diagnostic>> {
    let walked = walk(gatherer, run, outer).await;
    if gatherer.on_error == OnError::Stop {
        return walked;
    }
    let problems = match walked {
        Ok(walked) => {
            let emptied = guards::emptied_call(&gatherer.site, gatherer.state.manifest(), &run.call, walked.count());
            let problems = walked.problems.iter().filter(|problem| problem.is_error()).cloned().chain(emptied);
            let problems: Vec<Diagnostic> = problems.collect();
            if problems.is_empty() {
                return Ok(walked);
            }
            problems
        }
        Err(problems) => problems,
    };
    let kept = Run { answers_from: AnswersFrom::Kept, ..run.clone() };
    match walk(gatherer, &kept, outer).await {
        Ok(mut walked) if !walked.problems.iter().any(Diagnostic::is_error) => {
            walked.problems.extend(problems);
            Ok(Walked { instead: Some(Instead::Kept), ..walked })
        }
        _ => Ok(Walked { problems, instead: Some(Instead::Nothing), ..Walked::default() }),
    }
}
