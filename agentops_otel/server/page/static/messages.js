// Messages of the GenAI conventions as people read them; their text is shown, never obeyed.
import { h, long } from "./dom.js";

const PICTURES = /^image\/(png|jpeg|gif|webp)$/;
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

/** What a JSON attribute holds; the text itself where it is no JSON. */
export function held(value) {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** A list of messages out of an attribute, whatever stands in it. */
export function messagesOf(value) {
  const told = held(value);
  if (told === null || told === undefined || told === "") return [];
  return (Array.isArray(told) ? told : [told]).map((message) =>
    (message !== null && typeof message === "object" ? message : { role: "text", parts: [{ type: "text", content: String(message) }] }));
}

/** The parts of a message, also where it has one text in their place. */
export function partsOf(message) {
  if (Array.isArray(message.parts)) return message.parts.filter((part) => part !== null && typeof part === "object");
  const content = message.content ?? message.text;
  return content === undefined ? [] : [{ type: "text", content }];
}

/** A message as an element; `join(call)` may give the result of a tool call that it holds. */
export function messageElement(message, join = () => null) {
  const role = String(message.role ?? "message");
  const parts = partsOf(message).map((part) => partElement(part, join)).filter(Boolean);
  if (!parts.length) return null;
  return h("div", { class: "message", "data-role": role },
    h("div", { class: "role" }, h("span", {}, role), message.finish_reason && h("span", { class: "muted" }, ` · ${String(message.finish_reason).replaceAll("_", " ")}`)), parts);
}

/** System instructions are parts without a message around them. */
export function systemElement(value) {
  const parts = messagesOf(value);
  return parts.length ? messageElement({ role: "system", parts: parts.flatMap((part) => (part.parts ? partsOf(part) : [part])) }) : null;
}

export function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

function partElement(part, join) {
  const text = asText(part.content ?? "");
  switch (part.type) {
    case "text": return text && long(text, "div");
    case "reasoning": return text && h("details", { class: "reasoning" }, h("summary", {}, `Reasoning, ${text.length.toLocaleString("en")} characters`), long(text, "div"));
    case "tool_call": return callElement(part.name, part.arguments, join(part));
    case "server_tool_call": return callElement(part.name, part.server_tool_call?.arguments ?? part.server_tool_call, join(part));
    case "tool_call_response": return resultElement("Result", part.response ?? part.result);
    case "server_tool_call_response": return resultElement("Result", part.server_tool_call_response?.result ?? part.server_tool_call_response);
    case "blob": return pictureElement(part);
    case "uri": return h("div", { class: "place" }, `${part.modality ?? "file"}: `, h("code", {}, asText(part.uri)));
    case "file": return h("div", { class: "place" }, `${part.modality ?? "file"}: `, h("code", {}, asText(part.file_id)));
    default: return long(asText(part), "pre");
  }
}

function pictureElement(part) {
  const data = asText(part.content ?? part.data ?? "");
  if (PICTURES.test(part.mime_type ?? "") && BASE64.test(data)) {
    return h("img", { class: "picture", alt: "A picture of the message", src: `data:${part.mime_type};base64,${data.replace(/\s/g, "")}`, loading: "lazy" });
  }
  return h("div", { class: "place" }, `${part.modality ?? "data"}, ${part.mime_type ?? "of an unknown type"}, ${data.length.toLocaleString("en")} characters`);
}

/** A tool call, with what it gave where that is known. */
export function callElement(name, given, result = null) {
  return h("div", { class: "call", "data-failed": Boolean(result?.error) },
    h("div", { class: "call-name" }, h("i", { "aria-hidden": "true" }), h("code", {}, String(name ?? "tool")), result?.took && h("span", { class: "muted" }, result.took)),
    given !== null && given !== undefined && given !== "" && h("div", { class: "given" }, h("span", { class: "what" }, "Arguments"), long(asText(held(given)), "pre", 1500)),
    result && resultElement(result.error ? "Error" : "Result", result.error ?? result.value));
}

function resultElement(title, value) {
  return h("div", { class: "given" }, h("span", { class: "what" }, title), long(asText(held(value) ?? "none"), "pre", 1500));
}
