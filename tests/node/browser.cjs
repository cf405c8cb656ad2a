// Debian's Chromium, driven by tests/it/preview/browser.rs: one command a line on stdin, one answer a line on stdout. What is
// expected stands in the tests; this only carries it out.
"use strict";
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const PATIENCE = 60_000;

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Tests may run as root, where the sandbox of the browser does not.
    chromiumSandbox: false,
    args: FLAGS,
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  const noise = [];
  const asked = [];
  page.on("console", (message) => message.type() === "error" && noise.push(message.text()));
  page.on("pageerror", (error) => noise.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));

  const commands = {
    goto: async ({ url }) => (await page.goto(url, { waitUntil: "load" }))?.status() ?? null,
    // An expression that becomes true, whatever is loaded meanwhile. Asked from outside, for pages may forbid `eval`.
    until: async ({ expression }) => {
      for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
        if (await page.evaluate(expression).catch(() => false)) return true;
      }
      throw new Error("it never came to be");
    },
    evaluate: ({ expression }) => page.evaluate(expression),
    click: ({ selector }) => page.click(selector),
    press: ({ key }) => page.keyboard.press(key),
    type: ({ text }) => page.keyboard.type(text),
    // What the page complained of, and what it asked other hosts for.
    noise: () => ({ noise, asked }),
    shot: async ({ path, width, height, scheme }) => {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: scheme });
      await page.screenshot({ path, fullPage: true });
    },
  };

  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try {
      answer = { value: (await commands[command.do](command)) ?? null };
    } catch (error) {
      const shown = await page.evaluate(() => document.body?.innerText ?? "").catch(() => "");
      answer = { error: `${error.message}\n${page.url()}\n${shown.slice(0, 2000)}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  await browser.close();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
