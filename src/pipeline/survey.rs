//! `routes`: the first stroke of a build, and nothing of the second.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::index::Known;
use super::{AnswersFrom, Cancel, Export, Folders, Options, Stop, Worst, incidents, merge};
use crate::aem::{Aem, Connection, SetupError};
use crate::report::{Diagnostic, Reporter};
use crate::site::Site;
use crate::state::{State, lock};

/// What one route makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSurvey {
    /// Its name.
    pub name: String,
    /// `each`, `list` or `page`.
    pub kind: &'static str,
    /// The path as it stands in aem-static.toml.
    pub path: String,
    /// How many pages it makes.
    pub pages: u64,
    /// The path of the first of them.
    pub example: Option<String>,
}

/// How a survey ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surveyed {
    /// The routes, in the order of the file.
    Routes(Vec<RouteSurvey>),
    /// Stopped by problems, which were all reported.
    Failed {
        /// Errors reported.
        errors: u64,
        /// Warnings reported.
        warnings: u64,
        /// The worst of the problems.
        worst: Worst,
    },
    /// Cancelled.
    Interrupted,
}

/// Finds out what every route makes. Writes nothing but kept answers.
///
/// # Errors
/// When no client can be made of the connection: its own setting is wrong.
pub async fn survey(
    site: Arc<Site>,
    connection: Connection,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
) -> Result<Surveyed, SetupError> {
    let aem = Aem::observed(connection, incidents::observer(&reporter))?;
    let mut problems = merge::Told::new(reporter.clone());
    problems.tell(site.warnings.clone());
    let found = match run(&site, aem, reporter, cancel).await {
        Ok(routes) => return Ok(Surveyed::Routes(routes)),
        Err(Stop::Interrupted | Stop::Unmade(..)) => return Ok(Surveyed::Interrupted),
        Err(Stop::Problems(found)) => found,
    };
    problems.tell(found);
    Ok(Surveyed::Failed { errors: problems.errors, warnings: problems.warnings, worst: problems.worst })
}

async fn run(
    site: &Arc<Site>,
    aem: Aem,
    reporter: Arc<dyn Reporter>,
    cancel: Cancel,
) -> Result<Vec<RouteSurvey>, Stop> {
    let _lock = lock(&site.dir, "routes", Duration::from_secs(5)).map_err(|error| error.diagnostic())?;
    let options = Options::reading(AnswersFrom::Aem, Folders::of(site));
    let state = Arc::new(State::open(&site.dir).map_err(|error| error.diagnostic())?);
    let (options, stages, expected) = (&options, Vec::new(), BTreeSet::new());
    let mut export = Export { site: site.clone(), aem, options, reporter, cancel, state, stages, expected };
    let Known { pages, problems, .. } = export.known(None).await?;
    if problems.iter().any(Diagnostic::is_error) {
        return Err(Stop::Problems(problems));
    }
    let survey = |route: &crate::site::Route| {
        let mut mine = pages.pages.iter().filter(|page| page.route as usize == route.index).peekable();
        let example = mine.peek().map(|page| pages.path(page).to_owned());
        RouteSurvey {
            name: route.name.clone(),
            kind: route.kind.key(),
            path: route.path.clone(),
            pages: mine.count() as u64,
            example,
        }
    };
    Ok(site.routes.iter().map(survey).collect())
}
