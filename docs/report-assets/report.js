// Copyright: appsec.perimeter contributors. SPDX-License-Identifier: GPL-3.0-or-later
//
// The findings explorer. Everything that comes from a finding reaches the page through textContent or the value of an
// option, never as markup and never as an address. The page's policy (Trusted Types without a policy) enforces it.

// Charts: the arrow keys go from column to column; the text of a column is shown below the plot and read aloud.
(function () {
  "use strict";

  for (const chart of document.querySelectorAll(".chart")) {
    const plot = chart.querySelector(".plot");
    const columns = [...chart.querySelectorAll(".column")];
    const readout = chart.querySelector(".readout");
    if (!columns.length) {
      continue;
    }
    let at = -1;
    const show = (index) => {
      columns.forEach((column, number) => column.classList.toggle("on", number === index));
      readout.textContent = index < 0 ? "" : columns[index].dataset.label;
      at = index;
    };
    const steps = { ArrowLeft: () => at - 1, ArrowRight: () => at + 1, Home: () => 0, End: () => columns.length - 1 };
    plot.setAttribute("tabindex", "0");
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", chart.dataset.chart + ": the arrow keys go from column to column");
    plot.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (step) {
        event.preventDefault();
        show(Math.min(Math.max(step(), 0), columns.length - 1));
      }
    });
    plot.addEventListener("focus", () => show(at < 0 ? columns.length - 1 : at));
    plot.addEventListener("blur", () => show(-1));
    columns.forEach((column, index) => column.addEventListener("mouseenter", () => show(index)));
    plot.addEventListener("mouseleave", () => show(document.activeElement === plot ? at : -1));
  }
})();

(function () {
  "use strict";

  const explorer = document.getElementById("explorer");
  if (!explorer) {
    return;
  }
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows;
  const column = Object.fromEntries(data.columns.map((name, index) => [name, index]));
  const words = new Set(data.words);
  const count = new Intl.NumberFormat("en");
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // --- Small helpers -----------------------------------------------------------------------------------------------

  function element(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) {
        node.setAttribute(name, "");
      } else if (value !== null && value !== undefined && value !== false) {
        node.setAttribute(name, value);
      }
    }
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  }

  function value(row, name) {
    const raw = row[column[name]];
    return words.has(name) ? data.dictionary[raw] : raw;
  }

  function day(text) {
    return /^\d{4}-\d\d-\d\dT/.test(text) ? text.slice(0, 10) : text;
  }

  function badge(rank) {
    const [name, label] = data.severities[rank];
    return element("span", { class: "badge b-" + name }, label);
  }

  // --- State -------------------------------------------------------------------------------------------------------

  const stateNumber = Object.fromEntries(data.states.map(([name], index) => [name, index]));
  const views = [
    ["open", "Open risks", (row) => row[column.state] === stateNumber.open],
    ["ignored", "Ignored", (row) => row[column.state] === stateNumber.ignored],
    ["closed", "Fixed or protected", (row) => row[column.state] === stateNumber.fixed || row[column.state] === stateNumber.protected],
    ["information", "Information", (row) => row[column.state] === stateNumber.information],
    ["all", "All", () => true],
  ];
  const state = { view: "open", search: "", severity: "", status: "", kind: "", change: "", application: "", decision: "", attack: "", sort: "", down: false, page: 0, size: 50 };
  let shown = [];
  let haystack = null;
  let evidence = null;

  // The text that the search looks through. Made on the first search only: opening the page must not wait for it.
  function searchable() {
    if (!haystack) {
      const names = ["title", "application", "url", "parameter", "method", "id", "unique_id", "rule_id", "owasp", "group", "external_ref", "ignored"];
      haystack = rows.map((row) =>
        (names.map((name) => value(row, name) || "").join("\n") + "\n" + row[column.cwe].map((cwe) => "cwe-" + cwe).join(" ")).toLowerCase()
      );
    }
    return haystack;
  }

  // --- Filtering and sorting ---------------------------------------------------------------------------------------

  function matching() {
    const test = views.find(([name]) => name === state.view)[2];
    const terms = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = terms.length ? searchable() : null;
    const exact = ["severity", "status", "kind", "change", "application", "decision", "attack"].filter((name) => state[name] !== "").map((name) => [column[name], Number(state[name])]);
    const found = [];
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      if (test(row) && exact.every(([at, wanted]) => row[at] === wanted) && (!texts || terms.every((term) => texts[index].includes(term)))) {
        found.push(index);
      }
    }
    return found;
  }

  // Text columns are compared by the rank of their dictionary entry: each distinct text is collated once, not per row.
  let ranks = null;
  function rankOf(number) {
    if (!ranks) {
      const order = data.dictionary.map((_text, index) => index).sort((a, b) => collator.compare(data.dictionary[a], data.dictionary[b]));
      ranks = new Uint32Array(order.length);
      order.forEach((entry, rank) => {
        ranks[entry] = rank;
      });
    }
    return ranks[number];
  }

  function compare(name) {
    const at = column[name];
    if (words.has(name)) {
      return (a, b) => rankOf(rows[a][at]) - rankOf(rows[b][at]);
    }
    if (name === "url") {
      return (a, b) => (rows[a][at] < rows[b][at] ? -1 : rows[a][at] > rows[b][at] ? 1 : 0);
    }
    return (a, b) => {
      const left = rows[a][at];
      const right = rows[b][at];
      return (left === null ? -1 : left) - (right === null ? -1 : right);
    };
  }

  function refresh() {
    shown = matching();
    if (state.sort) {
      const order = compare(state.sort);
      const sign = state.down ? -1 : 1;
      // Rows arrive worst first. Comparing the index last keeps equal rows in that order in both directions.
      shown.sort((a, b) => sign * order(a, b) || a - b);
    } else if (data.matched) {
      // Findings that were attacked and not blocked come first, whatever their severity.
      const first = shown.filter((index) => rows[index][column.attack] === 0);
      shown = first.concat(shown.filter((index) => rows[index][column.attack] !== 0));
    }
    state.page = 0;
    draw();
  }

  // --- Table -------------------------------------------------------------------------------------------------------

  const heads = [
    ["severity", "Severity", ""],
    ["title", "Finding", ""],
    ["application", "Application", ""],
    ["url", "URL", ""],
    ["parameter", "Parameter", ""],
    ["status", "Status", ""],
    ["cvss_score", "CVSS", "num"],
    ["age", "Age (days)", "num"],
    ["times_seen", "Seen", "num"],
  ];
  if (data.gated) {
    heads.push(["decision", "Gate", ""]);
  }
  if (data.matched) {
    heads.push(["attack", "Attacks", ""]);
  }
  // Columns that a first click sorts downwards: most people want the worst, oldest or highest first. Severity 0 is the worst.
  const downFirst = new Set(["cvss_score", "age", "times_seen"]);
  const body = element("tbody");
  const status = element("p", { class: "status", role: "status", "aria-live": "polite" });
  const previousPage = element("button", { type: "button", "data-page": "previous" }, "Previous");
  const nextPage = element("button", { type: "button", "data-page": "next" }, "Next");
  const headCells = new Map();

  function draw() {
    const first = state.page * state.size;
    const part = shown.slice(first, first + state.size);
    body.replaceChildren(...part.map(drawRow));
    if (!part.length) {
      body.append(element("tr", {}, element("td", { class: "nothing", colspan: heads.length }, "No finding matches. Change the filters or the view.")));
    }
    const range = part.length ? count.format(first + 1) + "–" + count.format(first + part.length) + " of " : "";
    status.textContent = range + count.format(shown.length) + (shown.length === 1 ? " finding" : " findings") + " in this view, " + count.format(rows.length) + " in all";
    previousPage.disabled = state.page === 0;
    nextPage.disabled = first + state.size >= shown.length;
    for (const [name, cell] of headCells) {
      cell.setAttribute("aria-sort", state.sort !== name ? "none" : state.down ? "descending" : "ascending");
    }
  }

  function numberCell(number, digits) {
    const text = number === null ? "–" : digits ? number.toFixed(digits) : count.format(number);
    return element("td", { class: "num" }, text);
  }

  function drawRow(index) {
    const row = rows[index];
    const open = element("button", { type: "button", class: "expand", "aria-expanded": "false", "aria-controls": "detail-" + index }, value(row, "title"));
    const change = data.changes[row[column.change]];
    const line = element(
      "tr",
      { "data-index": index },
      element("td", {}, badge(row[column.severity])),
      element("td", { class: "title" }, open, change[0] ? element("span", { class: "mark" }, change[1]) : null),
      element("td", {}, value(row, "application")),
      element("td", { class: "url" }, element("span", { class: "clamp" }, value(row, "url"))),
      element("td", { class: "url" }, element("span", { class: "clamp" }, value(row, "parameter"))),
      element("td", { class: "nowrap" }, statusWords(row)),
      numberCell(row[column.cvss_score], 1),
      numberCell(row[column.age]),
      numberCell(row[column.times_seen]),
      data.gated ? element("td", { class: "decision" }, value(row, "decision")) : null,
      data.matched ? element("td", { class: "decision" }, attackWords(row)) : null
    );
    open.addEventListener("click", () => toggle(line, open, index));
    return line;
  }

  function attackWords(row) {
    const number = row[column.attack];
    return number === null ? "" : number === 0 ? element("span", { class: "tag v-fail" }, data.attacks[0][1]) : data.attacks[number][1];
  }

  function statusWords(row) {
    const label = data.statuses[row[column.status]][1];
    return row[column.ignored] ? label + ", ignored" : label;
  }

  function toggle(line, button, index) {
    if (button.getAttribute("aria-expanded") === "true") {
      line.nextElementSibling.remove();
      button.setAttribute("aria-expanded", "false");
      return;
    }
    line.after(element("tr", { class: "detail", id: "detail-" + index }, element("td", { class: "detail-cell", colspan: heads.length }, ...details(rows[index]))));
    button.setAttribute("aria-expanded", "true");
  }

  // --- Details -----------------------------------------------------------------------------------------------------

  function details(row) {
    const list = element("dl");
    const add = (label, content, full) => {
      if (content !== "" && content !== null && content !== undefined) {
        list.append(element("dt", {}, label), element("dd", { class: full ? "full" : null }, content));
      }
    };
    const time = (name) => value(row, name).replace("T", " ").replace(/Z$/, " UTC");
    add("Finding", value(row, "title"), true);
    add("URL", value(row, "url"), true);
    add("Ignored", value(row, "ignored"), true);
    add("Gate", [value(row, "decision"), value(row, "decided_by")].filter(Boolean).join(" by "), true);
    add("Attacks", [data.matched ? data.attacks[row[column.attack]][1] : "", value(row, "attacks")].filter(Boolean).join(": "), true);
    add("Application", value(row, "application"));
    add("Kind", data.kinds[row[column.kind]][1]);
    add("Parameter", value(row, "parameter"));
    add("Method", value(row, "method"));
    add("First seen", time("first_seen"));
    add("Last seen", time("last_seen"));
    add("Last tested", time("last_tested"));
    add("Fixed", time("fixed_at"));
    add("CVSS", cvss(row));
    add("Detection score", row[column.detection_score] === null ? "" : String(row[column.detection_score]));
    add("CWE", weaknesses(row));
    add("OWASP Top 10", value(row, "owasp"));
    add("Group", value(row, "group"));
    add("Type", value(row, "finding_type"));
    add("Certainty", row[column.potential] === null ? "" : row[column.potential] ? "potential" : "confirmed");
    add("Ticket", value(row, "external_ref"));
    add("Virtual patch", value(row, "patch"));
    add("Source", value(row, "source"));
    add("Rule", value(row, "rule_id"));
    add("Id", value(row, "id"));
    add("Unique id", value(row, "unique_id"));
    return [list, meaningOf(row), evidenceOf(row)];
  }

  // The words of the knowledge base are in a section of their own; its nodes are copied, so nothing is parsed again.
  let meanings = null;
  function meaningOf(row) {
    if (!meanings) {
      meanings = new Map([...document.querySelectorAll("[data-rule]")].map((box) => [box.getAttribute("data-rule"), box.querySelector(".words")]));
    }
    const words = meanings.get(value(row, "source") + " " + value(row, "rule_id"));
    return words ? element("details", { class: "evidence meaning" }, element("summary", {}, "What it means and how to fix it"), words.cloneNode(true)) : "";
  }

  function cvss(row) {
    const score = row[column.cvss_score];
    return [score === null ? "" : score.toFixed(1), value(row, "cvss_vector")].filter(Boolean).join("  ");
  }

  // The only links in the findings: a number, on a fixed host.
  function weaknesses(row) {
    const list = element("span");
    row[column.cwe].forEach((number, index) => {
      const address = "https://cwe.mitre.org/data/definitions/" + Number(number) + ".html";
      list.append(index ? ", " : "", element("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, "CWE-" + Number(number)));
    });
    return list.childNodes.length ? list : "";
  }

  function evidenceOf(row) {
    const number = row[column.evidence];
    if (!number) {
      return "";
    }
    if (number < 0) {
      return element("p", { class: "under" }, "The evidence of this finding was left out for size. The JSON report contains it.");
    }
    if (!evidence) {
      evidence = JSON.parse(document.getElementById("evidence").textContent);
    }
    const entry = evidence[number - 1];
    const words = entry.items.length === 1 ? "1 item" : entry.items.length + " items";
    const box = element("details", { class: "evidence" }, element("summary", {}, "Evidence (" + words + (entry.total > entry.items.length ? " of " + entry.total : "") + ")"));
    for (const item of entry.items) {
      for (const [label, text] of item) {
        box.append(element("h4", {}, label), element("pre", { tabindex: "0" }, text));
      }
    }
    return box;
  }

  // --- Controls ----------------------------------------------------------------------------------------------------

  const controls = {};

  function select(name, label, everything, options) {
    const box = element("select", { name: name }, element("option", { value: "" }, everything));
    for (const [number, text] of options) {
      box.append(element("option", { value: number }, text));
    }
    box.addEventListener("change", () => {
      state[name] = box.value;
      refresh();
    });
    controls[name] = box;
    return element("label", { class: "field" }, label, box);
  }

  function present(name) {
    return [...new Set(rows.map((row) => row[column[name]]))];
  }

  function labelled(name, labels) {
    return present(name).sort((a, b) => a - b).filter((number) => labels[number][0]).map((number) => [number, labels[number][1]]);
  }

  function debounce(action, wait) {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(action, wait);
    };
  }

  function viewChoice() {
    const group = element("fieldset", { class: "views" }, element("legend", { class: "quiet" }, "View"));
    for (const [name, label, test] of views) {
      const total = rows.reduce((sum, row) => sum + (test(row) ? 1 : 0), 0);
      const button = element("input", { type: "radio", name: "view", value: name, checked: name === state.view });
      button.addEventListener("change", () => {
        state.view = name;
        refresh();
      });
      group.append(element("label", {}, button, label, element("span", { class: "count" }, count.format(total))));
    }
    return group;
  }

  function filters() {
    const search = element("input", { type: "search", name: "search", placeholder: "Title, URL, parameter, id, CWE …", autocomplete: "off", spellcheck: "false" });
    search.addEventListener("input", debounce(() => {
      state.search = search.value;
      refresh();
    }, 120));
    controls.search = search;
    const applications = present("application").sort((a, b) => rankOf(a) - rankOf(b)).map((number) => [number, data.dictionary[number]]);
    const reset = element("button", { type: "button", "data-action": "reset" }, "Reset");
    reset.addEventListener("click", () => {
      apply({ view: "open" });
      search.focus();
    });
    const changes = labelled("change", data.changes);
    return element(
      "div",
      { class: "filters" + (data.gated ? " gated" : "") + (data.matched ? " matched" : "") },
      element("label", { class: "field search" }, "Search", search),
      select("severity", "Severity", "All severities", labelled("severity", data.severities)),
      select("status", "Status", "All statuses", labelled("status", data.statuses)),
      select("kind", "Kind", "All kinds", labelled("kind", data.kinds)),
      select("change", "Since last run", changes.length ? "All" : "No changes known", changes),
      select("application", "Application", "All applications", applications),
      data.gated ? select("decision", "Gate", "All decisions", present("decision").sort((a, b) => rankOf(a) - rankOf(b)).map((number) => [number, data.dictionary[number] || "Not judged"])) : null,
      data.matched ? select("attack", "Attacks", "All", present("attack").filter((number) => number !== null).sort((a, b) => a - b).map((number) => [number, data.attacks[number][1]])) : null,
      reset
    );
  }

  // Set all filters at once: a filter that is not named is cleared.
  function apply(wanted) {
    for (const [name, box] of Object.entries(controls)) {
      state[name] = wanted[name] === undefined ? "" : String(wanted[name]);
      box.value = state[name];
    }
    state.view = wanted.view;
    explorer.querySelector('input[name="view"][value="' + wanted.view + '"]').checked = true;
    refresh();
  }

  function tableHead() {
    const line = element("tr");
    for (const [name, label, css] of heads) {
      const button = element("button", { type: "button", class: "sort" }, label);
      button.addEventListener("click", () => {
        state.down = state.sort === name ? !state.down : downFirst.has(name);
        state.sort = name;
        refresh();
      });
      const cell = element("th", { scope: "col", class: css || null, "aria-sort": "none", "data-column": name }, button);
      headCells.set(name, cell);
      line.append(cell);
    }
    return element("thead", {}, line);
  }

  function pager() {
    const size = element("select", { name: "size" }, ...[25, 50, 100, 250].map((number) => element("option", { value: number, selected: number === state.size }, String(number))));
    size.addEventListener("change", () => {
      state.size = Number(size.value);
      state.page = 0;
      draw();
    });
    const turn = (step) => () => {
      state.page += step;
      draw();
      explorer.scrollIntoView({ block: "start" });
    };
    previousPage.addEventListener("click", turn(-1));
    nextPage.addEventListener("click", turn(1));
    return element("div", { class: "pager" }, status, element("label", {}, "Rows", size), element("div", { class: "pager-buttons" }, previousPage, nextPage));
  }

  // Names of applications, rules and severities above the table lead to their findings.
  function jumpsFrom(selector, attribute, wanted) {
    for (const cell of document.querySelectorAll(selector)) {
      const target = wanted(cell.getAttribute(attribute));
      const label = cell.querySelector(".strong, .badge") || cell;
      if (!target) {
        continue;
      }
      const button = element("button", { type: "button", class: "link" }, ...label.childNodes);
      label.replaceChildren(button);
      button.addEventListener("click", () => {
        apply({ view: "open", ...target });
        document.getElementById("findings").scrollIntoView();
        controls.search.focus({ preventScroll: true });
      });
    }
  }

  function jumps() {
    const numbers = new Map(present("application").map((number) => [data.dictionary[number], number]));
    const severities = new Map(data.severities.map(([name], index) => [name, index]));
    jumpsFrom("[data-application]", "data-application", (name) => (numbers.has(name) ? { application: numbers.get(name) } : null));
    jumpsFrom("[data-search]", "data-search", (title) => ({ search: title }));
    jumpsFrom("tr[data-severity]", "data-severity", (name) => ({ severity: severities.get(name) }));
  }

  explorer.append(
    element("div", { class: "controls", role: "search", "aria-label": "Findings" }, viewChoice(), filters()),
    element(
      "div",
      { class: "scroll explorer-table", role: "region", "aria-label": "Findings table", tabindex: "0" },
      element("table", {}, element("caption", { class: "quiet" }, "Findings, worst first unless sorted otherwise"), tableHead(), body)
    ),
    pager()
  );
  refresh();
  jumps();
  document.documentElement.classList.add("js");
})();
