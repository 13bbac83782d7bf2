// A click is a press and a release on one element. What an update put into its place in between would
// lose it, so what changes while something is pressed is shown right after. Fields and sliders, which
// no update replaces, are not waited for.
const LONGEST = 1500; // milliseconds that a press may last
const AFTER = 80; // milliseconds after a release within which its click comes, if any does

export function gently(root, show) {
  let pressed = false;
  let waiting = new Set();
  let timer = 0;

  const hear = (changed) => {
    for (const name of changed) waiting.add(name);
    if (pressed) return;
    const all = waiting;
    waiting = new Set();
    if (all.size) show(all);
  };
  const release = () => {
    pressed = false;
    hear([]);
  };
  const releaseIn = (pause) => {
    clearTimeout(timer);
    timer = setTimeout(release, pause);
  };
  const press = ({ target }) => {
    if (target.closest?.("input, select, textarea")) return;
    pressed = true;
    releaseIn(LONGEST);
  };
  const letGo = () => pressed && releaseIn(AFTER);

  const ears = new AbortController();
  const options = { capture: true, signal: ears.signal };
  root.addEventListener("pointerdown", press, options);
  // A button is pressed by the space bar, too, from its way down to its way up.
  root.addEventListener("keydown", (event) => event.key === " " && event.target.closest("button, summary") && press(event), options);
  for (const name of ["pointerup", "pointercancel", "keyup"]) window.addEventListener(name, letGo, options);
  // Whoever hears the click may find its element in place; what comes of it is shown at once.
  root.addEventListener("click", () => {
    pressed = false;
    releaseIn(0);
  }, options);
  const end = () => {
    ears.abort();
    clearTimeout(timer);
  };
  return { hear, end };
}
