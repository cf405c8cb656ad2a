// From a saved template to the new page in a browser, measured where it is seen: the page that is loaded anew says when its last line ran.
//
//   cargo build --release && npm ci --prefix tests/node
//   N=10000 RUNS=50 node benches/preview.cjs
//
// It makes a site of N stories from the built-in origin, a page each, and one page of its own template; starts `preview` on it;
// opens that one page in Chromium; and saves its template RUNS times. Prints milliseconds: best, median, 95th percentile, worst. Takes,
// all optional:
//
//   AEM_STATIC   the binary to measure (target/release/aem-static)
//   CHROMIUM     the browser (/usr/bin/chromium)
//   N            pages (10000)
//   RUNS         changes (50)
//   WORK         an empty or absent folder for the site (a temporary one, removed afterwards)
"use strict";
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { spawn } = require("node:child_process");
const readline = require("node:readline");

const root = path.dirname(__dirname);
const { chromium } = require(path.join(root, "tests/node/node_modules/playwright-core"));
const binary = process.env.AEM_STATIC ?? path.join(root, "target/release/aem-static");
const pages = Number(process.env.N ?? 10000);
const runs = Number(process.env.RUNS ?? 50);

function makeSite(dir) {
  const put = (file, text) => {
    fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    fs.writeFileSync(path.join(dir, file), text);
  };
  const model = "/conf/acme/settings/dam/cfm/models/story";
  const fields = ["slug", "title"].map((name) => ({ name, label: name, type: "text" }));
  fields.push({ name: "body", label: "body", type: "long-text" });
  put("content/models/story.json", JSON.stringify({ path: model, name: "story", title: "Story", status: "enabled", fields }));
  const body = "<p>Two to a canoe, everything you need in two barrels, and a map on which the water is the larger part.</p>".repeat(20);
  for (let number = 0; number < pages; number += 1) {
    const values = { slug: `story-${number}`, title: `Story ${number}`, body };
    const story = { model: "story", title: values.title, fields: values };
    put(`content/fragments/acme/stories/${Math.floor(number / 500)}/story-${number}.json`, JSON.stringify(story));
  }
  put("content-queries/stories.graphql",
    "query ($after: String, $first: Int = 500) {\n  storyPaginated(first: $first, after: $after, sort: \"slug ASC\") {\n    edges { node { _path slug title body { html } } }\n    pageInfo { hasNextPage endCursor }\n  }\n}\n");
  put("templates/story.html", "<!doctype html><body><h1>{{ item.title }}</h1>{{ item.body | rich_text }}</body>\n");
  put("aem-static.toml", `[site]\ntitle = "Bench"\n[aem]\ntier = "local"\nconfiguration = "acme"\n
[[route]]\nname = "story"\nquery = "stories"\neach = "/stories/{{ slug }}/"\ntemplate = "story.html"\n
[[route]]\nname = "one"\npage = "/one/"\ntemplate = "one.html"\n`);
}

const save = (dir, number) =>
  fs.writeFileSync(path.join(dir, "templates/one.html"),
    `<!doctype html><body><h1>${number}</h1><script>window.shown = { number: ${number}, at: performance.timeOrigin + performance.now() }</script></body>\n`);

async function main() {
  const made = process.env.WORK ? null : fs.mkdtempSync(path.join(os.tmpdir(), "aem-static-bench-"));
  const dir = path.join(process.env.WORK ?? made, "site");
  makeSite(dir);
  save(dir, 0);
  const preview = spawn(binary, ["-C", dir, "preview", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  let browser;
  try {
    const [url] = await new Promise((done) => readline.createInterface({ input: preview.stdout }).once("line", (line) => done([line])));
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", chromiumSandbox: false, args: ["--disable-gpu"] });
    const page = await browser.newPage();
    page.setDefaultTimeout(600_000);
    await page.goto(`${url}/one/`);
    const times = [];
    for (let number = 1; number <= runs; number += 1) {
      // Between two changes somebody thinks.
      await new Promise((done) => setTimeout(done, 300));
      const began = performance.timeOrigin + performance.now();
      save(dir, number);
      await page.waitForFunction((wanted) => window.shown?.number === wanted, number);
      times.push((await page.evaluate(() => window.shown.at)) - began);
    }
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(0);
    process.stdout.write(`| pages | runs | best | median | 95 % | worst |\n| --- | --- | --- | --- | --- | --- |\n`);
    process.stdout.write(`| ${pages} | ${runs} | ${at(0)} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |\n`);
  } finally {
    await browser?.close();
    const ended = new Promise((done) => preview.once("exit", done));
    preview.kill("SIGTERM");
    await ended;
    if (made) fs.rmSync(made, { recursive: true });
  }
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
