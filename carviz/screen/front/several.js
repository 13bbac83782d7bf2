// Several filters removed together.
import { make } from "./dom.js";
import { has } from "./has.js";

export function several(store) {
  const el = make("div", "cv-several");

  function show(changed) {
    if (!has(changed, "several", "choice")) return;
  }
  return { el, show };
}
