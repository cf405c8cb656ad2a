//! What pages need besides their own content: found before rendering where it can be known, and while rendering where not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assets::{self, Fetched, Located};
use super::gathered::Gathered;
use super::{Export, Stop};
use crate::render::{Needs, QueryRequest, World};
use crate::report::{Diagnostic, Stage};
use crate::shape::{Location, Pages};
use crate::site::Site;
use crate::state::{AssetRecord, Key};

/// What has been met so far.
pub(super) struct Met {
    pub(super) world: World,
    /// Digests of the results of queries, by key of the request.
    pub(super) queries: BTreeMap<String, Key>,
    located: BTreeMap<String, Located>,
    /// Problems of results that had items in the last build and have none, by key of the request.
    pub(super) emptied: BTreeMap<String, Diagnostic>,
    /// By location: what is noted of each asset.
    pub(super) assets: BTreeMap<String, AssetRecord>,
    /// Assets that were asked for.
    pub(super) fetched: u64,
}

/// What becomes of a query that cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// It stops the build.
    Stops,
    /// It is left open: the last build's page asked it, and whether today's does will show when that is rendered.
    IsOpen,
}

impl Met {
    pub(super) fn new(world: World) -> Self {
        Met {
            world,
            queries: BTreeMap::new(),
            located: BTreeMap::new(),
            emptied: BTreeMap::new(),
            assets: BTreeMap::new(),
            fetched: 0,
        }
    }

    fn take(&mut self, asked: assets::Asked, fetched: Fetched) {
        self.world.absent.emptied.extend(asked.emptied.keys().cloned());
        self.emptied.extend(asked.emptied);
        self.queries.extend(asked.results.iter().map(|(key, located)| (key.clone(), located.key)));
        self.located.extend(asked.results);
        self.fetched += fetched.len() as u64;
        for (request, asset) in fetched {
            if let Ok(record) = &asset {
                self.assets.insert(request.location.clone(), record.clone());
            }
            self.world.assets.insert(request, asset.as_ref().map(assets::seen).map_err(Clone::clone));
        }
    }

    /// Where the result of a query lies, by key of the request; `None` if it has none.
    pub(super) fn result(&self, key: &str) -> Option<&[Location]> {
        self.located.get(key)?.result.as_ref().ok().map(|(locations, _)| locations.as_slice())
    }

    /// Reads the results of queries, for rendering.
    pub(super) fn read<'k>(
        &mut self,
        gathered: &Gathered,
        keys: impl Iterator<Item = &'k String>,
    ) -> Result<(), Diagnostic> {
        for key in keys {
            if let Some(located) = self.located.get(key).filter(|_| !self.world.results.contains_key(key)) {
                self.world.results.insert(key.clone(), assets::read_result(gathered, located)?);
            }
        }
        Ok(())
    }
}

impl Export<'_> {
    /// Asks for what is not known yet; results of queries are located, not read.
    pub(super) async fn meet(
        &mut self,
        needs: &Needs,
        met: &mut Met,
        gathered: &Gathered,
        failing: Failing,
    ) -> Result<(), Stop> {
        let cancel = self.cancel.clone();
        let queries = needs.queries.iter().filter(|(key, _)| !met.located.contains_key(*key));
        let queries: BTreeMap<_, _> = queries.map(|(key, request)| (key.clone(), request.clone())).collect();
        let requests: BTreeSet<_> =
            needs.assets.iter().filter(|asset| !met.world.assets.contains_key(asset)).cloned().collect();
        let total = requests.len() as u64;
        let started = (total > 0).then(|| self.stage_started(Stage::Assets, Some(total)));
        let meet = async {
            let asked = assets::ask(&self.site, gathered, queries, failing).await?;
            Ok((asked, assets::fetch(&gathered.gatherer, requests).await))
        };
        let (asked, fetched) = tokio::select! {
            met = meet => met.map_err(Stop::Problems)?,
            () = cancel.wait() => return Err(Stop::Interrupted),
        };
        if let Some(started) = started {
            let copied = fetched.values().filter(|asset| asset.is_ok()).count() as u64;
            self.stage_finished(Stage::Assets, copied, started);
        }
        met.take(asked, fetched);
        Ok(())
    }
}

/// The queries that templates of routes name literally, in every locale that pages have.
pub(super) fn literal(site: &Arc<Site>, pages: &Pages) -> Needs {
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
