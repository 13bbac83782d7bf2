// What a host calls: `render` of a widget. In a saved page, which has its data in itself, the page
// shows itself.
import { screen } from "./screen.js";
import { storeOf } from "./live.js";

function render({ model, el }) {
  return screen(storeOf(model), el);
}

export default { render };
