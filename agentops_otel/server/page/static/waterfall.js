// The spans of a session: their tree on the left, their time on the right.
import { Bars } from "./bars.js";
import { h } from "./dom.js";
import { count, money, moneyReason } from "./format.js";
import { Rows } from "./rows.js";
import { Spans } from "./spans.js";

const HEIGHT = 32;
export const KINDS = ["session", "workflow", "agent", "task", "operation", "action", "tool", "llm", "guardrail", "error", "span"];

export class Waterfall {
  /** `choose(span)` is told which span is chosen; `ask(parameters)` gives a part of the outline. */
  constructor(choose, ask) {
    this.choose = choose;
    this.ask = ask;
    this.spans = new Spans(ask, (from, to) => this.arrived(from, to));
    this.chosen = null;
    this.errors = [];
    this.rows = new Rows(HEIGHT, (place) => this.row(place), {
      role: "tree", "aria-label": "Spans", onkeydown: (event) => this.key(event),
    });
    this.bars = new Bars(() => this.move());
    this.rows.space.append(this.bars.gaps);
    const tool = (label, told, act) => h("button", { type: "button", class: "quiet small", "aria-label": told, title: told, onclick: act }, label);
    this.path = h("button", { type: "button", class: "quiet small toggle", "aria-pressed": "false", title: "What the end of the session waited for (c)", onclick: () => this.critical() }, "Critical path");
    this.element = h("section", { class: "waterfall", "aria-label": "Waterfall" },
      h("div", { class: "over" }, h("div", { class: "legend" }, this.legend = h("span", { class: "kinds" }), h("span", { class: "zoom" }, this.path, this.bars.folding,
        tool("+", "Zoom in (+)", () => this.bars.zoom(0.5)), tool("−", "Zoom out (-)", () => this.bars.zoom(2)), tool("⤢", "See all (0)", () => this.bars.all()))), this.bars.map),
      h("div", { class: "heads" },
        h("div", { class: "tree-head" }, h("span", {}, "Span ", this.reading = h("span", { role: "status" })), h("span", {},
          tool("⊟", "Fold all (f)", () => this.foldAll(true)), tool("⊞", "Unfold all (u)", () => this.foldAll(false)))),
        h("div", { class: "tokens-head" }, "Tokens"), h("div", { class: "cost-head" }, "Cost"),
        h("div", { class: "time-head" }, this.bars.ticks)),
      this.rows.element);
    this.rows.element.addEventListener("wheel", (event) => this.bars.wheel(event), { passive: false });
  }

  /** Show an outline from its first row on; what was folded and chosen stays so. */
  show(told, isFirstLook = false) {
    this.spans.begin(told, isFirstLook);
    this.errors = told.errors;
    this.reading.textContent = isFirstLook ? "· the first ones, all others are being read …" : "";
    this.legend.replaceChildren(...KINDS.filter((kind) => told.kinds.includes(kind)).map((kind) => h("span", { "data-kind": kind }, h("i", { "aria-hidden": "true" }), kind)));
    this.bars.show(told);
    this.refresh();
  }

  arrived(from, to) {
    if (this.rows.length !== this.spans.length) this.refresh();
    else this.rows.some((place) => {
      const number = this.spans.number(place);
      return number >= from && number < to;
    });
    this.told();
  }

  refresh() {
    if (this.chosen !== null && this.spans.rows.get(this.chosen.number)?.id !== this.chosen.id) {
      this.chosen = [...this.spans.rows.values()].find((row) => row.id === this.chosen.id) ?? this.chosen;
    }
    this.bars.drawTime();
    this.rows.show(this.spans.length);
    this.told();
  }

  /** Another part of the time is looked at: the rows stay, their bars move; a wheel turns faster than frames come. */
  move() {
    this.moving ??= requestAnimationFrame(() => {
      this.moving = null;
      this.bars.drawTime();
      for (const [place, row] of this.rows.here) {
        const span = this.spans.at(this.spans.number(place));
        if (span) row.querySelector(".lane")?.replaceChildren(...this.bars.of(span).filter(Boolean));
      }
    });
  }

  row(place) {
    const span = this.spans.at(this.spans.number(place));
    if (span === null) return h("div", { class: "row waiting", role: "presentation" }, h("div", { class: "label" }, h("span", { class: "muted" }, "…")));
    const isFolded = this.spans.folded.has(span.id);
    const figures = span.figures;
    return h("div", {
      class: "row", role: "treeitem", id: `row-${span.number}`, "data-kind": span.kind, "data-failed": span.has_failed, "data-critical": span.is_critical,
      "aria-level": span.depth + 1, "aria-selected": String(span.id === this.chosen?.id), "aria-setsize": this.spans.length, "aria-posinset": place + 1,
      "aria-expanded": span.size ? String(!isFolded) : null,
      onclick: () => this.select(span, true),
    },
    h("div", { class: "label", style: { "--depth": Math.min(span.depth, 24) } },
      span.size > 0 && h("button", { type: "button", class: "fold", tabindex: "-1", "aria-hidden": "true", onclick: (event) => {
        event.stopPropagation();
        this.fold(span, !isFolded);
      } }, isFolded ? "▸" : "▾"),
      h("i", { class: "kind", role: "img", "aria-label": span.kind }),
      h("span", { class: "name", title: span.name }, span.name),
      isFolded && h("span", { class: "muted more-below" }, `+${span.size.toLocaleString("en")}`),
      span.is_orphan && h("span", { class: "mark", title: "The span above never arrived" }, "parent not received"),
      (span.error || span.has_failed) && h("span", { class: "error", title: span.error ?? "failed" }, span.error ?? "failed")),
    figures && (figures.input_tokens > 0 || figures.output_tokens > 0) && h("div", { class: "tokens" }, `${count(figures.input_tokens)} → ${count(figures.output_tokens)}`),
    figures && h("div", { class: "cost", title: moneyReason(figures.cost, figures.unpriced_calls, 1) || null }, money(figures.cost, figures.unpriced_calls)),
    h("div", { class: "lane" }, this.bars.of(span)));
  }

  critical() {
    const isOn = this.path.getAttribute("aria-pressed") !== "true";
    this.path.setAttribute("aria-pressed", String(isOn));
    this.element.classList.toggle("shows-path", isOn);
  }

  fold(span, isFolded) {
    if (isFolded) this.spans.fold([[span.id, span]]);
    else this.spans.fold([], [span.id]);
    this.refresh();
  }

  foldAll(areFolded) {
    this.spans.fold(areFolded ? [...this.spans.folds] : [], areFolded ? [] : [...this.spans.folded.keys()]);
    this.refresh();
  }

  /** Choose a span, as its row does when it is clicked. */
  select(span, isAsked = false) {
    const above = this.spans.above(span);
    const before = this.chosen;
    this.chosen = span;
    if (above.length) {
      this.spans.fold([], above);
      this.refresh();
    } else this.rows.some((place) => [before?.number, span.number].includes(this.spans.number(place)));
    this.rows.reveal(this.spans.place(span.number));
    this.told();
    this.choose(span, isAsked);
  }

  /** Choose the span of this id, wherever it stands; false where it is not in the session. */
  async find(id) {
    let span = [...this.spans.rows.values()].find((row) => row.id === id);
    if (!span) {
      const told = await this.ask({ around: id, limit: 400 });
      this.spans.take(told.from, told.spans);
      span = told.spans.find((row) => row.id === id);
    }
    if (span) this.select(span);
    return Boolean(span);
  }

  async selectNumber(number) {
    // Keys come faster than rows: the last one counts.
    this.wanted = number;
    const span = await this.spans.get(number);
    if (span && this.wanted === number) this.select(span);
  }

  told() {
    const isHere = this.chosen && this.rows.element.querySelector(`#row-${this.chosen.number}`);
    if (isHere) this.rows.element.setAttribute("aria-activedescendant", `row-${this.chosen.number}`);
    else this.rows.element.removeAttribute("aria-activedescendant");
  }

  step(by) {
    const from = this.wanted ?? this.chosen?.number;
    const at = from === undefined || !this.chosen ? -1 : this.spans.place(from);
    const place = Math.max(0, Math.min(this.spans.length - 1, at + by));
    if (this.spans.length) this.selectNumber(this.spans.number(place));
  }

  nextError(by = 1) {
    if (!this.errors.length) return;
    const now = this.chosen?.number ?? (by > 0 ? -1 : Infinity);
    const next = by > 0 ? this.errors.find((number) => number > now) ?? this.errors[0] : this.errors.findLast((number) => number < now) ?? this.errors.at(-1);
    this.selectNumber(next);
  }

  key(event) {
    const span = this.chosen;
    const page = Math.max(1, Math.floor(this.rows.element.clientHeight / HEIGHT) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "ArrowLeft" && span) {
      if (span.size && !this.spans.folded.has(span.id)) this.fold(span, true);
      else if (span.parent !== null) this.selectNumber(span.parent);
    } else if (event.key === "ArrowRight" && span) {
      if (this.spans.folded.has(span.id)) this.fold(span, false);
      else this.step(1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    const before = this.chosen;
    this.chosen = null;
    this.wanted = undefined;
    this.rows.some((place) => before?.number === this.spans.number(place));
    this.told();
  }
}
