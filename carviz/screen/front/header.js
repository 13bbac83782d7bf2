// What is explored, and how good the whole network is.
import { button, line, make } from "./dom.js";
import { has } from "./has.js";

export function header(store, row) {
  const el = make("div", "cv-top");
  const facts = make("div", "cv-header");
  const brand = make("h2", "cv-brand", "carviz");
  el.append(facts);
  if (store.change)
    el.append(button("Change…", "cv-button cv-small-button", row.toggle, "Choose another model or other data"));

  function show(changed) {
    if (!has(changed, "head")) return;
    facts.replaceChildren(brand, ...store.get("head").facts.map((fact) => line(fact)));
  }
  return { el, show };
}
