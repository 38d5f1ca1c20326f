// Elements from plain values: text is always text, never markup.

/** An element; properties that begin with `on` listen, null and false ones are left out, others are attributes. */
export function h(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** The same for a part of a drawing. */
export function svg(name, properties = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [rule, set] of Object.entries(value)) element.style.setProperty(rule, set);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A link to another site, where an address is one; the bare text where it is not. */
export function outward(address, text = address) {
  const parsed = URL.canParse(address) ? new URL(address) : null;
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) return h("span", {}, text);
  return h("a", { href: parsed.href, rel: "noopener noreferrer", target: "_blank" }, text);
}

/** Text that may be long: the first part of it, and a button for the rest. */
export function long(text, name = "pre", limit = 3000) {
  if (text.length <= limit) return h(name, { class: "text" }, text);
  const block = h(name, { class: "text" }, text.slice(0, limit), "…");
  const more = h("button", { type: "button", class: "more", onclick: () => {
    block.textContent = text;
    more.remove();
  } }, `Show all ${text.length.toLocaleString()} characters`);
  return h("div", {}, block, more);
}

/** A button that copies; it says so for a moment. */
export function copier(text, label = "Copy") {
  const button = h("button", { type: "button", class: "quiet small", onclick: async () => {
    await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  } }, label);
  return button;
}

/** What to show where nothing is, and how to change that. */
export function empty(title, ...told) {
  return h("div", { class: "empty" }, h("h2", {}, title), ...told);
}
