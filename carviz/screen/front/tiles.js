// Tiles of a bank's filters: a listbox with one Tab stop, walked with the arrow keys.
import { focused, make } from "./dom.js";
import { cut } from "./pictures.js";
import { KIND_OF } from "./wording.js";

function makeTile(filter, pictured) {
  const tile = make("div", "cv-tile");
  tile.setAttribute("role", "option");
  tile.dataset.filter = filter;
  tile.tabIndex = -1;
  const face = pictured ? make("canvas", "cv-face") : make("span", "cv-face cv-number-face", filter);
  const line = make("span", "cv-tile-line");
  line.append(make("b", "", pictured ? filter : ""), make("i"));
  const car = make("span", "cv-tile-car");
  for (const node of [face, line, car]) node.setAttribute("aria-hidden", "true");
  tile.append(face, line, car);
  return tile;
}

export class Tiles {
  #store;
  #list = make("div", "cv-tiles");
  #tiles = new Map();
  #drawn = new Map(); // a sheet's first filter -> its key
  #bank;
  #chosen;
  #out = 0;
  #many = false;
  #told; // the filter that was chosen when it was shown last

  constructor(store, name) {
    this.#store = store;
    this.el = make("div", name);
    this.el.append(this.#list);
    this.#list.setAttribute("role", "listbox");
    this.#list.setAttribute("aria-orientation", "horizontal");
    this.#list.addEventListener("click", (event) => {
      const tile = event.target.closest(".cv-tile");
      if (tile) this.#press(Number(tile.dataset.filter));
    });
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
  }

  // `given` are { filter, mark, car, label, out, picked } in the order of the tiles; of `many` a click
  // takes one in, or out again.
  show({ bank, title, pictured, given, chosen, many = false }) {
    if (bank !== this.#bank || pictured !== this.pictured || given.length !== this.#tiles.size) {
      this.#bank = bank;
      this.pictured = pictured;
      this.#tiles.clear();
      this.#drawn.clear();
      this.#list.replaceChildren();
      for (const { filter } of given) this.#tiles.set(filter, makeTile(filter, pictured));
      this.#list.append(...this.#tiles.values());
      this.#list.classList.toggle("cv-numbers", !pictured);
      this.#chosen = undefined;
    }
    const other = many !== this.#many || chosen !== this.#told || this.#chosen === undefined;
    this.#many = many;
    this.#told = chosen;
    this.#list.setAttribute("aria-label", title);
    this.#list.setAttribute("aria-multiselectable", String(many));
    this.#list.classList.toggle("cv-many-picked", many);
    this.#fill(given);
    if (other) this.#mark(chosen, this.#list.contains(focused(this.el)));
  }

  #fill(given) {
    const had = this.#list.contains(focused(this.el)) ? focused(this.el) : null;
    given.forEach((t, place) => {
      const tile = this.#tiles.get(t.filter);
      const [, line, car] = tile.children;
      const mark = line.lastChild;
      mark.className = t.mark ? `cv-mark cv-${KIND_OF[t.mark]}` : "";
      mark.textContent = t.mark;
      car.textContent = t.car;
      tile.classList.toggle("cv-out", Boolean(t.out));
      tile.classList.toggle("cv-picked", Boolean(t.picked));
      const selected = this.#many ? Boolean(t.picked) : t.filter === this.#chosen;
      tile.setAttribute("aria-selected", String(selected));
      tile.setAttribute("aria-label", t.label);
      tile.title = t.label;
      if (this.#list.children[place] !== tile)
        this.#list.insertBefore(tile, this.#list.children[place] ?? null);
    });
    const edge = given.filter((t) => t.out).length;
    if (edge && edge !== this.#out) this.#reveal(this.#tiles.get(given[edge - 1].filter));
    this.#out = edge;
    if (had && focused(this.el) !== had) had.focus({ preventScroll: true });
  }

  // Draws the pictures on the sheets that have come; more may come later.
  async paint(sheets) {
    const bank = this.#bank;
    await Promise.all(sheets.map(async ([key, filters]) => {
      if (this.#drawn.get(filters[0]) === key) return;
      this.#drawn.set(filters[0], key);
      const { blob, about } = await this.#store.picture(key);
      if (!blob) return void this.#drawn.delete(filters[0]);
      const bitmap = await createImageBitmap(blob);
      if (bank !== this.#bank) return;
      for (const filter of about.filters) {
        const canvas = this.#tiles.get(filter)?.firstChild;
        if (canvas?.getContext) cut(canvas, bitmap, about, filter);
      }
      bitmap.close();
    }));
  }

  #mark(filter, focus) {
    const old = this.#tiles.get(this.#chosen);
    if (old) { old.tabIndex = -1; if (!this.#many) old.setAttribute("aria-selected", "false"); }
    this.#chosen = filter;
    const tile = this.#tiles.get(filter);
    if (!tile) { // it is not among those that are shown
      const first = this.#list.firstElementChild;
      if (first) first.tabIndex = 0;
      return;
    }
    tile.tabIndex = 0;
    if (!this.#many) tile.setAttribute("aria-selected", "true");
    this.#reveal(tile);
    if (focus) tile.focus({ preventScroll: true });
  }

  #choose(filter) {
    this.#mark(filter, true);
    this.#store.send({ filter });
  }

  #press(filter) {
    if (!this.#many) return this.#choose(filter);
    this.#mark(filter, true);
    this.#store.send({ toggle: filter });
  }

  // Only the list scrolls, never the notebook.
  #reveal(tile) {
    const list = this.#list;
    const top = tile.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + tile.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top + tile.offsetHeight - list.clientHeight;
  }

  #walk(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const order = [...this.#list.children].map((t) => Number(t.dataset.filter));
    const at = order.indexOf(this.#chosen);
    const last = order.length - 1;
    const row = getComputedStyle(this.#list).gridTemplateColumns.split(" ").length;
    const to = {
      ArrowLeft: at - 1, ArrowRight: at + 1,
      ArrowUp: at - row < 0 ? at : at - row,
      ArrowDown: at + row > last ? at : at + row,
      Home: 0, End: last, Enter: at, " ": at,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const filter = order[Math.min(last, Math.max(0, to))];
    if (event.key === "Enter" || event.key === " ") this.#press(filter);
    else if (this.#many) this.#mark(filter, true); // it is walked to, and not picked yet
    else this.#choose(filter);
  }
}
