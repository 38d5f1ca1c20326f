// One session: its figures, its waterfall, its transcript, its errors, what it ran on, and all of it raw.
import { download, get, place } from "./api.js";
import { detail, failure } from "./detail.js";
import { copier, empty, h, outward } from "./dom.js";
import { bytes, count, duration, local, money, moneyReason, several, share, spent } from "./format.js";
import { bind } from "./keyboard.js";
import { Raw } from "./raw.js";
import { stateBadge } from "./sessions.js";
import { Transcript } from "./transcript.js";
import { Waterfall } from "./waterfall.js";

const TABS = [["waterfall", "Waterfall", "w"], ["transcript", "Transcript", "t"], ["errors", "Errors", "x"], ["details", "Run", "i"], ["raw", "Raw", "r"]];
const SPAN = /^[0-9a-f]{16}$/;
const FORMS = [["/transcript?format=html", "html", "One HTML file, offline"], ["/transcript?format=markdown", "md", "Transcript, Markdown"], ["/export", "json", "Export, JSON"], ["/spans?format=otlp", "otlp.json", "Spans, OTLP JSON"], ["/spans?format=jsonl", "jsonl", "Spans, JSON lines"], ["/spans?format=csv", "csv", "Spans, CSV"]];

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
    this.records = new Map();
    this.waterfall = new Waterfall((chosen, isAsked) => this.open(chosen, isAsked), (asked) => get(place(id, `/outline?${new URLSearchParams(asked)}`)));
    this.transcript = new Transcript((asked) => get(place(id, `/transcript?${new URLSearchParams(asked)}`)), (span) => this.waterfall.find(span));
    this.raw = new Raw(() => get(place(id, "/spans?format=otlp")), () => this.told?.total ?? 0, () => this.keep(FORMS[3]));
    this.head = h("div", { class: "session-head" });
    this.panels = Object.fromEntries(TABS.map(([name]) => [name, h("div", { id: `panel-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}`, hidden: true })]));
    this.panels.waterfall.append(this.waterfall.element);
    this.panels.raw.append(this.raw.element);
    this.panels.transcript.append(this.transcript.element);
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Views of the session", onkeydown: (event) => this.turn(event) }, TABS.map(([name, title]) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => this.tab(name) }, title)));
    this.aside = h("aside", { class: "detail", hidden: true, "aria-label": "The chosen span", tabindex: "-1" });
    this.parts = [this.head, this.tabs, h("div", { class: "split" }, h("div", { class: "panels" }, Object.values(this.panels)), this.aside)];
    this.whole = h("div", { class: "session" }, this.parts);
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
    bind("+", "Zoom in", () => this.waterfall.bars.zoom(0.5));
    bind("-", "Zoom out", () => this.waterfall.bars.zoom(2));
    bind("0", "See the whole time", () => this.waterfall.bars.all());
    bind("c", "Critical path", () => this.waterfall.critical());
    bind("h", "Fold idle times", () => this.waterfall.bars.foldIdle());
    bind("ArrowLeft", "", (event) => this.waterfall.key(event));
    bind("ArrowRight", "", (event) => this.waterfall.key(event));
    bind("← →", "Fold and unfold, in the tree", () => false);
    bind("f", "Fold all", () => this.waterfall.foldAll(true));
    bind("u", "Unfold all", () => this.waterfall.foldAll(false));
    bind("/", "Search in the raw JSON", () => { this.tab("raw"); this.raw.search.focus(); });
    bind("Escape", "Close the span", () => this.close());
  }

  async load() {
    let told;
    try {
      const isFirst = this.told === undefined;
      told = await get(place(this.id, isFirst ? "/outline?preview=true" : "/outline?limit=400"));
      document.title = `${told.session.name ?? "Session"} · agentops_otel`;
      this.show(told, isFirst && !told.is_whole);
      if (isFirst) performance.mark("rows");
      if (isFirst && !told.is_whole) {
        // The first look is at the first spans alone; the whole comes as soon as the server has read it.
        told = await get(place(this.id, "/outline?limit=400"));
        this.show(told);
      }
      if (isFirst) performance.mark("whole");
    } catch (error) {
      if (this.told) this.problem(error);
      else this.missing(error);
      return;
    }
    const { wanted } = this;
    this.wanted = null;
    if (wanted) await this.waterfall.find(wanted);
    await this.fill();
  }

  show(told, isFirstLook = false) {
    if (!this.head.isConnected) this.whole.replaceChildren(...this.parts);
    this.told = told;
    this.isFirstLook = isFirstLook;
    this.header();
    this.waterfall.show(told, isFirstLook);
  }

  missing(error) {
    this.whole.replaceChildren(error.status === 404
      ? empty("This session is not here", h("p", {}, "It may not have arrived yet: then it shows here as soon as it does. It may have been deleted, or be kept in another store:"), h("pre", {}, "agentops-otel serve --store PATH"), h("p", { class: "muted" }, h("code", {}, this.id)), h("a", { class: "button primary", href: "/sessions" }, "All sessions"))
      : empty("This session cannot be shown", h("p", {}, error.message), h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again")));
  }

  problem(error) {
    this.head.append(h("p", { class: "notice problem", role: "alert" }, error.message));
  }

  changed(kind, data) {
    if (kind === "deleted" && data.id === this.id) location.href = "/sessions";
    if ((kind !== "back" && data.id !== this.id) || this.waiting) return;
    // A large session is told of less often: each telling is a reading of the whole.
    this.waiting = setTimeout(async () => {
      this.records.clear();
      this.transcript.isOld = true;
      await this.load();
      this.waiting = null;
      if (this.chosen) this.open(this.waterfall.chosen ?? this.chosen);
    }, Math.min(5000, 300 + (this.told?.total ?? 0)));
  }

  /** A span with all its attributes. */
  async record(id) {
    if (!this.records.has(id)) {
      const [record] = await get(place(this.id, `/spans?span_id=${id}`));
      if (this.records.size > 200) this.records.clear();
      this.records.set(id, record ?? null);
    }
    return this.records.get(id);
  }

  header() {
    const { session, oddities, total, host } = this.told;
    const tokens = session.tokens;
    const [input, cached, output] = ["input_tokens", "cache_read_tokens", "output_tokens"].map((name) => tokens[name] ?? 0);
    const reason = moneyReason(session.cost, session.unpriced_calls, session.llm_calls);
    const tile = (name, value, more, properties = {}) => h("div", { class: "tile", ...properties }, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
    this.head.replaceChildren(
      h("div", { class: "title" },
        h("a", { href: "/sessions", class: "back" }, "Sessions"), h("span", { "aria-hidden": "true", class: "muted" }, "/"),
        h("h1", {}, session.name ?? "session"), stateBadge(session), h("span", { class: "spring" }), h("a", { class: "button", href: `/compare?${new URLSearchParams({ a: session.id })}` }, "Compare"), this.exports()),
      h("p", { class: "about" },
        session.end_state_reason && h("span", { class: "reason" }, session.end_state_reason),
        h("span", { class: "muted" }, h("code", {}, session.id), " ", copier(session.id)),
        session.tags.map((tag) => h("a", { class: "tag", href: `/sessions?${new URLSearchParams({ tag })}` }, tag))),
      h("dl", { class: "tiles" },
        tile("Cost", money(session.cost, session.unpriced_calls), reason || (cached > 0 ? `${share(cached, input)} of the input from the cache` : null)),
        tile("Duration", h("span", { "data-since": session.is_running ? session.init_timestamp : null }, duration(session.duration)), local(session.init_timestamp)),
        tile("Tokens", `${count(input)} → ${count(output)}`, [cached ? `${count(cached)} cached` : "none cached", tokens.reasoning_tokens && `${count(tokens.reasoning_tokens)} reasoning`].filter(Boolean).join(", ")),
        tile("LLM calls", session.llm_calls.toLocaleString("en"), session.models.slice(0, 1).join() + (session.models.length > 1 ? ` and ${session.models.length - 1} more` : "")),
        tile("Tools", session.tool_calls.toLocaleString("en"), session.actions ? several(session.actions, "action") : null),
        tile("Errors", session.errors.toLocaleString("en"), session.errors ? "e goes to the next" : null, { class: session.errors ? "tile alarm" : "tile" }),
        tile("Spans", this.isFirstLook ? h("span", { class: "muted" }, "…") : total.toLocaleString("en"), session.project_id === "default" ? null : `project ${session.project_id}`),
        tile("Ran on", session.host ?? "?", [host["process.runtime.version"] && `Python ${host["process.runtime.version"]}`, String(host["os.description"] ?? host["os.type"] ?? "").split(" #")[0]].filter(Boolean).join(", ") || "nothing is told of the machine"),
        session.video && tile("Video", outward(session.video, "Watch"), site(session.video))),
      ...oddities.map((oddity) => h("p", { class: "notice odd" }, oddity)));
    this.tabs.querySelector("#tab-errors").textContent = session.errors ? `Errors ${session.errors}` : "Errors";
  }

  exports() {
    return h("details", { class: "menu" }, h("summary", {}, "Export"), h("div", {}, FORMS.map((form) =>
      h("button", { type: "button", onclick: (event) => {
        event.target.closest("details").open = false;
        this.keep(form);
      } }, form[2]))));
  }

  async keep([part, end]) {
    try {
      await download(place(this.id, part), `session-${this.id.slice(0, 8)}.${end}`);
    } catch (error) {
      this.problem(error);
    }
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
      panel.replaceChildren(h("p", { class: "notice problem", role: "alert" }, error.message));
    }
  }

  async draw(shown, told, panel) {
    if (shown === "raw") await this.raw.load();
    else if (shown === "details") panel.replaceChildren(...await this.run());
    else if (shown === "transcript") await this.transcript.load();
    else if (shown === "errors") {
      const found = await this.errors();
      if (this.told === told && this.shown === shown) panel.replaceChildren(found);
    }
  }

  async errors() {
    const failed = (await get(place(this.id, "/outline?only=errors"))).spans.sort((a, b) => a.offset - b.offset);
    if (!failed.length) return empty("No error happened", h("p", {}, "Exceptions, failed calls and recorded errors are listed here."));
    const shown = failed.slice(0, 200);
    const records = new Map();
    for (let at = 0; at < shown.length; at += 100) {
      const ids = shown.slice(at, at + 100).map((span) => span.id);
      for (const record of await get(place(this.id, `/spans?span_id=${ids}`))) records.set(record.span_id, record);
    }
    return h("div", { class: "errors" }, shown.filter((span) => records.has(span.id)).map((span) => h("article", { "data-kind": span.kind },
      h("button", { type: "button", class: "turn-head", onclick: () => this.waterfall.find(span.id) },
        h("i", { class: "kind", "aria-hidden": "true" }), h("strong", {}, span.name), h("span", { class: "muted" }, `after ${duration(span.offset)}`)),
      failure(span, records.get(span.id)))),
    failed.length > shown.length && h("p", { class: "muted" }, `${(failed.length - shown.length).toLocaleString("en")} more: e goes through all of them in the waterfall.`));
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
          ...["input_tokens", "cache_read_tokens", "output_tokens"].map((name) => cell((part.tokens[name] ?? 0).toLocaleString("en"))), cell(spent(part.cost, session.unpriced_calls && Object.values(part.tokens).some(Boolean)))))))) : h("p", { class: "muted" }, "No model was called.")),
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
    if (wasHidden || !this.records.has(span.id)) show(null);
    let record;
    try {
      record = await this.record(span.id);
    } catch (error) {
      this.aside.append(h("p", { class: "problem", role: "alert" }, error.message));
      return;
    }
    if (this.chosen !== span) return;
    show(record);
    if (!isSame) this.aside.scrollTop = 0;
    if (isAsked) this.aside.focus({ preventScroll: true });
  }

  close() {
    this.chosen = null;
    this.aside.hidden = true;
    this.whole.classList.remove("has-detail");
    this.waterfall.close();
    history.replaceState(null, "", `/s/${encodeURIComponent(this.id)}${this.shown === "waterfall" ? "" : `#view=${this.shown}`}`);
  }

  tick() {
    for (const since of this.head.querySelectorAll("[data-since]")) {
      since.textContent = duration(Math.max(0, (Date.now() - Date.parse(since.dataset.since)) / 1000));
    }
  }
}

function site(address) {
  return URL.canParse(address) ? new URL(address).host : null;
}
