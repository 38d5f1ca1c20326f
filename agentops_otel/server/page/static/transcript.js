// The conversation of a whole session: what each call added, every tool call with its result.
import { empty, h } from "./dom.js";
import { callElement, held, messageElement, messagesOf, partsOf, systemElement } from "./messages.js";
import { count, duration, money } from "./format.js";

const AT_ONCE = 100;

/** The turns of a session: model calls and tools by their start, as `{span, record, ...}`. */
export function turns(spans, records) {
  const joined = results(spans, records);
  const seen = new Map();
  const told = [];
  const shownTools = new Set();
  const inTime = spans.filter((span) => records.has(span.id)).toSorted((a, b) => a.offset - b.offset || a.number - b.number);
  for (const span of inTime) {
    const attributes = records.get(span.id).attributes;
    if (span.kind === "llm" && (span.figures || span.error || span.seconds === null)) {
      const input = messagesOf(attributes["gen_ai.input.messages"]);
      const fresh = input.filter((message) => isNew(seen, JSON.stringify([message.role, partsOf(message)])));
      const output = messagesOf(attributes["gen_ai.output.messages"]);
      for (const message of output) isNew(seen, JSON.stringify([message.role, partsOf(message)]));
      const system = attributes["gen_ai.system_instructions"];
      for (const message of output) for (const part of partsOf(message)) if (part.type === "tool_call") shownTools.add(joined.get(part.id)?.span);
      told.push({ span, fresh, output, repeated: input.length - fresh.length, system: system && isNew(seen, `system ${system}`) ? system : null });
    } else if (span.kind === "tool" || span.kind === "agent" || span.kind === "action") told.push({ span, attributes });
  }
  return { turns: told.filter((turn) => turn.span.kind !== "tool" || !shownTools.has(turn.span)), joined };
}

function isNew(seen, key) {
  if (seen.has(key)) return false;
  return Boolean(seen.set(key, true));
}

/** Results by the id of the tool call: of the span that ran it, else of the message that told the model. */
function results(spans, records) {
  const joined = new Map();
  const unnamed = [];
  for (const span of spans) {
    const record = records.get(span.id);
    if (!record) continue;
    const told = record.attributes;
    if (span.kind === "tool") {
      const ran = { span, value: told["gen_ai.tool.call.result"] ?? told["agentops.event.returns"], error: span.error, took: span.seconds === null ? null : duration(span.seconds) };
      if (told["gen_ai.tool.call.id"]) joined.set(told["gen_ai.tool.call.id"], ran);
      else unnamed.push({ ...ran, name: told["gen_ai.tool.name"] ?? span.name, given: told["gen_ai.tool.call.arguments"] ?? told["agentops.event.params"] });
    }
  }
  for (const span of spans) {
    const told = records.get(span.id)?.attributes;
    if (!told || span.kind !== "llm") continue;
    for (const part of messagesOf(told["gen_ai.output.messages"]).flatMap(partsOf)) {
      if (part.type !== "tool_call" || joined.has(part.id)) continue;
      // A tool that was recorded by hand names no call: the same tool with the same arguments, run after it.
      const at = unnamed.findIndex((ran) => ran.name === part.name && ran.span.offset >= span.offset && same(ran.given, part.arguments));
      if (at >= 0) joined.set(part.id, unnamed.splice(at, 1)[0]);
    }
    for (const part of messagesOf(told["gen_ai.input.messages"]).flatMap(partsOf)) {
      if (part.type === "tool_call_response" && part.id && !joined.has(part.id)) joined.set(part.id, { span: null, value: part.response ?? part.result });
    }
  }
  return joined;
}

function same(one, other) {
  const sorted = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort()) : value);
  return JSON.stringify(sorted(held(one))) === JSON.stringify(sorted(held(other)));
}

/** The transcript as an element; `choose(span)` opens what a turn came from. */
export function transcript(spans, records, choose) {
  const { turns: told, joined } = turns(spans, records);
  if (!told.length) return empty("Nothing was said in this session", h("p", {}, "It holds no model call, tool or agent. The waterfall shows what it does hold."));
  const list = h("div", { class: "transcript" });
  const more = h("button", { type: "button", onclick: () => draw() });
  let shown = 0;
  const draw = () => {
    list.append(...told.slice(shown, shown + AT_ONCE).map((turn) => turnElement(turn, joined, choose)));
    shown = Math.min(told.length, shown + AT_ONCE);
    more.hidden = shown === told.length;
    more.textContent = `Show more: ${shown.toLocaleString("en")} of ${told.length.toLocaleString("en")} are here`;
  };
  draw();
  const isBare = told.every((turn) => turn.span.kind !== "llm" || (!turn.fresh.length && !turn.output.length));
  return h("div", {}, isBare && h("p", { class: "notice" }, "What was said is not recorded here: init(capture_content=True) records it."), list, h("div", { class: "after" }, more));
}

function turnElement(turn, joined, choose) {
  const { span } = turn;
  const figures = span.figures;
  const head = h("button", { type: "button", class: "turn-head", onclick: () => choose(span) },
    h("i", { class: "kind", "aria-hidden": "true" }), h("strong", {}, span.model ?? span.name),
    h("span", { class: "muted" }, [
      span.seconds === null ? "open" : duration(span.seconds),
      figures && `${count(figures.input_tokens)} → ${count(figures.output_tokens)} tokens`,
      figures && money(figures.cost),
    ].filter(Boolean).join(" · ")));
  const join = (part) => (part.type === "tool_call_response" ? (isShown(part, joined) ? undefined : null) : joined.get(part.id) ?? null);
  return h("article", { class: "turn", "data-kind": span.kind, "data-failed": span.has_failed, style: { "--depth": Math.min(8, Math.max(0, span.depth - 1)) } }, head,
    span.kind === "llm" ? [
      turn.system && h("details", { class: "system" }, h("summary", {}, "System instructions"), systemElement(turn.system)),
      turn.repeated > 0 && h("p", { class: "muted repeated" }, turn.repeated === 1 ? "One message from above" : `${turn.repeated} messages from above`),
      turn.fresh.map((message) => messageElement(message, join)),
      turn.output.map((message) => messageElement(message, join)),
    ] : work(turn),
    span.error && h("p", { class: "problem" }, span.error));
}

/** Whether the result stands at its call already. */
function isShown(part, joined) {
  return joined.has(part.id);
}

function work({ span, attributes }) {
  if (span.kind === "agent") return null;
  const given = attributes["gen_ai.tool.call.arguments"] ?? attributes["agentops.event.params"];
  const value = attributes["gen_ai.tool.call.result"] ?? attributes["agentops.event.returns"];
  return callElement(attributes["gen_ai.tool.name"] ?? span.name, given, value === undefined && !span.error ? null : { value, error: span.error });
}
