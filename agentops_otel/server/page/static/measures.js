// Figures that are read from the spans of sessions: how long things took, what agents used, what went wrong.
import { ask, download } from "./api.js";
import { columns, ranking, spread } from "./charts.js";
import { h } from "./dom.js";
import { count, duration, money, share, several, spent } from "./format.js";

const TIMES = [["latency", "Model calls"], ["first_chunk", "First chunks"], ["duration", "Sessions"]];
const GROUPS = [["model", "by model"], ["agent", "by agent"], ["tag", "by tag"], ["end_state", "by end state"], ["day", "by day"], ["all", "all together"]];
const SPREAD = [["duration", "Duration of sessions", duration], ["cost", "Cost of sessions", money], ["tokens", "Tokens of sessions", count], ["spans", "Spans of sessions", count], ["latency", "Latency of calls", duration], ["first_chunk", "Time to first chunk", duration]];
// What a session has as a whole, models and agents do not.
const POSSIBLE = { duration: ["tag", "end_state", "day", "all"], latency: GROUPS.map(([by]) => by), first_chunk: GROUPS.map(([by]) => by) };

export class Measures {
  constructor() {
    this.measure = "latency";
    this.by = "model";
    this.spread = "duration";
    this.cards = Object.fromEntries(["times", "spread", "agents", "errors"].map((name) => [name, h("section", { class: "card", "data-card": name })]));
    this.cards.times.classList.add("wide");
  }

  /** Read the sessions of a period, told as the API takes it; the cards are drawn as they come. */
  async load(period) {
    this.period = period;
    await Promise.all([this.times(), this.distribution(), this.agents(), this.errors()]);
  }

  path(name, more = {}) {
    return `/v2/analytics/${name}?${new URLSearchParams({ ...more, ...(this.period && { since: this.period }) })}`;
  }

  async rows(card, name, more) {
    const path = this.path(name, more);
    try {
      const answer = await ask(path);
      const isWhole = answer.headers.get("X-Sessions-All") === "true";
      return { path, rows: await answer.json(), note: isWhole ? null : `of the newest ${several(Number(answer.headers.get("X-Sessions-Read")), "session")}` };
    } catch (error) {
      card.replaceChildren(h("p", { class: "problem", role: "alert" }, error.message));
      return null;
    }
  }

  async times() {
    if (!POSSIBLE[this.measure].includes(this.by)) this.by = POSSIBLE[this.measure][0];
    const told = await this.rows(this.cards.times, "percentiles", { by: this.by });
    if (!told) return;
    const rows = told.rows.filter(({ measure }) => measure === this.measure).toSorted((a, b) => (this.by === "day" ? b.day.localeCompare(a.day) : b.count - a.count));
    const name = (row) => (this.by === "all" ? "All" : row[this.by] || "(none)");
    const choices = [
      select("What to measure", TIMES, this.measure, (value) => { this.measure = value; this.times(); }),
      select("Group by", GROUPS.filter(([by]) => POSSIBLE[this.measure].includes(by)), this.by, (value) => { this.by = value; this.times(); }),
    ];
    this.card("times", "Time taken", choices, rows.length ? spread(rows.map((row) => [name(row), row]), duration) : nothing(this.measure === "first_chunk" ? "No call was streamed." : "Nothing has ended yet."), told,
      ["Group", "Count", "p50", "p90", "p95", "p99", "Longest"], rows.map((row) => [name(row), row.count.toLocaleString("en"), ...["p50", "p90", "p95", "p99", "max"].map((key) => duration(row[key]))]));
  }

  async distribution() {
    const told = await this.rows(this.cards.spread, "distribution", { measure: this.spread });
    if (!told) return;
    const [, title, written] = SPREAD.find(([name]) => name === this.spread);
    const label = ({ begin, end }) => (begin === 0 ? "0" : `${written(begin)} – ${written(end)}`);
    this.card("spread", "Distribution", [select("What is distributed", SPREAD.map(([name, words]) => [name, words]), this.spread, (value) => { this.spread = value; this.distribution(); })],
      told.rows.length ? columns(title, told.rows.map((row) => [label(row), [row.count], row.begin === 0 ? "0" : written(row.begin)]), [{ key: "count", title }], (value) => (Number.isInteger(value) ? count(value) : "")) : nothing("Nothing to count yet."), told,
      ["From", "To", "Count"], told.rows.map(({ begin, end, count: number }) => [written(begin), begin === 0 ? "" : written(end), number.toLocaleString("en")]));
  }

  async agents() {
    const told = await this.rows(this.cards.agents, "agents");
    if (!told) return;
    const rows = told.rows.toSorted((a, b) => (Number(b.cost) || 0) - (Number(a.cost) || 0) || b.llm_calls - a.llm_calls);
    const tokens = ({ tokens: used }) => (used.input_tokens ?? 0) + (used.output_tokens ?? 0);
    this.card("agents", "By agent", [], rows.length ? ranking(rows.map((row) => [row.agent || "(no agent)", Number(row.cost) || 0, `${spent(row.cost, row.unpriced_calls)} · ${count(tokens(row))} tokens`])) : nothing("No model was called."), told,
      ["Agent", "Sessions", "Calls", "Errors", "Tokens in", "Cached", "Tokens out", "Cost"], rows.map((row) => [row.agent || "(none)", ...[row.sessions, row.llm_calls, row.errors, row.tokens.input_tokens, row.tokens.cache_read_tokens, row.tokens.output_tokens].map((number) => number.toLocaleString("en")), spent(row.cost, row.unpriced_calls)]));
  }

  async errors() {
    const told = await this.rows(this.cards.errors, "errors");
    if (!told) return;
    const rate = (row) => share(Math.round(row.rate * 1000), 1000);
    this.card("errors", "Errors by type", [], told.rows.length ? ranking(told.rows.map((row) => [row.error, row.rate, `${rate(row)} of sessions · ${row.errors.toLocaleString("en")}`]), 8, "error") : nothing("No error happened."), told,
      ["Type", "Errors", "Sessions", "Of all sessions"], told.rows.map((row) => [row.error, row.errors.toLocaleString("en"), row.sessions.toLocaleString("en"), rate(row)]));
  }

  card(name, title, choices, chart, { path, note }, heads, rows) {
    const card = this.cards[name];
    const isOpen = card.querySelector("details")?.open ?? false;
    const at = [...card.querySelectorAll("select")].indexOf(document.activeElement);
    card.replaceChildren(h("header", {}, h("h2", {}, title), note && h("span", { class: "muted" }, note), choices), chart,
      h("details", { open: isOpen }, h("summary", {}, "Table"), h("button", { type: "button", class: "quiet small", onclick: () => download(`${path}${path.endsWith("?") ? "" : "&"}format=csv`, `${title.toLowerCase().replaceAll(" ", "-")}.csv`) }, "Download CSV"),
        h("div", { class: "scroll" }, h("table", { class: "figures" }, h("thead", {}, h("tr", {}, heads.map((head, place) => h("th", { scope: "col", class: place && "number" }, head)))),
          h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, place) => (place ? h("td", { class: "number" }, value) : h("th", { scope: "row" }, value))))))))));
    card.querySelectorAll("select")[at]?.focus();
  }
}

function select(label, options, value, change) {
  const element = h("select", { class: "slim", "aria-label": label, onchange: (event) => change(event.target.value) }, options.map(([name, title]) => h("option", { value: name }, title)));
  element.value = value;
  return element;
}

function nothing(words) {
  return h("p", { class: "muted" }, words);
}
