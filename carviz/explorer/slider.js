// A range input that stays with the finger: what Python answers late does not pull it back.
const QUIET = 500; // milliseconds after the last move

function render({ model, el }) {
  const input = make("input", "cv-range");
  input.type = "range";
  input.setAttribute("aria-label", "Filters pruned");
  el.classList.add("cv-slider");
  el.append(input);
  let moved = 0;
  let later = 0;

  function show() {
    input.setAttribute("aria-valuetext", model.get("words"));
    const wait = moved + QUIET - Date.now();
    clearTimeout(later);
    if (wait > 0) {
      later = setTimeout(show, wait);
      return;
    }
    const most = model.get("most");
    input.min = 0;
    input.max = most;
    input.value = model.get("value");
    input.disabled = most < 1;
    // It spans that part of the drawing's axis that the path has reached.
    input.style.marginLeft = `calc(${model.get("left")}% - 10px)`;
    input.style.width = `calc(${model.get("width")}% + 20px)`;
  }

  input.addEventListener("input", () => {
    moved = Date.now();
    model.send({ place: Number(input.value) });
  });
  input.addEventListener("keydown", (event) => event.stopPropagation());
  const names = ["value", "most", "left", "width", "words"];
  for (const name of names) model.on(`change:${name}`, show);
  show();
  return () => {
    clearTimeout(later);
    for (const name of names) model.off(`change:${name}`, show);
  };
}

export default { render };
