// The gallery of a bank: a listbox of tiles, one Tab stop, walked with the arrow keys.
import { make, select } from "./dom.js";
import { has } from "./has.js";
import { floats } from "./numbers.js";
import { Tiles } from "./tiles.js";
import * as said from "./wording.js";

const SORTS = [["number", "Number"], ["car", "CAR"], ["color", "Colour"]];

// The filters by what they are sorted by; what is not known comes last, and of equals the first.
export function sorted(order, car, index, count) {
  const key = { car: (n) => -car[n], color: (n) => -index[n], number: (n) => n }[order];
  const known = (n) => (Number.isNaN(key(n)) || key(n) === undefined ? Infinity : key(n));
  const numbers = Array.from({ length: count }, (_, n) => n);
  return numbers.sort((a, b) => {
    const [x, y] = [known(a), known(b)];
    return x === y ? a - b : x - y;
  });
}

export function gallery(store) {
  const el = make("div", "cv-left");
  const pick = make("div", "cv-pick");
  const sort = select("Sort", "", (order) => store.send({ look: { order } }));
  const show_ = select("Show", "", (gallery) => store.send({ look: { gallery } }));
  pick.append(sort.label, show_.label);
  const tiles = new Tiles(store, "cv-gallery");
  const note = make("div", "cv-note");
  el.append(make("h3", "cv-unseen", "Filters of the bank"), pick, tiles.el, note); // a heading, to be heard

  function show(changed) {
    if (!has(changed, "choice", "bank", "numbers", "gallery")) return;
    const { layer, filter, order, gallery, view, picked } = store.get("choice");
    const many = view === "several";
    const bank = store.get("bank");
    const pictures = store.get("gallery");
    sort.fill(SORTS, order);
    show_.fill(pictures.shows.filter(([sort]) => store.live || store.has(sort)), gallery);
    const car = floats(store.get("numbers").tiles);
    const given = sorted(order, car, floats(bank.index), bank.filters).map((n) => {
      const mark = (bank.marks[n] ?? "").trim();
      const words = Number.isNaN(car[n]) ? "" : said.points(car[n], false);
      const taken = many && picked.includes(n);
      const parts = [taken ? `Filter ${n}, picked` : `Filter ${n}`, said.kind(mark), words ? `CAR ${words} points` : "CAR not measured"];
      return { filter: n, mark, car: words, picked: taken, label: parts.filter(Boolean).join(", ") };
    });
    tiles.show({ bank: `${layer}/${gallery}`, title: bank.title, pictured: pictures.pictured, given, chosen: filter, many });
    tiles.paint(pictures.sheets);
    note.textContent = pictures.note;
  }
  return { el, show };
}
