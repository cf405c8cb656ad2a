#!/usr/bin/env bash
# The built-in origin, measured: how long it takes to load N content fragments, what it keeps in memory, and how long answers
# take. Prints a Markdown table.
#
#   AEM_STATIC   the binary to measure (target/release/aem-static)
#   N            content fragments (10000)
#   RUNS         starts, and hundreds of requests each; medians count (5)
#   WORK         an empty or absent folder for the content (a temporary one, removed afterwards)
#
# The fragments are JSON of the management API, a file each of about 4 KB: eleven fields, among them 2 KB of html, four
# references and a variation in every tenth. Times of requests are those of a client in Python over one connection, parsing
# not included. The first start after making the files may be slower than the others; the table shows both.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
aem_static=${AEM_STATIC:-$here/../target/release/aem-static}
[[ -x $aem_static ]] || { printf 'origin.sh: %s is no program: cargo build --release, or set AEM_STATIC\n' "$aem_static" >&2; exit 2; }
aem_static=$(realpath "$aem_static")
made=
trap '[[ -z $made ]] || rm -rf "$made"' EXIT
work=${WORK:-}
if [[ -z $work ]]; then
  work=$(mktemp -d)
  made=$work
fi

python3 - "$aem_static" "$work" "${N:-10000}" "${RUNS:-5}" <<'PY'
import http.client, json, os, signal, statistics, subprocess, sys, time

program, work, count, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
content = os.path.join(work, "content")
MODELS = "/conf/bench/settings/dam/cfm/models"
ROOT = "/content/dam/bench"
AUTHORS = 100

def write(path, value):
    file = os.path.join(content, path)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w") as out:
        json.dump(value, out, indent=1)

def model(name, fields):
    fields = [{"name": n, "label": n, "type": t, "multiple": m, **rest} for n, t, m, rest in fields]
    write(f"models/{name}.json", {"path": f"{MODELS}/{name}", "name": name, "title": name.title(), "status": "enabled", "fields": fields})

def fragment(path, model, title, fields, **rest):
    fields = [{"name": n, "type": t, "multiple": m, "locked": False, "values": v} for n, t, m, v in fields]
    write(f"fragments/bench/{path}.json", {"path": f"{ROOT}/{path}", "title": title, "description": f"About {title}", "status": "PUBLISHED",
        "created": {"at": "2026-01-05T08:00:00.000Z", "by": "editor@example.com"}, "modified": {"at": "2026-02-01T08:00:00.000Z", "by": "editor@example.com"},
        "model": {"path": f"{MODELS}/{model}", "title": model.title()}, "fields": fields, "variations": [], "tags": [{"id": "bench:all", "title": "All"}], **rest})

def make():
    model("author", [("name", "text", False, {}), ("bio", "long-text", False, {})])
    model("article", [("title", "text", False, {}), ("slug", "text", False, {}), ("summary", "text", False, {}), ("body", "long-text", False, {}),
        ("price", "number", False, {}), ("featured", "boolean", False, {}), ("day", "date", False, {}), ("topics", "tag", True, {}),
        ("image", "content-reference", False, {}), ("author", "fragment-reference", False, {"allowedModels": [f"{MODELS}/author"]}),
        ("related", "fragment-reference", True, {"allowedModels": [f"{MODELS}/article"]})])
    for n in range(AUTHORS):
        fragment(f"authors/author-{n}", "author", f"Author {n}", [("name", "text", False, [f"Author {n}"]), ("bio", "long-text", False, ["<p>Writes.</p>"])])
    for n in range(count):
        other = [f"{ROOT}/articles/{(n + d) % count // 1000}/article-{(n + d) % count}" for d in (1, 7)]
        rest = {"variations": [{"name": "short", "title": "Short", "fields": [{"name": "title", "values": [f"No. {n}"]}]}]} if n % 10 == 0 else {}
        body = "".join(f"<p>Paragraph {p} of article {n}: it <b>says</b> what there is to say, in a line or two that nobody reads.</p>\n" for p in range(20))
        fragment(f"articles/{n // 1000}/article-{n}", "article", f"Article {n}", [
            ("title", "text", False, [f"Article {n}"]), ("slug", "text", False, [f"article-{n}"]),
            ("summary", "text", False, [f"What article {n} is about, in some words more than its title has."]), ("body", "long-text", False, [body]),
            ("price", "number", False, [n * 7919 % 1000 + 0.5]), ("featured", "boolean", False, [n % 3 == 0]), ("day", "date", False, [f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}"]),
            ("topics", "tag", True, [f"bench:topic/{n % 17}", f"bench:topic/{n % 23}"]), ("image", "content-reference", False, [f"{ROOT}/images/{n % 50}.svg"]),
            ("author", "fragment-reference", False, [f"{ROOT}/authors/author-{n % AUTHORS}"]), ("related", "fragment-reference", True, other)], **rest)
    for n in range(50):
        file = os.path.join(content, f"assets/bench/images/{n}.svg")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w") as out:
            out.write("<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'></svg>")

TEN = "_path title slug summary price featured day topics author { name } image { ... on ImageRef { _path width height } }"
QUERIES = {
    "1,000 items, ten fields": "{ articleList(limit: 1000) { items { %s } } }" % TEN,
    "the same with 2 KB of html each": "{ articleList(limit: 1000) { items { %s body { html } } } }" % TEN,
    "1,000 of all, filtered and sorted": '{ articleList(limit: 1000, filter: {price: {_expressions: [{value: 900, _operator: LOWER}]}, author: {name: {_expressions: [{value: "7", _operator: CONTAINS_NOT}]}}}, sort: "price DESC, title") { items { %s } } }' % TEN,
    "a page of 100 by cursor": "{ articlePaginated(first: 100) { edges { node { %s } cursor } pageInfo { endCursor hasNextPage } } }" % TEN,
    "one by path": '{ articleByPath(_path: "%s/articles/0/article-5") { item { %s body { html } } } }' % (ROOT, TEN),
}

def memory(pid):
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return [int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")]

def ask(connection, query):
    body = json.dumps({"query": query})
    began = time.perf_counter()
    connection.request("POST", "/content/_cq_graphql/global/endpoint.json", body, {"Content-Type": "application/json"})
    answer = connection.getresponse().read()
    return (time.perf_counter() - began) * 1000, answer

if not os.path.isdir(content):
    print(f"making {count} fragments", file=sys.stderr)
    make()
loads, resident, peak, after, times, sizes = [], [], [], [], {}, {}
for run in range(runs):
    began = time.perf_counter()
    origin = subprocess.Popen([program, "origin", "--content", content], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=work)
    try:
        url = origin.stdout.readline().decode().strip()
        loads.append(time.perf_counter() - began)
        now = memory(origin.pid)
        resident.append(now[0])
        peak.append(now[1])
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        for name, query in QUERIES.items():
            for _ in range(20 if count <= 20000 else 5):
                took, answer = ask(connection, query)
                assert b'"errors"' not in answer[:20], answer[:300]
                times.setdefault(name, []).append(took)
                sizes[name] = len(answer)
        assert len(json.loads(ask(connection, QUERIES["1,000 items, ten fields"])[1])["data"]["articleList"]["items"]) == min(1000, count)
        after.append(memory(origin.pid)[0])
    finally:
        origin.send_signal(signal.SIGINT)
        origin.wait()

print(f"{count + AUTHORS} fragments, medians of {runs} starts\n")
print("| what | median | fastest to slowest | answer |")
print("| --- | ---: | ---: | ---: |")
print(f"| start until the URL is printed | {statistics.median(loads):.2f} s | {min(loads):.2f} to {max(loads):.2f} s | |")
for name in QUERIES:
    print(f"| {name} | {statistics.median(times[name]):.1f} ms | {min(times[name]):.1f} to {max(times[name]):.1f} ms | {sizes[name] / 1024:.0f} KiB |")
print(f"| memory when loaded | {statistics.median(resident):.0f} MiB | peak {max(peak):.0f} MiB | |")
print(f"| memory after these requests | {statistics.median(after):.0f} MiB | | |")
PY
