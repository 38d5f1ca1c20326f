// JSON of any size by its lines, of which only those in view exist.
import { copier, h } from "./dom.js";
import { Rows } from "./rows.js";

const HEIGHT = 20;
const WIDEST = 2000;
const LARGE = 20_000;

export class Raw {
  /** `ask()` gives the value when it is first looked at, `size()` says of how many spans, `keep()` saves it as a file. */
  constructor(ask, size, keep) {
    this.ask = ask;
    this.size = size;
    this.keep = keep;
    this.lines = [];
    this.rows = new Rows(HEIGHT, (number) => h("div", { class: "line", "data-found": number === this.at }, this.lines[number].slice(0, WIDEST)), { role: "group", "aria-label": "OTLP JSON" }, 60);
    this.search = h("input", { type: "search", placeholder: "Search in the JSON", "aria-label": "Search in the JSON" });
    this.told = h("span", { class: "muted", role: "status" });
    this.element = h("section", { class: "raw" }, h("form", { onsubmit: (event) => this.find(event) }, this.search, h("button", { type: "submit" }, "Next"), this.told, h("span", { class: "spring" }), copier(() => this.lines.join("\n"), "Copy all")), this.rows.element);
  }

  async load() {
    if (this.size() > LARGE && !this.isWanted) {
      this.rows.element.hidden = true;
      this.offer ??= h("div", { class: "offer" }, h("p", {}, `All of it, ${this.size().toLocaleString("en")} spans, is a lot for a browser.`),
        h("div", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: () => this.keep() }, "Keep it as a file"),
          h("button", { type: "button", onclick: () => { this.isWanted = true; this.load(); } }, "Show it all the same")));
      this.element.append(this.offer);
      return;
    }
    this.offer?.remove();
    this.rows.element.hidden = false;
    this.told.textContent = "Loading …";
    try {
      this.lines = JSON.stringify(await this.ask(), null, 2).split("\n");
    } catch (error) {
      this.told.textContent = error.message;
      return;
    }
    this.told.textContent = `${this.lines.length.toLocaleString("en")} lines of OTLP JSON`;
    this.rows.show(this.lines.length);
  }

  find(event) {
    event.preventDefault();
    const wanted = this.search.value.toLowerCase();
    if (!wanted) return;
    const from = (this.at ?? -1) + 1;
    const has = (line) => line.toLowerCase().includes(wanted);
    const after = this.lines.slice(from).findIndex(has);
    const found = after >= 0 ? from + after : this.lines.findIndex(has);
    this.at = found >= 0 ? found : null;
    this.told.textContent = found >= 0 ? `Line ${(found + 1).toLocaleString("en")} of ${this.lines.length.toLocaleString("en")}` : "It is not in here";
    if (found >= 0) this.rows.reveal(found);
    this.rows.again();
  }
}
