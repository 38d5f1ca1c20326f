// Keys: each view names its own, and all of them are listed under `?`.
import { h } from "./dom.js";

const bound = new Map();
let pending = "";

/** Bind a key, or two pressed after each other (`g s`); `told` is its line in the list. */
export function bind(key, told, act) {
  bound.set(key, { told, act });
}

/** The list of all keys. */
export function showKeys() {
  if (document.querySelector("dialog.keys")) return;
  const rows = [...bound].filter(([, { told }]) => told).map(([key, { told }]) =>
    h("div", {}, h("dt", {}, ...key.split(" ").map((part) => h("kbd", {}, part))), h("dd", {}, told)));
  const dialog = h("dialog", { class: "dialog keys", "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keys"), h("dl", {}, rows),
    h("form", { method: "dialog", class: "actions" }, h("button", { class: "primary", autofocus: true }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // Buttons and links keep what the browser does with these.
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  const found = bound.get(`${pending} ${event.key}`.trim()) ?? bound.get(event.key);
  pending = event.key.length === 1 && !found ? event.key : "";
  if (!found) return;
  if (found.act(event) !== false) event.preventDefault();
});
