// The spans of a session: their tree on the left, their time on the right.
import { h, svg } from "./dom.js";
import { count, duration, money, moneyReason } from "./format.js";
import { Rows } from "./rows.js";

const HEIGHT = 32;
const TICKS = 6;
const LEAST_SECONDS = 1e-5;
export const KINDS = ["session", "workflow", "agent", "task", "operation", "action", "tool", "llm", "guardrail", "error", "span"];

export class Waterfall {
  /** `choose(span)` is told which span is chosen. */
  constructor(choose) {
    this.choose = choose;
    this.folded = new Set();
    this.spans = [];
    this.visible = [];
    this.chosen = null;
    this.rows = new Rows(HEIGHT, (number) => this.row(this.visible[number], number), {
      role: "tree", "aria-label": "Spans", onkeydown: (event) => this.key(event),
    });
    this.ticks = h("div", { class: "ticks", "aria-hidden": "true" });
    this.map = h("div", { class: "map", title: "Drag to see a part; double-click to see all" });
    const zoom = (label, told, act) => h("button", { type: "button", class: "quiet small", "aria-label": told, title: told, onclick: act }, label);
    this.element = h("section", { class: "waterfall", "aria-label": "Waterfall" },
      h("div", { class: "over" }, h("div", { class: "legend" }, this.legend = h("span", { class: "kinds" }), h("span", { class: "zoom" },
        zoom("+", "Zoom in", () => this.zoom(0.5)), zoom("−", "Zoom out", () => this.zoom(2)), zoom("⤢", "See all", () => this.window(0, this.total)))), this.map),
      h("div", { class: "heads" },
        h("div", { class: "tree-head" }, "Span", h("span", {},
          zoom("⊟", "Fold all", () => this.foldAll(true)), zoom("⊞", "Unfold all", () => this.foldAll(false)))),
        h("div", { class: "tokens-head" }, "Tokens"), h("div", { class: "cost-head" }, "Cost"),
        h("div", { class: "time-head" }, this.ticks)),
      this.rows.element);
    this.rows.element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.dragging();
  }

  /** Show these spans, as the outline tells them; what was folded and chosen stays so. */
  show(spans) {
    const isFirst = this.spans.length === 0;
    const wasWhole = this.from === 0 && this.to === this.total;
    this.spans = spans;
    spans.forEach((span, number) => {
      span.number = number;
      span.isParent = (spans[number + 1]?.depth ?? 0) > span.depth;
    });
    this.total = Math.max(LEAST_SECONDS, spans.reduce((most, span) => Math.max(most, span.offset + (span.seconds ?? 0)), 0));
    if (isFirst || wasWhole) [this.from, this.to] = [0, this.total];
    const kinds = KINDS.filter((kind) => spans.some((span) => span.kind === kind));
    this.legend.replaceChildren(...kinds.map((kind) => h("span", { "data-kind": kind }, h("i", { "aria-hidden": "true" }), kind)));
    this.drawMap();
    this.refresh();
  }

  refresh() {
    this.visible = [];
    let under = Infinity;
    for (const span of this.spans) {
      if (span.depth > under) continue;
      under = this.folded.has(span.id) ? span.depth : Infinity;
      this.visible.push(span);
    }
    this.drawTicks();
    this.rows.show(this.visible.length);
    this.told();
  }

  row(span, number) {
    const isChosen = span.id === this.chosen;
    const figures = span.figures;
    const row = h("div", {
      class: "row", role: "treeitem", id: `row-${span.number}`, "data-kind": span.kind, "data-failed": span.has_failed,
      "aria-level": span.depth + 1, "aria-selected": String(isChosen), "aria-setsize": this.visible.length, "aria-posinset": number + 1,
      "aria-expanded": span.isParent ? String(!this.folded.has(span.id)) : null, "aria-label": spoken(span),
      onclick: () => this.select(span, true),
    },
    h("div", { class: "label", style: { "--depth": Math.min(span.depth, 24) } },
      h("button", { type: "button", class: "fold", tabindex: "-1", "aria-hidden": "true", disabled: !span.isParent, onclick: (event) => {
        event.stopPropagation();
        this.fold(span, !this.folded.has(span.id));
      } }, span.isParent ? (this.folded.has(span.id) ? "▸" : "▾") : ""),
      h("i", { class: "kind", "aria-hidden": "true" }),
      h("span", { class: "name", title: span.name }, span.name),
      span.is_orphan && h("span", { class: "mark", title: "The span above never arrived" }, "parent not received"),
      (span.error || span.has_failed) && h("span", { class: "error", title: span.error ?? "failed" }, span.error ?? "failed")),
    h("div", { class: "tokens" }, figures && (figures.input_tokens || figures.output_tokens) ? `${count(figures.input_tokens)} → ${count(figures.output_tokens)}` : ""),
    h("div", { class: "cost", title: figures ? moneyReason(figures.cost, figures.unpriced_calls, 1) : null }, figures ? money(figures.cost, figures.unpriced_calls) : ""),
    h("div", { class: "lane" }, this.bar(span)));
    return row;
  }

  bar(span) {
    const length = this.to - this.from;
    const seconds = span.seconds ?? Math.max(0, this.total - span.offset);
    const start = (span.offset - this.from) / length;
    const end = (span.offset + seconds - this.from) / length;
    if (end < -0.001 || start > 1.001) return h("span", { class: "away", "aria-hidden": "true" }, start > 1 ? "›" : "‹");
    const [left, right] = [Math.max(0, start), Math.min(1, end)];
    const percent = (part) => `${(100 * part).toFixed(3)}%`;
    const isLate = right > 0.88 && left > 0.12;
    const isInside = right > 0.88 && !isLate;
    const first = span.first_chunk !== null && seconds > 0 && (span.offset + span.first_chunk - this.from) / length;
    return [
      h("span", { class: "stroke", "data-open": span.seconds === null, style: { left: percent(left), width: percent(Math.max(0, right - left)) } }),
      first !== false && first >= left && first <= right && h("span", { class: "first", title: `First chunk after ${duration(span.first_chunk)}`, style: { left: percent(first) } }),
      h("span", { class: "took", "data-inside": isInside, style: isInside ? { right: percent(1 - right) } : isLate ? { right: percent(1 - left) } : { left: percent(right) } }, span.seconds === null ? "open" : duration(span.seconds)),
    ];
  }

  drawTicks() {
    const step = (this.to - this.from) / TICKS;
    this.ticks.replaceChildren(...Array.from({ length: TICKS }, (_, number) =>
      h("span", { style: { left: `${(100 * number) / TICKS}%` } }, number === 0 && this.from === 0 ? "0" : duration(this.from + number * step))));
  }

  drawMap() {
    const depth = Math.min(12, this.spans.reduce((most, span) => Math.max(most, span.depth), 0)) + 1;
    const paths = new Map();
    for (const span of this.spans) {
      // The session itself would cover the whole map and tell nothing.
      if (span.kind === "session" && this.spans.length > 1) continue;
      const kind = span.error ? "error" : span.kind;
      const left = (1000 * span.offset) / this.total;
      const width = Math.max(2, (1000 * (span.seconds ?? this.total - span.offset)) / this.total);
      const top = (40 * Math.min(span.depth, 12)) / depth;
      paths.set(kind, `${paths.get(kind) ?? ""}M${left.toFixed(1)} ${top.toFixed(1)}h${width.toFixed(1)}v${(32 / depth).toFixed(1)}h${(-width).toFixed(1)}z`);
    }
    this.frame = h("div", { class: "frame", "aria-hidden": "true" });
    this.map.replaceChildren(svg("svg", { viewBox: "0 0 1000 40", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...[...paths].map(([kind, d]) => svg("path", { d, "data-kind": kind }))), this.frame);
    this.drawFrame();
  }

  drawFrame() {
    this.frame.hidden = this.from === 0 && this.to === this.total;
    this.frame.style.left = `${(100 * this.from) / this.total}%`;
    this.frame.style.width = `${(100 * (this.to - this.from)) / this.total}%`;
  }

  window(from, to) {
    const length = Math.min(this.total, Math.max(LEAST_SECONDS, to - from));
    this.from = Math.max(0, Math.min(from, this.total - length));
    this.to = this.from + length;
    this.drawFrame();
    this.refresh();
  }

  zoom(factor, at = 0.5) {
    const length = this.to - this.from;
    const middle = this.from + length * at;
    this.window(middle - length * factor * at, middle + length * factor * (1 - at));
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const lane = this.ticks.getBoundingClientRect();
    const at = Math.max(0, Math.min(1, (event.clientX - lane.left) / lane.width));
    const turned = event.deltaY || event.deltaX;
    if (event.ctrlKey) this.zoom(turned > 0 ? 1.25 : 0.8, at);
    else {
      const by = (Math.sign(turned) * (this.to - this.from)) / 8;
      this.window(this.from + by, this.to + by);
    }
  }

  dragging() {
    let began = null;
    const at = (event) => {
      const box = this.map.getBoundingClientRect();
      return this.total * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    this.map.addEventListener("pointerdown", (event) => {
      began = at(event);
      this.map.setPointerCapture(event.pointerId);
    });
    this.map.addEventListener("pointermove", (event) => {
      if (began !== null && Math.abs(at(event) - began) > this.total / 100) this.window(Math.min(began, at(event)), Math.max(began, at(event)));
    });
    this.map.addEventListener("pointerup", () => { began = null; });
    this.map.addEventListener("dblclick", () => this.window(0, this.total));
  }

  fold(span, isFolded) {
    if (isFolded) this.folded.add(span.id);
    else this.folded.delete(span.id);
    this.refresh();
  }

  foldAll(areFolded) {
    this.folded = new Set(areFolded ? this.spans.filter((span) => span.isParent && span.depth > 0).map((span) => span.id) : []);
    this.refresh();
  }

  /** Choose a span, as its row does when it is clicked. */
  select(span, isAsked = false) {
    for (let depth = span.depth, number = span.number; number >= 0 && depth > 0; number -= 1) {
      if (this.spans[number].depth < depth) {
        depth = this.spans[number].depth;
        this.folded.delete(this.spans[number].id);
      }
    }
    this.chosen = span.id;
    this.refresh();
    this.rows.reveal(this.visible.indexOf(span));
    this.told();
    this.choose(span, isAsked);
  }

  told() {
    const chosen = this.visible.find((span) => span.id === this.chosen);
    if (chosen) this.rows.element.setAttribute("aria-activedescendant", `row-${chosen.number}`);
    else this.rows.element.removeAttribute("aria-activedescendant");
  }

  step(by) {
    const at = this.visible.findIndex((span) => span.id === this.chosen);
    const next = this.visible[Math.max(0, Math.min(this.visible.length - 1, at + by))];
    if (next) this.select(next);
  }

  nextError(by = 1) {
    const errors = this.spans.filter((span) => span.error);
    if (!errors.length) return;
    const now = this.spans.find((span) => span.id === this.chosen)?.number ?? (by > 0 ? -1 : Infinity);
    const next = by > 0 ? errors.find((span) => span.number > now) ?? errors[0] : errors.findLast((span) => span.number < now) ?? errors.at(-1);
    this.select(next);
  }

  key(event) {
    const span = this.visible.find((one) => one.id === this.chosen);
    const page = Math.max(1, Math.floor(this.rows.element.clientHeight / HEIGHT) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "ArrowLeft" && span) {
      if (span.isParent && !this.folded.has(span.id)) this.fold(span, true);
      else {
        const above = this.spans.slice(0, span.number).findLast((one) => one.depth < span.depth);
        if (above) this.select(above);
      }
    } else if (event.key === "ArrowRight" && span) {
      if (this.folded.has(span.id)) this.fold(span, false);
      else this.step(1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function spoken(span) {
  const figures = span.figures;
  return [
    `${span.kind} ${span.name}`, span.seconds === null ? "open" : duration(span.seconds),
    figures && `cost ${money(figures.cost, figures.unpriced_calls)}`, span.error && `error: ${span.error}`, span.is_orphan && "parent not received",
  ].filter(Boolean).join(", ");
}
