// Tables sort by a click on a heading and filter by words; without this script they are plain tables.
"use strict";
(() => {
  const valueOf = (row, place) => {
    const cell = row.cells[place];
    if (!cell) return "";
    const exact = cell.dataset.value;
    if (exact === undefined) return cell.textContent.trim().toLowerCase();
    return exact === "" ? NaN : Number(exact);
  };
  const order = (a, b) => {
    if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b), "en", { numeric: true });
    if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1; // what is not measurable stays below
    return Number.isNaN(b) ? -1 : a - b;
  };

  function sortable(table) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const body = table.tBodies[0];
    const first = [...body.rows];
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("num");
        const before = head.getAttribute("aria-sort");
        const cycle = numbers ? ["descending", "ascending", null] : ["ascending", "descending", null];
        const next = cycle[(cycle.indexOf(before) + 1) % 3];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        const rows = first.map((row, index) => ({ row, index, value: valueOf(row, place) }));
        if (next) {
          const sign = next === "descending" ? -1 : 1;
          rows.sort((a, b) => {
            const missing = Number.isNaN(a.value) || Number.isNaN(b.value);
            return (missing ? 1 : sign) * order(a.value, b.value) || a.index - b.index;
          });
        }
        body.append(...rows.map((entry) => entry.row));
      });
    });
  }

  function filterable(table, holder) {
    if (table.tBodies[0].rows.length < 8) return;
    const caption = table.caption ? table.caption.textContent.trim() : "table";
    const bar = document.createElement("div");
    bar.className = "filter";
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "filter rows";
    field.setAttribute("aria-label", "Filter rows: " + caption);
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    bar.append(field, count);
    holder.before(bar);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase().replaceAll("_", " ");
        row.hidden = !words.every((word) => text.includes(word.replaceAll("_", " ")));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
    });
  }

  document.querySelectorAll("table[data-sortable]").forEach((table) => {
    sortable(table);
    filterable(table, table.closest(".scroll, .wide") || table);
  });

  // The contents show where the reader is.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  document.querySelectorAll("section[id]").forEach((one) => { if (links.has(one.id)) watcher.observe(one); });
})();
