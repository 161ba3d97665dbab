(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  root.classList.add("js");

  // Theme: the system's, light, dark. A browser that keeps nothing for local files simply forgets it.
  const themes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  const setTheme = (name) => {
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
  };
  const keep = (action) => { try { return action(window.localStorage); } catch { return null; } };
  const kept = keep((storage) => storage.getItem("roadworthy-theme"));
  setTheme(themes.includes(kept) ? kept : "auto");
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    setTheme(next);
    keep((storage) => storage.setItem("roadworthy-theme", next));
  });

  const findings = all(".finding");
  const form = document.getElementById("filters");

  // A link to a finding or a rule opens it, whatever the filter says.
  const reveal = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!target) return;
    if (target.hidden && form) { form.reset(); apply(); }
    const details = target.matches("details") ? target : target.matches(".finding") ? target.querySelector("details") : null;
    if (details) { details.open = true; target.scrollIntoView(); details.querySelector("summary").focus({ preventScroll: true }); }
  };
  window.addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) reveal();
  });

  // On paper everything that is shown is open.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all("details:not([open])").filter((details) => details.closest(".finding:not([hidden])"));
    opened.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));

  const visible = () => findings.filter((finding) => !finding.hidden);
  if (!form) { reveal(); return; }

  const query = document.getElementById("query");
  const rule = document.getElementById("rule");
  const shown = document.getElementById("shown");
  const fold = document.getElementById("fold");
  const texts = new Map();
  const textOf = (finding) => {
    if (!texts.has(finding)) texts.set(finding, finding.textContent.replace(/\s+/g, " ").toLowerCase());
    return texts.get(finding);
  };
  const checked = (name) => new Set(all(`input[name="${name}"]:checked`, form).map((box) => box.value));

  function apply() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = checked("severity");
    const pillars = checked("pillar");
    let count = 0;
    for (const finding of findings) {
      const data = finding.dataset;
      const match = severities.has(data.severity) && pillars.has(data.pillar) && (!rule.value || rule.value === data.rule)
        && words.every((word) => textOf(finding).includes(word));
      finding.hidden = !match;
      count += match ? 1 : 0;
    }
    for (const section of all(".pillar")) {
      const note = section.querySelector(".filtered");
      if (note) note.hidden = Boolean(section.querySelector(".finding:not([hidden])"));
    }
    shown.textContent = count === findings.length ? `All ${count} shown` : `${count} of ${findings.length} shown`;
    relabel();
  }

  function relabel() {
    const closed = visible().some((finding) => !finding.querySelector("details").open);
    fold.textContent = closed ? "Open all" : "Close all";
    fold.dataset.open = closed ? "1" : "";
  }

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  fold.addEventListener("click", () => {
    const open = Boolean(fold.dataset.open);
    visible().forEach((finding) => { finding.querySelector("details").open = open; });
    relabel();
  });
  findings.forEach((finding) => finding.querySelector("details").addEventListener("toggle", relabel));

  all(".pick").forEach((pick) => pick.addEventListener("click", () => {
    form.reset();
    for (const name of ["severity", "pillar"]) {
      all(`input[name="${name}"]`, form).forEach((box) => { box.checked = box.value === pick.dataset[name]; });
    }
    apply();
    document.getElementById(pick.dataset.pillar).scrollIntoView();
  }));

  function move(step) {
    const list = visible();
    if (!list.length) return;
    const here = list.indexOf(document.activeElement && document.activeElement.closest(".finding"));
    const next = here < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(Math.max(here + step, 0), list.length - 1);
    list[next].querySelector("summary").focus();
    list[next].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input[type=search], select, textarea");
    if (event.key === "Escape") { form.reset(); apply(); query.blur(); }
    else if (typing) return;
    else if (event.key === "/") { event.preventDefault(); query.focus(); query.select(); }
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
  });

  apply();
  reveal();
})();
