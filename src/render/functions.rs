//! The functions of templates (design §5): `query`, `url_for`, `image`, `asset`, `static_url`, `dump`.

use std::sync::{Arc, Mutex};

use tera::{Error, Function, Kwargs, State, Tera, TeraResult, Value};

use super::recorder::{AssetRequest, LinkRequest, QueryRequest, Recorder, lock};
use super::{Asset, Unavailable, World, images};
use crate::report::codes;
use crate::shape::LinkTarget;
use crate::site::{Kind, nearest};

/// What every function holds.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) world: Arc<World>,
    pub(super) recorder: Arc<Mutex<Recorder>>,
}

impl Reach {
    /// Fails with a code and a next step; Tera adds the place.
    pub(super) fn fail(&self, failure: Unavailable) -> Error {
        let error = Error::message(&failure.message);
        lock(&self.recorder).failure = Some(failure);
        error
    }

    pub(super) fn refuse(&self, code: crate::report::Code, message: String, help: Option<String>) -> Error {
        self.fail(Unavailable { code, message, help })
    }

    pub(super) fn locale(&self) -> Option<u16> {
        lock(&self.recorder).locale
    }

    /// The asset, if the world has it; a need is recorded if not.
    pub(super) fn asset(&self, request: &AssetRequest) -> TeraResult<Option<Asset>> {
        lock(&self.recorder).reads.assets.insert(request.clone());
        match self.world.assets.get(request) {
            Some(Ok(asset)) => Ok(Some(asset.clone())),
            Some(Err(unavailable)) => Err(self.fail(unavailable.clone())),
            None => {
                lock(&self.recorder).needs.assets.insert(request.clone());
                Ok(None)
            }
        }
    }

    /// The URL of a fragment's page.
    pub(super) fn link(&self, fragment: &str, route: Option<&str>, variation: Option<&str>) -> Option<String> {
        let request = LinkRequest {
            fragment: fragment.to_owned(),
            route: route.map(str::to_owned),
            variation: variation.map(str::to_owned),
            locale: self.locale(),
        };
        let url = request.resolve(&self.world).map(|url| self.public(&url));
        lock(&self.recorder).reads.links.insert(request);
        url
    }

    /// A root-relative URL below the path of `base_url`.
    pub(super) fn public(&self, url: &str) -> String {
        super::context::public_url(&self.world.site, url)
    }
}

pub(super) fn register(tera: &mut Tera, world: &Arc<World>, recorder: &Arc<Mutex<Recorder>>) {
    let reach = Reach { world: world.clone(), recorder: recorder.clone() };
    tera.register_function("query", Query(reach.clone()));
    tera.register_function("url_for", UrlFor(reach.clone()));
    tera.register_function("static_url", StaticUrl(reach.clone()));
    tera.register_function("asset", AssetUrl(reach.clone()));
    tera.register_function("image", images::Image(reach.clone()));
    tera.register_function("dump", Dump(reach));
}

/// Refuses an argument that the function does not take: passed over, it would look heeded.
pub(super) fn refuse_others(kwargs: &Kwargs, function: &str, taken: &[&str]) -> TeraResult<()> {
    let mut others = kwargs.iter().filter_map(|(key, _)| key.as_str()).filter(|key| !taken.contains(key));
    match others.next() {
        Some(other) => Err(Error::message(format!("`{function}` takes no `{other}`; it takes {}", taken.join(", ")))),
        None => Ok(()),
    }
}

impl LinkRequest {
    /// The root-relative URL of the page, where there is one.
    pub fn resolve(&self, world: &World) -> Option<String> {
        let World { site, pages, .. } = world;
        let route = match &self.route {
            // Routes of one query share its name unless they say one; only `each` routes with a template have links.
            Some(name) => {
                let named = site.routes.iter().filter(|route| route.name == *name);
                let linked = named.min_by_key(|route| route.kind != Kind::Each || route.template.is_none())?;
                Some(u32::try_from(linked.index).ok()?)
            }
            None => None,
        };
        let variation = self.variation.as_deref();
        let target = LinkTarget { fragment: &self.fragment, route, variation, locale: self.locale };
        pages.url_for(target).filter(|url| !world.unmade.contains(url))
    }
}

struct Query(Reach);

impl Function<TeraResult<Value>> for Query {
    fn call(&self, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
        let site = &self.0.world.site;
        refuse_others(&kwargs, "query", &["name", "variables", "locale", "from", "may_be_empty"])?;
        let name = kwargs.must_get::<&str>("name")?;
        let Some(query) = site.queries.get(name) else {
            let near = nearest(name, site.queries.names()).map(|near| format!("did you mean `{near}`?"));
            return Err(self.0.refuse(codes::MISSING_QUERY, format!("there is no query `{name}`"), near));
        };
        let variables = match kwargs.get::<&Value>("variables")? {
            Some(given) => match serde_json::to_value(given) {
                Ok(serde_json::Value::Object(members)) => members,
                _ => {
                    return Err(Error::message("`variables` takes a map such as { \"path\": item._path }"));
                }
            },
            None => serde_json::Map::new(),
        };
        let locale = match kwargs.get::<&str>("locale")? {
            Some(code) => match site.config.site.locales.iter().position(|known| known == code) {
                Some(index) => u16::try_from(index).ok(),
                None => return Err(Error::message(format!("`{code}` is not in [site] locales"))),
            },
            None => self.0.locale(),
        };
        let locale =
            locale.or(Some(0)).filter(|_| query.variable("locale").is_some() && !site.config.site.locales.is_empty());
        let from = kwargs.get::<&str>("from")?.map(str::to_owned);
        let may_be_empty = kwargs.get::<bool>("may_be_empty")?.unwrap_or(false);
        let request = QueryRequest { name: name.to_owned(), variables, locale, from };
        let key = request.key();
        let mut recorder = lock(&self.0.recorder);
        recorder.reads.queries.insert(key.clone(), request.clone());
        if !may_be_empty && self.0.world.absent.emptied.contains(&key) {
            recorder.reads.emptied.insert(key.clone());
        }
        drop(recorder);
        match self.0.world.results.get(&key) {
            Some(Ok(value)) => Ok(value.clone()),
            Some(Err(unavailable)) => Err(self.0.fail(unavailable.clone())),
            None => {
                lock(&self.0.recorder).needs.queries.insert(key, request);
                Ok(Value::from(Vec::<Value>::new()))
            }
        }
    }
}

struct UrlFor(Reach);

impl Function<TeraResult<Value>> for UrlFor {
    fn call(&self, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
        let site = &self.0.world.site;
        refuse_others(&kwargs, "url_for", &["path", "route", "variation", "missing"])?;
        let missing = kwargs.get::<Value>("missing")?;
        let path = kwargs.must_get::<&Value>("path")?;
        let Some(fragment) = path.as_str() else {
            return match missing {
                Some(missing) => Ok(missing),
                None => Err(self.0.refuse(
                    codes::NO_PAGE_FOR,
                    format!("url_for takes a content fragment's path, not {}", path.name()),
                    Some("guard it with `{% if %}`, or give missing=\"\"".to_owned()),
                )),
            };
        };
        let route = kwargs.get::<&str>("route")?;
        if let Some(name) = route.filter(|name| site.routes.iter().all(|route| route.name != *name)) {
            let near = nearest(name, site.routes.iter().map(|route| route.name.as_str()));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            return Err(self.0.refuse(codes::NO_PAGE_FOR, format!("there is no route `{name}`"), help));
        }
        let variation = kwargs.get::<&str>("variation")?;
        match (self.0.link(fragment, route, variation), missing) {
            (Some(url), _) => Ok(Value::from(url)),
            (None, Some(missing)) => Ok(missing),
            // Nothing of this build is kept: the render goes on in search of other problems.
            (None, None) if self.0.world.absent.has_page_of(fragment) => Ok(Value::from("")),
            (None, None) => Err(self.0.refuse(
                codes::NO_PAGE_FOR,
                format!("no page shows {fragment}"),
                Some("add an `each` route with an HTML template for it, or give missing=\"\"".to_owned()),
            )),
        }
    }
}

struct StaticUrl(Reach);

impl Function<TeraResult<Value>> for StaticUrl {
    fn call(&self, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
        refuse_others(&kwargs, "static_url", &["file"])?;
        let file = kwargs.must_get::<&str>("file")?;
        let files = &self.0.world.site.static_files.0;
        match files.get(file) {
            Some(found) => {
                lock(&self.0.recorder).reads.static_files.insert(file.to_owned());
                let url = crate::text::permalink::url_of(&found.with_digest());
                Ok(Value::from(self.0.public(&url)))
            }
            None => {
                let near =
                    nearest(file, files.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                Err(self.0.refuse(codes::NO_STATIC_FILE, format!("static/ has no file `{file}`"), near))
            }
        }
    }
}

struct AssetUrl(Reach);

impl Function<TeraResult<Value>> for AssetUrl {
    fn call(&self, kwargs: Kwargs, _: &State) -> TeraResult<Value> {
        refuse_others(&kwargs, "asset", &["ref"])?;
        let reference = kwargs.must_get::<&Value>("ref")?;
        let request = images::original(&self.0, reference)?;
        Ok(match self.0.asset(&request)? {
            Some(asset) => Value::from(self.0.public(&asset.url)),
            None => Value::from(""),
        })
    }
}

struct Dump(Reach);

/// What stands in a context (design §5), in the order in which people look for it.
const CONTEXT: &[&str] =
    &["item", "parent", "items", "paginator", "group", "group_items", "data", "variables", "page", "site"];

impl Function<TeraResult<Value>> for Dump {
    fn call(&self, kwargs: Kwargs, state: &State) -> TeraResult<Value> {
        if self.0.world.dump {
            refuse_others(&kwargs, "dump", &[])?;
            let mut context = serde_json::Map::new();
            for name in CONTEXT {
                if let Some(value) = state.get::<Value>(name)? {
                    let value = serde_json::to_value(value).map_err(|error| Error::message(error.to_string()))?;
                    context.insert((*name).to_owned(), value);
                }
            }
            let text = serde_json::to_string_pretty(&context).map_err(|error| Error::message(error.to_string()))?;
            if !state.autoescaping_enabled() {
                return Ok(Value::from(text));
            }
            return Ok(Value::safe_string(&format!("<pre>{}</pre>", state.escape(&text)?)));
        }
        Err(self.0.refuse(
            codes::FORBIDDEN_IN_TEMPLATE,
            "`dump()` shows the context in preview, a build has no place for it".to_owned(),
            Some("take it out before you build".to_owned()),
        ))
    }
}
