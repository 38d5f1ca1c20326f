// Figures over many sessions: what they cost and used by day, model and tag, and how they ended.
import { download, get } from "./api.js";
import { columns, parts, ranking } from "./charts.js";
import { empty, h } from "./dom.js";
import { Measures } from "./measures.js";
import { count, money, several, share, spent } from "./format.js";

const PERIODS = [["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"], ["", "All time"]];
const STATES = [["Success", "Success"], ["Failure", "Failure"], ["Indeterminate", "Indeterminate"]];
const DAY = 86_400_000;

/** Show the charts; they are drawn anew a moment after sessions change. */
export async function begin(main) {
  const view = new Analytics(main);
  await view.load();
  return () => view.later();
}

class Analytics {
  constructor(main) {
    this.period = new URLSearchParams(location.search).get("since") ?? "30d";
    this.choice = h("div", { class: "segments", role: "group", "aria-label": "Period" });
    this.measures = new Measures();
    this.body = h("div", { class: "analytics" });
    main.append(h("div", { class: "title" }, h("h1", {}, "Analytics"), h("span", { class: "spring" }), this.choice), this.body);
  }

  later() {
    this.waiting ??= setTimeout(async () => {
      await this.load();
      this.waiting = null;
    }, 2000);
  }

  path(by) {
    return `/v2/analytics?${new URLSearchParams({ by, ...(this.period && { since: this.period }) })}`;
  }

  async load() {
    this.choice.replaceChildren(...PERIODS.map(([since, title]) => h("button", { type: "button", "aria-pressed": String(since === this.period), onclick: () => {
      this.period = since;
      history.replaceState(null, "", `?since=${since}`);
      this.load();
    } }, title)));
    let told;
    try {
      told = await Promise.all(["day", "day,end_state", "model", "tag", "end_state"].map((by) => get(this.path(by))));
    } catch (error) {
      this.body.replaceChildren(empty("The figures cannot be shown", h("p", {}, error.message)));
      return;
    }
    const open = new Set([...this.body.querySelectorAll("details[open]")].map((element) => element.dataset.by));
    const [days, ends, models, tags, states] = told;
    this.body.replaceChildren(...(states.length ? this.cards(fullDays(days, this.period), ends, models, tags, states) : [this.nothing()]));
    for (const element of this.body.querySelectorAll("details[data-by]")) element.open = open.has(element.dataset.by);
    if (states.length) await this.measures.load(this.period);
  }

  nothing() {
    return empty("No session in this time", h("p", {}, this.period ? "Choose a longer time above, or run one now:" : "Run one now:"), h("pre", {}, "agentops-otel demo"));
  }

  cards(days, ends, models, tags, states) {
    const sum = (name) => states.reduce((total, group) => total + group[name], 0);
    const tokens = (group, name) => group.tokens[name] ?? 0;
    const all = (name) => states.reduce((total, group) => total + tokens(group, name), 0);
    const priced = states.filter((group) => group.cost !== null);
    const cost = priced.length ? priced.reduce((total, group) => total + Number(group.cost), 0) : null;
    const failed = states.find((group) => group.end_state === "Failure")?.sessions ?? 0;
    const tile = (name, value, more) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
    const perDay = new Map(days.map((group) => [group.day, Object.fromEntries(STATES.map(([key]) => [key, 0]))]));
    for (const group of ends) if (perDay.has(group.day)) perDay.get(group.day)[group.end_state] = group.sessions;
    const byCost = (groups, key) => groups.toSorted((a, b) => (Number(b.cost) || 0) - (Number(a.cost) || 0) || b.llm_calls - a.llm_calls)
      .map((group) => [group[key] || "(none)", Number(group.cost) || 0, `${spent(group.cost, group.unpriced_calls)} · ${count(tokens(group, "input_tokens") + tokens(group, "output_tokens"))} tokens`]);
    return [
      h("dl", { class: "tiles" }, tile("Cost", money(cost, sum("unpriced_calls")), sum("unpriced_calls") ? `${several(sum("unpriced_calls"), "call")} without a known price` : null),
        tile("Sessions", sum("sessions").toLocaleString("en"), cost === null ? null : `${money(cost / sum("sessions"))} each`),
        tile("Failed", share(failed, sum("sessions")), `${failed.toLocaleString("en")} of them`),
        tile("Tokens in", count(all("input_tokens")), `${share(all("cache_read_tokens"), all("input_tokens"))} from the cache`), tile("Tokens out", count(all("output_tokens"))),
        tile("LLM calls", sum("llm_calls").toLocaleString("en")), tile("Errors", sum("errors").toLocaleString("en"))),
      this.card("Cost per day", "day", days, columns("Cost per day", days.map((group) => [group.day, [group.cost === null ? null : Number(group.cost)]]), [{ key: "cost", title: "Cost" }], (value) => (value === 0 ? "$0" : money(value)))),
      this.card("Tokens per day", "day", days, columns("Tokens per day", days.map((group) => [group.day, [tokens(group, "input_tokens") - tokens(group, "cache_read_tokens"), tokens(group, "cache_read_tokens"), tokens(group, "output_tokens")]]),
        [{ key: "input", title: "fresh input" }, { key: "cached", title: "cached input" }, { key: "output", title: "output" }], (value) => count(Math.round(value))), [["input", "Fresh input"], ["cached", "Cached input"], ["output", "Output"]]),
      this.card("Sessions per day", "day,end_state", ends, columns("Sessions per day", [...perDay].map(([day, counts]) => [day, STATES.map(([key]) => counts[key])]), STATES.map(([key, title]) => ({ key, title })), (value) => (Number.isInteger(value) ? count(value) : "")), STATES),
      this.card("How they ended", "end_state", states, h("div", { class: "ends" }, parts("How sessions ended", STATES.map(([key]) => states.find((group) => group.end_state === key)).filter(Boolean).map((group) => [group.end_state, group.end_state, group.sessions])),
        h("h3", {}, "Failed, by day"), columns("Share of sessions that failed, by day", [...perDay].map(([day, counts]) => [day, [failedOf(counts)]]), [{ key: "Failure", title: "failed" }], (value) => `${Math.round(100 * value)}%`, 110))),
      this.card("Cache hits per day", "day", days, columns("Cache hits per day", days.map((group) => [group.day, [tokens(group, "input_tokens") ? tokens(group, "cache_read_tokens") / tokens(group, "input_tokens") : 0]]), [{ key: "input", title: "cached" }], (value) => `${Math.round(100 * value)}%`)),
      this.measures.cards.spread,
      this.measures.cards.times,
      this.card("By model", "model", models, models.length ? ranking(byCost(models, "model")) : h("p", { class: "muted" }, "No model was called.")),
      this.card("By tag", "tag", tags, tags.length ? ranking(byCost(tags, "tag")) : h("p", { class: "muted" }, "No session has a tag: agentops.init(tags=[\"checkout\"]).")),
      this.measures.cards.agents,
      this.measures.cards.errors,
    ];
  }

  card(title, by, rows, chart, legend = []) {
    return h("section", { class: "card" }, h("header", {}, h("h2", {}, title), legend.map(([key, name]) => h("span", { class: "legend" }, h("i", { "data-series": key, "aria-hidden": "true" }), name))), chart,
      h("details", { "data-by": `${title} ${by}` }, h("summary", {}, "Table"), h("button", { type: "button", class: "quiet small", onclick: () => download(`${this.path(by)}&format=csv`, `${title.toLowerCase().replaceAll(" ", "-")}.csv`) }, "Download CSV"), figures(by.split(","), rows)));
  }
}

/** Every day of the period, also those without a session; days begin as the server counts them, in UTC. */
function fullDays(days, period) {
  const byDay = new Map(days.map((group) => [group.day, group]));
  const today = Math.floor(Date.now() / DAY) * DAY;
  const oldest = Math.min(today, ...days.map((group) => Date.parse(group.day)));
  const full = [];
  const begin = period ? today - Number.parseInt(period, 10) * DAY : Math.max(oldest, today - 399 * DAY);
  for (let time = begin; time <= today; time += DAY) {
    const day = new Date(time).toISOString().slice(0, 10);
    full.push(byDay.get(day) ?? { day, sessions: 0, cost: "0", unpriced_calls: 0, llm_calls: 0, errors: 0, tokens: {} });
  }
  return full;
}

function figures(keys, rows) {
  const heads = [...keys.map((key) => key.replace("_", " ")), "Sessions", "Calls", "Tokens in", "Cached", "Hit rate", "Tokens out", "Cost"];
  return h("div", { class: "scroll" }, h("table", { class: "figures" },
    h("thead", {}, h("tr", {}, heads.map((title, at) => h("th", { scope: "col", class: at >= keys.length && "number" }, title)))),
    h("tbody", {}, rows.map((group) => h("tr", {}, keys.map((key) => h("th", { scope: "row" }, group[key] || "(none)")),
      [group.sessions, group.llm_calls, group.tokens.input_tokens ?? 0, group.tokens.cache_read_tokens ?? 0, share(group.tokens.cache_read_tokens ?? 0, group.tokens.input_tokens ?? 0), group.tokens.output_tokens ?? 0].map((value) => h("td", { class: "number" }, value.toLocaleString("en"))),
      h("td", { class: "number" }, group.sessions ? spent(group.cost, group.unpriced_calls) : "–"))))));
}

function failedOf(counts) {
  const all = Object.values(counts).reduce((sum, number) => sum + number, 0);
  return all ? counts.Failure / all : 0;
}
