// Which columns the list of sessions has; the choice is kept in this browser.
import { h } from "./dom.js";

export const COLUMNS = [
  ["state", "End state"], ["name", "Session"], ["input", "First input"], ["start", "Started", "start"], ["duration", "Duration", "duration"],
  ["cost", "Cost", "cost"], ["tokens", "Tokens", "tokens"], ["calls", "LLM", "llm_calls"], ["tools", "Tools"], ["actions", "Actions"],
  ["errors", "Errors", "errors"], ["models", "Models"], ["tags", "Tags"], ["host", "Host"], ["project", "Project"],
];
export const NUMBERS = new Set(["duration", "cost", "tokens", "calls", "tools", "actions", "errors"]);
const ALWAYS = new Set(["state", "name"]);
// As far as the screen is wide enough; what somebody has chosen is shown on any.
const AT_FIRST = COLUMNS.map(([name]) => name).filter((name) => name !== "project");
const PLACE = "agentops.columns";

/** The names of the columns that are shown, and whether somebody chose them. */
export function chosen() {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE));
    if (Array.isArray(kept)) return { names: COLUMNS.map(([name]) => name).filter((name) => ALWAYS.has(name) || kept.includes(name)), isOwn: true };
  } catch {
    // What cannot be read was not kept by this page.
  }
  return { names: AT_FIRST, isOwn: false };
}

function keep(names) {
  try {
    if (names === null) localStorage.removeItem(PLACE);
    else localStorage.setItem(PLACE, JSON.stringify(names));
  } catch {
    // It lasts for this page then.
  }
}

/** A menu of columns; `changed({names, isOwn})` is told which were chosen. */
export function chooser(changed) {
  const list = h("div", { class: "choices" });
  const fill = (shown) => list.replaceChildren(
    ...COLUMNS.filter(([name]) => !ALWAYS.has(name)).map(([name, title]) => h("label", {}, h("input", {
      type: "checkbox", checked: shown.includes(name), onchange: (event) => {
        const next = COLUMNS.map(([one]) => one).filter((one) => (one === name ? event.target.checked : ALWAYS.has(one) || shown.includes(one)));
        keep(next);
        changed({ names: next, isOwn: true });
        shown = next;
      },
    }), title)),
    h("button", { type: "button", class: "quiet small", onclick: () => {
      keep(null);
      changed({ names: AT_FIRST, isOwn: false });
      fill(AT_FIRST);
    } }, "As at first"));
  fill(chosen().names);
  return h("details", { class: "menu" }, h("summary", { "aria-label": "Columns" }, "Columns"), list);
}
