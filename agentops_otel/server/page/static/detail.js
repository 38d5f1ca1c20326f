// One span: what was asked and answered, what it used, what it cost and by which price, what went wrong.
import { copier, h, long } from "./dom.js";
import { duration, money } from "./format.js";
import { asText, callElement, held, messageElement, messagesOf, systemElement } from "./messages.js";

const TOKENS = [
  ["Input", "gen_ai.usage.input_tokens"], ["of it read from the cache", "gen_ai.usage.cache_read.input_tokens"],
  ["of it written to the cache", "gen_ai.usage.cache_write.input_tokens"], ["of it written for an hour", "agentops.usage.cache_write_1h.input_tokens"],
  ["of it text", "gen_ai.usage.text.input_tokens"], ["of it audio", "gen_ai.usage.audio.input_tokens"], ["of it pictures", "gen_ai.usage.image.input_tokens"],
  ["of it audio from the cache", "gen_ai.usage.audio.cache_read.input_tokens"], ["of it pictures from the cache", "gen_ai.usage.image.cache_read.input_tokens"],
  ["Output", "gen_ai.usage.output_tokens"], ["of it reasoning", "gen_ai.usage.reasoning.output_tokens"], ["of it text", "gen_ai.usage.text.output_tokens"],
  ["of it audio", "gen_ai.usage.audio.output_tokens"], ["of it pictures", "gen_ai.usage.image.output_tokens"],
  ["Web searches", "agentops.usage.web_searches"], ["Search units", "agentops.usage.search_units"], ["Seconds of audio", "agentops.usage.audio_seconds"],
];
const FETCHED = "agentops.fetched.usage.";
const SHOWN = ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions", "gen_ai.tool.call.arguments",
  "gen_ai.tool.call.result", "agentops.event.params", "agentops.event.returns", "agentops.event.logs"];
const SOURCES = { provider: "told by the provider", override: "by a price that was set here" };

/** The panel of a span; `record` is the span as the API lists it, null until it is there. */
export function detail(span, record, session, close) {
  const told = record?.attributes ?? {};
  const head = h("header", { "data-kind": span.kind },
    h("div", {}, h("span", { class: "kind-name" }, h("i", { class: "kind", "aria-hidden": "true" }), span.kind),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "✕")),
    h("h2", {}, span.name),
    h("div", { class: "actions" }, copier(() => `${location.origin}/s/${encodeURIComponent(session)}/${span.id}`, "Copy link"), copier(span.id, "Copy id")));
  if (record === null) return [head, h("p", { class: "muted" }, "Loading …")];
  return [head, ...[
    failure(span, record), tiles(span, record), parameters(told), tokens(told), conversation(told), work(told),
    definitions(told), events(record), links(record), attributes(told), raw(record),
  ].filter(Boolean)];
}

function section(title, ...content) {
  return h("section", {}, h("h3", {}, title), content);
}

function table(rows) {
  return h("table", { class: "pairs" }, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))));
}

function tiles(span, record) {
  const told = record.attributes;
  const seconds = span.seconds;
  const output = told["gen_ai.usage.output_tokens"];
  const tile = (name, value, more) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
  const rest = seconds !== null && span.first_chunk !== null ? seconds - span.first_chunk : 0;
  return h("dl", { class: "tiles brief" },
    tile("Duration", seconds === null ? "open" : duration(seconds), `from ${duration(span.offset)} on`),
    span.first_chunk !== null && tile("First chunk", duration(span.first_chunk), rest > 0.001 && output > 1 ? `${(output / rest).toFixed(1)} tokens/s after` : null),
    isBilled(span, told) && tile("Cost", money(told["agentops.cost.usd"] ?? null), costSource(span, record)));
}

function isBilled(span, told) {
  return span.figures || told["agentops.cost.usd"] !== undefined;
}

function costSource(span, record) {
  const told = record.attributes;
  if (told["agentops.cost.usd"] !== undefined) {
    const source = told["agentops.cost.source"];
    // Listed prices are those of the day on which the call began, in UTC.
    return source ? SOURCES[source] ?? `by ${source}, price of ${day(record.start_time)}` : null;
  }
  if (span.kind === "session") return "See the tiles of the session";
  if (told["agentops.usage.missing"]) return "The answer carries no usage";
  if (told["gen_ai.usage.input_tokens"] === undefined) return "No usage was recorded";
  return `No price is known for ${span.model ?? "a model without a name"}`;
}

function day(time) {
  return new Date(time / 1e6).toLocaleDateString([], { dateStyle: "medium", timeZone: "UTC" }).replaceAll(" ", "\u00a0");
}

function parameters(told) {
  const rows = [["Model", told["gen_ai.response.model"] ?? told["gen_ai.request.model"]]];
  if (told["gen_ai.request.model"] && told["gen_ai.request.model"] !== rows[0][1]) rows.push(["Asked for", told["gen_ai.request.model"]]);
  rows.push(["Provider", told["gen_ai.provider.name"]], ["Agent", told["gen_ai.agent.name"]], ["Finish", told["gen_ai.response.finish_reasons"]?.join?.(", ")],
    ["Response", told["gen_ai.response.id"]], ["Tier", told["agentops.response.service_tier"] ?? told["openai.response.service_tier"]],
    ["Server", told["server.address"] && [told["server.address"], told["server.port"]].filter(Boolean).join(":")],
    ["Stream", told["agentops.stream.outcome"]]);
  for (const [name, value] of Object.entries(told)) {
    if (name.startsWith("gen_ai.request.") && name !== "gen_ai.request.model") rows.push([words(name.slice("gen_ai.request.".length)), asText(value)]);
  }
  const known = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return known.length ? section("Call", table(known)) : null;
}

function words(name) {
  const text = name.replace(/[._]/g, " ");
  return text[0].toUpperCase() + text.slice(1);
}

function tokens(told) {
  // What a response that was made in the background used stands on the span that fetched it.
  const used = (each, name) => each[name] ?? each[FETCHED + name];
  const rows = (each) => TOKENS.map(([title, name]) => [title, used(each, name)]).filter(([title, number]) => number !== undefined && (number !== 0 || !title.startsWith("of it")))
    .map(([title, number]) => [h("span", { class: title.startsWith("of it") && "part" }, title), Number(number).toLocaleString("en")]);
  const inner = told["agentops.usage.inner"];
  const beside = (Array.isArray(inner) ? inner : []).map(held).filter((each) => each !== null && typeof each === "object");
  const all = rows(told);
  return all.length || beside.length ? section("Tokens", table(all),
    beside.map((each) => [h("h4", {}, "Billed beside them, ", h("code", {}, asText(each["gen_ai.response.model"] ?? "the same model"))), table(rows(each))])) : null;
}

function conversation(told) {
  const messages = [
    told["gen_ai.system_instructions"] && systemElement(told["gen_ai.system_instructions"]),
    ...messagesOf(told["gen_ai.input.messages"]).map((message) => messageElement(message)),
    ...messagesOf(told["gen_ai.output.messages"]).map((message) => messageElement(message)),
  ].filter(Boolean);
  return messages.length ? section("Messages", messages) : null;
}

function work(told) {
  const given = told["gen_ai.tool.call.arguments"] ?? told["agentops.event.params"];
  const value = told["gen_ai.tool.call.result"] ?? told["agentops.event.returns"];
  if (given === undefined && value === undefined) return null;
  const name = told["gen_ai.tool.name"] ?? told["agentops.action.type"] ?? "work";
  return section("Work", callElement(name, given, value === undefined ? null : { value }),
    told["agentops.event.logs"] && [h("h4", {}, "Logs"), long(asText(told["agentops.event.logs"]))]);
}

function definitions(told) {
  const tools = messagesOf(told["gen_ai.tool.definitions"]);
  if (!tools.length) return null;
  return section(`Tools that were offered (${tools.length})`, tools.map((tool) =>
    h("details", {}, h("summary", {}, h("code", {}, String(tool.name ?? tool.type ?? "tool"))), tool.description && h("p", {}, String(tool.description)), long(asText(tool.parameters ?? tool)))));
}

/** Exceptions and other errors of a span. */
export function failure(span, record) {
  const exceptions = record.events.filter((event) => event.name === "exception").map((event) => event.attributes ?? {});
  if (!exceptions.length && !span.error && record.status !== "error" && span.kind !== "error") return null;
  const details = record.attributes["agentops.event.details"];
  const shown = exceptions.length ? exceptions : [{ "exception.type": record.attributes["error.type"], "exception.message": record.status_message ?? (details && asText(held(details))) }];
  return h("section", { class: "failure" }, shown.map((exception) => [
    h("h3", {}, String(exception["exception.type"] ?? record.attributes["error.type"] ?? "Error")),
    exception["exception.message"] && long(asText(exception["exception.message"]), "p"),
    exception["exception.stacktrace"] && h("details", {}, h("summary", {}, "Where"), long(asText(exception["exception.stacktrace"]))),
  ]));
}

function events(record) {
  const others = record.events.filter((event) => event.name !== "exception");
  return others.length ? section(`Events (${others.length})`, others.slice(0, 200).map((event) =>
    h("details", {}, h("summary", {}, `${event.name}, after ${duration(Math.max(0, (event.timestamp - record.start_time) / 1e9))}`), long(JSON.stringify(event.attributes ?? {}, null, 2))))) : null;
}

function links(record) {
  return record.links.length ? section(`Links (${record.links.length})`, long(JSON.stringify(record.links, null, 2))) : null;
}

function attributes(told) {
  const rows = Object.entries(told).filter(([name]) => !SHOWN.includes(name)).sort().map(([name, value]) => [h("code", {}, name), long(asText(value), "span", 500)]);
  return h("details", { class: "section" }, h("summary", {}, `Attributes (${rows.length})`), table(rows));
}

function raw(record) {
  const body = h("div", {});
  return h("details", { class: "section", ontoggle: (event) => {
    if (event.target.open && !body.firstChild) {
      const text = JSON.stringify(record, null, 2);
      body.append(copier(text, "Copy JSON"), long(text, "pre", 20000));
    }
  } }, h("summary", {}, "Raw JSON"), body);
}
