// What is explored, and how good the whole network is.
import { line, make } from "./dom.js";
import { has } from "./has.js";

export function header(store, row, words, take, present) {
  const el = make("div", "cv-top");
  const facts = make("div", "cv-header");
  const brand = make("h2", "cv-brand", "carviz");
  const buttons = make("div", "cv-buttons");
  if (store.change) buttons.append(row.node);
  if (store.live) buttons.append(take.node);
  buttons.append(words.node, present.node);
  el.append(facts, buttons);

  function show(changed) {
    if (!has(changed, "head")) return;
    facts.replaceChildren(brand, ...store.get("head").facts.map((fact) => line(fact)));
  }
  return { el, show };
}
