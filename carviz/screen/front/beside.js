// Two filters side by side: the pinned one beside the chosen one.
import { make } from "./dom.js";
import { has } from "./has.js";

export function beside(store) {
  const el = make("div", "cv-beside");

  function show(changed) {
    if (!has(changed, "beside", "choice")) return;
  }
  return { el, show };
}
