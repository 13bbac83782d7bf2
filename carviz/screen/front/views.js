// What is looked at: one filter, several removed together, one image, the whole bank, or pruning.
import { button, make } from "./dom.js";
import { has } from "./has.js";

const VIEWS = [
  ["filter", "One filter"], ["several", "Several"], ["image", "One image"], ["bank", "Whole bank"],
  ["pruning", "Pruning"],
];
const OF_KERNEL = ["several", "image"]; // a saved page can remove nothing

export function views(store) {
  const el = make("div", "cv-views");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "View");
  for (const [view, words] of VIEWS.filter(([name]) => store.live || !OF_KERNEL.includes(name))) {
    const node = button(words, "cv-button cv-view", () => store.send({ look: { view } }));
    node.dataset.view = view;
    el.append(node);
  }

  function show(changed) {
    if (!has(changed, "choice")) return;
    for (const node of el.children)
      node.setAttribute("aria-pressed", String(node.dataset.view === store.get("choice").view));
  }
  return { el, show };
}
