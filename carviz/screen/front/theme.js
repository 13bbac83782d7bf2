// Whether the page is dark: its text is light. Hosts name their themes each in a way of its own, and
// their selectors do not reach into a shadow root; the colour of text is inherited everywhere.
const LATER = [0, 100, 400, 1500]; // milliseconds: a theme's style sheet comes after its name, and colours fade over

export function followTheme(root) {
  const timers = new Set();
  const look = () => root.classList.toggle("cv-dark", lightness(getComputedStyle(root.parentElement ?? root).color) > 0.5);
  const soon = () => {
    for (const pause of LATER) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (root.isConnected) look();
      }, pause);
      timers.add(timer);
    }
  };
  const seen = new MutationObserver(soon);
  for (const node of [document.documentElement, document.body])
    seen.observe(node, { attributes: true, attributeFilter: ["class", "style", "theme", "data-theme", "data-jp-theme-name", "data-jp-theme-light", "data-vscode-theme-kind"] });
  const wish = matchMedia("(prefers-color-scheme: dark)");
  wish.addEventListener("change", soon);
  look();
  soon(); // a host may set its colours after it has put us there
  return () => {
    seen.disconnect();
    wish.removeEventListener("change", soon);
    for (const timer of timers) clearTimeout(timer);
  };
}

// From 0, black, to 1, white, of any colour that CSS knows.
function lightness(colour) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}
