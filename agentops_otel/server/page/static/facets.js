// Menus of what sessions can be filtered by: the values that there are, how many sessions have each, and bounds.
import { get } from "./api.js";
import { h } from "./dom.js";

const FACETS = [["model", "model", "Model"], ["provider", "provider", "Provider"], ["tag", "tag", "Tag"], ["error_type", "error", "Error"], ["host", "host", "Host"]];
const TIMES = [["", "Any time"], ["1h", "Last hour"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"], ["30d", "Last 30 days"]];
const BOUNDS = [["min_cost", "Cost from, USD"], ["max_cost", "to"], ["min_duration", "Duration from, seconds"], ["max_duration", "to"]];

/** A row of menus; `choose(name, value)` is told of a choice, an empty value takes the filter away. */
export class Facets {
  constructor(choose) {
    this.choose = choose;
    this.selects = new Map(FACETS.map(([name, , title]) => [name, h("select", { "aria-label": title, onchange: (event) => choose(name, event.target.value) })]));
    this.time = h("select", { "aria-label": "Time", onchange: (event) => choose("since", event.target.value) }, TIMES.map(([value, title]) => h("option", { value }, title)));
    this.bounds = new Map(BOUNDS.map(([name]) => [name, h("input", { type: "number", min: "0", step: "any", inputmode: "decimal", id: `bound-${name}`, onchange: (event) => choose(name, event.target.value) })]));
    this.ranges = h("details", { class: "menu ranges" }, h("summary", {}, "Range"), h("div", { class: "bounds" },
      BOUNDS.map(([name, title]) => [h("label", { for: `bound-${name}` }, title), this.bounds.get(name)])));
    this.element = h("div", { class: "facets", role: "group", "aria-label": "Filters" }, this.time, ...this.selects.values(), this.ranges);
  }

  /** Ask for the values that there are. */
  async load(told) {
    await Promise.all(FACETS.map(async ([name, facet, title]) => {
      const found = await get(`/v2/facets?facet=${facet}`).catch(() => []);
      const known = new Set(found.map(({ value }) => value));
      const chosen = told.getAll(name).filter((value) => !known.has(value)).map((value) => ({ value, sessions: 0 }));
      const select = this.selects.get(name);
      select.replaceChildren(h("option", { value: "" }, title), ...[...found, ...chosen].map(({ value, sessions }) =>
        h("option", { value }, `${value.length > 60 ? `${value.slice(0, 59)}…` : value}${sessions ? ` (${sessions.toLocaleString("en")})` : ""}`)));
      select.hidden = select.options.length < 2;
    }));
    this.show(told);
  }

  /** Show what is chosen. */
  show(told) {
    for (const [name, select] of this.selects) {
      select.value = told.get(name) ?? "";
      select.toggleAttribute("data-chosen", told.has(name));
    }
    const since = told.get("since") ?? "";
    if (![...this.time.options].some(({ value }) => value === since)) this.time.append(h("option", { value: since }, `Since ${since}`));
    this.time.value = since;
    this.time.toggleAttribute("data-chosen", since !== "");
    for (const [name, input] of this.bounds) input.value = told.get(name) ?? "";
    this.ranges.toggleAttribute("data-chosen", BOUNDS.some(([name]) => told.has(name)));
  }
}
