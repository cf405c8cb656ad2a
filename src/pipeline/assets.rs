//! What renders turned out to need: assets downloaded into staging, queries of templates run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tera::Value;
use tokio::task::JoinSet;

use super::gathered::Gathered;
use super::{failures, guards};
use crate::aem::{Aem, AssetAnswer};
use crate::output::{Class, Output};
use crate::plan;
use crate::render::{Asset, AssetRequest, Needs, QueryRequest, Unavailable};
use crate::report::{Diagnostic, Event, Reporter, Stage, codes};
use crate::shape::{ItemReader, Location};
use crate::site::{Shape, Site};
use crate::text::permalink;
use crate::text::slug::slugify;

/// Output paths of assets written in this build; equal bytes under one name are written once.
pub(super) type Written = Arc<Mutex<BTreeMap<String, ()>>>;

/// Downloads assets at the same time; the client bounds how many.
pub(super) async fn fetch(
    aem: &Aem,
    output: &Arc<Output>,
    written: &Written,
    reporter: &Arc<dyn Reporter>,
    requests: impl IntoIterator<Item = AssetRequest>,
) -> BTreeMap<AssetRequest, Result<Asset, Unavailable>> {
    let mut tasks = JoinSet::new();
    for request in requests {
        let (aem, output, written) = (aem.clone(), output.clone(), written.clone());
        tasks.spawn(async move {
            let asset = download(&aem, &output, &written, &request).await;
            (request, asset)
        });
    }
    let mut assets = BTreeMap::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok((request, asset)) => {
                assets.insert(request, asset);
                reporter.emit(Event::Progress {
                    stage: Stage::Assets,
                    done: assets.len() as u64,
                    total: None,
                    slow: None,
                });
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    assets
}

async fn download(aem: &Aem, output: &Output, written: &Written, request: &AssetRequest) -> Result<Asset, Unavailable> {
    let answer = aem.asset(&request.location, None).await.map_err(|failure| {
        let (code, message, help) = failures::asset(aem.connection(), &failure);
        Unavailable { code, message: format!("{} could not be had: {message}", request.location), help: Some(help) }
    })?;
    let AssetAnswer::Body { bytes, mime, .. } = answer else {
        return Err(refused(request, "the answer has no body"));
    };
    let path = output_path(request, mime.as_deref(), &bytes);
    let size = imagesize::blob_size(&bytes).ok();
    let pixels = |number: usize| u32::try_from(number).ok();
    let first = written.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), ()).is_none();
    if first && let Err(error) = output.put(&path, Class::Asset, &bytes) {
        return Err(refused(request, &error.to_string()));
    }
    Ok(Asset {
        url: permalink::url_of(&path),
        output: path,
        mime: mime.unwrap_or_else(|| "application/octet-stream".to_owned()),
        width: size.and_then(|size| pixels(size.width)),
        height: size.and_then(|size| pixels(size.height)),
    })
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
    let path = request.location.split(['?', '#']).next().unwrap_or_default();
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
    let stem: String =
        slugify(&percent_encoding::percent_decode_str(stem).decode_utf8_lossy()).chars().take(60).collect();
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
    let stem = if stem.is_empty() { "asset".to_owned() } else { stem };
    format!("assets/{stem}-{digest}.{}", extension.to_ascii_lowercase())
}

/// What templates asked for, by [`QueryRequest::key`].
#[derive(Default)]
pub(super) struct Asked {
    /// A result, or why there is none.
    pub(super) results: BTreeMap<String, Result<Value, Unavailable>>,
    /// The problems of those that had items in the last build and have none.
    pub(super) emptied: BTreeMap<String, Diagnostic>,
}

/// Runs the queries of templates at the same time; the client bounds how many requests are under way, `BATCH` how many answers
/// wait to be taken apart.
pub(super) async fn ask(site: &Arc<Site>, gathered: &Gathered, needs: &Needs) -> Result<Asked, Vec<Diagnostic>> {
    const BATCH: usize = 16;
    let mut waiting = needs.queries.iter();
    let mut tasks = JoinSet::new();
    let (mut asked, mut problems) = (Asked::default(), Vec::new());
    loop {
        while tasks.len() < BATCH
            && let Some((key, request)) = waiting.next()
        {
            let (site, gathered, key, request) = (site.clone(), gathered.clone(), key.clone(), request.clone());
            tasks.spawn(async move { (key, result(&site, &gathered, &request).await) });
        }
        match tasks.join_next().await {
            None => break,
            Some(Ok((key, Ok((result, emptied))))) => {
                asked.emptied.extend(emptied.map(|problem| (key.clone(), problem)));
                asked.results.insert(key, result);
            }
            Some(Ok((_, Err(found)))) => problems.extend(found),
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) => {}
        }
    }
    if problems.is_empty() { Ok(asked) } else { Err(problems) }
}

/// The result of one query, and its problem if it became empty.
type Answered = (Result<Value, Unavailable>, Option<Diagnostic>);

async fn result(site: &Site, gathered: &Gathered, request: &QueryRequest) -> Result<Answered, Vec<Diagnostic>> {
    let refuse = |message: String| Ok((Err(Unavailable { code: codes::VARIABLE, message, help: None }), None));
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
    let items = values(gathered, &locations, &ItemReader::of(None)).map_err(|problem| vec![problem])?;
    let value = match root.shape {
        Shape::Item => items.into_iter().next().unwrap_or_else(Value::none),
        _ => Value::from(items),
    };
    Ok((Ok(value), emptied))
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
