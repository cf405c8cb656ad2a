// Keeps a page of the site as it is on disk: added by preview on the way out, never written to a file.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || !("EventSource" in window)) return;
  const held = { ...script.dataset };
  let events = null;

  const listen = () => {
    if (events) return;
    const query = new URLSearchParams();
    for (const key of ["page", "build", "run", "all", "rest"]) query.set(key, held[key] ?? "");
    events = new EventSource(`/_aem-static/events?${query}`);
    events.addEventListener("reload", () => location.reload());
    events.addEventListener("styles", (event) => exchangeStyles(event.data));
  };
  const rest = () => {
    events?.close();
    events = null;
  };

  // A browser opens few connections to one server: pages that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  if (!document.hidden) listen();

  // The stylesheets that the page names now, in place of those it named. The old one goes when the new one is there.
  async function exchangeStyles(build) {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const said = next.querySelector('script[src="/_aem-static/reload.js"]')?.dataset;
      const query = 'link[rel~="stylesheet"]';
      const own = (list) => [...list].filter((link) => new URL(link.getAttribute("href") ?? "", location.href).origin === location.origin);
      const old = own(document.querySelectorAll(`${query}:not([data-aem-static-old])`));
      const now = own(next.querySelectorAll(query));
      if (!said || old.length !== now.length) return location.reload();
      Object.assign(held, { build: said.build, all: said.all, rest: said.rest });
      now.forEach((link, index) => {
        const to = new URL(link.getAttribute("href"), location.href);
        to.searchParams.set("aem-static", build);
        const fresh = old[index].cloneNode();
        fresh.href = to.href;
        old[index].dataset.aemStaticOld = "";
        const swap = () => old[index].remove();
        fresh.addEventListener("load", swap);
        fresh.addEventListener("error", swap);
        old[index].after(fresh);
      });
    } catch {
      location.reload();
    }
  }

  addEventListener("keydown", (event) => {
    if (event.altKey && event.shiftKey && event.code === "KeyI") {
      event.preventDefault();
      open(`/_aem-static/page?path=${encodeURIComponent(held.page)}`, "aem-static-inspector");
    }
  });

  if ("lastGood" in held) {
    const host = document.createElement("div");
    const root = host.attachShadow({ mode: "closed" });
    const bar = document.createElement("div");
    bar.setAttribute("role", "status");
    bar.style.cssText =
      "position:fixed;inset:auto 0 0 0;z-index:2147483647;padding:.6rem 1rem;font:500 14px/1.4 system-ui,sans-serif;" +
      "color:#fff;background:#9b1c2e;display:flex;gap:1rem;justify-content:center;flex-wrap:wrap";
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = "Show the errors";
    link.style.color = "#fff";
    bar.append("The last build failed. This is the page as it was before.", link);
    root.append(bar);
    document.body.append(host);
  }
})();
