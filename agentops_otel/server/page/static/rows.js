// Rows of one height, of which only those in view exist: a hundred thousand scroll like ten.
import { h } from "./dom.js";

const SPARE = 8;

export class Rows {
  /** `render(number)` makes a row; `height` is that of each, in pixels. */
  constructor(height, render, properties = {}) {
    this.height = height;
    this.render = render;
    this.length = 0;
    this.here = new Map();
    this.space = h("div", { class: "space", role: "presentation" });
    this.element = h("div", { class: "rows", tabindex: "0", ...properties }, this.space);
    this.element.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(this.element);
  }

  /** Show so many rows, made anew. */
  show(length) {
    this.length = length;
    this.space.style.height = `${length * this.height}px`;
    this.again();
  }

  /** Bring a row into view. */
  reveal(number) {
    const top = number * this.height;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.element.scrollTop = top + this.height - clientHeight;
    this.draw();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / this.height) - SPARE);
    const to = Math.min(this.length, Math.ceil((scrollTop + (clientHeight || 600)) / this.height) + SPARE);
    if (this.drawn === `${from} ${to}`) return;
    this.drawn = `${from} ${to}`;
    for (const [number, row] of this.here) {
      if (number < from || number >= to) {
        row.remove();
        this.here.delete(number);
      }
    }
    // In their order also for those who read and do not see.
    const first = this.space.firstChild;
    const firstHere = Math.min(...this.here.keys());
    const [before, after] = [document.createDocumentFragment(), document.createDocumentFragment()];
    for (let number = from; number < to; number += 1) {
      if (this.here.has(number)) continue;
      const row = this.render(number);
      row.style.transform = `translateY(${number * this.height}px)`;
      this.here.set(number, row);
      (number < firstHere ? before : after).append(row);
    }
    this.space.insertBefore(before, first);
    this.space.append(after);
  }

  /** Make those rows anew that are in view and of which `isWanted(number)` is true. */
  some(isWanted) {
    for (const [number, old] of this.here) {
      if (!isWanted(number)) continue;
      const row = this.render(number);
      row.style.transform = old.style.transform;
      old.replaceWith(row);
      this.here.set(number, row);
    }
  }

  /** Make the rows anew that are in view. */
  again() {
    this.here.clear();
    this.space.replaceChildren();
    this.drawn = null;
    this.draw();
  }
}
