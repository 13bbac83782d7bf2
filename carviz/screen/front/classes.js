// Top and bottom classes as bars with intervals; each opens to the images that changed.
import { matrix, summary } from "./became.js";
import { button, focused, make } from "./dom.js";
import { has } from "./has.js";
import { paint } from "./pictures.js";
import * as said from "./wording.js";

export function bar(row, scale) {
  const within = (x) => Math.min(scale.high, Math.max(scale.low, x));
  const at = (x) => (100 * (within(x) - scale.low)) / (scale.high - scale.low);
  const box = make("span", "cv-bar");
  box.setAttribute("aria-hidden", "true");
  const zero = make("span", "cv-zero");
  zero.style.left = `${at(0)}%`;
  const fill = make("span", row.sure ? "cv-fill cv-sure" : "cv-fill");
  const [a, b] = [Math.min(0, row.car), Math.max(0, row.car)];
  fill.style.left = `${at(a)}%`;
  fill.style.width = `${at(b) - at(a)}%`;
  const reach = make("span", "cv-reach");
  reach.style.left = `${at(row.low)}%`;
  reach.style.width = `${at(row.high) - at(row.low)}%`;
  // Where the interval goes on beyond the edge there is an arrow head, and no end.
  reach.classList.toggle("cv-below-edge", row.low < scale.low);
  reach.classList.toggle("cv-above-edge", row.high > scale.high);
  box.append(fill, zero, reach);
  return box;
}

export function axis({ low, high, ticks }) {
  const box = make("div", "cv-axis");
  box.setAttribute("aria-hidden", "true");
  for (const { at, words } of ticks) {
    const mark = make("span", at === 0 ? "cv-axis-zero" : "", words);
    mark.style.left = `${(100 * (at - low)) / (high - low)}%`;
    box.append(mark);
  }
  return box;
}

export const AXIS = "CAR of the class, percentage points";

// `without` words what the images were looked at without; `scaled` is whether there is another scale.
export function classes(store, { scaled: rescales = true, without } = {}) {
  const el = make("div", "cv-classes");
  let own = false; // whether bars have a scale of their own filter, not that of the bank
  const scaled = button("Own scale", "cv-button cv-small-button cv-own", () => {
    own = !own;
    show(null);
  }, "Bars as long as this filter's own classes allow, or on the scale of all filters of the bank");

  // A small picture of the class, or room for it until it is there.
  function face(number, faces) {
    const image = make("img", "cv-small");
    image.alt = "";
    image.dataset.face = number;
    const [key, words] = faces[number] ?? [];
    image.title = words ?? "";
    paint(image, store, key, ({ url }) => image.classList.toggle("cv-there", Boolean(url)));
    return image;
  }

  function thumb([key, number, before, after, change], name, names) {
    const figure = make("figure", "cv-thumb");
    const image = make("img");
    image.alt = `Image ${number}, a ${name}`;
    const words = make("figcaption");
    words.append(make("span", "", `${names[before]} → ${names[after]}`), make("b", "", said.change(change)));
    paint(image, store, key, ({ problem }) => problem && words.append(make("span", "", problem)));
    if (!store.live) {
      figure.append(image, words);
      return figure;
    }
    const open = button("", "cv-look", () => store.send({ look: { view: "image", image: number } }), "Look at it: where the filter answers, and what the network says");
    open.setAttribute("aria-label", `Look at image ${number}`);
    open.append(image);
    figure.append(open, words);
    return figure;
  }

  function pictures(number, name, filter, names) {
    const box = make("div", "cv-changed");
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", `Images of ${name} that change without ${without?.() ?? `filter ${filter}`}`);
    const found = store.printed ? store.changed(number) : store.get("changed");
    if (found.filter !== filter || found.number !== number) {
      box.append(make("p", "", "Loading the images…"));
      return box;
    }
    if (found.problem) {
      box.append(make("p", "", found.problem));
      return box;
    }
    if (!found.items.length) box.append(make("p", "", "No image of this class changes."));
    if (found.became?.length) box.append(make("p", "cv-became", summary(found.became, names, name)));
    const list = make("div", "cv-thumbs");
    list.append(...found.items.map((item) => thumb(item, name, names)));
    box.append(list);
    const rest = [found.more ? `and ${said.whole(found.more)} more` : "", found.note].filter(Boolean).join(". ");
    if (rest) box.append(make("p", "", rest));
    return box;
  }

  // On paper every class is open whose images change.
  const isOpen = (number, open) => number === open || Boolean(store.printed && store.changed(number).items.length);

  function makeRow(row, { faces, filter }, scale, names, open) {
    const name = names[row.number];
    const opened = isOpen(row.number, open);
    const counts = said.counts(row.lost, row.gained, row.images);
    const button = make("button", row.sure ? "cv-class cv-sure-class" : "cv-class");
    button.type = "button";
    button.dataset.class = row.number;
    button.setAttribute("aria-expanded", String(opened));
    button.setAttribute("aria-label",
      `${name}: ${counts} images, CAR ${said.points(row.car)}, ` +
      `95% interval ${said.interval(row.low, row.high)}, ${row.sure ? "sure" : "could be chance"}. ` +
      "Show the images that change.");
    const label = make("span", "cv-name", name);
    label.title = name;
    const line = make("span", "cv-class-line");
    line.append(label, make("span", "cv-counts", counts));
    const value = (row.sure ? "★\u2009" : "") + said.points(row.car, false) + (row.tied ? "\u2009=" : "");
    button.append(
      make("span", "cv-arrow", opened ? "▾" : "▸"),
      ...(Object.keys(faces).length ? [face(row.number, faces)] : []),
      line, bar(row, scale), make("span", "cv-value", value),
    );
    button.addEventListener("click", () =>
      store.send({ look: { opened: row.number === store.get("choice").opened ? -1 : row.number } }));
    if (!opened) return [button];
    const box = pictures(row.number, name, filter, names);
    // Only the list scrolls, and only when the class is opened.
    if (open !== last && !store.printed) requestAnimationFrame(() => {
      const covered = el.lastElementChild.offsetHeight;
      const below = box.offsetTop + box.offsetHeight - el.offsetTop - el.clientHeight + covered;
      if (below > el.scrollTop) el.scrollTop = Math.min(below, button.offsetTop - el.offsetTop);
    });
    return [button, box];
  }

  let unfolded = false; // whether the table of what images became is open
  function became(pairs, names) {
    const box = make("details", "cv-became");
    box.open = unfolded || Boolean(store.printed);
    box.addEventListener("toggle", () => { unfolded = box.open; });
    box.append(make("summary", "", summary(pairs, names)), matrix(pairs, names));
    return box;
  }

  let last = -1;
  function show(changed) {
    if (!has(changed, "classes", "changed", "names") &&
        !(has(changed, "choice") && store.get("choice").opened !== last)) return;
    const had = el.contains(focused(el)) ? focused(el).dataset.class ?? "scale" : undefined;
    const top = el.scrollTop;
    const found = store.get("classes");
    const names = store.get("names").classes;
    const open = store.get("choice").opened;
    el.classList.toggle("cv-faced", Object.keys(found.faces).length > 0);
    el.classList.toggle("cv-doubted", Boolean(found.doubt));
    if (found.empty) {
      el.replaceChildren(make("p", "cv-empty", found.empty));
      return;
    }
    const scale = own ? found.own : found.scale;
    scaled.setAttribute("aria-pressed", String(own));
    const line = make("div", "cv-axis-line");
    line.append(make("span", "", AXIS), ...(rescales ? [scaled] : []));
    // The scale stays in sight while the list scrolls.
    const foot = make("div", "cv-foot");
    foot.append(axis(scale), line, ...found.notes.map((note) => make("p", "cv-key", note)));
    el.replaceChildren(
      ...(found.doubt ? [make("p", "cv-doubt", found.doubt)] : []),
      ...(found.became?.length ? [became(found.became, names)] : []),
      ...found.blocks.flatMap(({ title, rows }) => [
        make("h4", "", title), ...rows.flatMap((row) => makeRow(row, found, scale, names, open)),
      ]),
      ...(found.rest ? [make("p", "cv-rest", found.rest)] : []),
      foot,
    );
    last = open;
    el.scrollTop = top;
    if (had === "scale") scaled.focus({ preventScroll: true });
    else if (had !== undefined) el.querySelector(`[data-class="${had}"]`)?.focus({ preventScroll: true });
  }
  return { el, show };
}
