// What a host calls: `render` of a widget, once a view. In a saved page, which has its data in
// itself, the page shows itself.
import { watchLife } from "./life.js";
import { Live } from "./live.js";
import { page } from "./page.js";
import { screen } from "./screen.js";
import { followTheme } from "./theme.js";

function render({ model, el }) {
  const store = new Live(model);
  const remove = screen(store, el);
  const root = el.lastElementChild;
  const ends = [followTheme(root), watchLife(model, store, el, root), remove, () => store.close()];
  return () => ends.forEach((end) => end());
}

export default { render };

const data = globalThis.document?.getElementById("carviz-data");
if (data?.type === "application/json") page(data);
