
(() => {
  "use strict";
  const table = document.querySelector("table.entries");
  if (!table) return;
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const entries = all(".entry", table);
  const first = new Map(entries.map((entry, index) => [entry, index]));
  const form = document.getElementById("map-filters");
  const query = document.getElementById("map-query");
  const kind = document.getElementById("map-kind");
  const open = document.getElementById("map-open");
  const shown = document.getElementById("map-shown");
  const nothing = document.querySelector("#map .filtered");

  // An entry opens to what it does.
  const unfold = (entry, wide) => {
    entry.classList.toggle("unfolded", wide);
    const button = entry.querySelector(".unfold");
    if (button) button.setAttribute("aria-expanded", String(wide));
  };
  entries.forEach((entry) => unfold(entry, false));
  table.addEventListener("click", (event) => {
    const button = event.target.closest(".unfold");
    if (button) { const entry = button.closest(".entry"); unfold(entry, !entry.classList.contains("unfolded")); }
  });

  const texts = new Map();
  const textOf = (entry) => {
    if (!texts.has(entry)) texts.set(entry, entry.textContent.replace(/\s+/g, " ").toLowerCase());
    return texts.get(entry);
  };
  const isOpen = (data) => Number(data.hanging) + Number(data.doubled) + Number(data.dropped) > 0;
  function apply() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const entry of entries) {
      const data = entry.dataset;
      const match = (!kind.value || kind.value === data.kind) && (!open.checked || isOpen(data))
        && words.every((word) => textOf(entry).includes(word));
      entry.hidden = !match;
      count += match ? 1 : 0;
    }
    nothing.hidden = count > 0;
    shown.textContent = count === entries.length ? `All ${count} shown` : `${count} of ${entries.length} shown`;
  }
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  query.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.stopPropagation(); form.reset(); }
  });

  // Text sorts from A, numbers from the largest; the same head again turns it round, a third time gives the first order back.
  const numeric = new Set(["effects", "hanging", "doubled", "dropped"]);
  all(".sort", table).forEach((button) => {
    button.disabled = false;
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const key = button.dataset.key;
      const start = numeric.has(key) ? "descending" : "ascending";
      const other = start === "ascending" ? "descending" : "ascending";
      const now = head.getAttribute("aria-sort");
      const next = now === "none" ? start : now === start ? other : "none";
      all("th[aria-sort]", table).forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      const value = (entry) => (numeric.has(key) ? Number(entry.dataset[key]) : entry.dataset[key]);
      const compare = (a, b) => {
        const one = value(a), two = value(b);
        const order = next === "none" ? 0 : numeric.has(key) ? one - two : one.localeCompare(two, "en");
        return (next === "descending" ? -order : order) || first.get(a) - first.get(b);
      };
      entries.sort(compare).forEach((entry) => table.append(entry));
    });
  });
  apply();
})();
