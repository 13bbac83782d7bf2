// The whole bank as one drawing: CAR against the colour index, or by rank, each dot where its values
// are. A dot is chosen by a click, or with the arrow keys: left and right along the axis, up and down
// along CAR.
import { focused, make, svg } from "./dom.js";
import { has } from "./has.js";
import { flags, floats } from "./numbers.js";
import { roundTicks, scale } from "./scale.js";
import * as said from "./wording.js";

const [WIDTH, HEIGHT] = [570, 440];
const [LEFT, RIGHT, TOP, BOTTOM] = [74, 18, 14, 58];
const DEAD = -0.15; // where filters without an index stand
const NUMBERED = 4; // filters at each end that have their number beside them
const REACH = 14; // how far from a dot a click still means it
const CROWD = 4; // filters at one index from which on it is said
const KEY = `Filled: sure, q ≤ ${said.SIGNIFICANT}. Hollow: could be chance. Lines: 95% intervals.`;

export function bank(store) {
  const el = make("div", "cv-bank");

  function show(changed) {
    if (!has(changed, "numbers", "bank", "choice") || store.get("choice").view !== "bank") return;
    const found = store.get("numbers").bank;
    if (!found) {
      const words = store.live ? "Nothing measured yet: press “Compute the bank”." : "This bank was not measured.";
      el.replaceChildren(make("p", "cv-empty", words));
      return;
    }
    const had = focused(el)?.closest?.(".cv-pick-dot") && el.contains(focused(el));
    el.replaceChildren(...drawing(found));
    if (had) el.querySelector('.cv-pick-dot[tabindex="0"]')?.focus({ preventScroll: true });
  }

  function drawing(found) {
    const { layer, index, marks, threshold } = store.get("bank");
    const chosen = store.get("choice").filter;
    const [car, low, high] = ["car", "low", "high"].map((name) => floats(found[name]));
    const sure = flags(found.sure);
    const indices = floats(index);
    const told = threshold !== null;
    const dots = Array.from(car, (car, filter) => ({
      filter, car, low: low[filter], high: high[filter], sure: sure[filter],
      mark: told ? marks[filter] : "", index: told ? indices[filter] : NaN,
    })).filter((dot) => !Number.isNaN(dot.car));
    const order = [...dots].sort((a, b) => b.car - a.car || a.filter - b.filter);
    order.forEach((dot, place) => { dot.rank = place + 1; });
    const dead = dots.some((dot) => told && Number.isNaN(dot.index));
    const [least, most] = [Math.min(0, ...dots.map((dot) => dot.low)), Math.max(0, ...dots.map((dot) => dot.high))];
    const y = scale(100 * least, 100 * most, HEIGHT - BOTTOM, TOP);
    const x = told
      ? scale(dead ? -0.24 : -0.06, 1.06, LEFT, WIDTH - RIGHT)
      : scale(0, dots.length + 1, LEFT, WIDTH - RIGHT);
    const at = (dot) => x(told ? (Number.isNaN(dot.index) ? DEAD : dot.index) : dot.rank);
    const ticks = told
      ? [0, 0.25, 0.5, 0.75, 1].map((t) => [t, String(t)]).concat(dead ? [[DEAD, "dead"]] : [])
      : roundTicks(1, dots.length).filter((t) => t >= 1 && t === Math.floor(t)).map((t) => [t, String(t)]);
    const ordered = found.doubt ? "filters, highest CAR first" : "rank, highest CAR first";
    const label = told ? "colour index: 0 grey, 1 opponent colours" : ordered;
    const describe = (dot) =>
      [`Filter ${dot.filter}`, `CAR ${said.points(dot.car)}, 95% interval ${said.interval(dot.low, dot.high)}`,
        told ? said.index(dot.index) : "", dot.sure ? "sure" : "could be chance"].filter(Boolean).join(", ");
    const title = make("h3", "", `CAR of ${said.counted(dots.length, "filter")} of ${layer} `);
    title.append(make("small", "", found.seen));
    const best = order.slice(0, 3).map((dot) => `filter ${dot.filter} ${said.points(dot.car)}`).join(", ");
    const picture = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group",
      "aria-label": `CAR of the filters of ${layer}. Highest: ${best}.`,
    });
    const list = svg("g", { role: "listbox", "aria-label": `Filters of ${layer}, at their CAR`, class: "cv-dots" });
    picture.append(...axes(x, y, ticks, label));
    if (told) picture.append(
      svg("line", { class: "cv-threshold", x1: x(threshold), x2: x(threshold), y1: TOP, y2: HEIGHT - BOTTOM }),
    );
    // What is chosen stands above the rest, and is where Tab stops; if it is not there, the highest.
    const stop = dots.some((dot) => dot.filter === chosen) ? chosen : order[0].filter;
    const above = [...dots].sort((a, b) => (a.filter === stop) - (b.filter === stop));
    picture.append(...above.map((dot) => svg("line", {
      class: `cv-err${dot.filter === chosen ? " cv-now-err" : ""}`,
      x1: at(dot), x2: at(dot), y1: y(100 * dot.low), y2: y(100 * dot.high),
    })));
    for (const dot of above) {
      const [left, up] = [at(dot), y(100 * dot.car)];
      const now = dot.filter === chosen;
      const group = svg("g", {
        class: "cv-pick-dot", role: "option", "aria-label": describe(dot),
        "aria-selected": String(now), tabindex: dot.filter === stop ? 0 : -1, "data-filter": dot.filter,
      }, svg("title", {}, describe(dot)),
      svg("circle", { class: now ? "cv-ring" : "cv-halo", cx: left, cy: up, r: 12 }),
      mark(left, up, dot.mark, dot.sure));
      list.append(group);
    }
    // Of dots that lie on one another the nearest is meant, not the one on top.
    picture.addEventListener("click", (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
      const far = (dot) => Math.hypot(at(dot) - point.x, y(100 * dot.car) - point.y);
      const nearest = dots.reduce((a, b) => (far(b) < far(a) ? b : a));
      if (far(nearest) <= REACH) store.send({ filter: nearest.filter });
    });
    const along = [...dots].sort((a, b) => at(a) - at(b) || b.car - a.car || a.filter - b.filter);
    list.addEventListener("keydown", (event) => walk(event, stop, order, along));
    picture.append(list);
    const wanted = [dots.find((dot) => dot.filter === chosen), ...order.slice(0, NUMBERED),
      ...order.slice(-NUMBERED).reverse()].filter(Boolean);
    picture.append(...names([...new Set(wanted)], dots, chosen, (dot) => [at(dot), y(100 * dot.car)]));
    const notes = [KEY, ...(told ? [crowds(dots)] : [])].filter(Boolean);
    return [title, ...(found.doubt ? [make("p", "cv-doubt", found.doubt)] : []),
      ...(told ? [legend(dots)] : []), picture,
      ...notes.map((note) => make("p", "cv-note", note))];
  }

  function walk(event, stop, order, along) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [rank, place] = [order, along].map((dots) => dots.findIndex((dot) => dot.filter === stop));
    const to = {
      ArrowUp: order[rank - 1], ArrowDown: order[rank + 1], ArrowLeft: along[place - 1],
      ArrowRight: along[place + 1], Home: order[0], End: order[order.length - 1], Enter: order[rank],
      " ": order[rank],
    };
    if (!(event.key in to)) return;
    event.preventDefault();
    event.stopPropagation();
    if (to[event.key]) store.send({ filter: to[event.key].filter });
  }
  return { el, show };
}

// Dots of one index lie one above the other, and some on one another: how many is said.
function crowds(dots) {
  const counts = new Map();
  for (const { index } of dots) if (!Number.isNaN(index)) {
    const words = said.index(index);
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  const most = [...counts].filter(([, count]) => count >= CROWD).sort((a, b) => b[1] - a[1]).slice(0, 3);
  if (!most.length) return "";
  const [first, ...others] = most.map(([words, count], place) =>
    place ? `${count} at ${words.split(" ").at(-1)}` : `${said.counted(count, "filter")} at ${words}`);
  return `${[first, ...others].join(", ")}: their dots can lie on one another.`;
}

function axes(x, y, ticks, label) {
  const parts = [];
  for (const value of roundTicks(y.low, y.high)) {
    const [at, name] = [y(value), said.tick(value)];
    parts.push(
      svg("line", { class: name === "0" ? "cv-zero-line" : "cv-grid", x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at }),
      svg("text", { x: LEFT - 8, y: at + 4.5, "text-anchor": "end" }, name),
    );
  }
  for (const [value, name] of ticks) parts.push(
    svg("line", { class: "cv-tick", x1: x(value), x2: x(value), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 5 }),
    svg("text", { x: x(value), y: HEIGHT - BOTTOM + 21, "text-anchor": "middle" }, name),
  );
  const height = (TOP + HEIGHT - BOTTOM) / 2;
  parts.push(
    svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 10, "text-anchor": "middle" }, label),
    svg("text", { transform: `translate(16 ${height}) rotate(-90)`, "text-anchor": "middle" },
      "CAR, percentage points"),
  );
  return parts;
}

// A filter's mark: its shape says the kind, as its colour does; filled it is sure.
function mark(x, y, letter, sure) {
  const kind = said.KIND_OF[letter] ?? "plain";
  const name = `cv-dot cv-dot-${kind}${sure ? "" : " cv-hollow"}`;
  if (kind === "shape") return svg("rect", { class: name, x: x - 6, y: y - 6, width: 12, height: 12 });
  if (kind === "dead") return svg("path", { class: name, d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12` });
  return svg("circle", { class: name, cx: x, cy: y, r: 6.5 });
}

// What the marks mean, above the drawing and not in it: so it keeps its size, and wraps.
function legend(dots) {
  const sample = (size, ...marks) =>
    svg("svg", { viewBox: `0 0 ${size} 16`, width: size, height: 16, "aria-hidden": "true" }, ...marks);
  const item = (sign, words) => {
    const node = make("span");
    node.append(sign, words);
    return node;
  };
  const line = make("p", "cv-marks");
  for (const [letter, kind] of Object.entries(said.KIND_OF)) {
    const count = dots.filter((dot) => dot.mark === letter).length;
    if (count || kind !== "dead")
      line.append(item(sample(16, mark(8, 8, letter, true)), `${said.kind(letter)}: ${count}`));
  }
  const dashes = svg("line", { class: "cv-threshold", x1: 0, x2: 30, y1: 8, y2: 8 });
  line.append(item(sample(30, dashes), "threshold"));
  return line;
}

// Numbers beside dots, the chosen one's first, where they do not run together.
function names(wanted, dots, chosen, at) {
  const taken = [];
  const parts = [];
  for (const dot of wanted) {
    const [x, y] = at(dot);
    if (dot.filter === chosen) {
      taken.push([x + 28, y]);
      parts.push(name(dot.filter, x + 17, y + 6, "start", " cv-now"));
      continue;
    }
    for (const [side, anchor] of [[1, "start"], [-1, "end"]]) {
      const middle = x + side * 20;
      const near = taken.some(([a, b]) => Math.abs(middle - a) < 24 && Math.abs(y - b) < 16);
      const hidden = dots.some((other) => {
        const [a, b] = at(other);
        return other !== dot && Math.abs(middle - a) < 16 && Math.abs(y - b) < 10;
      });
      if (near || hidden) continue;
      taken.push([middle, y]);
      parts.push(name(dot.filter, x + side * 10, y + 5, anchor, ""));
      break;
    }
  }
  return parts;
}

const name = (filter, x, y, anchor, more) =>
  svg("text", { class: `cv-dot-name${more}`, x, y, "text-anchor": anchor }, String(filter));
