// The nearest siblings of the chosen filter: a line that opens to small pictures to choose from.

function render({ model, el }) {
  el.classList.add("cv-siblings");
  const button = make("button", "cv-opener");
  button.type = "button";
  const box = make("div", "cv-near");
  el.append(button, box);
  button.addEventListener("click", () => model.send({ open: !model.get("content").open }));

  function sibling({ filter, words, src }) {
    const node = make("button", "cv-sibling");
    node.type = "button";
    node.setAttribute("aria-label", `Filter ${filter}, likeness ${words}. Choose it.`);
    const face = make(src ? "img" : "span", "cv-near-face");
    if (src) { face.src = src; face.alt = ""; }
    const line = make("span", "");
    line.append(make("b", "", filter), make("span", "", words));
    node.append(face, line);
    node.addEventListener("click", () => model.send({ choose: filter }));
    return node;
  }

  function draw() {
    const { open, items, words } = model.get("content");
    button.textContent = `${open ? "▾" : "▸"} Siblings`;
    button.title = "The filters of the bank that answer most alike, by the correlation of answers";
    button.setAttribute("aria-expanded", String(Boolean(open)));
    box.replaceChildren(...(open && words ? [make("p", "", words)] : []), ...(items || []).map(sibling));
    box.hidden = !open;
  }

  model.on("change:content", draw);
  draw();
  return () => model.off("change:content", draw);
}

export default { render };
