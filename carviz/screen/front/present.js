// Present: for a room. All grows with the place there is, in full screen where the host allows it;
// where it does not, as in most iframes, it grows where it stands.
import { button } from "./dom.js";

const [WIDTH, HEIGHT] = [1240, 690]; // where all of it stands at its usual size
const LEAST = 1.25; // in place: less would not be seen from afar

// `alone`: it has the whole window to itself, as in a saved page.
export function presenter(root, alone) {
  const node = button("Present", "cv-button cv-small-button", toggle, "Larger, for a room; Escape ends it");
  node.setAttribute("aria-pressed", "false");
  node.hidden = !document.fullscreenEnabled && !CSS.supports("zoom", "2"); // it could do nothing
  const sizes = new ResizeObserver(fit);
  let on = false;

  const full = () => root.getRootNode().fullscreenElement === root;

  function fit() {
    if (!on) return;
    const { width, height } = root.getBoundingClientRect();
    const scale = full() ? Math.max(1, Math.min(width / WIDTH, height / HEIGHT)) : Math.max(LEAST, width / WIDTH);
    root.style.setProperty("--cv-scale", scale.toFixed(3));
    for (const name of ["cv-full", ...(alone ? [] : ["cv-fits"])]) root.classList.toggle(name, full());
  }

  function turn(now) {
    on = now;
    node.setAttribute("aria-pressed", String(on));
    node.textContent = on ? "Leave" : "Present";
    root.classList.toggle("cv-present", on);
    if (on) {
      sizes.observe(root);
      fit();
      return;
    }
    sizes.disconnect();
    root.classList.remove("cv-full", ...(alone ? [] : ["cv-fits"]));
    root.style.removeProperty("--cv-scale");
    if (full()) document.exitFullscreen();
  }

  function toggle() {
    turn(!on);
    if (on && document.fullscreenEnabled && root.requestFullscreen)
      root.requestFullscreen().catch(() => {}); // refused: it stays where it is, and larger
  }

  // Escape ends full screen by itself, and here the rest.
  const changed = () => {
    if (!on) return;
    if (root.classList.contains("cv-full") && !full()) turn(false);
    else fit();
  };
  document.addEventListener("fullscreenchange", changed);
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && on && !event.defaultPrevented) turn(false);
  });
  const end = () => {
    document.removeEventListener("fullscreenchange", changed);
    sizes.disconnect();
  };
  return { node, end };
}
