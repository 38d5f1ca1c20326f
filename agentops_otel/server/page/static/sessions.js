// The list of sessions: filters in the address, rows that change as their sessions do.
import { get, page } from "./api.js";
import { COLUMNS, NUMBERS, chooser, chosen } from "./columns.js";
import { copier, empty, h } from "./dom.js";
import { ago, count, duration, local, money, moneyReason, several } from "./format.js";
import { Facets } from "./facets.js";
import { bind } from "./keyboard.js";
import { inWords, parameters, parsed } from "./filters.js";

const STATES = ["", "Success", "Failure", "Indeterminate", "running"];
/** Show the list; the answer takes what is told of sessions that change. */
export async function begin(main) {
  const list = new List(main);
  await list.load();
  return (kind, data) => list.changed(kind, data);
}

/** The sign for how a session ended, or that it runs: a shape and a word, not a colour alone. */
export function stateBadge(session) {
  const state = session.is_running ? "running" : session.end_state;
  return h("span", { class: "state", "data-state": state }, h("i", { "aria-hidden": "true" }), session.is_running ? "Running" : state);
}

class List {
  constructor(main) {
    this.told = new URLSearchParams(location.search);
    this.body = h("tbody");
    this.problem = h("div", { role: "status", class: "notice", hidden: true });
    this.news = h("button", { type: "button", class: "news", hidden: true, onclick: () => this.load() });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.load(this.cursor) }, "Older sessions");
    this.table = h("table", { class: "sessions" }, h("caption", { class: "unseen" }, "Sessions"), h("thead", {}, this.heads = h("tr")), this.body);
    this.nothing = h("div", { hidden: true });
    this.search = h("input", {
      type: "search", id: "search", value: inWords(this.told), spellcheck: "false", autocomplete: "off",
      placeholder: "Search what was said, or cost>0.1 duration>30s tag:demo", "aria-describedby": "search-help",
    });
    this.facets = new Facets((name, value) => this.choose(name, value));
    this.columns = chosen();
    this.picked = new Map();
    this.comparing = h("div", { class: "picked", role: "status", hidden: true });
    this.states = h("div", { class: "segments", role: "group", "aria-label": "End state" });
    main.append(
      h("div", { class: "title" }, h("h1", {}, "Sessions"), this.shown = h("span", { class: "muted", role: "status" })),
      h("form", { class: "filters", role: "search", onsubmit: (event) => this.submit(event) },
        h("label", { for: "search", class: "unseen" }, "Search"), this.search,
        h("span", { id: "search-help", class: "unseen" }, "Words, and bounds like cost>0.1, duration>30s, tag:demo, model:gpt-4o"),
        this.states, chooser((columns) => {
          this.columns = columns;
          this.load();
        })),
      this.facets.element,
      this.chips = h("div", { class: "chips" }), this.news, this.problem, h("div", { class: "scroll" }, this.table), this.nothing,
      h("div", { class: "after" }, this.more), this.comparing,
    );
    this.keys();
    this.facets.load(this.told);
    setInterval(() => this.tick(), 1000);
    window.addEventListener("popstate", () => {
      this.told = new URLSearchParams(location.search);
      this.load();
    });
  }

  keys() {
    bind("/", "Search", () => { this.search.focus(); this.search.select(); });
    bind("j", "Next session", () => this.step(1));
    bind("k", "Session before", () => this.step(-1));
    bind("c", "Choose the session for a comparison", () => this.at?.querySelector("input[type=checkbox]").click());
    bind("Enter", "Open the session", () => this.body.querySelector("tr[data-at] a")?.click());
    bind("Escape", "", () => this.at?.removeAttribute("data-at"));
  }

  step(by) {
    const rows = [...this.body.rows];
    const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(this.at) + by))];
    this.at?.removeAttribute("data-at");
    this.at = next;
    next?.setAttribute("data-at", "");
    next?.querySelector("a").focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }

  submit(event) {
    event.preventDefault();
    const kept = ["end_state", "is_running", "sort", "order", "host"].filter((name) => this.told.has(name)).map((name) => [name, this.told.get(name)]);
    const next = parsed(this.search.value);
    for (const [name, value] of kept) if (!next.has(name)) next.set(name, value);
    this.go(next);
  }

  choose(name, value) {
    const next = new URLSearchParams(this.told);
    next.delete(name);
    if (value) next.set(name, value);
    this.go(next);
  }

  chooseState(state) {
    const next = new URLSearchParams(this.told);
    next.delete("end_state");
    next.delete("is_running");
    if (state === "running") next.set("is_running", "true");
    else if (state) next.set("end_state", state);
    this.go(next);
  }

  sort(name) {
    const isDown = (this.told.get("sort") ?? "start") === name && this.told.get("order") !== "asc";
    const next = new URLSearchParams(this.told);
    next.set("sort", name);
    next.set("order", isDown ? "asc" : "desc");
    this.go(next);
  }

  go(next) {
    this.told = next;
    history.pushState(null, "", next.size ? `?${next}` : location.pathname);
    this.load();
  }

  async load(cursor = null) {
    this.asked?.abort();
    this.asked = new AbortController();
    const asked = new URLSearchParams(this.told);
    if (cursor) asked.set("cursor", cursor);
    if (this.columns.names.includes("input")) asked.set("include", "first_input");
    this.controls();
    try {
      const { rows, cursor: next } = await page(asked, this.asked.signal);
      this.cursor = next;
      if (!cursor) this.body.replaceChildren();
      this.body.append(...rows.map((session) => this.row(session)));
      this.problem.hidden = true;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.cursor = null;
      this.body.replaceChildren();
      this.problem.hidden = false;
      this.problem.textContent = error.message;
    }
    this.count();
    this.news.hidden = true;
    this.waiting = new Set();
  }

  count() {
    const number = this.body.rows.length;
    this.shown.textContent = number ? `${several(number, "session")}${this.cursor ? ", and older ones" : ""}` : "";
    this.more.hidden = !this.cursor;
    this.table.hidden = number === 0;
    this.nothing.hidden = number > 0 || !this.problem.hidden;
    this.facets.element.hidden = number === 0 && !this.isFiltered();
    if (!this.nothing.hidden) this.nothing.replaceChildren(this.isFiltered() ? noneFound(() => this.go(new URLSearchParams())) : noneYet());
  }

  isFiltered() {
    return [...this.told.keys()].some((name) => !["sort", "order"].includes(name));
  }

  controls() {
    const sort = this.told.get("sort") ?? "start";
    const order = this.told.get("order") === "asc" ? "ascending" : "descending";
    this.heads.replaceChildren(h("td", { "data-column": "pick" }), ...this.shownColumns().map(([name, title, key]) =>
      h("th", { scope: "col", "data-column": name, class: NUMBERS.has(name) && "number", "aria-sort": key && key === sort ? order : null },
        key ? h("button", { type: "button", "data-sort": key, onclick: () => this.sort(key) }, title) : title)));
    this.table.toggleAttribute("data-chosen", this.columns.isOwn);
    const state = this.told.get("is_running") === "true" ? "running" : this.told.get("end_state") ?? "";
    this.states.replaceChildren(...STATES.map((name) => h("button", {
      type: "button", "aria-pressed": String(name === state), "data-state": name, onclick: () => this.chooseState(name),
    }, name && h("i", { "aria-hidden": "true" }), name === "running" ? "Running" : name || "All")));
    this.search.value = inWords(this.told);
    this.facets.show(this.told);
    this.chips.replaceChildren(...parameters(this.told).map(([name, value, told]) => h("button", {
      type: "button", class: "chip", "aria-label": `Without ${told}`,
      onclick: () => {
        const next = new URLSearchParams(this.told);
        next.delete(name, value);
        this.go(next);
      },
    }, told, h("span", { "aria-hidden": "true" }, "×"))));
  }

  row(session) {
    const address = `/s/${encodeURIComponent(session.id)}`;
    const cells = {
      state: stateBadge(session),
      name: [
        h("span", { class: "called" }, h("a", { href: address, class: "open", title: session.name }, session.name ?? "session"), h("span", { class: "id" }, session.id.slice(0, 8))),
        h("span", { class: "reason", title: session.end_state_reason }, session.end_state_reason ?? ""),
      ],
      start: h("time", { datetime: session.init_timestamp, title: local(session.init_timestamp) }, ago(session.init_timestamp)),
      duration: h("span", { "data-since": session.is_running ? session.init_timestamp : null }, duration(session.duration)),
      cost: h("span", { class: session.cost === null && "unknown", title: moneyReason(session.cost, session.unpriced_calls, session.llm_calls) },
        money(session.cost, session.unpriced_calls)),
      tokens: tokens(session.tokens),
      calls: session.llm_calls.toLocaleString("en"),
      tools: session.tool_calls.toLocaleString("en"),
      errors: session.errors ? h("span", { class: "bad" }, session.errors.toLocaleString("en")) : h("span", { class: "muted" }, "0"),
      models: few(session.models, 1, (model) => this.chip("model", model)),
      tags: few(session.tags, 2, (tag) => this.chip("tag", tag)),
      host: session.host ? this.chip("host", session.host) : "",
      input: h("span", { class: "input", title: session.first_input }, session.first_input ?? ""),
      actions: session.actions.toLocaleString("en"),
      project: h("span", { class: "muted" }, session.project_id),
    };
    const pick = h("input", { type: "checkbox", checked: this.picked.has(session.id), "aria-label": `Choose ${session.name ?? "session"} ${session.id.slice(0, 8)} for a comparison`, onchange: (event) => this.pick(session, event.target.checked) });
    return h("tr", { "data-id": session.id, "data-running": session.is_running },
      h("td", { "data-column": "pick" }, pick), this.shownColumns().map(([name, title]) => h("td", { "data-column": name, "data-title": title, class: NUMBERS.has(name) && "number" }, cells[name])));
  }

  shownColumns() {
    return COLUMNS.filter(([name]) => this.columns.names.includes(name));
  }

  /** Two sessions can be compared; the third takes the place of the first. */
  pick(session, isPicked) {
    this.picked.delete(session.id);
    if (isPicked) this.picked.set(session.id, session.name ?? "session");
    while (this.picked.size > 2) {
      const [oldest] = this.picked.keys();
      this.picked.delete(oldest);
      const box = this.body.querySelector(`tr[data-id="${CSS.escape(oldest)}"] input[type=checkbox]`);
      if (box) box.checked = false;
    }
    const [a, b] = [...this.picked.keys()].reverse();
    this.comparing.hidden = !a;
    this.comparing.replaceChildren(h("span", {}, b ? "Two sessions are chosen" : "One more to compare with"), ...(b ? [h("a", { class: "button primary", href: `/compare?${new URLSearchParams({ a, b })}` }, "Compare")] : []),
      h("button", { type: "button", class: "quiet", onclick: () => {
        for (const box of this.body.querySelectorAll("input:checked")) box.checked = false;
        this.picked.clear();
        this.comparing.hidden = true;
      } }, "Choose none"));
  }

  chip(name, value) {
    return h("button", { type: "button", class: "tag", title: `Only sessions with ${value}`, onclick: () => this.choose(name, value) }, value);
  }

  changed(kind, data) {
    if (kind === "back") {
      if (scrollY === 0) this.load();
      return;
    }
    const shown = [...this.body.rows].find((row) => row.dataset.id === data.id);
    if (kind === "deleted") {
      shown?.remove();
      this.count();
    } else if (shown) {
      const fresh = this.row({ first_input: shown.querySelector(".input")?.textContent, ...data });
      if (shown === this.at) {
        fresh.setAttribute("data-at", "");
        this.at = fresh;
      }
      const hadFocus = shown.contains(document.activeElement);
      shown.replaceWith(fresh);
      if (hadFocus) fresh.querySelector("a").focus({ preventScroll: true });
      if (fresh.querySelector(".input")?.textContent === "") this.later();
    } else if (!this.isFiltered() && (this.told.get("sort") ?? "start") === "start" && this.told.get("order") !== "asc") {
      if (this.isOlder(data)) return;
      const fresh = this.row(data);
      fresh.classList.add("fresh");
      this.body.prepend(fresh);
      this.count();
      this.later();
    } else {
      this.waiting.add(data.id);
      this.news.hidden = false;
      this.news.textContent = `${several(this.waiting.size, "session")} changed: show again`;
    }
  }

  /** What is not told of a session as it changes: its first input, and what sessions can now be filtered by. */
  later() {
    this.waits ??= setTimeout(async () => {
      this.waits = null;
      const asked = new URLSearchParams(this.told);
      asked.set("include", "first_input");
      const { rows } = this.columns.names.includes("input") ? await page(asked).catch(() => ({ rows: [] })) : { rows: [] };
      for (const { id, first_input: told } of rows) {
        const shown = [...this.body.rows].find((row) => row.dataset.id === id)?.querySelector(".input");
        if (shown && told) [shown.textContent, shown.title] = [told, told];
      }
      if (!this.facets.element.contains(document.activeElement)) await this.facets.load(this.told);
    }, 2000);
  }

  isOlder(session) {
    const newest = this.body.querySelector("time");
    return newest !== null && Date.parse(session.init_timestamp) < Date.parse(newest.dateTime);
  }

  tick() {
    for (const since of this.body.querySelectorAll("[data-since]")) {
      since.textContent = duration(Math.max(0, (Date.now() - Date.parse(since.dataset.since)) / 1000));
    }
    for (const time of this.body.querySelectorAll("time")) time.textContent = ago(time.dateTime);
  }
}

function few(names, most, chip) {
  return h("div", { class: "few" }, names.slice(0, most).map(chip),
    names.length > most && h("span", { class: "muted", title: names.slice(most).join("\n") }, `+${names.length - most}`));
}

function tokens(told) {
  const [input, cached, output] = [told.input_tokens, told.cache_read_tokens, told.output_tokens].map((number) => number ?? 0);
  return h("span", { title: `${input.toLocaleString("en")} in, of which ${cached.toLocaleString("en")} from the cache; ${output.toLocaleString("en")} out` },
    count(input), h("span", { class: "muted" }, " → "), count(output), cached > 0 && h("span", { class: "reason" }, `${count(cached)} cached`));
}

function noneFound(clear) {
  return empty("No session is like that", h("p", {}, "Take a filter away, or search for other words. Words are found in prompts, answers, and what tools were given and gave."),
    h("button", { type: "button", class: "primary", onclick: clear }, "Show all sessions"));
}

function noneYet() {
  const { url } = document.body.dataset;
  const program = `import agentops_otel as agentops\nagentops.init(endpoint="${url}")`;
  const other = `export OTEL_EXPORTER_OTLP_ENDPOINT=${url}`;
  const block = (text) => h("div", { class: "code" }, h("pre", {}, text), copier(text));
  return empty("No session is here yet",
    h("p", {}, "See one in ten seconds, without a key or a network:"), block("agentops-otel demo"),
    h("p", {}, "From your own program:"), block(program),
    h("p", {}, "From anything that speaks OpenTelemetry:"), block(other),
    h("p", { class: "muted" }, "It shows here as soon as the first span arrives."));
}
