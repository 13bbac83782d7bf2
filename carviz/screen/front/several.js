// Several filters removed together: which, what that costs beside what each costs alone, and the
// classes and images that it changes.
import { classes } from "./classes.js";
import { button, focused, line, make } from "./dom.js";
import { has } from "./has.js";
import { inside } from "./inside.js";
import { paint } from "./pictures.js";

export function several(store) {
  const el = make("div", "cv-several");
  const chips = make("div", "cv-chips");
  chips.setAttribute("role", "group");
  chips.setAttribute("aria-label", "Picked filters");
  const press = button("", "cv-button cv-main", () => store.send({ press: "compute together" }));
  const clear = button("Clear", "cv-button", () => store.send({ pick: [] }));
  const acts = make("div", "cv-acts");
  acts.append(press, clear);
  const told = make("section", "cv-filter");
  told.tabIndex = -1; // where the focus goes when what had it is taken away
  const list = classes(inside(store, "several", ["classes", "changed"]), {
    scaled: false, without: () => store.get("several").without,
  });
  const set = make("div", "cv-set");
  set.append(chips, acts, told);
  el.append(set, list.el);

  function chip({ filter, picture, car }) {
    const node = button("", "cv-chip", () => store.send({ toggle: filter }));
    node.setAttribute("aria-label", `Filter ${filter}${car ? `, CAR ${car} points` : ""}. Take it out.`);
    const face = make(picture ? "img" : "span", "cv-chip-face");
    if (picture) {
      face.alt = "";
      paint(face, store, picture[0], () => face.classList.toggle("cv-smooth", !picture[2]));
    }
    const said = make("span", "cv-chip-said");
    said.append(make("b", "", filter), make("span", "", car || "–"));
    node.append(face, said, make("span", "cv-cross", "×"));
    return node;
  }

  function numbers({ title, hint, answer, car, facts }) {
    const nodes = [make("h3", "", title)];
    if (answer) nodes.push(make("p", "cv-answer", answer));
    if (car) {
      const row = make("div", "cv-car");
      row.append(make("span", "", "CAR"), make("b", "", car), make("span", "", "points"));
      nodes.push(row);
    }
    if (hint) nodes.push(make("p", "cv-empty", hint));
    if (facts) {
      const box = make("div", "cv-facts");
      box.append(...facts.map((said) => line(said, "div")));
      nodes.push(box);
    }
    return nodes;
  }

  function show(changed) {
    if (!has(changed, "several", "choice", "work") || store.get("choice").view !== "several") return;
    const found = store.get("several");
    if (!found.members) return; // it comes in a moment
    const held = focused(el);
    if (has(changed, "several")) {
      const place = [...chips.children].indexOf(held);
      chips.replaceChildren(...found.members.map(chip));
      told.replaceChildren(...numbers(found));
      told.setAttribute("aria-label", found.title);
      if (place >= 0) (chips.children[place] ?? chips.lastChild ?? told).focus({ preventScroll: true });
    }
    acts.hidden = !found.press;
    if (acts.hidden && acts.contains(held)) told.focus({ preventScroll: true });
    press.textContent = found.press;
    press.disabled = !store.get("work").can.choose || store.get("work").busy;
    list.el.classList.toggle("cv-gone", !found.classes);
    if (found.classes) list.show(has(changed, "several", "choice") ? null : changed);
  }
  return { el, show };
}
