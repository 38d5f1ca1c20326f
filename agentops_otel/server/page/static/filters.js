// Filters as words in the search field, and as parameters of the API, which the address of the page holds.

const BOUND = /^(cost|duration)(>=|<=|>|<)\$?([0-9.]+)(ms|s|m|h)?$/;
const NAMED = /^(tag|model|provider|state|error|host|since|until):(.+)$/;
const PARAMETER = { tag: "tag", model: "model", provider: "provider", state: "end_state", error: "error_type", host: "host", since: "since", until: "until" };
const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600 };
const TITLES = { min_cost: "cost ≥ $", max_cost: "cost ≤ $", min_duration: "duration ≥ ", max_duration: "duration ≤ " };

/** Parameters of the API from what stands in the search field. */
export function parsed(text) {
  const told = new URLSearchParams();
  const words = [];
  for (const word of text.match(/\w+:"[^"]*"|"[^"]*"|\S+/g) ?? []) {
    const bound = BOUND.exec(word);
    const named = NAMED.exec(word);
    if (bound) {
      const [, name, sign, number, unit] = bound;
      told.set(`${sign.startsWith(">") ? "min" : "max"}_${name}`, String(Number(number) * (name === "duration" ? SECONDS[unit ?? "s"] : 1)));
    } else if (named) {
      const value = named[2].replace(/^"(.*)"$/, "$1");
      if (named[1] === "tag") told.append("tag", value);
      else told.set(PARAMETER[named[1]], value);
    } else words.push(word);
  }
  if (words.length) told.set("text", words.join(" "));
  return told;
}

/** The same backwards: what the search field shows for an address. */
export function inWords(told) {
  const quoted = (value) => (/\s/.test(value) ? `"${value}"` : value);
  const words = [];
  for (const [name, value] of told) {
    if (name === "text") words.push(value);
    else if (name in TITLES) {
      const [side, what] = name.split("_");
      words.push(`${what}${side === "min" ? ">" : "<"}${value}${what === "duration" ? "s" : ""}`);
    } else {
      const word = Object.keys(PARAMETER).find((key) => PARAMETER[key] === name);
      if (word && word !== "state") words.push(`${word}:${quoted(value)}`);
    }
  }
  return words.join(" ");
}

/** Filters that have no control of their own, as `[name, value, words]`. */
export function parameters(told) {
  const shown = [];
  for (const [name, value] of told) {
    if (name in TITLES) shown.push([name, value, `${TITLES[name]}${value}${name.endsWith("duration") ? "s" : ""}`]);
    else if (name === "until") shown.push([name, value, `until ${value}`]);
    else if (name === "tag" && told.getAll("tag").length > 1) shown.push([name, value, `tag: ${value}`]);
  }
  return shown;
}
