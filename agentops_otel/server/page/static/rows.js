// Rows of one height, of which only those in view exist: a hundred thousand scroll like ten.
import { h } from "./dom.js";

const SPARE = 8;

export class Rows {
  /** `render(number)` makes a row; `height` is that of each, in pixels; `atOnce` is how many one frame may make. */
  constructor(height, render, properties = {}, atOnce = 6) {
    this.height = height;
    this.render = render;
    this.atOnce = atOnce;
    this.length = 0;
    this.here = new Map();
    this.stale = new Set();
    this.space = h("div", { class: "space", role: "presentation" });
    this.element = h("div", { class: "rows", tabindex: "0", ...properties }, this.space);
    this.element.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => {
      // What stands above the rows is as wide as they are, whatever a bar to scroll by takes.
      this.element.parentElement?.style.setProperty("--scroll-bar", `${this.element.offsetWidth - this.element.clientWidth}px`);
      this.later();
    }).observe(this.element);
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
      this.draw(this.atOnce);
    });
  }

  /** Make what is missing, what is in view before the spare rows around it; beyond `most`, in the next frame. */
  draw(most = Infinity) {
    const { scrollTop, clientHeight } = this.element;
    const [top, bottom] = [Math.floor(scrollTop / this.height), Math.ceil((scrollTop + (clientHeight || 600)) / this.height)];
    const [from, to] = [Math.max(0, top - SPARE), Math.min(this.length, bottom + SPARE)];
    for (const [number, row] of this.here) {
      if (number < from || number >= to) {
        row.remove();
        this.here.delete(number);
        this.stale.delete(number);
      }
    }
    const missing = [];
    for (let number = from; number < to; number += 1) if (!this.here.has(number) || this.stale.has(number)) missing.push(number);
    const isSeen = (number) => number >= top && number < bottom;
    const now = missing.length > most ? [...missing.filter(isSeen), ...missing.filter((number) => !isSeen(number))].slice(0, most) : missing;
    for (const number of now) this.put(number, to);
    if (now.length < missing.length) this.later();
  }

  /** Make a row, in its order also for those who read and do not see. */
  put(number, to) {
    const row = this.render(number);
    row.style.top = `${number * this.height}px`;
    const old = this.here.get(number);
    if (old) old.replaceWith(row);
    else {
      let next = number + 1;
      while (next < to && !this.here.has(next)) next += 1;
      this.space.insertBefore(row, this.here.get(next) ?? null);
    }
    this.here.set(number, row);
    this.stale.delete(number);
  }

  /** Make those rows anew that are in view and of which `isWanted(number)` is true. */
  some(isWanted) {
    for (const number of this.here.keys()) if (isWanted(number)) this.stale.add(number);
    this.draw(this.atOnce);
  }

  /** Make the rows anew that are in view. */
  again() {
    for (const row of this.here.values()) row.remove();
    this.here.clear();
    this.stale.clear();
    this.draw();
  }
}
