// The store of a saved page: everything that a notebook's kernel would answer lies in the page. It
// looks up what Python has prepared, and computes nothing.

// What follows from another choice than that of the filter.
const PREPARED = ["bank", "numbers", "pruning"];
const NOTHING = { chooser: { sets: [] }, report: {}, models: {} };

export class Saved {
  live = false;
  #data;
  #parts;
  #banks;
  #choice;
  #asked = false; // whether the reader has said which pictures stand in the gallery
  #work;
  #places = new Map(); // layer -> the filter and the count chosen there
  #hearers = new Set();
  #pictures;

  constructor(data, pictures = new Map()) {
    this.#data = data;
    this.#parts = data.parts;
    this.#pictures = pictures;
    this.#banks = new Map(data.banks.map((bank) => [bank.layer, bank]));
    for (const { layer, filter, count } of data.banks) this.#places.set(layer, { filter, count });
    this.#choice = { ...data.choice, filter: this.#places.get(data.choice.layer).filter };
    this.#work = {
      busy: false, progress: 0, status: data.status, story: "", opening: false,
      can: { cancel: false, choose: true, compare: false, export: false },
    };
  }

  // The same page on its own, with something else looked at: for paper.
  beside(look) {
    const other = new Saved(this.#data, this.#pictures);
    other.#places = this.#places;
    other.#choice = { ...this.#choice, ...look };
    return other;
  }

  get(section) {
    const { layer, filter, gallery, opened, siblings } = this.#choice;
    const bank = this.#banks.get(layer);
    if (section === "choice") return this.#choice;
    if (section === "work") return this.#work;
    if (section in NOTHING) return NOTHING[section];
    if (section === "changed") return this.changed(opened);
    if (section === "gallery") return this.#parts[bank.galleries[gallery]];
    if (section === "place") return this.#parts[bank.places[this.#places.get(layer).count]];
    if (section === "siblings" && !siblings) return { filter, words: "", items: [] };
    if (PREPARED.includes(section)) return this.#parts[bank.all[section]];
    return this.#parts[bank.filters[filter][this.#data.sections.indexOf(section)]] ?? {};
  }

  // Whether the bank's gallery has pictures of a sort; it begins with weights, also where there are none.
  has(sort) {
    return sort === "weights" || this.#sheets(this.#choice.layer, sort).length > 0;
  }

  #sheets(layer, sort) {
    return this.#parts[this.#banks.get(layer).galleries[sort]].sheets;
  }

  // The images of a class that change, whether or not it is opened.
  changed(number) {
    const { layer, filter } = this.#choice;
    const place = this.#banks.get(layer).changed[filter][number];
    return this.#parts[place] ?? { filter, number, problem: "", items: [], note: "" };
  }

  // `hear` is called with the names of the sections that have changed.
  listen(hear) {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  send(message) {
    const names = ["choice", "gallery", "changed", "place", "siblings", ...PREPARED, ...this.#data.sections];
    const before = names.map((name) => this.get(name));
    this.#do(message);
    const changed = new Set(names.filter((name, place) => this.get(name) !== before[place]));
    if (changed.size) for (const hear of this.#hearers) hear(changed);
  }

  #do({ filter, layer, look, count }) {
    const choice = this.#choice;
    const here = this.#places.get(choice.layer);
    const bank = this.#banks.get(choice.layer);
    if (layer !== undefined && layer !== choice.layer && this.#banks.has(layer)) {
      const wanted = this.#asked ? choice.gallery : this.#banks.get(layer).gallery;
      const gallery = this.#sheets(layer, wanted).length ? wanted : "weights";
      this.#choice = { ...choice, layer, gallery, filter: this.#places.get(layer).filter, opened: -1 };
    }
    if (filter !== undefined && filter in bank.filters) {
      here.filter = filter;
      this.#choice = { ...choice, filter };
    }
    if (count !== undefined && count in bank.places) here.count = count;
    if (look) this.#choice = { ...choice, ...look };
    if (look?.gallery) this.#asked = true;
  }

  // Returns a promise of { url, blob, about }, or { problem } where the page has no such picture.
  async picture(key) {
    const { pictures, problems, left_out } = this.#data;
    const found = pictures[key];
    if (!found) return { problem: problems[key] ?? left_out };
    if (!this.#pictures.has(key)) {
      const [file, about] = found;
      const [mime, coded] = this.#data.files[file];
      const blob = new Blob([Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0))], { type: mime });
      this.#pictures.set(key, { url: URL.createObjectURL(blob), blob, about });
    }
    return this.#pictures.get(key);
  }
}
