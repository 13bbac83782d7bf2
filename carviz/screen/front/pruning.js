// Pruning: the order as a strip, the curve with its slider, what was lost, Export.
import { button, line, make } from "./dom.js";
import * as curve from "./curve.js";
import { has } from "./has.js";
import { flags } from "./numbers.js";
import { Tiles } from "./tiles.js";
import { slider } from "./slider.js";
import * as said from "./wording.js";

const MANY = 42; // filters that fill two rows of the strip; more are shown a little smaller

export function pruning(store) {
  const el = make("div", "cv-pruning");
  const order = make("div", "cv-order");
  const strip = new Tiles(store, "cv-strip");
  const note = make("div", "cv-note");
  const below = make("div", "cv-below");
  const drawn = make("div", "cv-drawn");
  const picture = make("div", "cv-curve");
  const range = slider(store);
  drawn.append(picture, range.el);
  const beside = make("div", "cv-beside");
  const legend = make("div");
  const caveat = make("p", "cv-caveat");
  const press = (name) => () => store.send({ press: name });
  const compare = button("Compare criteria", "cv-button", press("compare"), "Prune by other criteria too");
  beside.append(legend, caveat);
  const told = make("div", "cv-told");
  const lost = make("section", "cv-lost");
  const export_ = button("", "cv-button", press("export"), "Save the network without the filters pruned so far");
  const report = make("section", "cv-report");
  told.append(lost);
  if (store.live) {
    beside.append(compare);
    told.append(export_, report);
  }
  below.append(drawn, beside, told);
  el.append(order, strip.el, note, below);

  let lines = null;
  function show(changed) {
    if (store.get("choice").view !== "pruning") { lines = null; return; }
    if (!lines || has(changed, "pruning")) lines = store.get("pruning").order ? curve.curves(store.get("pruning")) : null;
    const { count } = store.get("place");
    paintOrder(count);
    paintStrip(count);
    below.classList.toggle("cv-gone", !lines);
    const { can } = store.get("work");
    compare.disabled = !can.compare;
    export_.disabled = !can.export;
    export_.hidden = !store.change; // it writes where the kernel runs
    if (!lines) return;
    picture.replaceChildren(curve.drawing(lines, count));
    legend.replaceChildren(curve.legend(lines, count));
    caveat.textContent = store.get("pruning").notes.join(" ");
    range.show(lines, count);
    export_.textContent = `Export without these ${count}`;
    paintLost();
    paintReport();
  }

  function paintOrder(count) {
    const { filters, order: pruned } = store.get("pruning");
    const none = store.live ? "Nothing pruned yet: press “Prune greedily”." : "This bank was not pruned.";
    const words = pruned ? `Pruned first: ${count} of ${filters}, in this order` : none;
    const counts = make("span");
    counts.append(...(store.get("place").colours ?? []).map((said) => line(said)));
    order.replaceChildren(make("h4", "", words), counts);
  }

  function paintStrip(count) {
    const { layer, filters, order: found } = store.get("pruning");
    const { marks } = store.get("bank");
    const pruned = found ?? [];
    const gone = new Set(pruned);
    const left = Array.from({ length: filters }, (_, n) => n).filter((n) => !gone.has(n));
    const given = [...pruned, ...left].map((filter, place) => {
      const mark = (marks[filter] ?? "").trim();
      const went = place < pruned.length ? `pruned as number ${place + 1}` : "not pruned";
      const label = [`Filter ${filter}`, said.kind(mark), went].filter(Boolean).join(", ");
      return { filter, mark, car: "", label, out: place < count };
    });
    const { filter } = store.get("choice");
    const { pictured, sheets } = store.get("gallery");
    strip.el.classList.toggle("cv-many", filters > MANY);
    strip.show({ bank: layer, title: `Filters of ${layer} in the order of pruning`, pictured, given, chosen: filter });
    strip.paint(sheets);
    note.textContent = filterWords(filter, pruned);
  }

  // When the chosen filter was pruned, and what was left then.
  function filterWords(filter, pruned) {
    const place = pruned.indexOf(filter);
    if (place < 0 || !lines) return `Filter ${filter}: not pruned.`;
    const tie = flags(store.get("pruning").tied)[place] ? ", decided by a tie" : "";
    const right = said.percent(lines.lines[0].accuracy[place + 1]);
    return `Filter ${filter}: pruned as number ${place + 1}, ${right} right then${tie}.`;
  }

  function paintLost() {
    const { right, change, lost: rows, more } = store.get("place");
    const names = store.get("names").classes;
    const head = make("div", "cv-car");
    head.append(make("b", "", right), make("span", "", change ? `right, ${change}` : "right"));
    if (!rows.length) return lost.replaceChildren(head, make("h4", "", "No class has lost accuracy."));
    const same = new Set(rows.map((row) => row[3])).size === 1;
    const table = make("table", "cv-forgotten");
    table.append(...rows.map(([number, before, after, images]) => lostRow(names[number], before, after, same ? null : images)));
    const each = same ? `of ${said.counted(rows[0][3], "image")} each` : "last column: images";
    lost.replaceChildren(head, make("h4", "", "Classes that lost most"), table,
      make("p", "", `${more ? `and ${more} more, ` : ""}${each}`));
  }

  function paintReport() {
    const { name, path, rows } = store.get("report");
    if (!name) return report.replaceChildren();
    const head = make("h4", "", name);
    head.title = path;
    const table = make("table");
    table.append(...rows.map(([words, before, after]) => {
      const row = make("tr");
      const first = make("th", "", words);
      first.scope = "row";
      row.append(first, line([`${before} → `, after, ""], "td"));
      return row;
    }));
    report.replaceChildren(head, table);
  }
  return { el, show };
}

function lostRow(name, before, after, images) {
  const row = make("tr");
  const head = make("th", "", name);
  head.scope = "row";
  head.title = name;
  // A bar of what a class had, filled as far as it still has it.
  const had = make("span", "cv-had");
  had.setAttribute("aria-hidden", "true");
  had.style.width = `${(100 * before).toFixed(1)}%`;
  const has = make("span");
  has.style.width = `${((100 * after) / Math.max(before, 1e-9)).toFixed(1)}%`;
  had.append(has);
  const bar = make("td");
  bar.append(had);
  row.append(head, bar, line([`${said.share(before)} → `, said.share(after), ""], "td"));
  if (images !== null) row.append(make("td", "", said.whole(images)));
  return row;
}
