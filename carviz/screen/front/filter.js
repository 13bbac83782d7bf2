// The chosen filter: its pictures behind three tabs, its numbers, its nearest siblings.
import { button, focused, line, make } from "./dom.js";
import { paired } from "./beside.js";
import { has } from "./has.js";
import { inside } from "./inside.js";
import { paint } from "./pictures.js";

export function filter(store) {
  const el = make("div", "cv-about");
  const parts = [sight(store), numbers(store), siblings(store)];
  el.append(...parts.map((part) => part.el));
  return { el, show: (changed) => parts.forEach((part) => part.show(changed)) };
}

// The pinned filter, as the chosen one stands there; without siblings.
export function pinnedFilter(store) {
  const el = make("div", "cv-about cv-pinned");
  const own = inside(store, "beside", ["chosen", "sight"]);
  const parts = [sight(own), numbers(own)];
  el.append(...parts.map((part) => part.el));
  const show = (changed) => {
    if (!has(changed, "beside", "choice", "names")) return;
    el.classList.toggle("cv-gone", !paired(store));
    if (paired(store)) for (const part of parts) part.show(null);
  };
  return { el, show };
}

function sight(store) {
  const el = make("div", "cv-sight");
  const tabs = make("div", "cv-tabs");
  tabs.setAttribute("role", "group");
  tabs.setAttribute("aria-label", "Picture of the filter");
  const box = make("div", "cv-seen");
  el.append(tabs, box);
  const note = make("p", "cv-note");
  el.append(note);
  const places = () => ({
    large: make("img", "cv-large"), sheet: make("div", "cv-large cv-sheet"), words: make("div", "cv-large cv-coming"),
  });
  const own = places();

  function fill({ items, picture, words: why, coming }, { large, sheet, words } = own) {
    const missing = (problem) => {
      words.textContent = problem;
      if (box.contains(large)) large.replaceWith(words);
    };
    if (items.length) {
      while (sheet.children.length > items.length) sheet.lastChild.remove();
      items.forEach(([key, words], place) => {
        const image = sheet.children[place] ?? sheet.appendChild(make("img"));
        image.alt = image.title = words;
        paint(image, store, key, ({ url }) => { image.hidden = !url; });
      });
      return sheet;
    }
    if (!picture) {
      words.textContent = why;
      words.classList.toggle("cv-alive", Boolean(coming));
      return words;
    }
    const [key, said, coarse] = picture;
    large.alt = said;
    paint(large, store, key, ({ problem }) => {
      if (problem) missing(problem);
      else large.classList.toggle("cv-smooth", !coarse);
    });
    return large;
  }

  // On paper all of them stand, one below the other.
  function printed({ words, large }) {
    const figure = make("figure", "cv-printed");
    figure.append(make("figcaption", "", words), fill(large, places()));
    return figure;
  }

  function face(place, small) {
    if (!small) return place.replaceChildren();
    const image = place.firstElementChild ?? place.appendChild(make("img"));
    image.alt = "";
    paint(image, store, small[0], () => image.classList.toggle("cv-coarse", small[2]));
  }

  function show(changed) {
    if (!has(changed, "sight", "choice")) return;
    // A saved page has no tab for what was never made.
    const given = store.get("sight").tabs.filter(({ name, small }) => store.live || small || store.has(name));
    const wanted = store.get("choice").large;
    const look = given.some(({ name }) => name === wanted) ? wanted : given[0].name;
    const names = given.map(({ name }) => name).join();
    if (tabs.dataset.names !== names) {
      tabs.dataset.names = names;
      tabs.replaceChildren(...given.map(({ name }) => {
        const node = button("", "cv-tab", () => store.send({ look: { large: name } }));
        node.append(make("span", "cv-tab-face"), make("span"));
        return node;
      }));
    }
    given.forEach(({ name, words, small, large }, place) => {
      const node = tabs.children[place];
      node.setAttribute("aria-pressed", String(name === look));
      node.lastChild.textContent = words;
      face(node.firstChild, small);
      node.firstChild.classList.toggle("cv-alive", Boolean(large.coming));
    });
    if (store.printed) {
      box.replaceChildren(...given.filter(({ large }) => large.picture || large.items.length).map(printed));
      note.hidden = true;
      return;
    }
    const found = given.find(({ name }) => name === look).large;
    note.textContent = found.note;
    note.hidden = !found.note;
    const shown = fill(found);
    if (box.firstChild !== shown) box.replaceChildren(shown);
  }
  return { el, show };
}

function numbers(store) {
  const el = make("section", "cv-filter");

  function show(changed) {
    if (!has(changed, "chosen")) return;
    const found = store.get("chosen");
    el.setAttribute("aria-label", found.title);
    const title = make("h3", "", `${found.title} `);
    title.append(make("small", "", found.among));
    el.replaceChildren(title);
    if (found.kind) {
      const row = make("div", "cv-kind");
      const badge = make("span", `cv-badge cv-${found.kind}`);
      badge.append(make("i", `cv-mark cv-${found.kind}`, found.mark), found.kind_words);
      row.append(badge, line(found.index));
      // Without one it keeps its room: it comes when the bank has been run on images.
      const reading = found.reading.length ? found.reading : [["", "", ""]];
      el.append(row, ...reading.map((said) => line(said, "div", "cv-reading")));
    }
    if (found.car) {
      const car = make("div", "cv-car");
      car.append(make("span", "", "CAR"), make("b", "", found.car), make("span", "", "points"));
      el.append(car);
      if (found.partial) el.append(make("div", "cv-partial", found.partial));
    }
    const facts = make("div", "cv-facts");
    facts.append(...found.facts.map((said) => line(said, "div")));
    el.append(facts);
  }
  return { el, show };
}

const NEAREST = "Nearest by answers";
const MEASURE = "Correlation of answers.";

function siblings(store) {
  const el = make("div", "cv-siblings");
  const opener = button("", "cv-opener",
    () => store.send({ look: { siblings: !store.get("choice").siblings } }),
    "The filters of the bank that answer most alike; those below 0.5 are not called alike");
  const box = make("div", "cv-near");
  const pin = button("", "cv-button cv-small-button cv-pin", () => {
    const { filter, pinned } = store.get("choice");
    store.send({ pin: pinned === filter ? -1 : filter });
  });
  const head = make("div", "cv-near-head");
  head.append(opener, ...(store.live ? [pin] : []));
  el.append(head, box);

  // Whether the one does the other's work shows when both are gone.
  function removeBoth(other) {
    store.send({ pick: [store.get("choice").filter, other] });
    store.send({ look: { view: "several" } });
    store.send({ press: "compute together" });
  }

  function sibling({ filter, words, picture }) {
    const node = button("", "cv-sibling", () => store.send({ filter }));
    node.setAttribute("aria-label", `Filter ${filter}, correlation ${words}. Choose it.`);
    const face = make(picture ? "img" : "span", "cv-near-face");
    if (picture) {
      face.alt = "";
      paint(face, store, picture[0], () => face.classList.toggle("cv-smooth", !picture[2]));
    }
    const said = make("span", "");
    said.append(make("b", "", filter), make("span", "", words));
    node.append(face, said);
    if (!store.live) return node;
    const box = make("div", "cv-kin");
    const question = `Does ${filter} stand in for ${store.get("choice").filter}?`;
    const twin = button("Twin?", "cv-button cv-small-button", () => removeBoth(filter), `${question} Both are removed.`);
    twin.setAttribute("aria-label", question);
    box.append(node, twin);
    return box;
  }

  function show(changed) {
    if (!has(changed, "siblings", "choice")) return;
    const { filter, pinned, siblings } = store.get("choice");
    const open = Boolean(siblings);
    const own = pinned === filter;
    pin.textContent = own ? "Unpin" : "Pin";
    pin.title = own ? "Pinned: choose another filter, and the two stand side by side"
      : "Let it stay: then choose another filter, and the two stand side by side";
    pin.setAttribute("aria-label", `${own ? "Unpin" : "Pin"} filter ${filter}`);
    pin.setAttribute("aria-pressed", String(own));
    const { items, words } = store.get("siblings");
    opener.textContent = `${open ? "▾" : "▸"} ${NEAREST}`;
    opener.setAttribute("aria-expanded", String(open));
    const had = box.contains(focused(el));
    box.replaceChildren(...(open && words ? [make("p", "", words)] : []), ...items.map(sibling),
      ...(items.length ? [make("p", "cv-note cv-measure", MEASURE)] : []));
    box.hidden = !open;
    if (had) (box.querySelector("button") ?? opener).focus({ preventScroll: true }); // others stand there now
  }
  return { el, show };
}
