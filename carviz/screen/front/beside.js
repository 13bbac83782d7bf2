// Two filters side by side: the pinned one beside the chosen one, their classes on one scale, and the
// images that only one of them is needed for.
import { AXIS, axis, bar } from "./classes.js";
import { button, make } from "./dom.js";
import { has } from "./has.js";
import { paint } from "./pictures.js";
import * as said from "./wording.js";

// Whether the two stand beside one another now.
export const paired = (store) => store.get("beside").pinned !== undefined;

export function beside(store) {
  const el = make("div", "cv-beside-list");
  let open = -1; // whose images are shown: the first's, the second's, both's

  function key(of) {
    const box = make("div", "cv-key-two");
    of.forEach((filter, place) => {
      const one = make("span", "");
      one.append(make("i", place ? "cv-swatch cv-second" : "cv-swatch"), `Filter ${filter}${place ? ", pinned" : ""}`);
      if (place) one.append(button("Unpin", "cv-button cv-small-button cv-pin", () => store.send({ pin: -1 })));
      box.append(one);
    });
    return box;
  }

  function row({ number, images, of }, scale, names, filters) {
    const box = make("div", "cv-class-two");
    const label = make("span", "cv-name", names[number]);
    label.title = names[number];
    box.append(label);
    of.forEach((cell, place) => {
      const line = bar(cell, scale);
      if (place) line.classList.add("cv-second");
      const value = make("span", "cv-value", (cell.sure ? "★\u2009" : "") + said.points(cell.car, false));
      const words = `filter ${filters[place]}: CAR ${said.points(cell.car)}, ${said.counts(cell.lost, cell.gained, images)}`;
      value.title = words;
      line.removeAttribute("aria-hidden");
      line.setAttribute("role", "img");
      line.setAttribute("aria-label", `${names[number]}, ${words}`);
      box.append(line, value);
    });
    return box;
  }

  function only(found, filters, names) {
    const words = [`Only ${filters[0]} loses`, `Only ${filters[1]} loses`, "Both lose"];
    const box = make("div", "cv-only");
    const row = make("div", "cv-acts");
    words.forEach((name, place) => {
      const { images, items } = found.only[place];
      const node = button(`${name} ${said.whole(images)}`, "cv-button", () => {
        open = open === place ? -1 : place;
        show(null);
      });
      node.setAttribute("aria-expanded", String(open === place));
      node.disabled = !items.length;
      row.append(node);
    });
    box.append(row);
    const shown = open < 0 ? [] : found.only[open].items;
    if (shown.length) {
      const thumbs = make("div", "cv-thumbs");
      thumbs.append(...shown.map(([key, number, label]) => {
        const figure = make("figure", "cv-thumb");
        const look = button("", "cv-look", () => store.send({ look: { view: "image", image: number } }));
        look.setAttribute("aria-label", `Look at image ${number}`);
        const image = make("img");
        image.alt = `Image ${number}, a ${names[label]}`;
        paint(image, store, key);
        look.append(image);
        figure.append(look, make("figcaption", "", names[label]));
        return figure;
      }));
      box.append(thumbs);
    }
    if (found.note) box.append(make("p", "", found.note));
    return box;
  }

  function show(changed) {
    if (!has(changed, "beside", "names", "choice")) return;
    const found = store.get("beside");
    const none = !paired(store);
    el.classList.toggle("cv-gone", none);
    if (none) return void el.replaceChildren();
    const filters = [store.get("choice").filter, found.pinned];
    const names = store.get("names").classes;
    if (found.problem) return void el.replaceChildren(key(filters), make("p", "cv-empty", found.problem));
    const both = button("Remove both together", "cv-button", () => {
      store.send({ pick: filters });
      store.send({ press: "compute together" });
    });
    const list = make("div", "cv-rows-two");
    list.append(...found.rows.map((each) => row(each, found.scale, names, filters)), axis(found.scale));
    el.replaceChildren(make("p", "cv-doubt", found.sentence), key(filters), list,
      make("p", "cv-note", `${AXIS}. ★: sure, q ≤ ${said.SIGNIFICANT}.`), only(found, filters, names), both);
  }
  return { el, show };
}
