// Sets the filters as signals of all charts, and fills tiles, descriptions and tables. All sums of charts are Vega's own.
const page = JSON.parse(document.getElementById("page").textContent);
const form = document.getElementById("filters");
const root = document.documentElement;
const state = {};
const views = {};
const monthText = Object.fromEntries(page.months.map((month) => [month.on, month.text]));
const completeMonths = new Set(page.months.filter((month) => month.is_complete).map((month) => month.on));
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function make(name, text, parent, kind) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  if (parent) parent.append(element);
  return element;
}

function rows(name) {
  const { length, columns } = page.datasets[name];
  const value = Object.entries(columns).map(([column, { values, distinct, codes }]) => [column, values ? (i) => values[i] : (i) => distinct[codes[i]]]);
  return Array.from({ length }, (_, i) => {
    const row = Object.fromEntries(value.map(([column, at]) => [column, at(i)]));
    if (row.month_on) Object.assign(row, { month_text: monthText[row.month_on], is_complete_month: completeMonths.has(row.month_on) });
    if (row.vintage_month) row.vintage_text = page.vintages[row.vintage_month];
    if (row.product_type_id) row.product_name = page.products[row.product_type_id] ?? row.product_type_id;
    if (row.region_id) page.levels.forEach((_, level) => { row[`level_${level + 1}`] = (page.regions[row.region_id] ?? [])[level] ?? row.region_id; });
    return row;
  });
}

const cached = {};
const held = (name) => (cached[name] ??= rows(name)); // charts get copies of their own, since Vega writes into its rows
const filters = {
  month: (row) => row.month_on === undefined || row.month_on === state.month,
  product: (row) => !state.product || row.product_type_id === state.product,
  within: (row) => !state.within || row.level_1 === state.within,
  attribution: (row) => row.attribution === undefined || row.attribution === state.attribution,
};
const chosen = (name, month) => held(name).filter((row) =>
  Object.entries(filters).every(([filter, keeps]) => (filter === "month" && month && row.month_on ? row.month_on === month : keeps(row))));

function figure(measure, month) {
  if (!page.datasets[measure.dataset]?.columns[measure.top]) return null;
  const found = chosen(measure.dataset, month);
  const sum = (column) => found.reduce((total, row) => total + row[column], 0);
  if (!measure.bottom) return sum(measure.top);
  if (!page.datasets[measure.dataset].columns[measure.bottom]) return null;
  const bottom = sum(measure.bottom);
  return bottom ? sum(measure.top) / bottom : null;
}

const number = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const signed = (value, digits) => (value > 0 ? "+" : value < 0 ? "−" : "±") + number(Math.abs(value), digits);
const show = {
  money: (value) => [number(value / 1e6, Math.abs(value) < 1e7 ? 2 : Math.abs(value) < 1e9 ? 1 : 0), `million ${page.currency}`],
  count: (value) => [number(value, Number.isInteger(value) ? 0 : 1), ""],
  ratio: (value) => [`${number(value * 100, 1)}%`, ""],
};

function fillTiles() {
  const before = page.months[page.months.findIndex((month) => month.on === state.month) - 1];
  for (const tile of document.querySelectorAll(".tile")) {
    const measure = page.tiles[tile.dataset.tile][state.measure];
    const value = figure(measure);
    const earlier = before && measure.dataset === "portfolio" ? figure(measure, before.on) : null;
    const [text, unit] = value === null ? ["–", ""] : show[measure.unit](value);
    tile.querySelector(".value").textContent = text;
    tile.querySelector(".unit").textContent = unit;
    const change = tile.querySelector(".change");
    change.className = "change";
    if (value === null) change.textContent = page.datasets[measure.dataset]?.columns[measure.top] ? "nothing to divide by" : "not in this release";
    else if (earlier === null) change.textContent = measure.dataset === "portfolio" ? "no month before" : "";
    else {
      const isShare = measure.unit === "ratio";
      const delta = isShare ? (value - earlier) * 100 : earlier ? (value / earlier - 1) * 100 : 0;
      const rounded = Math.round(delta * 10) / 10;
      if (rounded * measure.better > 0) change.classList.add("good");
      if (rounded * measure.better < 0) change.classList.add("bad");
      change.textContent = !isShare && !earlier ? `none in ${before.text}` : `${signed(rounded, 1)}${isShare ? " points" : "%"} on ${before.text}`;
    }
  }
}

function* marks(group) {
  for (const item of group.items ?? []) {
    if (item.tooltip && typeof item.tooltip === "object" && item.mark?.marktype !== "line") yield item;
    yield* marks(item);
  }
}

function shown(view) {
  const found = new Map();
  for (const item of marks(view.scenegraph().root)) found.set(JSON.stringify(item.tooltip), item);
  return [...found.values()].sort((one, other) => String(one.datum.month_on ?? "").localeCompare(String(other.datum.month_on ?? "")));
}

function chosenText() {
  return [...form.elements].filter((one) => one.name).map((one) => one.selectedOptions[0].textContent).join(", ");
}

function describe(name) {
  const card = document.getElementById(name), [field, title] = page.values[name], items = shown(views[name]);
  card.querySelector(".empty").hidden = items.length > 0;
  card.querySelector(".chart").classList.toggle("nothing", !items.length);
  const said = (item) => [...Object.keys(item.tooltip).slice(0, Object.keys(item.tooltip).indexOf(title)), title].map((key) => item.tooltip[key]).join(" ");
  const sorted = items.filter((item) => Number.isFinite(item.datum[field])).sort((one, other) => other.datum[field] - one.datum[field]);
  const current = items.filter((item) => item.datum.month_on === state.month && item.tooltip.Month).slice(0, 6);
  const parts = [`${card.querySelector("h2").innerText}. Chosen: ${chosenText()}. ${items.length} values.`];
  if (sorted.length) parts.push(`Highest: ${said(sorted[0])}. Lowest: ${said(sorted.at(-1))}.`);
  if (current.length) parts.push(`In the chosen month: ${current.map(said).join("; ")}.`);
  const description = items.length ? parts.join(" ") : `${card.querySelector("h2").innerText}. ${card.querySelector(".empty").textContent}`;
  card.querySelector(".chart").setAttribute("aria-label", description);
  card.querySelector("svg")?.setAttribute("aria-label", description);
  if (card.querySelector("details").open) fillTable(card.querySelector("details"), items);
}

function fillTable(details, items) {
  const place = details.querySelector(".figures");
  place.replaceChildren();
  const table = make("table", undefined, place);
  const names = items.length ? Object.keys(items[0].tooltip) : [];
  const head = make("tr", undefined, make("thead", undefined, table));
  names.forEach((name) => (make("th", name, head).scope = "col"));
  const body = make("tbody", undefined, table);
  for (const item of items) {
    const row = make("tr", undefined, body);
    names.forEach((name) => make("td", item.tooltip[name], row));
  }
}

function fillLikeliest() {
  const body = document.querySelector("#likeliest tbody");
  if (!body) return;
  const found = chosen("likeliest").sort((one, other) => other.probability - one.probability || one.client_id.localeCompare(other.client_id));
  body.replaceChildren();
  for (const row of found.slice(0, page.top_clients)) {
    const line = make("tr", undefined, body);
    make("th", row.client_id, line).scope = "row";
    const place = [...new Set(page.levels.map((_, level) => row[`level_${level + 1}`]).reverse())].join(", ");
    const money = (value) => number(value / 1e6, 2);
    const reasons = row.reason_codes.split(",").filter(Boolean).map((code) => code.toLowerCase().replaceAll("_", " ")).join(", ");
    for (const [text, kind] of [[`${number(row.probability * 100, 1)}%`, "number"], [row.grade ?? "", ""], [row.score ?? "", "number"], [place, ""], [row.product_name, ""],
      [money(row.outstanding_principal_amount), "number"], [money(row.overdue_amount), "number"], [reasons, "words"]]) make("td", text, line, kind);
  }
  document.getElementById("likeliest-empty").hidden = found.length > 0;
}

const signal = (name) => (name === "rate" ? page.rates[state.rate] : name === "dark" ? isDark() : state[name]);

async function draw(name) {
  const spec = structuredClone(page.charts[name]);
  for (const param of spec.params ?? []) param.value = signal(param.name);
  spec.datasets = Object.fromEntries(page.needs[name].map((dataset) => [dataset, held(dataset).map((row) => ({ ...row }))]));
  views[name]?.finalize();
  const place = document.querySelector(`#${name} .chart`);
  const options = { mode: "vega-lite", actions: false, renderer: "svg", logLevel: 1, config: page.themes[isDark() ? "dark" : "light"], tooltip: { theme: isDark() ? "dark" : "light" } };
  views[name] = (await vegaEmbed(place, spec, options)).view;
  describe(name);
}

async function apply() {
  for (const control of form.elements) if (control.name) state[control.name] = control.value;
  for (const [name, value] of Object.entries(page.unasked)) state[name] ??= value;
  root.dataset.measure = state.measure;
  document.querySelectorAll("[data-show]").forEach((one) => { one.textContent = page.names[one.dataset.show][state[one.dataset.by]]; });
  const address = new URLSearchParams([...form.elements].filter((one) => one.name).map((one) => [one.name, one.value]));
  new URLSearchParams(location.hash.slice(1)).forEach((value, name) => { if (!address.has(name)) address.set(name, value); });
  if (root.dataset.theme) address.set("theme", root.dataset.theme);
  history.replaceState(null, "", `#${address}`);
  document.querySelectorAll("nav a").forEach((link) => { link.hash = `#${address}`; });
  fillTiles();
  fillLikeliest();
  await Promise.all(Object.entries(views).map(async ([name, view]) => {
    for (const { name: param } of page.charts[name].params ?? []) view.signal(param, signal(param));
    await view.runAsync();
    describe(name);
  }));
}

const drawAll = () => Promise.all(Object.keys(page.charts).map(draw));

async function begin() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (["light", "dark"].includes(asked.get("theme"))) root.dataset.theme = asked.get("theme");
  for (const control of form.elements) if ([...(control.options ?? [])].some((option) => option.value === asked.get(control.name))) control.value = asked.get(control.name);
  form.addEventListener("change", async () => { root.dataset.ready = "no"; await apply(); root.dataset.ready = "yes"; });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("theme").addEventListener("click", async () => {
    root.dataset.ready = "no";
    root.dataset.theme = isDark() ? "light" : "dark";
    await apply();
    await drawAll();
    root.dataset.ready = "yes";
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => root.dataset.theme || drawAll());
  document.querySelectorAll("details.data").forEach((details) => details.addEventListener("toggle", () => details.open && fillTable(details, shown(views[details.dataset.chart]))));
  await apply();
  await drawAll();
  root.dataset.ready = "yes";
}

begin();
