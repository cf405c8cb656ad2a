//! aem-static.toml, with the profile, environment and flags laid over it, as plain structs without options to resolve later.

use std::time::Duration;

use url::Url;

use super::access::{self, Aem, Assets};
use super::listen::{self, Deploy, Listen};
use super::route::{self, Route};
use super::template::nearest;
use super::toml_tree::{Origin, Reader, Table, Value, parse};
use crate::report::{Diagnostic, codes};

/// What flags and environment say, gathered by the caller; the library reads neither.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--profile NAME`.
    pub profile: Option<String>,
    /// `AEM_STATIC_*` variables: (variable, value). The rest of the name is the dotted key in capitals.
    pub variables: Vec<(String, String)>,
    /// Flags and the variables with names of their own: (dotted key, value, name of the flag or variable).
    pub values: Vec<(String, String, String)>,
    /// The host of the chosen tier: (address, name of the variable).
    pub host: Option<(String, String)>,
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[site]`
    pub site: SiteSettings,
    /// `[aem]`
    pub aem: Aem,
    /// `[assets]`
    pub assets: Assets,
    /// `[build]`
    pub build: Build,
    /// `[listen]`
    pub listen: Listen,
    /// `[deploy]`
    pub deploy: Deploy,
}

/// `[site]`
#[derive(Debug, Clone)]
pub struct SiteSettings {
    /// The site's name.
    pub title: String,
    /// Where the site will live; permalinks begin with it. Without it `permalink` is the root-relative URL.
    pub base_url: Option<Url>,
    /// Locale codes, in order of preference.
    pub locales: Vec<String>,
    /// Which locales stand before the path.
    pub locale_prefix: LocalePrefix,
    /// A field that ties counterparts in other locales together, instead of the path.
    pub alternate_by: Option<String>,
    /// `[site.params]`: keys of the user's own.
    pub params: serde_json::Value,
}

/// Which locales stand before the paths of their routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalePrefix {
    /// Every locale.
    All,
    /// Every locale but the first.
    AllButFirst,
    /// None: the routes' own paths tell the locales apart.
    None,
}

/// What becomes of a build in which a page or a call fails (design §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Nothing is written.
    Stop,
    /// What fails stays as the last good build left it; the rest is written.
    Hold,
}

/// How a commit puts files into place (design §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitBy {
    /// File by file, behind a journal.
    Journal,
    /// The whole tree in one step.
    Exchange,
}

/// `[build]`
#[derive(Debug, Clone)]
pub struct Build {
    /// The output folder, relative to the site directory.
    pub out: String,
    /// What becomes of a build in which something fails: `build` stops unless told otherwise, `listen` holds.
    pub on_error: Option<OnError>,
    /// How its files are put into place.
    pub commit: CommitBy,
    /// The largest share of pages (0 to 1) that a build may remove unasked.
    pub max_removals: f64,
    /// Render threads; 0 is one a core.
    pub workers: usize,
    /// Whether the text of replaced pages is kept until the next change, for `diff --text`.
    pub keep_replaced: bool,
    /// For how long a build may send requests.
    pub time_limit: Option<Duration>,
}

/// Every key that a variable `AEM_STATIC_…` can set.
const VARIABLE_KEYS: &[&str] = &[
    "site.title",
    "site.base_url",
    "site.locales",
    "site.locale_prefix",
    "site.alternate_by",
    "aem.tier",
    "aem.configuration",
    "aem.queries",
    "aem.freshness",
    "aem.ca",
    "aem.ims",
    "aem.concurrency",
    "aem.rate",
    "aem.timeout",
    "aem.request_limit",
    "aem.patience",
    "aem.max_response",
    "aem.hosts.author",
    "aem.hosts.preview",
    "aem.hosts.publish",
    "assets.hosts",
    "build.out",
    "build.on_error",
    "build.commit",
    "build.max_removals",
    "build.workers",
    "build.keep_replaced",
    "build.time_limit",
    "listen.client_id",
    "listen.organization",
    "listen.keys",
    "listen.confirm",
    "listen.journal",
    "listen.quiet",
    "listen.longest",
    "listen.ask_again",
    "listen.reconcile",
    "listen.rate",
    "listen.max_pending",
    "listen.proxies",
    "listen.monitors",
    "listen.paths",
    "listen.models",
    "deploy.time_limit",
    "deploy.purge",
];

/// Reads configuration and routes. `None` when the file is not TOML at all.
pub(super) fn read(text: &str, overrides: &Overrides, problems: &mut Vec<Diagnostic>) -> Option<(Config, Vec<Route>)> {
    let mut root = match parse(text) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    apply_profile(&mut root, overrides.profile.as_deref(), text, problems);
    apply_variables(&mut root, &overrides.variables, problems);
    for (key, value, source) in &overrides.values {
        root.set(key, Value::Text(value.clone()), source);
    }
    let mut reader = Reader::new("", root, text, problems);
    let site = reader.table("site").unwrap_or_default();
    let aem = reader.table("aem").unwrap_or_default();
    let assets = reader.table("assets").unwrap_or_default();
    let build = reader.table("build").unwrap_or_default();
    let listen = reader.table("listen").unwrap_or_default();
    let deploy = reader.table("deploy").unwrap_or_default();
    let routes = reader.take("route");
    reader.finish();
    let site = read_site(site, text, problems);
    let aem = access::read_aem(aem, text, overrides, problems);
    let assets = access::read_assets(assets, text, problems);
    let build = read_build(build, text, problems);
    let listen = listen::read_listen(listen, text, problems);
    let deploy = listen::read_deploy(deploy, text, problems);
    let routes = route::read(routes, text, problems);
    access::check_host(&site, &aem, problems);
    Some((Config { site, aem, assets, build, listen, deploy }, routes))
}

fn apply_profile(root: &mut Table, name: Option<&str>, text: &str, problems: &mut Vec<Diagnostic>) {
    let profiles = root.entries.remove("profile");
    root.order.retain(|key| key != "profile");
    let Some(name) = name else { return };
    let mut table = match profiles.map(|node| node.value) {
        Some(Value::Table(table)) => table,
        _ => Table::default(),
    };
    match table.entries.remove(name).map(|node| node.value) {
        Some(Value::Table(profile)) => root.merge(profile),
        _ => {
            let mut problem = Diagnostic::error(codes::CONFIG_VALUE, format!("there is no `[profile.{name}]`"));
            if let Some(near) = nearest(name, table.entries.keys().map(String::as_str)) {
                problem = problem.help(format!("did you mean `--profile {near}`?"));
            }
            let place = table.keys.values().next().and_then(|origin| origin.place(text));
            problems.push(problem.at_opt(place));
        }
    }
}

fn apply_variables(root: &mut Table, variables: &[(String, String)], problems: &mut Vec<Diagnostic>) {
    let name_of = |key: &str| format!("AEM_STATIC_{}", key.to_uppercase().replace('.', "_"));
    for (variable, value) in variables {
        if let Some(key) = VARIABLE_KEYS.iter().find(|key| name_of(key) == *variable) {
            root.set(key, Value::Text(value.clone()), variable);
            continue;
        }
        let names: Vec<String> = VARIABLE_KEYS.iter().map(|key| name_of(key)).collect();
        let mut problem =
            Diagnostic::error(codes::UNKNOWN_KEY, format!("the environment variable `{variable}` names no key"));
        if let Some(near) = nearest(variable, names.iter().map(String::as_str)) {
            problem = problem.help(format!("did you mean `{near}`?"));
        }
        problems.push(problem);
    }
}

fn read_site(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> SiteSettings {
    let mut reader = Reader::new("site", table, text, problems);
    let title = reader.text("title").unwrap_or_default();
    let base_url =
        reader.text_node("base_url").and_then(|(value, origin)| url(&mut reader, "base_url", &value, &origin));
    let locales = reader.texts("locales").unwrap_or_default();
    let prefixes =
        [("all", LocalePrefix::All), ("all-but-first", LocalePrefix::AllButFirst), ("none", LocalePrefix::None)];
    let locale_prefix = reader.word("locale_prefix", &prefixes).unwrap_or(LocalePrefix::AllButFirst);
    let alternate_by = reader.text("alternate_by");
    let params = reader.table("params").map_or_else(|| serde_json::json!({}), |params| params.to_json());
    for (index, locale) in locales.iter().enumerate() {
        let usable = !locale.is_empty() && locale.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !usable || locales[..index].contains(locale) {
            let message = format!("`site.locales` holds `{locale}`, which is not a locale code or stands there twice");
            reader.problems.push(Diagnostic::error(codes::CONFIG_VALUE, message));
        }
    }
    reader.finish();
    SiteSettings { title, base_url, locales, locale_prefix, alternate_by, params }
}

/// An absolute http(s) URL without query, fragment or user name; its path keeps no trailing slash.
pub(super) fn url(reader: &mut Reader<'_>, key: &str, value: &str, origin: &Origin) -> Option<Url> {
    let parsed = Url::parse(value).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match parsed {
        Some(mut url) => {
            let path = url.path().trim_end_matches('/').to_owned();
            url.set_path(&path);
            Some(url)
        }
        None => {
            // The value may hold a password, so it is not shown.
            let message =
                format!("`{key}` takes an address such as https://www.example.com, without user, query or fragment");
            reader.problem(codes::CONFIG_VALUE, origin, message);
            None
        }
    }
}

fn read_build(table: Table, text: &str, problems: &mut Vec<Diagnostic>) -> Build {
    let mut reader = Reader::new("build", table, text, problems);
    // Where it may be is checked with the site directory at hand.
    let out = reader.text("out").unwrap_or_else(|| "out".to_owned());
    let on_error = reader.word("on_error", &[("stop", OnError::Stop), ("hold", OnError::Hold)]);
    let commit = reader.word("commit", &[("journal", CommitBy::Journal), ("exchange", CommitBy::Exchange)]);
    let commit = commit.unwrap_or(CommitBy::Journal);
    let max_removals = match reader.take("max_removals") {
        None => 0.2,
        Some(node) => match share(&node.value) {
            Some(share) => share,
            None => {
                reader.wrong("max_removals", &node, "a share such as 0.2 or \"20%\"");
                0.2
            }
        },
    };
    let workers = reader.count("workers", 0).unwrap_or(0);
    let keep_replaced = reader.bool("keep_replaced").unwrap_or(true);
    let time_limit = reader.count("time_limit", 0).filter(|seconds| *seconds > 0).map(Duration::from_secs);
    reader.finish();
    let workers = usize::try_from(workers).unwrap_or(0);
    Build { out, on_error, commit, max_removals, workers, keep_replaced, time_limit }
}

/// `0.2`, `"20%"`, `"20 %"`.
fn share(value: &Value) -> Option<f64> {
    let share = match value {
        Value::Float(share) => *share,
        #[expect(clippy::cast_precision_loss, reason = "only 0 and 1 make sense")]
        Value::Integer(share) => *share as f64,
        Value::Text(text) => match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}
