// Sentences that stand above everything: weights of noise, a network that guesses.
import { make } from "./dom.js";
import { has } from "./has.js";

export function doubts(store) {
  const el = make("div", "cv-doubts");
  el.setAttribute("role", "note");

  function show(changed) {
    if (!has(changed, "doubts")) return;
    const { words = [] } = store.get("doubts");
    el.hidden = !words.length;
    el.replaceChildren(...words.map((said) => make("p", "", said)));
  }
  return { el, show };
}
