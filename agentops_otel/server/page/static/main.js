// Begins the view that the server named, and what all views share: colours, keys, the live sign.
import { follow } from "./api.js";
import { h } from "./dom.js";
import { bind, showKeys } from "./keyboard.js";

const VIEWS = { sessions: "./sessions.js", session: "./session.js", analytics: "./analytics.js", compare: "./compare.js" };
const THEMES = { "": ["◐", "as the system has them"], light: ["☀", "light"], dark: ["☾", "dark"] };

function themes() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const show = () => {
    const [sign, told] = THEMES[root.dataset.theme ?? ""];
    button.textContent = sign;
    button.setAttribute("aria-label", `Colours: ${told}`);
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      localStorage.setItem("agentops.theme", next);
    } catch {
      // It lasts for this page then.
    }
    show();
  });
  show();
}

function live(listen) {
  const sign = document.getElementById("live");
  const state = (isConnected) => {
    sign.textContent = isConnected ? "Live" : "Reconnecting";
    sign.dataset.state = isConnected ? "on" : "off";
  };
  let stream = null;
  // A browser has few connections to one server: pages that nobody sees give theirs back.
  const look = () => {
    if (document.hidden) {
      stream?.abort();
      stream = null;
    } else if (stream === null) {
      stream = new AbortController();
      follow(listen, state, stream.signal);
    }
  };
  document.addEventListener("visibilitychange", () => {
    const wasAway = stream === null && !document.hidden;
    look();
    if (wasAway) listen("back", {});
  });
  look();
}

themes();
bind("g s", "Go to the sessions", () => { location.href = "/sessions"; });
bind("g a", "Go to the analytics", () => { location.href = "/analytics"; });
bind("g c", "Compare two sessions", () => { location.href = "/compare"; });
bind("?", "Show this list", showKeys);
document.getElementById("help").addEventListener("click", showKeys);

const { begin } = await import(VIEWS[document.body.dataset.view]);
const main = document.getElementById("main");
try {
  const listen = await begin(main);
  live(listen);
} catch (error) {
  main.append(h("p", { class: "notice problem", role: "alert" }, `The page cannot be shown: ${error.message}`));
}
document.body.dataset.ready = "yes";
