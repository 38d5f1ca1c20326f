// The REST API as any program reads it, with the key that this tab was given.
import { h } from "./dom.js";

const KEY = "agentops.key";

/** An answer that was refused; `status` is HTTP's, the message says what to do. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The address of a session's part: `place(id, "/stats")`. */
export function place(session, part = "") {
  return `/v2/sessions/${encodeURIComponent(session)}${part}`;
}

/** Ask once; where a key is needed, the reader is asked for it, and then once more. */
export async function ask(path, options = {}) {
  for (let wrong = false; ; wrong = true) {
    const key = sessionStorage.getItem(KEY);
    const headers = { Accept: "application/json", ...options.headers, ...(key ? { "X-Agentops-Api-Key": key } : {}) };
    const answer = await fetch(path, { ...options, headers });
    if (answer.ok) return answer;
    if (answer.status === 503) comeBack(headers);
    if (answer.status !== 401) throw new Refused(answer.status, await reason(answer));
    if (sessionStorage.getItem(KEY) === key) sessionStorage.setItem(KEY, await enteredKey(wrong || Boolean(key)));
  }
}

let isWaiting = false;

/** What a store that is away cannot tell is said where it was asked; when it is back, the page is loaded again. */
async function comeBack(headers) {
  if (isWaiting) return;
  isWaiting = true;
  for (let seconds = 2, isBack = false; !isBack; seconds = Math.min(seconds * 1.5, 30)) {
    await new Promise((done) => setTimeout(done, seconds * 1000));
    isBack = await fetch("/v2/sessions?limit=1", { headers }).then((answer) => answer.status !== 503, () => false);
  }
  location.reload();
}

async function reason(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return text.slice(0, 300) || `the server answered ${answer.status}`;
  }
}

/** JSON under an address. */
export async function get(path, signal = null) {
  return (await ask(path, { signal })).json();
}

/** Sessions, and the cursor of those after them: null where there are no more. */
export async function page(parameters, signal = null) {
  const answer = await ask(`/v2/sessions?${parameters}`, { signal });
  return { rows: await answer.json(), cursor: answer.headers.get("X-Next-Cursor") };
}

/** Keep an answer as a file; a plain link could not send the key. */
export async function download(path, name) {
  const answer = await ask(path, { headers: { Accept: "*/*" } });
  const address = URL.createObjectURL(await answer.blob());
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

let asking = null;

function enteredKey(isWrong) {
  asking ??= new Promise((resolve) => {
    const input = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "key-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "key-title" }, "This server asks for a key"),
        h("p", {}, "It is the one that the server was started with, or that was made for your project. It stays in this tab."),
        isWrong && h("p", { class: "problem", role: "alert" }, "The last key was not accepted."),
        h("label", { for: "key" }, "API key"), input,
        h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Continue"))));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      asking = null;
      resolve(input.value.trim());
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

const PAUSE = 2000;

/** Tell `listen(kind, data)` of sessions as they change, and `state(isConnected)` whether that works; until aborted. */
export async function follow(listen, state, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const answer = await ask("/v2/changes", { signal, headers: { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) } });
      state(true);
      for await (const event of events(answer.body)) {
        last = event.id ?? last;
        if (event.kind !== "ready") listen(event.kind, JSON.parse(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status === 400) last = null;
    }
    state(false);
    await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const block of whole) {
      const lines = block.split("\n");
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field("data") !== undefined) yield { id: field("id"), kind: field("event"), data: field("data") };
    }
  }
}
