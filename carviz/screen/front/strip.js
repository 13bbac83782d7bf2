// The bank's CARs in one line, as the gallery is sorted: a dot each, filled where it is sure, with its
// 95% interval. What it shows is in the tiles as well, so that it needs no keyboard of its own.
import { svg } from "./dom.js";
import { flags, floats } from "./numbers.js";
import { scale } from "./scale.js";
import * as said from "./wording.js";

const HEIGHT = 48;
const STEP = 10; // from one filter to the next, before it is stretched to the width there is

// `press` is told the filter that is meant by a click.
export function strip(press) {
  const el = svg("svg", { class: "cv-strip-line", preserveAspectRatio: "none", role: "img" });
  let order = [];

  const meant = (event) => {
    const box = el.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * order.length);
    return order[Math.min(order.length - 1, Math.max(0, place))];
  };
  el.addEventListener("click", (event) => order.length && press(meant(event)));

  function show(found, filters, chosen) {
    const [car, low, high] = ["car", "low", "high"].map((name) => floats(found?.[name]));
    order = filters.filter((n) => !Number.isNaN(car[n] ?? NaN)); // NaN: not measured
    el.toggleAttribute("hidden", order.length < 2);
    if (order.length < 2) return;
    const sure = flags(found.sure);
    const y = scale(
      Math.min(0, ...order.map((n) => low[n])), Math.max(0, ...order.map((n) => high[n])), HEIGHT - 6, 6);
    const width = STEP * order.length;
    el.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const best = order.reduce((a, b) => (car[b] > car[a] ? b : a));
    el.setAttribute("aria-label",
      `CAR of ${said.counted(order.length, "filter")}, with 95% intervals. Highest: filter ${best}, ${said.points(car[best])}.`);
    const zero = svg("path", { class: "cv-strip-zero", d: `M0 ${y(0)}H${width}` });
    const marks = order.map((n, place) => {
      const x = STEP * (place + 0.5);
      const group = svg("g", { class: `cv-strip-one${sure[n] ? " cv-sure" : ""}${n === chosen ? " cv-now" : ""}` },
        svg("title", {}, `${n}: CAR ${said.points(car[n])}, 95% interval ${said.interval(low[n], high[n])}${sure[n] ? ", sure" : ""}`),
        svg("path", { class: "cv-strip-hit", d: `M${x} 0V${HEIGHT}` }),
        svg("path", { class: "cv-strip-span", d: `M${x} ${y(low[n])}V${y(high[n])}` }),
        // A line of no length with round ends is a dot, however the drawing is stretched.
        svg("path", { class: "cv-strip-dot", d: `M${x} ${y(car[n])}h0` }));
      if (!sure[n]) group.append(svg("path", { class: "cv-strip-hole", d: `M${x} ${y(car[n])}h0` }));
      return group;
    });
    el.replaceChildren(zero, ...marks);
  }
  return { el, show };
}
