// In an output Lab takes keys for commands on cells ("d d" deletes one). It leaves alone what has
// the focus and is marked so; while Ctrl or Cmd is down its own shortcuts, like saving, keep working.
export function keepKeysFromLab(el) {
  const mark = (event) =>
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
  for (const name of ["focusin", "keydown", "keyup"]) el.addEventListener(name, mark);
}
