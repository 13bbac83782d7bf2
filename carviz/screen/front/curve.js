// What is left of the accuracy as filters go: one line a criterion, told apart without its colour.
import { make, svg } from "./dom.js";
import { floats } from "./numbers.js";
import { roundTicks, scale } from "./scale.js";
import * as said from "./wording.js";

export const [WIDTH, HEIGHT] = [450, 316];
export const LEFT = 54;
const [RIGHT, TOP, BOTTOM] = [12, 12, 46];
const MARKS = 7; // marks along a line
const DASHES = {
  "car": "", "car-once": "12 4", "l1": "7 4", "l2": "10 4 2 4", "taylor": "3 3",
  "apoz": "14 4 3 4", "random": "1 4",
};
const SHAPES = {
  "car": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
  "car-once": "M0 -6L6 0L0 6L-6 0z",
  "l1": "M0 -6L6 5H-6z",
  "l2": "M0 6L6 -5H-6z",
  "taylor": "M-4.5 -4.5H4.5V4.5H-4.5z",
  "apoz": "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2z",
  "random": "M-5 -5L5 5M5 -5L-5 5",
};
const HELD = "9 6"; // dashes of the line of held-out images
const HELD_OUT = "the same, held out";
const SAMPLE = 38; // width of a line's sample in the legend

export const across = (filters) => scale(0, filters, LEFT, WIDTH - RIGHT);

// The lines as numbers, once; and the accuracy of each at a place, NaN beyond its end.
export function curves({ filters, lines, held, band, one_answer }) {
  return {
    filters, oneAnswer: one_answer,
    lines: lines.map((line) => ({ ...line, accuracy: floats(line.accuracy) })),
    held: held ? floats(held) : null,
    band: band && { draws: band.draws, lowest: floats(band.lowest), highest: floats(band.highest), mean: floats(band.mean) },
  };
}

export function drawing({ filters, lines, held, band, oneAnswer }, count) {
  const [x, y] = [across(filters), scale(0, 100, HEIGHT - BOTTOM, TOP)];
  const corners = (accuracy) => Array.from(accuracy, (a, n) => `${x(n).toFixed(1)},${y(100 * a).toFixed(1)}`);
  const polyline = (criterion, accuracy, dashes, more = "") => svg("polyline", {
    class: `cv-path cv-by-${criterion} ${more}`, points: corners(accuracy).join(" "), "stroke-dasharray": dashes,
  });
  const marked = (criterion, accuracy, place) => {
    const every = Math.ceil(filters / MARKS);
    const marks = [];
    for (let n = place % every; n < accuracy.length; n += every) marks.push(mark(criterion, x(n), y(100 * accuracy[n])));
    return [polyline(criterion, accuracy, DASHES[criterion] ?? ""), ...marks];
  };
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  node.append(...axes(x, y, filters),
    svg("line", { class: "cv-place", x1: x(count), x2: x(count), y1: TOP, y2: HEIGHT - BOTTOM }),
    ...level(oneAnswer, y));
  if (band) node.append(
    svg("polygon", { class: "cv-band", points: [...corners(band.highest), ...corners(band.lowest).reverse()].join(" ") }),
    ...marked("random", band.mean, lines.length));
  // The first one is drawn last, over the others.
  [...lines.entries()].reverse().forEach(([i, line]) => node.append(...marked(line.criterion, line.accuracy, i)));
  if (held) node.append(polyline("car", held, HELD, "cv-held"));
  for (const { criterion, accuracy } of [...lines].reverse())
    if (count < accuracy.length) node.append(mark(criterion, x(count), y(100 * accuracy[count]), "cv-here"));
  node.setAttribute("aria-label", describe({ filters, lines, held, band }, count));
  return node;
}

function axes(x, y, filters) {
  const parts = [];
  for (const value of [0, 25, 50, 75, 100]) parts.push(
    svg("line", { class: value ? "cv-grid" : "cv-zero-line", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
    svg("text", { x: LEFT - 7, y: y(value) + 5, "text-anchor": "end" }, `${value}%`));
  const foot = HEIGHT - BOTTOM;
  for (const tick of roundTicks(0, filters).filter(Number.isInteger)) parts.push(
    svg("line", { class: "cv-tick", x1: x(tick), x2: x(tick), y1: foot, y2: foot + 5 }),
    svg("text", { x: x(tick), y: foot + 20, "text-anchor": "middle" }, String(tick)));
  parts.push(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" },
    `filters pruned, of ${filters}`));
  return parts;
}

// The accuracy of always answering the commonest class.
function level(oneAnswer, y) {
  const at = y(100 * oneAnswer);
  return [
    svg("line", { class: "cv-threshold", x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at }),
    svg("text", { x: LEFT + 6, y: at - 6 }, `always the same answer: ${said.percent(oneAnswer)}`),
  ];
}

function mark(criterion, x, y, more = "") {
  return svg("path", {
    class: `cv-point cv-by-${criterion} ${more}`, d: SHAPES[criterion] ?? SHAPES.car,
    transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})${more ? " scale(1.5)" : ""}`,
  });
}

const value = (accuracy, count) => (count < accuracy.length ? said.percent(accuracy[count]) : said.NONE);

// What each line is, and the accuracy it has left at the place.
export function legend({ lines, held, band }, count) {
  const table = make("table", "cv-legend");
  table.append(make("caption", "", `Right after ${count} pruned`));
  lines.forEach(({ criterion, name, accuracy, complete }, i) => {
    const sign = sample(criterion, DASHES[criterion] ?? "", mark(criterion, SAMPLE / 2, 9));
    const node = row(sign, name, value(accuracy, count), complete === false && `unfinished: ${accuracy.length - 1} pruned`);
    if (i === 0) node.classList.add("cv-first");
    table.append(node);
    if (i === 0 && held) table.append(row(sample("car", HELD, null, "cv-held"), HELD_OUT, value(held, count)));
  });
  if (band) {
    const there = count < band.mean.length;
    const span = there ? `: ${said.share(band.lowest[count])} to ${said.share(band.highest[count])}` : "";
    table.append(row(sample("random", DASHES.random, mark("random", SAMPLE / 2, 9)), "random",
      value(band.mean, count), `${band.draws} orders${span}`));
  }
  return table;
}

function row(sign, name, value, more) {
  const node = make("tr");
  const first = make("td");
  first.append(sign);
  const head = make("th", "", name);
  head.scope = "row";
  if (more) head.append(make("br"), make("small", "", more));
  node.append(first, head, make("td", "", value));
  return node;
}

function sample(criterion, dashes, sign, more = "") {
  const node = svg("svg", { viewBox: `0 0 ${SAMPLE} 18`, width: SAMPLE, height: 18, "aria-hidden": "true" },
    svg("path", { class: `cv-path cv-by-${criterion} ${more}`, d: `M2 9H${SAMPLE - 2}`, "stroke-dasharray": dashes }));
  if (sign) node.append(sign);
  return node;
}

function describe({ filters, lines, held, band }, count) {
  const told = lines.filter(({ accuracy }) => count < accuracy.length)
    .map(({ name, accuracy }) => `${name} ${said.percent(accuracy[count])}`);
  if (held && count < held.length) told.push(`${HELD_OUT} ${said.percent(held[count])}`);
  if (band && count < band.mean.length)
    told.push(`${said.counted(band.draws, "random order")} ${said.share(band.lowest[count])} to ${said.share(band.highest[count])}`);
  return `Accuracy after ${count} of ${filters} filters: ${told.join(", ")}.`;
}
