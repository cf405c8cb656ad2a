//! What renders turned out to need: assets downloaded and kept, queries of templates run.

use std::collections::BTreeMap;
use std::sync::Arc;

use tera::Value;
use tokio::task::JoinSet;

use super::gather::Gatherer;
use super::gathered::Gathered;
use super::keys::Digest;
use super::needs::Failing;
use super::{AnswersFrom, Versions, failures, guards};
use crate::aem::{AssetAnswer, Validators};
use crate::plan;
use crate::render::{Asset, AssetRequest, QueryRequest, Unavailable};
use crate::report::{Diagnostic, codes};
use crate::shape::{ItemReader, Location};
use crate::site::{OnError, Shape, Site};
use crate::state::{AnswerId, AssetRecord, Key};
use crate::text::permalink;
use crate::text::slug::slugify;

/// Assets by location: as they are now, with what is noted of them.
pub(super) type Fetched = BTreeMap<AssetRequest, Result<AssetRecord, Unavailable>>;

/// Asks for assets at the same time; the client bounds how many. One that the last build had is asked for conditionally.
pub(super) async fn fetch(gatherer: &Arc<Gatherer>, requests: impl IntoIterator<Item = AssetRequest>) -> Fetched {
    let mut tasks = JoinSet::new();
    for request in requests {
        let gatherer = gatherer.clone();
        tasks.spawn(async move {
            let asset = download(&gatherer, &request).await;
            (request, asset)
        });
    }
    let mut assets = BTreeMap::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok((request, asset)) => {
                assets.insert(request, asset);
                gatherer.assets_done(assets.len());
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    assets
}

async fn download(gatherer: &Gatherer, request: &AssetRequest) -> Result<AssetRecord, Unavailable> {
    let aem = &gatherer.aem;
    let known = gatherer.known_asset(&request.location);
    match (gatherer.answers_from, known) {
        (AnswersFrom::Kept | AnswersFrom::KeptFirst, Some(known)) => return Ok(known.clone()),
        (AnswersFrom::Kept, None) => {
            return Err(Unavailable {
                code: codes::NOT_KEPT,
                message: format!("{} is not among the assets that the last build kept", request.location),
                help: Some("build once without `--offline`".to_owned()),
            });
        }
        (AnswersFrom::Aem | AnswersFrom::KeptFirst, _) => {}
    }
    let validators =
        known.map(|known| Validators { etag: known.etag.clone(), last_modified: known.last_modified.clone() });
    let answer = aem.asset(&request.location, validators.as_ref()).await.map_err(|failure| {
        let (code, message, help) = failures::asset(aem.connection(), &failure);
        Unavailable { code, message: format!("{} could not be had: {message}", request.location), help: Some(help) }
    })?;
    let (bytes, mime, validators) = match (answer, known) {
        (AssetAnswer::Body { bytes, mime, validators }, _) => (bytes, mime, validators),
        (AssetAnswer::NotModified, Some(known)) => return Ok(known.clone()),
        (AssetAnswer::NotModified, None) => return Err(refused(request, "the answer has no body")),
    };
    let path = output_path(request, mime.as_deref(), &bytes);
    if gatherer.versions == Versions::Locked && known.is_some_and(|known| known.id != AnswerId::of(&bytes)) {
        return Err(Unavailable {
            code: codes::CHANGED,
            message: format!("{} is another asset than in the last build", request.location),
            help: Some("build without `--locked` to take the new one".to_owned()),
        });
    }
    let size = imagesize::blob_size(&bytes).ok();
    let pixels = |number: usize| u32::try_from(number).ok();
    Ok(AssetRecord {
        id: gatherer.keep(&bytes).map_err(|problem| refused(request, &problem.message))?,
        path,
        etag: validators.etag,
        last_modified: validators.last_modified,
        mime: mime.unwrap_or_else(|| "application/octet-stream".to_owned()),
        width: size.and_then(|size| pixels(size.width)),
        height: size.and_then(|size| pixels(size.height)),
    })
}

/// An asset as templates see it.
pub(super) fn seen(record: &AssetRecord) -> Asset {
    Asset {
        url: permalink::url_of(&record.path),
        output: record.path.clone(),
        mime: record.mime.clone(),
        width: record.width,
        height: record.height,
    }
}

fn refused(request: &AssetRequest, why: &str) -> Unavailable {
    Unavailable {
        code: codes::ASSET_UNAVAILABLE,
        message: format!("{} could not be kept: {why}", request.location),
        help: None,
    }
}

/// `assets/<name>-<digest>.<extension>`: the same bytes under the same name have the same URL for ever, others never.
fn output_path(request: &AssetRequest, mime: Option<&str>, bytes: &[u8]) -> String {
    let (_, suffix) = stem_and_suffix(&request.location);
    let extension = match mime {
        Some("image/jpeg") => "jpg",
        Some("image/png") => "png",
        Some("image/gif") => "gif",
        Some("image/webp") => "webp",
        Some("image/avif") => "avif",
        Some("image/svg+xml") => "svg",
        Some("application/pdf") => "pdf",
        _ if !suffix.is_empty() && suffix.len() <= 8 && suffix.chars().all(|c| c.is_ascii_alphanumeric()) => suffix,
        _ => "bin",
    };
    let digest = &blake3::hash(bytes).to_hex()[..12];
    format!("{}{digest}.{}", name_before_digest(&request.location), extension.to_ascii_lowercase())
}

/// `assets/<name>-`: how the copies of an asset begin, whatever its bytes.
pub(super) fn name_before_digest(location: &str) -> String {
    let (stem, _) = stem_and_suffix(location);
    let stem: String =
        slugify(&percent_encoding::percent_decode_str(stem).decode_utf8_lossy()).chars().take(60).collect();
    format!("assets/{}-", if stem.is_empty() { "asset" } else { &stem })
}

fn stem_and_suffix(location: &str) -> (&str, &str) {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').unwrap_or((name, ""))
}

/// The result of a query that a template asks: where it is, or why there is none.
#[derive(Clone)]
pub(super) struct Located {
    pub(super) result: Result<(Vec<Location>, Shape), Unavailable>,
    /// Digest of what a template gets to see.
    pub(super) key: Key,
}

/// What templates asked for, by [`QueryRequest::key`].
#[derive(Default)]
pub(super) struct Asked {
    pub(super) results: BTreeMap<String, Located>,
    /// The problems of those that had items in the last build and have none.
    pub(super) emptied: BTreeMap<String, Diagnostic>,
}

/// Runs the queries of templates at the same time; the client bounds how many requests are under way, `BATCH` how many answers
/// wait to be taken apart.
pub(super) async fn ask(
    site: &Arc<Site>,
    gathered: &Gathered,
    requests: BTreeMap<String, QueryRequest>,
    failing: Failing,
) -> Result<Asked, Vec<Diagnostic>> {
    const BATCH: usize = 16;
    let mut waiting = requests.into_iter();
    let mut tasks = JoinSet::new();
    let (mut asked, mut problems) = (Asked::default(), Vec::new());
    loop {
        while tasks.len() < BATCH
            && let Some((key, request)) = waiting.next()
        {
            let (site, gathered) = (site.clone(), gathered.clone());
            tasks.spawn(async move { (key, result(&site, &gathered, &request).await) });
        }
        match tasks.join_next().await {
            None => break,
            Some(Ok((key, Ok((result, emptied))))) => {
                asked.emptied.extend(emptied.map(|problem| (key.clone(), problem)));
                asked.results.insert(key, result);
            }
            Some(Ok((_, Err(_)))) if failing == Failing::IsOpen => {}
            Some(Ok((key, Err(found)))) if gathered.gatherer.on_error == OnError::Hold => {
                asked.results.insert(key, failed(found));
            }
            Some(Ok((_, Err(found)))) => problems.extend(found),
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) => {}
        }
    }
    if problems.is_empty() { Ok(asked) } else { Err(problems) }
}

/// A query that failed: the pages that ask it do, too, and are held.
fn failed(problems: Vec<Diagnostic>) -> Located {
    let problem = problems.into_iter().next();
    let (code, message, help) = problem
        .map_or((codes::GRAPHQL_ERRORS, String::new(), None), |problem| (problem.code, problem.message, problem.help));
    let key = Digest::default().part("failed").part(&message).key();
    Located { result: Err(Unavailable { code, message, help }), key }
}

/// The result of one query, and its problem if it became empty.
type Answered = (Located, Option<Diagnostic>);

async fn result(site: &Site, gathered: &Gathered, request: &QueryRequest) -> Result<Answered, Vec<Diagnostic>> {
    let refuse = |message: String| {
        let key = Digest::default().part("unavailable").part(&message).key();
        Ok((Located { result: Err(Unavailable { code: codes::VARIABLE, message, help: None }), key }, None))
    };
    let call = match plan::template_call(site, &request.name, &request.variables, request.locale) {
        Ok(call) => call,
        Err(message) => return refuse(message),
    };
    let Some(query) = site.queries.get(&request.name) else {
        return refuse(format!("there is no query `{}`", request.name));
    };
    let Some(root) = query.items_root(request.from.as_deref()).filter(|root| root.shape != Shape::Other) else {
        let keys: Vec<&str> = query.roots.iter().map(|root| root.key.as_str()).collect();
        return refuse(format!(
            "query `{}` has several root fields or none with items: from=\"{}\"",
            query.name,
            keys.join("\" or \"")
        ));
    };
    let locations = gathered.ask(call.clone(), &root.key).await?;
    let emptied = guards::emptied(site, gathered.gatherer.state.manifest(), gathered, &call);
    let mut digest = Digest::default();
    // Which variables a query declares decides how a template's arguments are read, so its text is in it.
    digest.part(&query.sent).part(&root.key);
    for at in &locations {
        digest.part(gathered.gatherer.digest(*at).unwrap_or_default());
    }
    Ok((Located { result: Ok((locations, root.shape)), key: digest.key() }, emptied))
}

/// The items of a result, read.
pub(super) fn read_result(gathered: &Gathered, located: &Located) -> Result<Result<Value, Unavailable>, Diagnostic> {
    let (locations, shape) = match &located.result {
        Ok(found) => found,
        Err(unavailable) => return Ok(Err(unavailable.clone())),
    };
    let items = values(gathered, locations, &ItemReader::of(None))?;
    Ok(Ok(match shape {
        Shape::Item => items.into_iter().next().unwrap_or_else(Value::none),
        _ => Value::from(items),
    }))
}

/// Items read back from the kept answers.
pub(super) fn values(
    gathered: &Gathered,
    locations: &[Location],
    reader: &ItemReader,
) -> Result<Vec<Value>, Diagnostic> {
    let mut bytes = Vec::new();
    locations
        .iter()
        .map(|at| {
            gathered.read(*at, &mut bytes)?;
            reader.read(&bytes).map_err(|error| unreadable(&bytes, &error))
        })
        .collect()
}

/// An item that is JSON for who passes over it, and not for who reads it: nested too deep, or half a surrogate pair.
pub(super) fn unreadable(item: &[u8], error: &serde_json::Error) -> Diagnostic {
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        _path: std::borrow::Cow<'a, str>,
    }
    let problem = Diagnostic::error(codes::NOT_JSON, format!("an item cannot be read: {error}")).help(
        "mend the content fragment in AEM, or leave the field out of the query; the column counts within the item",
    );
    match serde_json::from_slice::<Named<'_>>(item) {
        Ok(named) => problem.fragment(&*named._path),
        Err(_) => problem,
    }
}
