// The whole screen: its panels, and which of them are shown. It returns its clean-up.
import { bank } from "./bank.js";
import { beside, paired } from "./beside.js";
import { chooser } from "./chooser.js";
import { classes } from "./classes.js";
import { controls } from "./controls.js";
import { make } from "./dom.js";
import { doubts } from "./doubts.js";
import { filter, pinnedFilter } from "./filter.js";
import { gallery } from "./gallery.js";
import { gently } from "./gently.js";
import { glossary } from "./glossary.js";
import { header } from "./header.js";
import { image } from "./image.js";
import { keepKeysFromLab } from "./keys.js";
import { presenter } from "./present.js";
import { pruning } from "./pruning.js";
import { several } from "./several.js";
import { status } from "./status.js";
import { taker } from "./take.js";
import { views } from "./views.js";

// A panel is { el, show }: `show` is called with the names of the sections that have changed.
export function screen(store, el) {
  const root = make("section", "carviz");
  root.setAttribute("aria-label", "carviz explorer");
  const all = make("div", "cv-all");
  root.append(all);
  const words = glossary();
  const row = chooser(store);
  const take = taker(store);
  const present = presenter(root, !store.live);
  if (!store.live && !store.printed) root.classList.add("cv-fits");
  const panels = {
    header: header(store, row, words, take, present), words, row, controls: controls(store),
    status: status(store, row), doubts: doubts(store), views: views(store),
    gallery: gallery(store), filter: filter(store), classes: classes(store), bank: bank(store),
    pruning: pruning(store), several: several(store), image: image(store), beside: beside(store), pinned: pinnedFilter(store),
  };
  const part = (name, ...children) => {
    const box = make("div", name);
    box.append(...children.map((child) => child.el));
    return { el: box };
  };
  const detail = part("cv-detail", panels.filter, panels.pinned, panels.classes, panels.beside);
  const body = part("cv-body", panels.gallery, detail, panels.several, panels.image, panels.bank, panels.pruning);
  const line = part("cv-line", panels.status, panels.views);
  const { header: top, controls: pressed, doubts: said } = panels;
  all.append(...[top, words, take, row, pressed, line, said, body].map((child) => child.el));
  keepKeysFromLab(root);
  el.append(root);

  const show = (changed) => {
    for (const panel of Object.values(panels)) panel.show(changed);
    const { view } = store.get("choice");
    root.dataset.view = view;
    detail.el.classList.toggle("cv-paired", paired(store));
    for (const [box, shown] of [
      [panels.gallery.el, view !== "pruning"], [detail.el, view === "filter"],
      [panels.several.el, view === "several"], [panels.image.el, view === "image"],
      [panels.bank.el, view === "bank"], [panels.pruning.el, view === "pruning"],
    ]) box.classList.toggle("cv-gone", !shown);
  };
  show(null); // all
  const updates = gently(root, show);
  const deaf = store.listen(updates.hear);
  return () => {
    deaf();
    updates.end();
    present.end();
    root.remove();
  };
}
