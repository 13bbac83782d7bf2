// One image: the filter's map on it, the first answers with and without the filter, and which filters
// of the bank it needs.
import { button, make } from "./dom.js";
import { has } from "./has.js";
import { own } from "./own.js";
import { paint } from "./pictures.js";
import * as said from "./wording.js";

export function image(store) {
  const el = make("div", "cv-image");
  const look = (number) => store.send({ look: { image: number } });
  const [head, views, answers, needed] = ["cv-image-head", "cv-views-of", "cv-answers", "cv-needed"]
    .map((name) => make("div", name));
  const yours = own(store, el);
  const title = make("h3");
  const going = make("div", "cv-going");
  const before = button("◀", "cv-button cv-small-button", () => look(store.get("image").going.before));
  const after = button("▶", "cv-button cv-small-button", () => look(store.get("image").going.after));
  before.setAttribute("aria-label", "The image before");
  after.setAttribute("aria-label", "The next image");
  const field = make("input");
  field.type = "number";
  field.min = 0;
  field.setAttribute("aria-label", "Number of the image");
  field.addEventListener("change", () => field.value !== "" && look(Math.max(0, Math.floor(Number(field.value)))));
  const place = make("span");
  const back = button("Back to the data", "cv-button cv-small-button", () => look(-1));
  going.append(before, field, after, place);
  head.append(title, going, back);
  const below = make("div", "cv-below-image");
  below.append(answers, needed);
  el.append(head, yours.el, views, below);
  const [picture, map] = [make("img", "cv-view-of"), make("img", "cv-view-of")];
  const note = make("p", "cv-note");
  views.append(picture, map, note);

  function share([number, value], { label, changed }, names, first) {
    const row = make("div", "cv-answer-row");
    const bar = make("span", "cv-share");
    bar.append(make("span"));
    bar.firstChild.style.width = `${(100 * value).toFixed(1)}%`;
    const name = make("span", "cv-name", `${names[number] ?? `class ${number}`}${number === label ? " ✓" : ""}`);
    name.title = number === label ? "the true class" : "";
    row.append(name, bar, make("b", "", said.percent(value)));
    row.classList.toggle("cv-other", changed && first);
    return row;
  }

  function list(words, shares, found, names, other) {
    const box = make("section");
    box.append(make("h4", "", words), ...shares.map((each, place) =>
      share(each, { ...found, changed: found.changed && other }, names, !place)));
    return box;
  }

  function filterRow({ filter, picture, words, becomes }) {
    const node = button("", "cv-need", () => store.send({ filter }));
    const face = make(picture ? "img" : "span", "cv-chip-face");
    if (picture) {
      face.alt = "";
      paint(face, store, picture[0], () => face.classList.toggle("cv-smooth", !picture[2]));
    }
    node.append(face, make("b", "", filter), make("span", "", words));
    if (becomes) node.append(make("span", "cv-becomes", `→ ${becomes}`));
    node.setAttribute("aria-label", `Filter ${filter}: ${words} without it${becomes ? `, the answer becomes ${becomes}` : ""}. Choose it.`);
    node.setAttribute("aria-pressed", String(filter === store.get("choice").filter));
    return node;
  }

  function needs(found) {
    if (!found) return [make("p", "cv-note", "Looking for the filters that it needs…")];
    const part = (words, rows) => {
      if (!rows.length) return [];
      const box = make("div", "cv-need-rows");
      box.append(...rows.map(filterRow));
      return [make("h4", "", words), box];
    };
    return [
      ...part(found.title, found.rows), ...part("Surer without", found.against),
      ...(found.words ? [make("p", "", found.words)] : []),
    ];
  }

  function show(changed) {
    if (!has(changed, "image", "names", "choice") || store.get("choice").view !== "image") return;
    const found = store.get("image");
    if (found.number === undefined) return; // it comes in a moment
    const names = store.get("names").classes ?? [];
    title.textContent = found.title;
    if (found.true) title.append(" ", make("small", "", found.true));
    going.hidden = !found.going;
    back.hidden = !found.own;
    if (found.going) {
      if (el.getRootNode().activeElement !== field) field.value = found.number;
      place.textContent = found.going.words;
    }
    yours.show(changed);
    for (const node of [views, answers, needed]) node.hidden = Boolean(found.problem);
    if (found.problem) {
      yours.say(found.problem);
      return;
    }
    const there = Boolean(found.picture);
    for (const node of [views, answers, needed]) node.classList.toggle("cv-late", !there);
    if (!there) return; // what was seen before stays until it comes
    map.hidden = !found.map; // a bank of crops or frames has none
    for (const [node, name] of [[picture, found.picture], [map, found.map]]) {
      if (!name) continue;
      const [key, words] = name;
      node.alt = words;
      paint(node, store, key, () => node.classList.toggle("cv-smooth", node.naturalWidth > 64));
    }
    note.textContent = found.note;
    const filter = store.get("choice").filter;
    const lists = make("div", "cv-two");
    lists.append(list("With all filters", found.before, found, names, false),
      list(`Without filter ${filter}`, found.after, found, names, true));
    answers.replaceChildren(make("p", "cv-answer", found.sentence), lists);
    needed.replaceChildren(...needs(found.needed));
  }
  return { el, show };
}
