// The chosen filter: three tabs that carry its pictures small, side by side, and the one that is
// chosen large.

function render({ model, el }) {
  el.classList.add("cv-sight");
  const tabs = make("div", "cv-tabs");
  tabs.setAttribute("role", "group");
  tabs.setAttribute("aria-label", "Picture of the filter");
  const box = make("div", "cv-seen");
  el.append(tabs, box);

  function image(src, alt, name) {
    const node = make("img", name);
    node.src = src;
    node.alt = alt;
    return node;
  }

  function draw() {
    const { tabs: names = [], look, src, alt, items, words, coarse } = model.get("content");
    if (tabs.children.length !== names.length) {
      tabs.replaceChildren(...names.map(([name, said]) => {
        const button = make("button", "cv-tab");
        button.type = "button";
        button.append(make("span", "cv-tab-face"), make("span", "", said));
        button.dataset.look = name;
        button.addEventListener("click", () => model.send({ look: name }));
        return button;
      }));
    }
    for (const button of tabs.children)
      button.setAttribute("aria-pressed", String(button.dataset.look === look));
    face();
    if (items?.length) {
      const sheet = make("div", "cv-large cv-sheet");
      for (const item of items) {
        const patch = image(item.src, item.words, "");
        patch.title = item.words;
        sheet.append(patch);
      }
      box.replaceChildren(sheet);
    } else if (src) {
      const old = box.firstElementChild;
      const large = old?.tagName === "IMG" ? old : image(src, alt, "cv-large");
      large.src = src;
      large.alt = alt;
      large.classList.toggle("cv-smooth", !coarse);
      if (large !== old) box.replaceChildren(large);
    } else {
      box.replaceChildren(make("div", "cv-large cv-coming", words));
    }
  }

  function face() {
    const small = model.get("small");
    for (const button of tabs.children) {
      const place = button.firstElementChild;
      const { src = "", coarse } = small[button.dataset.look] ?? {};
      if ((place.firstElementChild?.src ?? "") === src) continue;
      place.replaceChildren(...(src ? [image(src, "", coarse ? "cv-coarse" : "")] : []));
    }
  }

  model.on("change:content", draw);
  model.on("change:small", face);
  draw();
  return () => {
    model.off("change:content", draw);
    model.off("change:small", face);
  };
}

export default { render };
