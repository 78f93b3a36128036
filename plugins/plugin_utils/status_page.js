"use strict";
// Without this script the page is complete, with the hosts that need attention first.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const form = document.querySelector(".tools");
  const search = document.getElementById("search");
  const order = document.getElementById("order");
  const found = document.getElementById("found");
  const groups = all("[data-host]");
  const hosts = all("#hosts ~ table tbody");
  const compare = new Intl.Collator(undefined, {numeric: true}).compare;

  // All that is known of a host, wherever it stands.
  const texts = new Map();
  for (const group of groups) {
    const key = group.dataset.host;
    texts.set(key, `${texts.get(key) || ""} ${group.textContent}`.toLowerCase());
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = form.elements.state.value;
    for (const group of groups) {
      const text = texts.get(group.dataset.host);
      group.hidden = !((state === "all" || group.dataset.state === state) && words.every(word => text.includes(word)));
    }
    const left = hosts.filter(group => !group.hidden).length;
    found.textContent = left === hosts.length ? "" : `${left.toLocaleString("en")} of ${hosts.length.toLocaleString("en")} hosts`;
    for (const details of all(".troubles details")) {
      if (words.length) details.open = true;
    }
    const troubles = document.querySelector(".troubles");
    if (troubles) troubles.hidden = all("li[data-host]", troubles).every(each => each.hidden);
  }

  // The value of a group in a column: that of the row which comes first.
  function keyOf(group, column, hostColumns, sign) {
    const keys = [];
    for (const row of group.rows) {
      const cell = row.cells[row === group.rows[0] ? column : column - hostColumns];
      if (!cell || cell.colSpan > 1) continue;
      if (cell.dataset.value !== undefined) keys.push(Number(cell.dataset.value));
      else if (cell.textContent && !cell.classList.contains("number")) keys.push(cell.textContent);
    }
    return keys.sort((one, other) => sign * difference(one, other))[0];
  }

  function difference(one, other) {
    if (typeof one === "number" && typeof other === "number") return one < other ? -1 : one > other ? 1 : 0;
    return compare(one, other);
  }

  function sort(table, column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const hostColumns = Number(table.dataset.hostColumns);
    const keyed = [...table.tBodies].map(group => [keyOf(group, column, hostColumns, sign), group]);
    // What is not known comes last, both ways.
    keyed.sort(([one], [other]) => {
      if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
      return sign * difference(one, other);
    });
    table.append(...keyed.map(([, group]) => group));
    all("thead th", table).forEach((head, number) => {
      if (number === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  }

  // Numbers, and the state, from the largest on; names from A on.
  const first = head => (head.classList.contains("number") || head.textContent === "State" ? "descending" : "ascending");

  for (const table of all("table.sortable")) {
    // On a phone the rows are blocks, and browsers differ in whether those are still a table to screen readers.
    table.setAttribute("role", "table");
    for (const group of all("thead, tbody", table)) group.setAttribute("role", "rowgroup");
    for (const row of table.rows) row.setAttribute("role", "row");
    for (const cell of all("td", table)) cell.setAttribute("role", "cell");
    for (const cell of all("tbody th", table)) cell.setAttribute("role", "rowheader");
    all("thead th", table).forEach((head, column) => {
      head.setAttribute("role", "columnheader");
      head.setAttribute("aria-label", head.textContent);
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort");
        const other = direction === "ascending" ? "descending" : "ascending";
        sort(table, column, direction ? other : first(head));
        if (table === main) order.value = String(column);
      });
      head.replaceChildren(button);
    });
  }

  const main = document.querySelector("#hosts ~ table");
  const heads = all("thead th", main);
  heads.forEach((head, column) => order.add(new Option(head.textContent, String(column))));
  order.value = "1";
  heads[1].setAttribute("aria-sort", "descending");
  order.addEventListener("change", () => sort(main, Number(order.value), first(heads[Number(order.value)])));

  search.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("submit", event => event.preventDefault());
  // A link to a host that is filtered out shows it.
  for (const link of all(".troubles a")) {
    link.addEventListener("click", () => {
      const target = document.querySelector(link.hash);
      if (target && target.hidden) {
        search.value = "";
        form.elements.state.value = "all";
        filter();
      }
    });
  }
  document.body.classList.add("live");
  form.hidden = false;
})();
