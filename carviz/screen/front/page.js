// A saved page: its data stands in the document, its theme is its own, and paper gets all views.
import { button, make } from "./dom.js";
import { Saved } from "./saved.js";
import { screen } from "./screen.js";

const PAUSE = 250; // milliseconds after the last choice before paper is made ready
const VIEWS = ["filter", "bank", "pruning"];

export function page(data) {
  const store = new Saved(JSON.parse(data.textContent));
  const el = make("main", "cv-page");
  document.body.append(el);
  screen(store, el);
  theme(el.querySelector(".carviz"));
  paper(store);
}

function theme(root) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let own = false;
  const node = button("", "cv-button cv-small-button cv-theme", () => { own = true; set(!isDark()); });
  const isDark = () => document.body.dataset.jpThemeLight === "false";
  const set = (to) => {
    document.body.dataset.jpThemeLight = String(!to);
    root.classList.toggle("cv-dark", to);
    node.textContent = to ? "Light" : "Dark";
    node.title = to ? "Dark letters on a light ground" : "Light letters on a dark ground";
  };
  set(dark.matches);
  dark.addEventListener("change", () => { if (!own) set(dark.matches); });
  root.querySelector(".cv-top").append(node);
  // Paper is light.
  let before = false;
  addEventListener("beforeprint", () => { before = isDark(); set(false); });
  addEventListener("afterprint", () => set(before));
}

// What is printed is made beforehand, since a browser does not wait for pictures: the chosen view
// first, then the others of this filter and its bank, with all that is folded on the screen opened.
function paper(store) {
  const sheets = make("div", "cv-paper");
  document.body.append(sheets);
  let clear = [];
  let due = true;
  const fill = () => {
    if (!due) return;
    due = false;
    for (const end of clear) end();
    const { view } = store.get("choice");
    const { order } = store.get("pruning");
    const views = [view, ...VIEWS.filter((other) => other !== view && (other !== "pruning" || order))];
    sheets.replaceChildren();
    clear = views.map((shown) => {
      const printed = store.beside({ view: shown, siblings: true });
      printed.printed = true;
      const sheet = make("div", `cv-printed-${shown}`);
      sheets.append(sheet);
      return screen(printed, sheet);
    });
  };
  let later = setTimeout(fill, PAUSE);
  store.listen(() => {
    due = true;
    clearTimeout(later);
    later = setTimeout(fill, PAUSE);
  });
  addEventListener("beforeprint", fill);
}
