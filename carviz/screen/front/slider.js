// A range input that stays with the finger: what Python answers late does not pull it back.
import { make } from "./dom.js";
import { LEFT, WIDTH, across } from "./curve.js";
import { percent } from "./wording.js";

const QUIET = 500; // milliseconds after the last move

export function slider(store) {
  const el = make("div", "cv-slider");
  const input = make("input", "cv-range");
  input.type = "range";
  input.setAttribute("aria-label", "Filters pruned");
  el.append(input);
  let moved = -QUIET;
  let later = 0;

  function show({ filters, lines }, count) {
    const { accuracy } = lines[0];
    input.setAttribute("aria-valuetext", `${count} filters pruned, ${percent(accuracy[count])} right`);
    const wait = moved + QUIET - Date.now();
    clearTimeout(later);
    if (wait > 0) {
      later = setTimeout(() => show({ filters, lines }, store.get("place").count), wait);
      return;
    }
    const most = accuracy.length - 1;
    input.min = 0;
    input.max = most;
    input.value = count;
    input.disabled = most < 1;
    // It spans that part of the drawing's axis that the path has reached.
    const x = across(filters);
    input.style.marginLeft = `calc(${(100 * LEFT) / WIDTH}% - 10px)`;
    input.style.width = `calc(${(100 * (x(most) - x(0))) / WIDTH}% + 20px)`;
  }

  input.addEventListener("input", () => {
    moved = Date.now();
    store.send({ count: Number(input.value) });
  });
  input.addEventListener("keydown", (event) => event.stopPropagation());
  return { el, show };
}
