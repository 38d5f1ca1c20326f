// Two sessions beside each other: what differs in their figures, and the first step at which they part.
import { get, page } from "./api.js";
import { empty, h } from "./dom.js";
import { ago, count, duration, money } from "./format.js";
import { stateBadge } from "./sessions.js";
import { Transcript } from "./transcript.js";

const DIFFERS = { step: "another step", said: "what was asked", answered: "the answer", results: "what a tool gave", given: "what a tool was given", value: "what came back" };

/** Show the two sessions that the address names, or let them be chosen. */
export async function begin(main) {
  const view = new Compare(main);
  await view.load();
  return (kind, data) => view.changed(data);
}

class Compare {
  constructor(main) {
    this.asked = new URLSearchParams(location.search);
    this.body = h("div", { class: "compare" });
    this.choices = ["a", "b"].map((name) => h("select", { "aria-label": name === "a" ? "Session A" : "Session B", onchange: (event) => this.choose(name, event.target.value) }));
    main.append(h("div", { class: "title" }, h("h1", {}, "Compare")),
      h("div", { class: "versus" }, this.choices[0], h("button", { type: "button", "aria-label": "Change sides", title: "Change sides", onclick: () => this.turn() }, "⇄"), this.choices[1]), this.body);
  }

  choose(name, id) {
    this.asked.set(name, id);
    this.show();
  }

  turn() {
    const [a, b] = [this.asked.get("a"), this.asked.get("b")];
    for (const [name, id] of [["a", b], ["b", a]]) {
      if (id) this.asked.set(name, id);
      else this.asked.delete(name);
    }
    this.show();
  }

  show() {
    history.pushState(null, "", `?${this.asked}`);
    this.load();
  }

  changed(data) {
    if (data?.id && [this.asked.get("a"), this.asked.get("b")].includes(data.id)) this.later ??= setTimeout(() => { this.later = null; this.load(); }, 1500);
  }

  async load() {
    try {
      const { rows } = await page(new URLSearchParams({ limit: 100 }));
      this.fill(rows);
      const [a, b] = [this.asked.get("a"), this.asked.get("b")];
      if (a && b) this.draw(await get(`/v2/compare?${new URLSearchParams({ a, b })}`));
      else this.body.replaceChildren(rows.length > 1 ? empty(a || b ? "Choose another session above" : "Choose two sessions above", h("p", {}, "Their figures are set against each other, and their steps up to the first that differs."))
        : empty("There are no two sessions yet", h("p", {}, "Run one twice:"), h("pre", {}, "agentops-otel demo")));
    } catch (error) {
      this.body.replaceChildren(empty("These sessions cannot be compared", h("p", {}, error.message)));
    }
  }

  fill(rows) {
    for (const [at, name] of ["a", "b"].entries()) {
      const chosen = this.asked.get(name) ?? "";
      const known = rows.some((row) => row.id === chosen);
      const options = rows.map((row) => [row.id, `${row.name ?? "session"} · ${row.id.slice(0, 8)} · ${ago(row.init_timestamp)}`]);
      if (chosen && !known) options.unshift([chosen, chosen.slice(0, 13)]);
      this.choices[at].replaceChildren(...[["", `Session ${name.toUpperCase()} …`], ...options].map(([value, title]) => h("option", { value }, title)));
      this.choices[at].value = chosen;
    }
  }

  draw(told) {
    const { a, b, deltas, parting, differs, totals, steps, from } = told;
    const both = (read) => [read(a), read(b)];
    const tokens = (name) => (session) => session.tokens[name] ?? 0;
    const rows = [
      ["Cost", both((one) => money(one.cost, one.unpriced_calls)), deltas.cost === null ? "?" : signed(Number(deltas.cost), money), share(a.cost, deltas.cost)],
      ["Duration", both((one) => duration(one.duration)), deltas.duration === null ? "?" : signed(deltas.duration, duration), share(a.duration, deltas.duration)],
      ["Tokens in", both((one) => count(tokens("input_tokens")(one))), signed(deltas.input_tokens, count), share(tokens("input_tokens")(a), deltas.input_tokens)],
      ["of it cached", both((one) => count(tokens("cache_read_tokens")(one))), signed(deltas.cache_read_tokens, count), share(tokens("cache_read_tokens")(a), deltas.cache_read_tokens)],
      ["Tokens out", both((one) => count(tokens("output_tokens")(one))), signed(deltas.output_tokens, count), share(tokens("output_tokens")(a), deltas.output_tokens)],
      ...[["LLM calls", "llm_calls"], ["Tools", "tool_calls"], ["Errors", "errors"]].map(([title, name]) =>
        [title, both((one) => one[name].toLocaleString("en")), signed(deltas[name], (number) => number.toLocaleString("en")), share(a[name], deltas[name])]),
    ];
    const head = (session) => h("th", { scope: "col" }, h("a", { href: `/s/${encodeURIComponent(session.id)}` }, session.name ?? "session"), " ", h("code", {}, session.id.slice(0, 8)), h("div", {}, stateBadge(session)),
      h("div", { class: "muted reason" }, session.end_state_reason ?? ""));
    this.body.replaceChildren(
      h("div", { class: "scroll" }, h("table", { class: "figures deltas" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Figure")), head(a), head(b), h("th", { scope: "col", class: "number" }, "B less A"))),
        h("tbody", {}, rows.map(([title, values, delta, part]) => h("tr", {}, h("th", { scope: "row" }, title), values.map((value) => h("td", {}, value)),
          h("td", { class: "number", "data-change": delta.startsWith("+") ? "more" : delta.startsWith("−") ? "less" : null }, delta, part && h("span", { class: "muted" }, ` ${part}`))))))),
      h("div", { class: "parting" }, h("h2", {}, parting === null ? "They never part" : `They part at step ${parting + 1}`),
        h("p", { class: "muted" }, parting === null ? `All ${totals[0]} steps are the same.` : `${parting === 0 ? "No step" : parting === 1 ? "One step" : `${parting} steps`} before it ${parting === 1 || parting === 0 ? "is" : "are"} the same. What differs: ${differs.map((name) => DIFFERS[name]).join(", ")}.`)),
      h("div", { class: "sides" }, [a, b].map((session, side) => {
        const view = new Transcript(null, (id) => { location.href = `/s/${encodeURIComponent(session.id)}/${id}`; });
        const turns = steps[side].map((turn, at) => {
          const element = view.turn(turn);
          element.dataset.step = from + at === parting ? "parting" : parting === null || from + at < parting ? "same" : "after";
          return element;
        });
        const rest = totals[side] - from - turns.length;
        return h("div", { class: "transcript", role: "group", "aria-label": `Steps of session ${"AB"[side]}` },
          h("p", { class: "muted" }, `${"AB"[side]} · ${from > 0 ? `from step ${from + 1} of ${totals[side]}` : `${totals[side]} steps`}`), turns,
          !turns.length && h("p", { class: "muted" }, "It has no step here."), rest > 0 && h("p", { class: "muted" }, `${rest.toLocaleString("en")} more, in the session`));
      })));
  }
}

function signed(delta, written) {
  if (delta === 0) return "same";
  return `${delta > 0 ? "+" : "−"}${written(Math.abs(delta))}`;
}

function share(before, delta) {
  if (before === null || delta === null || !Number(before) || !Number(delta)) return "";
  const part = Math.round((100 * Number(delta)) / Number(before));
  return `${part > 0 ? "+" : "−"}${Math.abs(part).toLocaleString("en")}%`;
}
