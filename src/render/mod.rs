//! Page → document, through Tera. Pure: what a page shows is handed in, and everything else that a template can reach (other
//! queries, links, assets, static files) is in one immutable [`World`]. What a page read of it is recorded per render.
//!
//! A render gives a document or its needs: an asset or a query that the world does not hold yet. Such a document is thrown
//! away, the needs are fetched, and the page is rendered again in the next world.

mod context;
mod failure;
mod functions;
mod images;
mod json;
mod recorder;
mod rich_text;
mod sitemap;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tera::{Tera, Value};

use crate::report::{Code, Diagnostic, codes};
use crate::shape::{Page, Pages};
use crate::site::Site;

pub use context::{Content, Paginated};
pub use json::{each_json, list_json, without_author_urls};
pub use recorder::{AssetRequest, LinkRequest, Needs, QueryRequest, Reads};
pub use sitemap::sitemaps;

use recorder::Recorder;

/// An asset that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Root-relative URL of the copy in `out/`.
    pub url: String,
    /// Output path of the copy.
    pub output: String,
    /// Media type.
    pub mime: String,
    /// Pixels, if it is an image whose size could be read.
    pub width: Option<u32>,
    /// Pixels, if it is an image whose size could be read.
    pub height: Option<u32>,
}

/// Why something that a template asked for is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The code of the diagnostic.
    pub code: Code,
    /// What happened, one line.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

/// Everything that templates can reach besides their own page.
#[derive(Debug, Clone)]
pub struct World {
    /// The site.
    pub site: Arc<Site>,
    /// Every page, and which shows which content fragment.
    pub pages: Arc<Pages>,
    /// Results of `query(…)`, by [`QueryRequest::key`].
    pub results: BTreeMap<String, Result<Value, Unavailable>>,
    /// Assets, by [`AssetRequest`].
    pub assets: BTreeMap<AssetRequest, Result<Asset, Unavailable>>,
    /// What is missing, and known to be.
    pub absent: Absent,
    /// URLs of pages that cannot be made and never were: nothing links to them.
    pub unmade: BTreeSet<String>,
    /// Whether `dump()` shows the context: in preview.
    pub dump: bool,
}

impl World {
    /// A root-relative URL as the web sees it: below the path of `base_url`.
    pub fn public_url(&self, url: &str) -> String {
        context::public_url(&self.site, url)
    }
}

/// What is not there for reasons that are told: a render that trips over it says nothing new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absent {
    /// Content fragments whose pages could not be placed.
    pub fragments: BTreeSet<String>,
    /// There are others that nobody can name.
    pub others: bool,
    /// Keys of results that had items in the last build and have none.
    pub emptied: BTreeSet<String>,
}

impl Absent {
    /// Whether the page of a content fragment may be missing.
    pub fn has_page_of(&self, fragment: &str) -> bool {
        self.others || self.fragments.contains(fragment)
    }
}

/// What became of one page.
#[derive(Debug)]
pub enum Rendered {
    /// Its bytes, and what it read.
    Document {
        /// The file.
        bytes: Vec<u8>,
        /// What it read besides its own content.
        reads: Reads,
    },
    /// It needs more than the world holds.
    Needs(Needs),
    /// It cannot be rendered.
    Failed {
        /// Why.
        problem: Box<Diagnostic>,
        /// What it had read until then.
        reads: Reads,
    },
}

/// One render thread: an engine whose functions hold this worker's recorder.
pub struct Worker {
    world: Arc<World>,
    tera: Tera,
    site_value: Value,
    recorder: Arc<Mutex<Recorder>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Worker")
    }
}

/// Loads the templates into an engine once; workers clone it.
///
/// # Errors
/// None for a site that came out of [`crate::site::load`].
pub fn engine(site: &Site) -> Result<Tera, Box<Diagnostic>> {
    let mut tera = site.templates.engine().map_err(|error| {
        Box::new(Diagnostic::error(codes::TEMPLATE_SYNTAX, crate::site::lower_first(&error.to_string())))
    })?;
    crate::site::filters::register(&mut tera);
    Ok(tera)
}

impl Worker {
    /// A worker in `world`, with a clone of [`engine`].
    pub fn new(world: Arc<World>, mut tera: Tera) -> Self {
        let recorder = Arc::new(Mutex::new(Recorder::default()));
        functions::register(&mut tera, &world, &recorder);
        rich_text::register(&mut tera, &world, &recorder);
        let site_value = crate::site::site_value(&world.site.config.site);
        Worker { world, tera, site_value, recorder }
    }

    /// Renders one page with a template.
    pub fn render(&mut self, page: &Page, template: &str, content: &Content) -> Rendered {
        let context = context::build(&self.world, &self.site_value, page, template, content);
        recorder::lock(&self.recorder).begin(page.locale);
        let mut bytes = Vec::with_capacity(8 << 10);
        let outcome = self.tera.render_to(template, &context, &mut bytes);
        let (needs, reads, failure) = recorder::lock(&self.recorder).finish();
        if !needs.is_empty() {
            // Whatever else happened was computed from stand-ins.
            return Rendered::Needs(needs);
        }
        match outcome {
            Ok(()) => Rendered::Document { bytes, reads },
            Err(error) => {
                let problem = Box::new(failure::describe(&self.world, page, content, &error, failure));
                Rendered::Failed { problem, reads }
            }
        }
    }
}
