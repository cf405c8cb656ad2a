//! The rooms one by one, through the library's public functions, on the site of the whole-process benchmark (`benches/site/`).
//!
//! - **fetch**: ten answers of 500 KB from a loopback server in this process, by the real client.
//! - **shape**: one such answer split into its 100 items; a route's expressions evaluated over them.
//! - **render**: 1,000 pages by one worker.
//! - **write**: 2,000 files into an empty folder, staging and commit included; and again when nothing changed.
//!
//! `cargo bench --bench rooms`, or with `-- --quick` for a first look. Compare ratios on one machine, not seconds across
//! machines. What a whole build takes is measured by `benches/whole.sh`; see docs/performance.md.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aem_static::aem::{Aem, Connection, QueryCall, Tier};
use aem_static::output::{Adopt, Class, Mode, Output};
use aem_static::render::{self, Content, Rendered, Worker, World};
use aem_static::shape::{Evaluated, Evaluator, ItemReader, Location, Pages, Provenance, RouteEntries, identity};
use aem_static::shape::{build_pages, parse_item, split};
use aem_static::site::{self, Kind, Overrides, Root, Site};
use aem_static::text::texts::Texts;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Map, Value, json};

/// Items of one answer: the largest page AEM gives.
const ITEMS: usize = 100;
const PAGES: usize = 1_000;
const FILES: usize = 2_000;

criterion_group!(rooms, fetch, shape, render, write);
criterion_main!(rooms);

fn fetch(criterion: &mut Criterion) {
    let site = load();
    let query = site.queries.get("adventures").expect("benches/site has this query");
    let body = answer(ITEMS);
    let host = serve(body.clone()).parse().expect("an address is a URL");
    let aem = Aem::new(Connection::new(Tier::Publish, host, "bench")).expect("the connection is plain");
    let variables = Map::new();
    let call = QueryCall { name: &query.name, configuration: None, text: &query.sent, variables: &variables };
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let mut group = criterion.benchmark_group("fetch");
    group.throughput(Throughput::Bytes(10 * body.len() as u64));
    group.bench_function("10 answers", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for _ in 0..10 {
                    black_box(aem.query(&call).await.expect("the server answers"));
                }
            });
        });
    });
    group.finish();
}

fn shape(criterion: &mut Criterion) {
    let site = load();
    let body = answer(ITEMS);
    let items = items(&site, &body);
    let evaluator = Evaluator::new(site.clone(), each(&site));
    let reader = ItemReader::new([&evaluator]);
    let mut group = criterion.benchmark_group("shape");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("split 500 KB", |bencher| bencher.iter(|| split(black_box(&body), &[root(&site)])));
    group.throughput(Throughput::Elements(ITEMS as u64));
    group.bench_function("evaluate 100 items", |bencher| {
        bencher.iter(|| {
            for (json, at) in &items {
                let item = reader.read(json).expect("the items are objects");
                black_box(evaluator.evaluate(&item, fragment(&item), *at, FROM).expect("the items fit the route"));
            }
        });
    });
    group.finish();
}

fn render(criterion: &mut Criterion) {
    let site = load();
    let body = answer(PAGES);
    let items = items(&site, &body);
    let pages = Arc::new(pages(&site, &items));
    let world = World {
        site: site.clone(),
        pages: pages.clone(),
        results: std::collections::BTreeMap::new(),
        assets: std::collections::BTreeMap::new(),
        absent: render::Absent::default(),
        unmade: std::collections::BTreeSet::new(),
        dump: false,
    };
    let mut worker = Worker::new(Arc::new(world), render::engine(&site).expect("the templates were checked"));
    let mut group = criterion.benchmark_group("render");
    group.sample_size(20).throughput(Throughput::Elements(PAGES as u64));
    group.bench_function("1,000 pages", |bencher| {
        bencher.iter(|| {
            for (page, (json, _)) in pages.pages.iter().zip(&items) {
                let item = parse_item(json).expect("the items are JSON");
                let content = Content { item: Some(item), ..Content::default() };
                let rendered = worker.render(page, "page.html", &content);
                assert!(matches!(rendered, Rendered::Document { .. }), "a page did not render: {rendered:?}");
                black_box(rendered);
            }
        });
    });
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let page = vec![b'x'; 6 << 10];
    let mut group = criterion.benchmark_group("write");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).throughput(Throughput::Elements(FILES as u64));
    // Folders are kept until the end: writing where a tree was just deleted is many times dearer on some file systems, and
    // not what a build does.
    let mut folders = Vec::new();
    group.bench_function("2,000 files", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut measured = Duration::ZERO;
            for _ in 0..iterations {
                let folder = folder();
                let started = Instant::now();
                put_all(folder.path(), &page);
                measured += started.elapsed();
                folders.push(folder);
            }
            measured
        });
    });
    group.bench_function("2,000 files again", |bencher| {
        let folder = folder();
        put_all(folder.path(), &page);
        bencher.iter(|| put_all(folder.path(), &page));
    });
    group.finish();
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn put_all(folder: &Path, bytes: &[u8]) {
    let output = Output::open(&folder.join("out"), Mode::Write, Adopt::No).expect("the folder is ours");
    for number in 0..FILES {
        output.put(&format!("adventures/{number}/index.html"), Class::Page, bytes).expect("the path is plain");
    }
    output.finish().expect("every file was put").commit(&|_| {}).expect("the folder can be written");
}

const FROM: Provenance<'static> = Provenance { call: 0, locale: None, outer: None };

fn load() -> Arc<Site> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/site");
    let host = Some(("https://bench.example".to_owned(), "the benchmark".to_owned()));
    let site = site::load(&dir, &Overrides { host, ..Overrides::default() });
    Arc::new(site.unwrap_or_else(|problems| panic!("benches/site has problems: {problems:?}")))
}

fn root(site: &Site) -> &Root {
    let query = site.queries.get("adventures").expect("benches/site has this query");
    query.items_root(None).expect("the query has one root field")
}

/// The route with one HTML page an item.
fn each(site: &Site) -> usize {
    let found = site.routes.iter().position(|route| route.kind == Kind::Each && route.template.is_some());
    found.expect("benches/site has such a route")
}

/// The items of an answer with their places, as a walk leaves them.
fn items(site: &Site, body: &[u8]) -> Vec<(Vec<u8>, Location)> {
    let slices = split(body, &[root(site)]).expect("the answer fits the query");
    let number = |number: usize| u32::try_from(number).expect("the answer is small");
    let located = slices.iter().flat_map(|slice| &slice.items);
    located
        .map(|item| {
            let at = Location { answer: 0, start: number(item.start), len: number(item.len) };
            (body[item.start..item.start + item.len].to_vec(), at)
        })
        .collect()
}

/// The item's `_path`.
fn fragment(item: &tera::Value) -> &str {
    identity(item).expect("the items have paths").0
}

/// The pages of the `each` route alone, in the order of the items.
fn pages(site: &Arc<Site>, items: &[(Vec<u8>, Location)]) -> Pages {
    let evaluators: Vec<Evaluator> = (0..site.routes.len()).map(|index| Evaluator::new(site.clone(), index)).collect();
    let mut entries: Vec<RouteEntries> = site.routes.iter().map(|_| RouteEntries::new()).collect();
    let mut texts = Texts::default();
    let index = each(site);
    let reader = ItemReader::new([&evaluators[index]]);
    for (json, at) in items {
        let item = reader.read(json).expect("the items are objects");
        match evaluators[index].evaluate(&item, fragment(&item), *at, FROM) {
            Ok(Evaluated::Entry(entry)) => {
                let kept = texts.push(fragment(&item)).expect("the paths are short");
                entries[index].entry(None).or_default().push(&mut texts, kept, entry).expect("the paths are short");
            }
            other => panic!("an item does not fit the route: {other:?}"),
        }
    }
    let mut problems = Vec::new();
    let pages = build_pages(site, &evaluators, &entries, texts, &vec![Vec::new(); site.routes.len()], &mut problems);
    assert!(problems.is_empty(), "the pages have problems: {problems:?}");
    pages
}

/// An answer of `count` adventures, about 5 KB each, the shape of `benches/site/content-queries/adventures.graphql`.
fn answer(count: usize) -> Vec<u8> {
    let edges: Vec<Value> = (0..count).map(|number| json!({ "node": adventure(number) })).collect();
    let page = json!({ "edges": edges, "pageInfo": { "hasNextPage": false, "endCursor": null } });
    serde_json::to_vec(&json!({ "data": { "adventurePaginated": page } })).expect("a tree can be written")
}

fn adventure(number: usize) -> Value {
    const TEXT: &str = "<p>A long ridge, a short ladder, and tea where the <b>two</b> valleys meet &amp; part.</p>";
    json!({
        "_path": format!("/content/dam/bench/en/adventure-{number}"),
        "slug": format!("adventure-{number}"),
        "title": format!("Adventure {number} & \"more\""),
        "activity": "Hiking",
        "tripLength": "4 days",
        "difficulty": "Moderate",
        "price": 100 + number % 900,
        "primaryImage": {
            "_path": format!("/content/dam/bench/img/{number}.jpg"),
            "_publishUrl": format!("https://publish.example/content/dam/bench/img/{number}.jpg"),
            "width": 1600,
            "height": 900,
        },
        "description": { "html": TEXT.repeat(25) },
        "itinerary": { "html": TEXT.repeat(22) },
        "contributor": { "fullName": "A. Walker", "biography": { "plaintext": "Walks in front. ".repeat(10) } },
        "_tags": ["bench:season/summer", "bench:level/moderate"],
        "_metadata": { "calendarMetadata": [{ "name": "cq:lastModified", "value": "2026-01-02T03:04:05.000Z" }] },
    })
}

/// A server of a few lines that answers every request with `body`; it lives as long as the process. Gives its address.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (head, body) = (head.clone(), body.clone());
            std::thread::spawn(move || talk(stream, head.as_bytes(), &body));
        }
    });
    format!("http://{address}")
}

/// One connection, until the client closes it.
fn talk(stream: TcpStream, head: &[u8], body: &[u8]) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        stream.write_all(head).and_then(|()| stream.write_all(body)).ok()?;
    }
}
