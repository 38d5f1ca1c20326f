// Charts as drawings, each with the table that it was made from.
import { h, svg } from "./dom.js";

const WIDTH = 640;
const FOOT = 22;
const SIDE = 56;

/** Columns per group, stacked where there are several series: `rows` are `[label, [value, ...], short label]`. */
export function columns(title, rows, series, format, height = 180) {
  const totals = rows.map(([, values]) => values.reduce((sum, value) => sum + (value ?? 0), 0));
  const top = niceTop(Math.max(0, ...totals));
  const width = (WIDTH - SIDE) / Math.max(rows.length, 7);
  const y = (value) => height - FOOT - (value / top) * (height - FOOT - 12);
  const every = Math.ceil(rows.length / 8);
  const bars = rows.map(([label, values, short], at) => {
    let below = 0;
    const x = SIDE + at * width;
    const parts = values.map((value, number) => {
      const from = below;
      below += value ?? 0;
      return (value ?? 0) > 0 && svg("rect", {
        x: x + width * 0.14, width: Math.min(48, width * 0.72), y: y(below), height: Math.max(0.5, y(from) - y(below)), rx: 2, "data-series": series[number].key,
      });
    });
    const told = `${label}: ${values.map((value, number) => `${series.length > 1 ? `${series[number].title} ` : ""}${value === null ? "?" : format(value)}`).join(", ")}`;
    return svg("g", {}, svg("title", {}, told), svg("rect", { x, y: 0, width, height: height - FOOT, class: "touch" }), ...parts,
      at % every === 0 && svg("text", { x: x + width * 0.14 + Math.min(48, width * 0.72) / 2, y: height - 6, class: "tick", "text-anchor": "middle" }, short ?? label.slice(5)));
  });
  const lines = [0, 0.5, 1].map((part) => svg("g", {},
    svg("line", { x1: SIDE, x2: WIDTH, y1: y(part * top), y2: y(part * top), class: "grid" }),
    svg("text", { x: SIDE - 8, y: y(part * top) + 4, class: "tick", "text-anchor": "end" }, format(part * top))));
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `${title}; its figures are in the table below`, class: "chart" }, ...lines, ...bars);
}

/** One bar for each group, the largest first: `rows` are `[label, value, words]`. */
export function ranking(rows, most = 8, series = null) {
  const top = Math.max(...rows.map(([, value]) => value ?? 0), Number.MIN_VALUE);
  return h("ol", { class: "ranking" }, rows.slice(0, most).map(([label, value, told]) => h("li", {},
    h("span", { class: "ranked", title: label }, label), h("span", { class: "track", "aria-hidden": "true" }, h("i", { "data-series": series, style: { width: `${(100 * (value ?? 0)) / top}%` } })), h("span", { class: "number" }, told))),
  rows.length > most && h("li", { class: "muted" }, `and ${rows.length - most} more, in the table`));
}

/** How times spread, a row for each group: `rows` are `[label, {p50, p95, p99, count}]`. */
export function spread(rows, written, most = 10) {
  const shown = rows.slice(0, most);
  const top = Math.max(...shown.map(([, told]) => told.p99), Number.MIN_VALUE);
  const part = (value) => `${Math.min(100, (100 * value) / top)}%`;
  return h("div", { class: "spread" },
    h("div", { class: "spread-row titles", "aria-hidden": "true" }, h("span", {}), h("span", { class: "key" }, ["p50", "p95", "p99"].map((name) => h("span", {}, h("i", { "data-part": name }), name))), ["p50", "p95", "p99", "Count"].map((name) => h("span", { class: "number" }, name))),
    shown.map(([label, told]) => h("div", { class: "spread-row" }, h("span", { class: "ranked", title: label }, label),
      h("span", { class: "track", "aria-hidden": "true" }, ["p99", "p95", "p50"].map((name) => h("i", { "data-part": name, style: { width: part(told[name]) } }))),
      [told.p50, told.p95, told.p99].map((value) => h("span", { class: "number" }, written(value))), h("span", { class: "number muted" }, told.count.toLocaleString("en")))),
    rows.length > most && h("p", { class: "muted" }, `and ${rows.length - most} more, in the table`));
}

/** Parts of a whole as one bar with its legend: `rows` are `[key, title, value]`. */
export function parts(title, rows) {
  const whole = rows.reduce((sum, [, , value]) => sum + value, 0);
  let at = 0;
  return h("div", { class: "parts" },
    svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img", "aria-label": title }, ...rows.map(([key, , value]) => {
      const part = svg("rect", { x: at, y: 0, width: (100 * value) / whole, height: 4, "data-series": key });
      at += (100 * value) / whole;
      return part;
    })),
    h("ul", {}, rows.map(([key, name, value]) => h("li", {}, h("i", { "data-series": key, "aria-hidden": "true" }), h("strong", {}, value.toLocaleString("en")), ` ${name} `, h("span", { class: "muted" }, `${Math.round((100 * value) / whole)}%`)))));
}

function niceTop(value) {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * size).find((step) => step >= value * 0.999) ?? value;
}
