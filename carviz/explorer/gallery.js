// The gallery of a bank: a listbox of tiles, one Tab stop, walked with the arrow keys.
// Python is told of a choice by a message, so that it alone writes the traits.

const KIND_CLASS = { C: "color", S: "shape", "×": "dead" };

// In an output Lab takes keys for commands on cells ("d d" deletes one). It leaves alone what has
// the focus and is marked so; while Ctrl or Cmd is down its own shortcuts, like saving, keep working.
function keepKeysFromLab(el) {
  if (!el.isConnected) return void requestAnimationFrame(() => keepKeysFromLab(el));
  const root = el.closest(".carviz") || el;
  const mark = (event) =>
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
  for (const name of ["focusin", "keydown", "keyup"]) root.addEventListener(name, mark);
}

async function cut(model) {
  const bytes = model.get("sprite");
  if (!bytes || !bytes.byteLength) return null;
  const part = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return createImageBitmap(new Blob([part], { type: "image/png" }));
}

function makeTile(filter, picture) {
  const tile = make("div", "cv-tile");
  tile.setAttribute("role", "option");
  tile.dataset.filter = filter;
  tile.tabIndex = -1;
  const face = picture ? make("canvas", "cv-face") : make("span", "cv-face cv-number-face", filter);
  face.setAttribute("aria-hidden", "true");
  const line = make("span", "cv-tile-line");
  line.setAttribute("aria-hidden", "true");
  line.append(make("b", "", picture ? filter : ""), make("i"));
  const car = make("span", "cv-tile-car");
  car.setAttribute("aria-hidden", "true");
  tile.append(face, line, car);
  return tile;
}

function render({ model, el }) {
  el.classList.add("cv-gallery");
  const list = make("div", "cv-tiles");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-orientation", "horizontal");
  const note = make("div", "cv-note");
  el.append(list, note);
  keepKeysFromLab(el);

  const tiles = new Map();
  let chosen = model.get("value");
  let generation = 0;
  let out = 0;

  function show(filter, focus) {
    const old = tiles.get(chosen);
    if (old) { old.tabIndex = -1; old.setAttribute("aria-selected", "false"); }
    chosen = filter;
    const tile = tiles.get(filter);
    if (!tile) return;
    tile.tabIndex = 0;
    tile.setAttribute("aria-selected", "true");
    reveal(tile);
    if (focus) tile.focus({ preventScroll: true });
  }

  function choose(filter) {
    show(filter, true);
    model.send({ choose: filter });
  }

  // Only the list scrolls, never the notebook.
  function reveal(tile) {
    const top = tile.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + tile.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top + tile.offsetHeight - list.clientHeight;
  }

  function fill() {
    const given = model.get("tiles");
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    given.forEach((t, place) => {
      const tile = tiles.get(t.filter);
      if (!tile) return;
      const [, line, car] = tile.children;
      const mark = line.lastChild;
      mark.className = t.mark ? `cv-mark cv-${KIND_CLASS[t.mark]}` : "";
      mark.textContent = t.mark;
      car.textContent = t.car;
      tile.classList.toggle("cv-out", Boolean(t.out));
      tile.setAttribute("aria-label", t.label);
      tile.title = t.label;
      if (list.children[place] !== tile) list.insertBefore(tile, list.children[place] || null);
    });
    note.textContent = model.get("note");
    const edge = given.filter((t) => t.out).length;
    if (edge && edge !== out) reveal(tiles.get(given[edge - 1].filter) || list.firstChild);
    out = edge;
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  // Draw the pictures that are in the sprite; more may come later.
  async function paint() {
    const mine = generation;
    const [w, h, columns] = [model.get("tile_width"), model.get("tile_height"), model.get("columns")];
    const drawn = model.get("drawn");
    const bitmap = await cut(model);
    if (mine !== generation || !bitmap) return;
    drawn.forEach((filter, place) => {
      const canvas = tiles.get(filter)?.firstChild;
      if (!canvas?.getContext) return;
      canvas.width = w;
      canvas.height = h;
      canvas.classList.toggle("cv-smooth", Math.max(w, h) > 32);
      const [x, y] = [(place % columns) * w, Math.floor(place / columns) * h];
      canvas.getContext("2d").drawImage(bitmap, x, y, w, h, 0, 0, w, h);
    });
  }

  function build() {
    generation++;
    const pictured = model.get("pictured");
    tiles.clear();
    list.replaceChildren();
    for (const { filter } of model.get("tiles")) {
      const tile = makeTile(filter, pictured);
      tiles.set(filter, tile);
      list.append(tile);
    }
    list.classList.toggle("cv-numbers", !pictured);
    list.setAttribute("aria-label", model.get("title"));
    fill();
    show(model.get("value"), false);
    paint();
  }

  function perRow() {
    return getComputedStyle(list).gridTemplateColumns.split(" ").length;
  }

  list.addEventListener("click", (event) => {
    const tile = event.target.closest(".cv-tile");
    if (tile) choose(Number(tile.dataset.filter));
  });
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const order = [...list.children].map((t) => Number(t.dataset.filter));
    const at = order.indexOf(chosen);
    const last = order.length - 1;
    const to = {
      ArrowLeft: at - 1, ArrowRight: at + 1,
      ArrowUp: at - perRow() < 0 ? at : at - perRow(),
      ArrowDown: at + perRow() > last ? at : at + perRow(),
      Home: 0, End: last, Enter: at, " ": at,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(order[Math.min(last, Math.max(0, to))]);
  });

  const refocus = () => show(model.get("value"), list.contains(document.activeElement));
  const listeners = [
    ["change:tiles", fill], ["change:note", fill], ["change:shows", build], ["change:sprite", paint],
    ["change:value", refocus],
  ];
  for (const [name, heard] of listeners) model.on(name, heard);
  build();
  return () => { for (const [name, heard] of listeners) model.off(name, heard); };
}

export default { render };
