// The gallery of a bank: a listbox of tiles, one Tab stop, walked with the arrow keys.
import { make, select } from "./dom.js";
import { find } from "./find.js";
import { has } from "./has.js";
import { flags, floats } from "./numbers.js";
import { strip } from "./strip.js";
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
  const finder = find(store, () => show(null));
  const line = strip((filter) => store.send(store.get("choice").view === "several" ? { toggle: filter } : { filter }));
  el.append(make("h3", "cv-unseen", "Filters of the bank"), pick, finder.el, line.el, tiles.el, note); // a heading, to be heard

  function show(changed) {
    if (!has(changed, "choice", "bank", "numbers", "gallery")) return;
    const { layer, filter, order, gallery, view, picked } = store.get("choice");
    const many = view === "several";
    const bank = store.get("bank");
    const pictures = store.get("gallery");
    sort.fill(SORTS, order);
    show_.fill(pictures.shows.filter(([sort]) => store.live || store.has(sort)), gallery);
    const car = floats(store.get("numbers").tiles);
    const { bank: known } = store.get("numbers");
    const all = sorted(order, car, floats(bank.index), bank.filters);
    const shown = finder.show(all, bank.marks, known ? flags(known.sure) : []);
    line.show(known, shown, filter);
    const given = shown.map((n) => {
      const mark = (bank.marks[n] ?? "").trim();
      const words = Number.isNaN(car[n]) ? "" : said.points(car[n], false);
      const taken = many && picked.includes(n);
      const parts = [taken ? `Filter ${n}, picked` : `Filter ${n}`, said.kind(mark), words ? `CAR ${words} points` : "CAR not measured"];
      return { filter: n, mark, car: words, picked: taken, label: parts.filter(Boolean).join(", ") };
    });
    // Other filters are other tiles, also where they are as many.
    const among = shown.length === all.length ? "" : [...shown].sort((a, b) => a - b).join();
    tiles.show({ bank: `${layer}/${gallery}/${among}`, title: bank.title, pictured: pictures.pictured, given, chosen: filter, many });
    tiles.paint(pictures.sheets);
    note.textContent = pictures.note;
  }
  return { el, show };
}
