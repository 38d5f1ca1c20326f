// The time of a session: a bar for each span, ticks above, and a map of all of it to zoom by.
import { h, svg } from "./dom.js";
import { clock, duration } from "./format.js";
import { Axis } from "./spans.js";

const TICKS = 6;
const LEAST = 1e-5;

export class Bars {
  /** `changed()` is told when another part of the time is looked at. */
  constructor(changed) {
    this.changed = changed;
    this.ticks = h("div", { class: "ticks", "aria-hidden": "true" });
    this.gaps = h("div", { class: "gaps", "aria-hidden": "true" });
    this.map = h("div", { class: "map", title: "Drag to see a part; double-click to see all" });
    this.folding = h("button", { type: "button", class: "quiet small toggle", "aria-pressed": "true", hidden: true, onclick: () => this.foldIdle() });
    this.isFolded = true;
    this.dragging();
  }

  /** Take what is told of a whole session: `seconds`, `idle`, `map`. */
  show({ seconds, idle, map }) {
    const wasWhole = this.axis === undefined || (this.from === 0 && this.to === this.axis.length);
    this.told = { seconds, idle, map };
    this.axis = new Axis(seconds, this.isFolded ? idle : []);
    if (wasWhole || this.to > this.axis.length) [this.from, this.to] = [0, this.axis.length];
    const away = idle.reduce((sum, [begin, end]) => sum + end - begin, 0);
    this.folding.hidden = !idle.length;
    this.folding.textContent = this.isFolded ? `${duration(away)} idle, folded` : "Fold idle times";
    this.folding.title = this.isFolded ? "Nothing ran in this time: show it as long as it was" : "Draw times in which nothing ran short";
    this.folding.setAttribute("aria-pressed", String(this.isFolded));
    this.drawMap();
  }

  foldIdle() {
    this.isFolded = !this.isFolded;
    this.axis = undefined;
    this.show(this.told);
    this.changed();
  }

  /** Idle times, behind all bars. */
  drawGaps() {
    const length = this.to - this.from;
    const shown = this.axis.idle.map((gap) => [(gap.place - this.from) / length, (gap.place + gap.shown - this.from) / length]).filter(([left, right]) => right > 0 && left < 1);
    this.gaps.replaceChildren(h("div", {}, shown.map(([left, right]) => h("span", { class: "gap", style: { left: percent(Math.max(0, left)), width: percent(Math.min(1, right) - Math.max(0, left)) } }))));
    this.gaps.parentElement?.classList.toggle("has-gaps", shown.length > 0);
  }

  /** The bar of a span, as far as it lies in what is looked at. */
  of(span) {
    const length = this.to - this.from;
    const place = (time) => (this.axis.place(time) - this.from) / length;
    const seconds = span.seconds ?? Math.max(0, this.told.seconds - span.offset);
    const [start, end] = [place(span.offset), place(span.offset + seconds)];
    if (end < -0.001 || start > 1.001) return [h("span", { class: "away", "aria-hidden": "true" }, start > 1 ? "›" : "‹")];
    const [left, right] = [Math.max(0, start), Math.min(1, end)];
    const isLate = right > 0.88 && left > 0.12;
    const isInside = right > 0.88 && !isLate;
    const first = span.first_chunk !== null && seconds > 0 && place(span.offset + span.first_chunk);
    return [
      h("span", { class: "stroke", "data-open": span.seconds === null, style: { left: percent(left), width: percent(Math.max(0, right - left)) } }),
      first !== false && first >= left && first <= right && h("span", { class: "first", title: `First chunk after ${duration(span.first_chunk)}`, style: { left: percent(first) } }),
      h("span", { class: "took", "data-inside": isInside, style: isInside ? { right: percent(1 - right) } : isLate ? { right: percent(1 - left) } : { left: percent(right) } }, span.seconds === null ? "open" : duration(span.seconds)),
    ];
  }

  /** What does not move with the rows: the ticks above them, and idle times behind them. */
  drawTime() {
    if (!this.axis) return;
    this.drawGaps();
    const step = (this.to - this.from) / TICKS;
    this.ticks.replaceChildren(...Array.from({ length: TICKS }, (_, number) =>
      h("span", { style: { left: `${(100 * number) / TICKS}%` } }, number === 0 && this.from === 0 ? "0" : clock(this.axis.time(this.from + number * step), step))));
  }

  drawMap() {
    const { idle, map, seconds } = this.told;
    const drawn = new Axis(seconds, idle);
    const at = (thousandth) => (1000 * this.axis.place(drawn.time((drawn.length * thousandth) / 1000))) / this.axis.length;
    const depth = map.reduce((most, [, row]) => Math.max(most, row), 0) + 1;
    const paths = new Map();
    for (const [kind, row, begin, length] of map) {
      const [left, top] = [at(begin), (40 * row) / depth];
      const width = Math.max(2, at(begin + length) - left);
      paths.set(kind, `${paths.get(kind) ?? ""}M${left.toFixed(1)} ${top.toFixed(1)}h${width.toFixed(1)}v${(32 / depth).toFixed(1)}h${(-width).toFixed(1)}z`);
    }
    const gaps = this.axis.idle.map((gap) => svg("rect", { class: "gap", x: (1000 * gap.place) / this.axis.length, y: 0, width: (1000 * gap.shown) / this.axis.length, height: 40 }));
    this.frame = h("div", { class: "frame", "aria-hidden": "true" });
    this.map.replaceChildren(svg("svg", { viewBox: "0 0 1000 40", preserveAspectRatio: "none", "aria-hidden": "true" }, ...gaps,
      ...[...paths].map(([kind, d]) => svg("path", { d, "data-kind": kind }))), this.frame);
    this.drawFrame();
  }

  drawFrame() {
    this.frame.hidden = this.from === 0 && this.to === this.axis.length;
    this.frame.style.left = `${(100 * this.from) / this.axis.length}%`;
    this.frame.style.width = `${(100 * (this.to - this.from)) / this.axis.length}%`;
  }

  all() {
    this.window(0, this.axis.length);
  }

  window(from, to) {
    const length = Math.min(this.axis.length, Math.max(LEAST, to - from));
    this.from = Math.max(0, Math.min(from, this.axis.length - length));
    this.to = this.from + length;
    this.drawFrame();
    this.changed();
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
      return this.axis.length * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    this.map.addEventListener("pointerdown", (event) => {
      began = at(event);
      this.map.setPointerCapture(event.pointerId);
    });
    this.map.addEventListener("pointermove", (event) => {
      if (began !== null && Math.abs(at(event) - began) > this.axis.length / 100) this.window(Math.min(began, at(event)), Math.max(began, at(event)));
    });
    this.map.addEventListener("pointerup", () => { began = null; });
    this.map.addEventListener("dblclick", () => this.all());
  }
}

function percent(part) {
  return `${(100 * part).toFixed(3)}%`;
}
