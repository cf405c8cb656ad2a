//! Between the strokes: every permalink, and every clash of output paths.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::gathered::Gathered;
use super::hold::{Held, Left};
use super::{Export, guards};
use crate::output::Output;
use crate::render::Absent;
use crate::report::{Diagnostic, codes};
use crate::shape::{Evaluator, Page, PageSource, Pages, build_pages};
use crate::site::OnError;
use crate::text::permalink::{Claims, ConflictKind};

/// What the second stroke begins with. With an error among its problems it only looks for more of them: pages are rendered, and
/// nothing is put (design §2, promise 6).
#[derive(Clone)]
pub(super) struct Known {
    pub(super) gathered: Gathered,
    pub(super) pages: Arc<Pages>,
    pub(super) claims: Claims,
    /// Indexes of routes whose result is suspiciously empty.
    pub(super) emptied: BTreeSet<usize>,
    /// Found so far, errors and warnings.
    pub(super) problems: Vec<Diagnostic>,
    /// With `on_error = "hold"`, what is held.
    pub(super) held: Held,
    /// Files of the last build that stay without being made.
    pub(super) left: Vec<Left>,
}

impl Known {
    /// Whether there is an error, so that nothing may be put.
    pub(super) fn has_errors(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }

    /// What is not there because of the errors: what trips over it is no news.
    pub(super) fn absent(&self) -> Absent {
        let mut absent = Absent::default();
        for problem in self.problems.iter().filter(|problem| problem.is_error()) {
            // Pages that clash are there, and can be linked to.
            absent.others |=
                problem.fragments.is_empty() && ![codes::SAME_PATH, codes::SAME_GROUP_PATH].contains(&problem.code);
            absent.fragments.extend(problem.fragments.iter().cloned());
        }
        absent
    }

    /// Whether a page can be rendered as it is meant: one without the content that it is made for fails in ways that have been
    /// told already.
    pub(super) fn is_whole(&self, page: &Page) -> bool {
        let emptied = self.emptied.contains(&(page.route as usize));
        match &page.source {
            PageSource::Each(_) => true,
            PageSource::List(list) => !(emptied && list.entries.is_empty()),
            PageSource::Whole => !emptied && self.gathered.whole_call(page).is_none_or(|info| !info.spoiled),
        }
    }
}

impl Known {
    /// With `on_error = "hold"`: whether a page is made. One that is not keeps its last version, where it has any.
    pub(super) fn is_made(&self, number: u32, page: &Page) -> bool {
        !self.held.pages.contains(&number) && !self.held.unmade.contains(&number) && self.is_whole(page)
    }
}

impl Export<'_> {
    /// Places everything; `problems` are those found so far.
    /// With `on_error = "hold"` errors are held, and files of `before` may stay.
    pub(super) fn index(
        &self,
        evaluators: &[Evaluator],
        gathered: Gathered,
        mut held: Held,
        mut problems: Vec<Diagnostic>,
        before: Option<&Output>,
    ) -> Known {
        let known = problems.len();
        let guards::Empty { problems: found, routes: emptied } =
            guards::empty(&self.site, self.state.manifest(), &gathered);
        problems.extend(found);
        let whole: Vec<Vec<Option<u16>>> = self.site.routes.iter().map(|route| gathered.whole_locales(route)).collect();
        let texts = std::mem::take(&mut *gathered.gatherer.texts());
        let mut pages = build_pages(&self.site, evaluators, &gathered.entries, texts, &whole, &mut problems);
        let mut claims = Claims::new();
        for (number, page) in (0u32..).zip(&pages.pages) {
            let permalink = pages.permalink(page);
            if let Some(conflict) = claims.insert(permalink.output(), number) {
                problems.push(self.clash(&pages, &gathered, number, conflict.other, conflict.kind));
                held.pages.extend([number, conflict.other]);
            }
        }
        let first_static = u32::try_from(pages.pages.len()).unwrap_or(u32::MAX);
        for (number, file) in (first_static..).zip(self.site.static_files.0.values()) {
            if let Some(conflict) = claims.insert(&file.output, number) {
                problems.push(self.clash(&pages, &gathered, number, conflict.other, conflict.kind));
                held.pages.insert(conflict.other);
            }
        }
        let mut left = Vec::new();
        if self.options.on_error == OnError::Hold {
            let (errors, others): (Vec<_>, Vec<_>) = problems.drain(known..).partition(Diagnostic::is_error);
            problems.extend(others);
            held.problems.extend(errors);
            held.routes.extend(emptied.iter().chain(&pages.unplaced));
            left = before.map_or_else(Vec::new, |output| self.left(output, &held, &mut claims));
            pages.link(&left.iter().filter_map(Left::standing).collect::<Vec<_>>());
        }
        Known { gathered, pages: Arc::new(pages), claims, emptied, problems, held, left }
    }

    fn clash(&self, pages: &Pages, gathered: &Gathered, one: u32, other: u32, kind: ConflictKind) -> Diagnostic {
        let how = match kind {
            ConflictKind::Equal => "one output path",
            ConflictKind::EqualButForCase => "output paths that differ in case only",
            ConflictKind::FileIsFolder | ConflictKind::FolderIsFile => "a file where the other needs a folder",
        };
        let (first, first_fragment) = self.source_name(pages, gathered, other);
        let (second, second_fragment) = self.source_name(pages, gathered, one);
        let path =
            pages.pages.get(one as usize).or(pages.pages.get(other as usize)).map(|page| pages.path(page).to_owned());
        let mut problem = Diagnostic::error(codes::SAME_PATH, format!("two sources have {how}"))
            .note("path", path.unwrap_or_default())
            .note("first", first)
            .note("second", second)
            .help("make the paths distinct: another field in the route's path, or other content");
        if let Some(page) = pages.pages.get(one as usize).or(pages.pages.get(other as usize)) {
            problem = problem.at(self.site.route_place(&self.site.routes[page.route as usize]));
        }
        problem.fragments.extend(first_fragment.into_iter().chain(second_fragment));
        problem
    }

    /// What a file is made from, for messages.
    pub(super) fn source_name(&self, pages: &Pages, gathered: &Gathered, number: u32) -> (String, Option<String>) {
        if let Some(page) = pages.pages.get(number as usize) {
            let route = &self.site.routes[page.route as usize];
            let line = self.site.route_place(route).line;
            let named = format!("{} route `{}` (aem-static.toml:{line})", route.kind.key(), route.name);
            return (named, gathered.fragment_of(pages, page));
        }
        let file = self.site.static_files.0.values().nth(number as usize - pages.pages.len());
        (file.map_or_else(String::new, |file| format!("static/{}", file.output)), None)
    }
}
