// One image: the filter's map on it, and the answers with and without the filter.
import { make } from "./dom.js";
import { has } from "./has.js";

export function image(store) {
  const el = make("div", "cv-image");

  function show(changed) {
    if (!has(changed, "image", "choice")) return;
  }
  return { el, show };
}
