// "?": every word on the screen, explained in a line. The words come from Python.
import { button, make } from "./dom.js";
import table from "./words.js";

export function glossary() {
  const el = make("section", "cv-glossary cv-gone");
  el.setAttribute("aria-label", "The words on this screen");
  const list = make("dl");
  for (const [term, meaning] of table.glossary) list.append(make("dt", "", term), make("dd", "", meaning));
  el.append(list);
  const node = button("?", "cv-button cv-small-button cv-what", toggle, "What the words on this screen mean");
  node.setAttribute("aria-label", "What the words on this screen mean");
  node.setAttribute("aria-expanded", "false");

  function toggle() {
    node.setAttribute("aria-expanded", String(!el.classList.toggle("cv-gone")));
  }
  return { el, node, show: () => {} };
}
