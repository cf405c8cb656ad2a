//! Where content comes from: `[aem]` and `[assets]` of aem-static.toml (design.md §6).

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::config::{Overrides, SiteSettings, url};
use super::query::Queries;
use super::template::nearest;
use super::toml_tree::{Origin, Reader, Table, Value};
use crate::aem::{CacheSettings, Tier};
use crate::report::{Diagnostic, Place, codes};

/// `[aem]`
#[derive(Debug, Clone)]
pub struct Aem {
    /// Which service answers.
    pub tier: Tier,
    /// The Sites configuration: endpoint and persisted queries.
    pub configuration: String,
    /// How queries are executed.
    pub queries: QueriesMode,
    /// Whether persisted queries bypass caches.
    pub freshness: Freshness,
    /// The host of the chosen tier; `None` for the local tier.
    pub host: Option<Url>,
    /// What named the host: `[aem.hosts] publish` or a variable.
    pub host_source: String,
    /// The hosts of preview and publish besides `host`: AEM's own, so assets may come from them.
    pub other_hosts: Vec<Url>,
    /// Headers for the chosen tier's host, by name.
    pub headers: Vec<(String, HeaderSource)>,
    /// A file of certificates to trust besides the system's, relative to the site directory.
    pub ca: Option<String>,
    /// Where access tokens are exchanged, if not where the credentials say.
    pub ims: Option<Url>,
    /// Requests at one time, at most.
    pub concurrency: usize,
    /// Requests a second, at most.
    pub rate: Option<u32>,
    /// The longest silence of a request.
    pub timeout: Duration,
    /// Time limit of one request from end to end.
    pub request_limit: Duration,
    /// For how long a busy AEM is asked again.
    pub patience: Duration,
    /// Largest response after decompression, in bytes.
    pub max_response: u64,
    /// How long answers keep, for queries that are pushed.
    pub cache: Cache,
}

/// `[aem.cache]`: cache settings that `queries push` carries.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// For every query.
    all: CacheSettings,
    /// For one, by name, with the place of the name; what it does not say is taken from `all`.
    queries: BTreeMap<String, (CacheSettings, Option<Place>)>,
}

impl Cache {
    /// The settings of a query.
    pub fn of(&self, query: &str) -> CacheSettings {
        self.queries.get(query).map(|(own, _)| *own).unwrap_or_default().over(self.all)
    }
}

/// Where the value of a header is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderSource {
    /// In the file.
    Text(String),
    /// In the environment, under this name: for secrets.
    Variable(String),
}

/// `[assets]`
#[derive(Debug, Clone, Default)]
pub struct Assets {
    /// Hosts besides AEM's own that assets may come from.
    pub hosts: Vec<String>,
}

/// How queries are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueriesMode {
    /// Direct on author and local, persisted on preview and publish.
    Auto,
    /// Always `execute.json`.
    Persisted,
    /// Always the endpoint.
    Direct,
}

/// Whether persisted queries bypass caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// By POST, which neither CDN nor Dispatcher keeps.
    Origin,
    /// By GET.
    Cdn,
}

pub(super) fn read_aem(table: Table, text: &str, overrides: &Overrides, problems: &mut Vec<Diagnostic>) -> Aem {
    let mut reader = Reader::new("aem", table, text, problems);
    let tiers =
        [("local", Tier::Local), ("author", Tier::Author), ("preview", Tier::Preview), ("publish", Tier::Publish)];
    let told = reader.problems.len();
    let tier = reader.word("tier", &tiers);
    // A word that is no tier has been told; that it has no host either would be a riddle.
    let tier = tier.unwrap_or(if reader.problems.len() > told { Tier::Local } else { Tier::Publish });
    let configuration = match reader.text_node("configuration") {
        Some((name, origin)) => {
            if name.is_empty() || name.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))) {
                reader.problem(
                    codes::CONFIG_VALUE,
                    &origin,
                    "`aem.configuration` takes the name of a Sites configuration".into(),
                );
            }
            name
        }
        None => "global".to_owned(),
    };
    let modes = [("auto", QueriesMode::Auto), ("persisted", QueriesMode::Persisted), ("direct", QueriesMode::Direct)];
    let queries = reader.word("queries", &modes).unwrap_or(QueriesMode::Auto);
    let freshness = reader
        .word("freshness", &[("origin", Freshness::Origin), ("cdn", Freshness::Cdn)])
        .unwrap_or(Freshness::Origin);
    let concurrency = reader.count("concurrency", 1).unwrap_or(8);
    let rate = reader.count("rate", 1).and_then(|rate| u32::try_from(rate).ok());
    let [timeout, request_limit, patience] = [("timeout", 1, 30), ("request_limit", 1, 300), ("patience", 0, 120)]
        .map(|(key, least, usual)| Duration::from_secs(reader.count(key, least).unwrap_or(usual)));
    let ca = reader.text("ca");
    let ims = reader.text_node("ims").and_then(|(value, origin)| url(&mut reader, "ims", &value, &origin));
    let max_response = reader.count("max_response", 1024).unwrap_or(64 << 20);
    let hosts = reader.table("hosts").unwrap_or_default();
    let headers = reader.table("headers").unwrap_or_default();
    let cache = reader.table("cache").unwrap_or_default();
    reader.finish();
    let cache = read_cache(cache, text, problems);
    let mut hosts = read_hosts(hosts, text, problems);
    let headers = read_headers(headers, tier, text, problems);
    let mut host_source = format!("[aem.hosts] {tier}");
    let mut host = hosts.remove(&tier.to_string());
    if let Some((address, variable)) = overrides.host.as_ref().filter(|_| tier != Tier::Local) {
        let mut reader = Reader::new("aem.hosts", Table::default(), text, problems);
        host = url(&mut reader, variable, address, &Origin::Setting(variable.clone()));
        host_source.clone_from(variable);
    }
    Aem {
        tier,
        configuration,
        queries,
        freshness,
        host,
        host_source,
        // Author hands out nothing without credentials, which do not go there from another tier.
        other_hosts: [Tier::Preview, Tier::Publish].iter().filter_map(|tier| hosts.remove(tier.name())).collect(),
        headers,
        ca,
        ims,
        concurrency: usize::try_from(concurrency).unwrap_or(8),
        rate,
        timeout,
        request_limit,
        patience,
        max_response,
        cache,
    }
}

fn read_hosts(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Url> {
    let mut reader = Reader::new("aem.hosts", table, text, problems);
    let mut hosts = BTreeMap::new();
    for tier in ["author", "preview", "publish"] {
        if let Some((value, origin)) = reader.text_node(tier)
            && let Some(url) = url(&mut reader, &format!("aem.hosts.{tier}"), &value, &origin)
        {
            hosts.insert(tier.to_owned(), url);
        }
    }
    reader.finish();
    hosts
}

/// `[aem.headers.TIER]`: the headers of the chosen tier; those of the others are checked as well.
fn read_headers(table: Table, chosen: Tier, text: &str, problems: &mut Vec<Diagnostic>) -> Vec<(String, HeaderSource)> {
    let mut reader = Reader::new("aem.headers", table, text, problems);
    let mut headers = Vec::new();
    for tier in ["author", "preview", "publish"] {
        let Some(mut table) = reader.table(tier) else { continue };
        for name in std::mem::take(&mut table.order) {
            let Some(node) = table.entries.remove(&name) else { continue };
            match header_source(&node.value) {
                Some(source) if tier == chosen.name() => headers.push((name, source)),
                Some(_) => {}
                None => {
                    reader.wrong(&format!("{tier}.{name}"), &node, "a text, or `{ env = \"VARIABLE\" }` for a secret");
                }
            }
        }
    }
    reader.finish();
    headers
}

pub(super) fn header_source(value: &Value) -> Option<HeaderSource> {
    match value {
        Value::Text(text) => Some(HeaderSource::Text(text.clone())),
        Value::Table(table) if table.order == ["env"] => match &table.entries.get("env")?.value {
            Value::Text(name) if !name.is_empty() => Some(HeaderSource::Variable(name.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// `[aem.cache]`, in the words of `persist.json` (protocol 3.6), and `[aem.cache.queries.NAME]`.
fn read_cache(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> Cache {
    let mut reader = Reader::new("aem.cache", table, text, problems);
    let queries = reader.table("queries").unwrap_or_default();
    let all = settings(&mut reader, "aem.cache");
    reader.finish();
    let mut cache = Cache { all, ..Cache::default() };
    let Table { mut entries, keys, order } = queries;
    for name in order {
        let Some(node) = entries.remove(&name) else { continue };
        let place = keys.get(&name).and_then(|origin| origin.place(text));
        let own_name = format!("aem.cache.queries.{name}");
        match node.value {
            Value::Table(own) => {
                let mut reader = Reader::new(&own_name, own, text, problems);
                let own = settings(&mut reader, &own_name);
                reader.finish();
                cache.queries.insert(name, (own, place));
            }
            _ => problems
                .push(Diagnostic::error(codes::CONFIG_VALUE, format!("`{own_name}` takes a table")).at_opt(place)),
        }
    }
    cache
}

/// The two blocks of `persist.json`.
fn settings(reader: &mut Reader<'_>, name: &str) -> CacheSettings {
    let blocks = ["cache-control", "surrogate-control"].map(|block| (block, reader.table(block).unwrap_or_default()));
    let [(browser, control), (shared, surrogate)] = blocks;
    let text = reader.text;
    let (browser, shared) = (format!("{name}.{browser}"), format!("{name}.{shared}"));
    let mut control = Reader::new(&browser, control, text, reader.problems);
    let max_age = control.count("max-age", 0);
    control.finish();
    let mut surrogate = Reader::new(&shared, surrogate, text, reader.problems);
    let settings = CacheSettings {
        max_age,
        surrogate_max_age: surrogate.count("max-age", 0),
        stale_while_revalidate: surrogate.count("stale-while-revalidate", 0),
        stale_if_error: surrogate.count("stale-if-error", 0),
    };
    surrogate.finish();
    settings
}

/// Settings for a query that is not there would never be pushed.
pub(super) fn check_cache(aem: &Aem, queries: &Queries, problems: &mut Vec<Diagnostic>) {
    for (name, (_, place)) in &aem.cache.queries {
        if queries.get(name).is_some() || queries.is_broken(name) {
            continue;
        }
        let message = format!("`aem.cache.queries.{name}` names no query");
        let problem = Diagnostic::error(codes::CONFIG_VALUE, message).at_opt(place.clone());
        problems.push(match nearest(name, queries.names()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("content-queries/ has no file of that name"),
        });
    }
}

/// `[assets]`.
pub(super) fn read_assets(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> Assets {
    let mut reader = Reader::new("assets", table, text, problems);
    let hosts = reader.texts("hosts").unwrap_or_default();
    reader.finish();
    for host in hosts.iter().filter(|host| !is_host(host)) {
        let message = format!("`assets.hosts` takes hosts such as cdn.example.com or 10.1.2.3:8443, not `{host}`");
        problems.push(Diagnostic::error(codes::CONFIG_VALUE, message));
    }
    Assets { hosts }
}

/// A host with or without port, and nothing else.
fn is_host(host: &str) -> bool {
    !host.contains(['/', '@', '?', '#', '\\']) && Url::parse(&format!("http://{host}")).is_ok_and(|url| url.has_host())
}

pub(super) fn check_host(site: &SiteSettings, aem: &Aem, problems: &mut Vec<Diagnostic>) {
    if aem.tier == Tier::Local {
        return;
    }
    match (&aem.host, &site.base_url) {
        (None, _) if !problems.iter().any(|problem| problem.message.contains("address such as")) => problems.push(
            Diagnostic::error(codes::NO_HOST, format!("tier \"{}\" has no host", aem.tier)).help(format!(
                "set `[aem.hosts] {} = \"https://…\"` in aem-static.toml, or AEM_HOST in the environment",
                aem.tier
            )),
        ),
        (Some(host), Some(base))
            if host.host() == base.host() && host.port_or_known_default() == base.port_or_known_default() =>
        {
            problems.push(
                Diagnostic::error(
                    codes::HOST_IS_SITE,
                    format!("{} and `site.base_url` are the same server", aem.host_source),
                )
                .help("name AEM's own host; the exported site is what will be served at base_url"),
            );
        }
        _ => {}
    }
}
