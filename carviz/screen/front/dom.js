// Elements, made.

export function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function button(words, name, pressed, tip) {
  const node = make("button", name, words);
  node.type = "button";
  if (tip) node.title = tip;
  node.addEventListener("click", pressed);
  return node;
}

// A line is [before, strong, after].
export function line([before, strong, after], tag = "span", name = "") {
  const node = make(tag, name, before);
  if (strong) node.append(make("b", "", strong));
  if (after) node.append(after);
  return node;
}

// A labelled select; `options` are [value, words].
export function select(words, name, chosen) {
  const label = make("label", `cv-select ${name}`);
  const node = make("select");
  label.append(make("span", "", words), node);
  node.addEventListener("change", () => chosen(node.value));
  let known = "";
  const fill = (options, value) => {
    const now = JSON.stringify(options);
    if (now !== known) {
      known = now;
      node.replaceChildren(...options.map(([value, said]) => {
        const option = make("option", "", said);
        option.value = value;
        return option;
      }));
    }
    if (node.value !== value) node.value = value; // else an open list would lose its place
  };
  return { label, node, fill };
}

// The focused element, also inside a shadow root, where document.activeElement is its host.
export const focused = (el) => el.getRootNode().activeElement ?? null;

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
