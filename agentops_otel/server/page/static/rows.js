// Rows of one height, of which only those in view exist: a hundred thousand scroll like ten.
import { h } from "./dom.js";

const SPARE = 8;

export class Rows {
  /** `render(number)` makes a row; `height` is that of each, in pixels. */
  constructor(height, render, properties = {}) {
    this.height = height;
    this.render = render;
    this.length = 0;
    this.space = h("div", { class: "space", role: "presentation" });
    this.element = h("div", { class: "rows", tabindex: "0", ...properties }, this.space);
    this.element.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(this.element);
  }

  /** Show so many rows, made anew. */
  show(length) {
    this.length = length;
    this.space.style.height = `${length * this.height}px`;
    this.drawn = null;
    this.draw();
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
    this.space.replaceChildren(...Array.from({ length: to - from }, (_, number) => {
      const row = this.render(from + number);
      row.style.transform = `translateY(${(from + number) * this.height}px)`;
      return row;
    }));
  }
}
