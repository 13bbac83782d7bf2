// What a host calls: `render` of a widget. In a saved page, which has its data in itself, the page
// shows itself.
import { page } from "./page.js";
import { screen } from "./screen.js";
import { storeOf } from "./live.js";

function render({ model, el }) {
  return screen(storeOf(model), el);
}

export default { render };

const data = globalThis.document?.getElementById("carviz-data");
if (data?.type === "application/json") page(data);
