// The conversation of a whole session, as the server put it together: what each call added, each tool call with its result.
import { empty, h } from "./dom.js";
import { count, duration, money } from "./format.js";
import { callElement, messageElement, partsOf } from "./messages.js";

const AT_ONCE = 100;

export class Transcript {
  /** `ask({from, limit})` gives turns; `choose(id)` opens the span that a turn came from. */
  constructor(ask, choose) {
    this.ask = ask;
    this.choose = choose;
    this.shown = null;
    this.list = h("div", { class: "transcript" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.grow() });
    this.note = h("p", { class: "notice", hidden: true }, "What was said is not recorded here: init(capture_content=True) records it.");
    this.element = h("div", {}, this.note, this.list, h("div", { class: "after" }, this.more));
  }

  /** Show the first turns; those that are shown already stay, unless the session has changed. */
  async load() {
    if (this.shown !== null && !this.isOld) return;
    if (this.shown === null) this.list.replaceChildren(h("p", { class: "muted" }, "Loading …"));
    const told = await this.ask({ from: 0, limit: Math.max(AT_ONCE, this.shown ?? 0) });
    this.isOld = false;
    const open = [...this.list.querySelectorAll("details")].map((one) => one.open);
    this.list.replaceChildren();
    this.isBare = true;
    this.shown = 0;
    this.take(told);
    for (const [at, one] of [...this.list.querySelectorAll("details")].entries()) one.open = open[at] ?? false;
    if (!told.total) this.list.replaceChildren(empty("Nothing was said in this session", h("p", {}, "It holds no model call, tool or agent. The waterfall shows what it does hold.")));
  }

  async grow() {
    this.more.disabled = true;
    this.take(await this.ask({ from: this.shown, limit: AT_ONCE }));
    this.more.disabled = false;
  }

  take(told) {
    this.list.append(...told.turns.map((turn) => this.turn(turn)));
    this.shown += told.turns.length;
    this.isBare &&= told.turns.every(({ span, said, answered }) => span.kind !== "llm" || (!said.length && !answered.length));
    this.note.hidden = !this.isBare || !told.turns.some(({ span }) => span.kind === "llm");
    this.more.hidden = this.shown >= told.total;
    this.more.textContent = `Show more: ${this.shown.toLocaleString("en")} of ${told.total.toLocaleString("en")} are here`;
  }

  turn(turn) {
    const { span, results } = turn;
    const { figures } = span;
    const head = h("button", { type: "button", class: "turn-head", onclick: () => this.choose(span.id) },
      h("i", { class: "kind", "aria-hidden": "true" }), h("strong", {}, span.model ?? span.name),
      h("span", { class: "muted" }, [
        span.seconds === null ? "open" : duration(span.seconds),
        figures && span.kind === "llm" && `${count(figures.input_tokens)} → ${count(figures.output_tokens)} tokens`,
        figures && money(figures.cost, figures.unpriced_calls),
      ].filter(Boolean).join(" · ")));
    const join = (part) => {
      const found = Object.hasOwn(results, part.id) ? results[part.id] : null;
      return found && { ...found, took: found.seconds === null ? null : duration(found.seconds) };
    };
    const system = turn.system.filter((part) => part !== null && typeof part === "object");
    return h("article", { class: "turn", "data-kind": span.kind, "data-failed": span.has_failed, style: { "--depth": Math.min(8, Math.max(0, span.depth - 1)) } }, head,
      system.length > 0 && h("details", { class: "system" }, h("summary", {}, "System instructions"), messageElement({ role: "system", parts: system.flatMap((part) => (part.parts ? partsOf(part) : [part])) })),
      turn.repeated > 0 && h("p", { class: "muted repeated" }, turn.repeated === 1 ? "One message from above" : `${turn.repeated} messages from above`),
      [...turn.said, ...turn.answered].map((message) => messageElement(message, join)),
      (turn.given !== null || turn.value !== null) && callElement(span.name, turn.given, turn.value === null && !span.error ? null : { value: turn.value, error: span.error }),
      span.error && span.kind !== "tool" && h("p", { class: "problem" }, span.error));
  }
}
