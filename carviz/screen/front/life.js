// Whether there is still a kernel that knows the explorer. Where there is none, one line says so, and
// the rest is grey and takes neither clicks nor keys.
import { make } from "./dom.js";

const CUT = "jupyter-widgets-disconnected"; // ipywidgets marks the element of a view so
const ENDED = ["restarting", "autorestarting", "terminating", "dead"];
const WORDS = "The kernel was restarted or is not running: run this cell again.";

// `el` is the host's, `root` the screen in it.
export function watchLife(model, store, el, root) {
  const line = make("div", "cv-life", "");
  line.setAttribute("role", "alert");
  line.hidden = true;
  root.prepend(line);
  let ended = false; // for good: a kernel that was restarted knows no explorer

  function look() {
    const dead = ended || el.classList.contains(CUT);
    if (dead !== line.hidden) return;
    line.hidden = !dead;
    line.textContent = dead ? WORDS : "";
    for (const part of root.children) if (part !== line) part.inert = dead;
  }
  const end = () => {
    ended = true;
    look();
  };

  const seen = new MutationObserver(look);
  seen.observe(el, { attributes: true, attributeFilter: ["class"] });
  // What ipywidgets does not mark: a kernel that died, and was restarted by the server or was not.
  const kernel = kernelOf(model);
  const hear = (_, status) => ENDED.includes(status) && end();
  kernel?.statusChanged?.connect?.(hear);
  kernel?.disposed?.connect?.(end); // shut down, or another was chosen
  const deaf = store.onRefused(end);
  look();
  return () => {
    seen.disconnect();
    kernel?.statusChanged?.disconnect?.(hear);
    kernel?.disposed?.disconnect?.(end);
    deaf();
  };
}

// Hosts that are built of JupyterLab's parts have it.
function kernelOf(model) {
  try {
    return model.widget_manager?.kernel;
  } catch {
    return undefined; // some refuse a manager
  }
}
