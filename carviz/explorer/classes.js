// Top and bottom classes as bars with intervals; each opens to the images that changed.

function bar(row, scale) {
  const at = (x) => (100 * (x - scale.low)) / (scale.high - scale.low);
  const box = make("span", "cv-bar");
  box.setAttribute("aria-hidden", "true");
  const zero = make("span", "cv-zero");
  zero.style.left = `${at(0)}%`;
  const fill = make("span", row.sure ? "cv-fill cv-sure" : "cv-fill");
  const [a, b] = [Math.min(0, row.car), Math.max(0, row.car)];
  fill.style.left = `${at(a)}%`;
  fill.style.width = `${at(b) - at(a)}%`;
  const reach = make("span", "cv-reach");
  reach.style.left = `${at(row.low)}%`;
  reach.style.width = `${at(row.high) - at(row.low)}%`;
  box.append(fill, zero, reach);
  return box;
}

// A small picture of the class, or room for it until it is there.
function face(row, faces, filter) {
  const image = make("img", "cv-small");
  image.alt = "";
  image.dataset.face = row.number;
  paintFace(image, faces, filter);
  return image;
}

function paintFace(image, faces, filter) {
  const found = faces.filter === filter ? faces.of[image.dataset.face] : undefined;
  if (found && image.getAttribute("src") !== found.src) image.src = found.src;
  image.title = found ? found.words : "";
  image.classList.toggle("cv-there", Boolean(found));
}

function pictures(row, found, filter) {
  const box = make("div", "cv-changed");
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `Images of ${row.name} that change without filter ${filter}`);
  if (!found) {
    box.append(make("p", "", "Loading the images…"));
    return box;
  }
  if (found.problem) {
    box.append(make("p", "", found.problem));
    return box;
  }
  if (!found.items.length) box.append(make("p", "", "No image of this class changes."));
  const list = make("div", "cv-thumbs");
  for (const item of found.items) {
    const figure = make("figure", "cv-thumb");
    const image = make("img");
    image.src = item.src;
    image.alt = `Image ${item.image}, a ${row.name}`;
    const words = make("figcaption");
    words.append(make("span", "", `${item.before} → ${item.after}`), make("b", "", item.change));
    figure.append(image, words);
    list.append(figure);
  }
  box.append(list);
  const rest = [found.more ? `and ${found.more} more` : "", found.note].filter(Boolean).join(". ");
  if (rest) box.append(make("p", "", rest));
  return box;
}

function render({ model, el }) {
  el.classList.add("cv-classes");
  let open = model.get("opened");

  function draw() {
    const focused = el.contains(document.activeElement) ? document.activeElement.dataset.class : null;
    const top = el.scrollTop;
    const { blocks, scale, filter, note, empty, faced } = model.get("content");
    el.replaceChildren();
    el.classList.toggle("cv-faced", Boolean(faced));
    if (empty) {
      el.append(make("p", "cv-empty", empty));
      return;
    }
    for (const block of blocks) {
      el.append(make("h4", "", block.title));
      for (const row of block.rows) {
        const button = make("button", "cv-class");
        button.type = "button";
        button.dataset.class = row.number;
        button.setAttribute("aria-expanded", String(row.number === open));
        button.setAttribute("aria-label", row.label);
        const name = make("span", "cv-name", row.name);
        name.title = row.name;
        const line = make("span", "cv-class-line");
        line.append(name, make("span", "cv-counts", row.counts));
        button.append(
          make("span", "cv-arrow", row.number === open ? "▾" : "▸"),
          ...(faced ? [face(row, model.get("faces"), filter)] : []),
          line, bar(row, scale), make("span", "cv-value", row.words),
        );
        button.addEventListener("click", () => {
          open = row.number === open ? -1 : row.number;
          model.send({ open });
          draw();
          el.querySelector(`[data-class="${row.number}"]`)?.focus({ preventScroll: true });
        });
        el.append(button);
        if (row.number === open) {
          const found = model.get("changed");
          const fits = found.filter === filter && found.number === open;
          const box = pictures(row, fits ? found : null, filter);
          el.append(box);
          requestAnimationFrame(() => {
            const below = box.offsetTop + box.offsetHeight - el.offsetTop - el.clientHeight;
            const above = button.offsetTop - el.offsetTop;
            if (below > el.scrollTop) el.scrollTop = Math.min(below, above);
          });
        }
      }
    }
    const axis = make("div", "cv-axis");
    axis.setAttribute("aria-hidden", "true");
    for (const tick of scale.ticks) {
      const mark = make("span", "", tick.words);
      mark.style.left = `${(100 * (tick.at - scale.low)) / (scale.high - scale.low)}%`;
      axis.append(mark);
    }
    el.append(axis, make("p", "cv-key", note));
    el.scrollTop = top;
    if (focused !== null && focused !== undefined)
      el.querySelector(`[data-class="${focused}"]`)?.focus({ preventScroll: true });
  }

  const faces = () => {
    for (const image of el.querySelectorAll("[data-face]"))
      paintFace(image, model.get("faces"), model.get("content").filter);
  };
  const opened = () => { open = model.get("opened"); draw(); };
  const listeners = [
    ["change:content", draw], ["change:changed", draw], ["change:opened", opened],
    ["change:faces", faces],
  ];
  for (const [name, heard] of listeners) model.on(name, heard);
  draw();
  return () => { for (const [name, heard] of listeners) model.off(name, heard); };
}

export default { render };
