// One session: its figures, its waterfall, its transcript, its errors, what it ran on, and all of it raw.
import { download, get, place } from "./api.js";
import { detail, failure } from "./detail.js";
import { copier, empty, h, outward } from "./dom.js";
import { bytes, count, duration, local, money, moneyReason, several, share } from "./format.js";
import { bind } from "./keyboard.js";
import { Raw } from "./raw.js";
import { stateBadge } from "./sessions.js";
import { transcript } from "./transcript.js";
import { Waterfall } from "./waterfall.js";

const TABS = [["waterfall", "Waterfall", "w"], ["transcript", "Transcript", "t"], ["errors", "Errors", "x"], ["details", "Run", "i"], ["raw", "Raw", "r"]];
const SPAN = /^[0-9a-f]{16}$/;
const FORMS = [["/export", "json", "Export, JSON"], ["/spans?format=otlp", "otlp.json", "Spans, OTLP JSON"], ["/spans?format=jsonl", "jsonl", "Spans, JSON lines"], ["/spans?format=csv", "csv", "Spans, CSV"]];

/** Show the session that the address names; the answer takes what is told of sessions that change. */
export async function begin(main) {
  const parts = location.pathname.split("/").slice(2).map(decodeURIComponent);
  const span = parts.length > 1 && SPAN.test(parts.at(-1)) ? parts.pop() : null;
  const view = new SessionView(main, parts.join("/"), span);
  await view.load();
  return (kind, data) => view.changed(kind, data);
}

class SessionView {
  constructor(main, id, span) {
    this.id = id;
    this.wanted = span;
    this.records = null;
    this.waterfall = new Waterfall((chosen) => this.open(chosen));
    this.raw = new Raw(() => get(place(id, "/spans?format=otlp")));
    this.head = h("div", { class: "session-head" });
    this.panels = Object.fromEntries(TABS.map(([name]) => [name, h("div", { id: `panel-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}`, hidden: true })]));
    this.panels.waterfall.append(this.waterfall.element);
    this.panels.raw.append(this.raw.element);
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Views of the session", onkeydown: (event) => this.turn(event) }, TABS.map(([name, title]) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => this.tab(name) }, title)));
    this.aside = h("aside", { class: "detail", hidden: true, "aria-label": "The chosen span", tabindex: "-1" });
    this.whole = h("div", { class: "session" }, this.head, this.tabs, h("div", { class: "split" }, h("div", { class: "panels" }, Object.values(this.panels)), this.aside));
    main.append(this.whole);
    this.keys();
    this.tab(new URLSearchParams(location.hash.slice(1)).get("view") ?? "waterfall");
    setInterval(() => this.tick(), 1000);
  }

  keys() {
    for (const [name, title, key] of TABS) bind(key, title, () => this.tab(name));
    bind("j", "Next span", () => this.waterfall.step(1));
    bind("k", "Span before", () => this.waterfall.step(-1));
    bind("ArrowDown", "", () => this.waterfall.step(1));
    bind("ArrowUp", "", () => this.waterfall.step(-1));
    bind("e", "Next error", () => this.waterfall.nextError());
    bind("E", "Error before", () => this.waterfall.nextError(-1));
    bind("+", "Zoom in", () => this.waterfall.zoom(0.5));
    bind("-", "Zoom out", () => this.waterfall.zoom(2));
    bind("0", "See the whole time", () => this.waterfall.window(0, this.waterfall.total));
    bind("← →", "Fold and unfold, in the tree", () => false);
    bind("/", "Search in the raw JSON", () => { this.tab("raw"); this.raw.search.focus(); });
    bind("Escape", "Close the span", () => this.close());
  }

  async load() {
    try {
      const told = await get(place(this.id, "/outline"));
      document.title = `${told.session.name ?? "Session"} · agentops_otel`;
      this.told = told;
    } catch (error) {
      this.whole.replaceChildren(error.status === 404
        ? empty("This session is not here", h("p", {}, "It may not have arrived yet, may have been deleted, or may be kept in another store."), h("p", {}, h("code", {}, this.id)), h("a", { class: "button primary", href: "/sessions" }, "All sessions"))
        : empty("This session cannot be shown", h("p", {}, error.message), h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again")));
      return;
    }
    this.header();
    this.waterfall.show(this.told.spans);
    performance.mark("rows");
    const wanted = this.wanted && this.told.spans.find((span) => span.id === this.wanted);
    this.wanted = null;
    if (wanted) this.waterfall.select(wanted);
    await this.fill();
  }

  changed(kind, data) {
    if (kind === "deleted" && data.id === this.id) location.href = "/sessions";
    if ((kind !== "back" && data.id !== this.id) || this.waiting) return;
    // A large session is told of less often: each telling is a reading of the whole.
    this.waiting = setTimeout(async () => {
      this.records = null;
      await this.load();
      this.waiting = null;
      if (this.chosen) this.open(this.told.spans.find((span) => span.id === this.chosen.id) ?? this.chosen);
    }, Math.min(5000, 300 + (this.told?.spans.length ?? 0)));
  }

  /** The spans with all their attributes, by id; asked for once. */
  async spans() {
    this.records ??= get(place(this.id, "/spans")).then((rows) => new Map(rows.map((row) => [row.span_id, row])));
    return this.records;
  }

  header() {
    const { session, oddities, spans } = this.told;
    const tokens = session.tokens;
    const [input, cached, output] = ["input_tokens", "cache_read_tokens", "output_tokens"].map((name) => tokens[name] ?? 0);
    const reason = moneyReason(session.cost, session.unpriced_calls, session.llm_calls);
    const tile = (name, value, more, properties = {}) => h("div", { class: "tile", ...properties }, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
    this.head.replaceChildren(
      h("div", { class: "title" },
        h("a", { href: "/sessions", class: "back" }, "Sessions"), h("span", { "aria-hidden": "true", class: "muted" }, "/"),
        h("h1", {}, session.name ?? "session"), stateBadge(session), h("span", { class: "spring" }), this.exports()),
      h("p", { class: "about" },
        session.end_state_reason && h("span", { class: "reason" }, session.end_state_reason),
        h("span", { class: "muted" }, h("code", {}, session.id), " ", copier(session.id)),
        session.tags.map((tag) => h("a", { class: "tag", href: `/sessions?${new URLSearchParams({ tag })}` }, tag))),
      h("dl", { class: "tiles" },
        tile("Cost", money(session.cost, session.unpriced_calls), reason || (cached > 0 ? `${share(cached, input)} of the input from the cache` : null)),
        tile("Duration", h("span", { "data-since": session.is_running ? session.init_timestamp : null }, duration(session.duration)), local(session.init_timestamp)),
        tile("Tokens in", count(input), cached ? `${count(cached)} cached, ${count(input - cached)} fresh` : "none cached"),
        tile("Tokens out", count(output), tokens.reasoning_tokens ? `${count(tokens.reasoning_tokens)} reasoning` : null),
        tile("LLM calls", session.llm_calls.toLocaleString("en"), session.models.slice(0, 1).join() + (session.models.length > 1 ? ` and ${session.models.length - 1} more` : "")),
        tile("Tools", session.tool_calls.toLocaleString("en"), session.actions ? several(session.actions, "action") : null),
        tile("Errors", session.errors.toLocaleString("en"), session.errors ? "e goes to the next" : null, { class: session.errors ? "tile alarm" : "tile" }),
        tile("Spans", spans.length.toLocaleString("en"))),
      ...(session.video ? [h("p", { class: "notice" }, "Video of the session: ", outward(session.video))] : []),
      ...oddities.map((oddity) => h("p", { class: "notice" }, oddity)));
    this.tabs.querySelector("#tab-errors").textContent = session.errors ? `Errors ${session.errors}` : "Errors";
  }

  exports() {
    return h("details", { class: "menu" }, h("summary", {}, "Export"), h("div", {}, FORMS.map(([part, end, title]) =>
      h("button", { type: "button", onclick: (event) => {
        event.target.closest("details").open = false;
        download(place(this.id, part), `session-${this.id.slice(0, 8)}.${end}`);
      } }, title))));
  }

  tab(name) {
    const shown = name in this.panels ? name : "waterfall";
    this.shown = shown;
    for (const [panel] of TABS) {
      const isShown = panel === shown;
      const tab = this.tabs.querySelector(`#tab-${panel}`);
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      this.panels[panel].hidden = !isShown;
    }
    history.replaceState(null, "", shown === "waterfall" ? location.pathname : `#view=${shown}`);
    this.fill();
  }

  turn(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    const names = TABS.map(([name]) => name);
    this.tab(names[(names.indexOf(this.shown) + by + names.length) % names.length]);
    this.tabs.querySelector(`#tab-${this.shown}`).focus();
  }

  async fill() {
    if (!this.told) return;
    const { shown, told } = this;
    const panel = this.panels[shown];
    try {
      await this.draw(shown, told, panel);
    } catch (error) {
      this.records = null;
      panel.replaceChildren(h("p", { class: "notice problem", role: "alert" }, error.message));
    }
  }

  async draw(shown, told, panel) {
    if (shown === "raw") await this.raw.load();
    else if (shown === "details") panel.replaceChildren(...await this.run());
    else if (shown !== "waterfall") {
      if (!panel.firstChild) panel.append(h("p", { class: "muted" }, "Loading …"));
      const records = await this.spans();
      if (this.told !== told || this.shown !== shown) return;
      panel.replaceChildren(shown === "errors" ? this.errors(records) : transcript(told.spans, records, (span) => this.waterfall.select(span, true)));
    }
  }

  errors(records) {
    const failed = this.told.spans.filter((span) => span.error && records.has(span.id)).toSorted((a, b) => a.offset - b.offset);
    if (!failed.length) return empty("No error happened", h("p", {}, "Exceptions, failed calls and recorded errors are listed here."));
    return h("div", { class: "errors" }, failed.slice(0, 500).map((span) => h("article", { "data-kind": span.kind },
      h("button", { type: "button", class: "turn-head", onclick: () => this.waterfall.select(span, true) },
        h("i", { class: "kind", "aria-hidden": "true" }), h("strong", {}, span.name), h("span", { class: "muted" }, `after ${duration(span.offset)}`)),
      failure(span, records.get(span.id)))));
  }

  async run() {
    const stats = await get(place(this.id, "/stats"));
    const { host, session } = this.told;
    const models = Object.entries(stats.by_model);
    const cell = (value) => h("td", { class: "number" }, value);
    const known = [
      ["Host", host["host.name"]], ["System", host["os.description"] ?? host["os.type"]], ["Architecture", host["host.arch"]],
      ["Python", [host["process.runtime.name"], host["process.runtime.version"]].filter(Boolean).join(" ")], ["Process", host["process.pid"]],
      ["CPUs", host["agentops.host.cpu.count"]],
      ["Memory", host["agentops.host.memory.total"] && `${bytes(host["agentops.host.memory.available"] ?? 0)} free of ${bytes(host["agentops.host.memory.total"])}`],
      ["Disk", host["agentops.host.disk.total"] && `${bytes(host["agentops.host.disk.free"] ?? 0)} free of ${bytes(host["agentops.host.disk.total"])}`],
      ["Packages", Array.isArray(host["agentops.packages"]) ? host["agentops.packages"].join(", ") : null],
      ["SDK", host["telemetry.sdk.name"] && `${host["telemetry.sdk.name"]} ${host["telemetry.sdk.version"] ?? ""}`],
    ].filter(([, value]) => value !== undefined && value !== null && value !== "");
    const pairs = (rows) => h("table", { class: "pairs" }, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, String(value))))));
    return [
      h("section", { class: "card" }, h("h2", {}, "Models"), models.length ? h("div", { class: "scroll" }, h("table", { class: "figures" },
        h("thead", {}, h("tr", {}, ["Model", "Calls", "In", "Cached", "Out", "Cost"].map((title, at) => h("th", { scope: "col", class: at && "number" }, title)))),
        h("tbody", {}, models.map(([model, part]) => h("tr", {}, h("th", { scope: "row" }, model), cell(part.calls.toLocaleString("en")),
          ...["input_tokens", "cache_read_tokens", "output_tokens"].map((name) => cell((part.tokens[name] ?? 0).toLocaleString("en"))), cell(money(part.cost))))))) : h("p", { class: "muted" }, "No model was called.")),
      h("section", { class: "card" }, h("h2", {}, "Run"), pairs([["Started", local(session.init_timestamp)], ["Ended", session.is_running ? "still runs" : local(session.end_timestamp)],
        ["End state", session.end_state], ["Reason", session.end_state_reason ?? "none was given"], ["Project", session.project_id], ["Tags", session.tags.join(", ") || "none"]])),
      h("section", { class: "card" }, h("h2", {}, "Environment"), known.length ? pairs(known) : h("p", { class: "muted" }, "Nothing is told of the machine."),
        h("details", { class: "section" }, h("summary", {}, `Resource (${Object.keys(host).length})`), pairs(Object.entries(host).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])))),
    ];
  }

  async open(span, isAsked) {
    this.chosen = span;
    const isSame = this.aside.dataset.span === span.id;
    this.aside.dataset.span = span.id;
    const show = (record) => this.aside.replaceChildren(...detail(span, record, this.id, () => this.close()));
    const wasHidden = this.aside.hidden;
    this.aside.hidden = false;
    this.whole.classList.add("has-detail");
    history.replaceState(null, "", `/s/${encodeURIComponent(this.id)}/${span.id}${this.shown === "waterfall" ? "" : `#view=${this.shown}`}`);
    if (wasHidden || !this.ready) show(null);
    let records;
    try {
      records = await this.spans();
    } catch (error) {
      this.records = null;
      this.aside.append(h("p", { class: "problem", role: "alert" }, error.message));
      return;
    }
    this.ready = true;
    if (this.chosen !== span) return;
    const record = records.get(span.id) ?? null;
    show(record);
    if (!isSame) this.aside.scrollTop = 0;
    if (isAsked) this.aside.focus({ preventScroll: true });
  }

  close() {
    this.chosen = null;
    this.aside.hidden = true;
    this.whole.classList.remove("has-detail");
    this.waterfall.chosen = null;
    this.waterfall.refresh();
    history.replaceState(null, "", `/s/${encodeURIComponent(this.id)}${this.shown === "waterfall" ? "" : `#view=${this.shown}`}`);
  }

  tick() {
    for (const since of this.head.querySelectorAll("[data-since]")) {
      since.textContent = duration(Math.max(0, (Date.now() - Date.parse(since.dataset.since)) / 1000));
    }
  }
}
