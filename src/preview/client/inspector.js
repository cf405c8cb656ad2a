// Keys for the inspector, and a look again after every build. Without it everything works by links and forms.
(() => {
  "use strict";
  const script = document.currentScript;
  const search = document.getElementById("q");
  const query = new URLSearchParams({ page: "/_aem-static/", build: script.dataset.build, run: script.dataset.run });
  const events = new EventSource(`/_aem-static/events?${query}`);
  events.addEventListener("reload", () => {
    // Nobody loses what is being typed or read aloud.
    if (document.activeElement !== search || search.value === search.defaultValue) location.reload();
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  addEventListener("keydown", (event) => {
    const typing = document.activeElement === search;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && typing) {
      search.blur();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches?.("td a, th a, .pages a, #q")) {
      const links = [...document.querySelectorAll("tbody th a, .pages a")];
      const at = links.indexOf(event.target.closest("tr")?.querySelector("th a") ?? event.target);
      const next = links[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) {
        event.preventDefault();
        next.focus();
      }
    }
  });
})();
