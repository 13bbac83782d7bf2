// Finding filters: back and forward through those that were looked at, a number to go to, and which
// kinds stand in the gallery. It is remembered in the browser, view by view.
import { button, focused, make } from "./dom.js";

const KINDS = [
  ["all", "All", "All filters"], ["C", "C", "Colour filters only"], ["S", "S", "Shape filters only"],
  ["×", "×", "Dead filters only"], ["sure", "Sure", "Filters whose CAR is sure only"],
];

// Where one was, as a browser has it: going back and then elsewhere forgets what came after.
export class Visits {
  #places = [];
  #at = -1;
  #passing = []; // what may still be shown until the place that one goes to is

  note(place) {
    const here = this.#places[this.#at];
    if (here && same(here, place)) {
      this.#passing = [];
      return;
    }
    if (this.#passing.some((other) => same(other, place))) return; // not answered yet
    // Of another bank the filter that was chosen there comes first, then the one that is meant.
    if (this.#passing.length && place.layer === here.layer && this.#passing.every(({ layer }) => layer !== place.layer)) {
      this.#passing.push(place);
      return;
    }
    this.#passing = [];
    this.#places = [...this.#places.slice(0, this.#at + 1), place];
    this.#at = this.#places.length - 1;
  }

  can(step) {
    return this.#at + step >= 0 && this.#at + step < this.#places.length;
  }

  go(step) {
    if (!this.can(step)) return null;
    this.#passing.push(this.#places[this.#at]);
    this.#at += step;
    return this.#places[this.#at];
  }
}

const same = (a, b) => a.layer === b.layer && a.filter === b.filter;

export function find(store, changed) {
  const el = make("div", "cv-find");
  const visits = new Visits();
  const step = (by) => () => {
    const place = visits.go(by);
    if (!place) return;
    if (place.layer !== store.get("choice").layer) store.send({ layer: place.layer });
    store.send({ filter: place.filter });
  };
  const back = button("←", "cv-button cv-small-button", step(-1), "The filter looked at before");
  back.setAttribute("aria-label", "Back to the filter looked at before");
  const forward = button("→", "cv-button cv-small-button", step(1), "And forward again");
  forward.setAttribute("aria-label", "Forward to the filter looked at after");
  const field = make("input", "cv-go");
  field.placeholder = "Go to";
  field.inputMode = "numeric";
  field.setAttribute("aria-label", "Go to the filter of this number");
  const problem = make("span", "cv-go-said");
  problem.setAttribute("role", "alert");
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const { filters } = store.get("bank");
    const wanted = field.value.trim();
    const there = /^\d+$/.test(wanted) && Number(wanted) < filters;
    problem.textContent = there ? "" : `Filters are 0 to ${filters - 1}.`;
    if (!there) return;
    store.send({ filter: Number(wanted) });
    field.value = "";
  });
  field.addEventListener("input", () => { problem.textContent = ""; });
  const chips = make("div", "cv-kinds");
  chips.setAttribute("role", "group");
  chips.setAttribute("aria-label", "Which filters are shown");
  const count = make("span", "cv-count-shown");
  el.append(back, forward, field, chips, count, problem);
  let kind = "all";

  // The filters that are shown, of those in `order`; `marks` are their letters.
  function among(order, marks, sure) {
    const has = { all: () => true, sure: (n) => sure[n] };
    return order.filter(has[kind] ?? ((n) => marks[n] === kind));
  }

  function show(order, marks, sure) {
    const { layer, filter } = store.get("choice");
    visits.note({ layer, filter });
    back.disabled = !visits.can(-1);
    forward.disabled = !visits.can(1);
    const known = KINDS.filter(([name]) => name === "all" ||
      (name === "sure" ? sure.some(Boolean) : [...marks].includes(name)));
    if (!known.some(([name]) => name === kind)) kind = "all";
    chips.hidden = known.length < 3; // all of them are of one kind
    if (chips.hidden) kind = "all";
    const had = chips.contains(focused(el)) ? focused(el).dataset.kind : "";
    chips.replaceChildren(...known.map(([name, words, tip]) => {
      const node = button(words, "cv-button cv-small-button", () => { kind = name; changed(); }, tip);
      node.dataset.kind = name;
      node.setAttribute("aria-label", tip);
      node.setAttribute("aria-pressed", String(name === kind));
      return node;
    }));
    if (had) (chips.querySelector(`[data-kind="${had}"]`) ?? back).focus({ preventScroll: true });
    const shown = among(order, marks, sure);
    count.textContent = kind === "all" ? "" : `${shown.length} of ${order.length}`;
    return shown;
  }
  return { el, show, kind: () => kind };
}
