// Take it along: what is shown as a picture, a table or a page, and the lines of Python that make it.
import { button, make } from "./dom.js";

const FILES = [
  ["png", "PNG", "The figure, as a picture"], ["svg", "SVG", "The figure, as a drawing"],
  ["csv", "CSV", "The bank's table"], ["html", "Page", "This screen as one file, without a kernel"],
];

export function taker(store) {
  const el = make("section", "cv-take cv-gone");
  el.setAttribute("aria-label", "Take along");
  const node = button("Save…", "cv-button cv-small-button", toggle, "As a picture, a table, a page, or lines of Python");
  node.setAttribute("aria-expanded", "false");
  const said = make("p", "cv-take-said");
  said.setAttribute("role", "status");
  const code = make("pre", "cv-code");
  const copy = button("Copy", "cv-button cv-small-button", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = "Copied";
    } catch { // a host that does not let it: then it is marked, to be copied by hand
      getSelection().selectAllChildren(code);
    }
  });
  const box = make("div", "cv-code-box");
  box.append(code, copy);
  box.hidden = true;
  const row = make("div", "cv-acts");
  row.append(...FILES.map(([kind, words, tip]) => button(words, "cv-button", () => file(kind, words), tip)),
    button("Python", "cv-button", python, "The lines that make what is shown"));
  el.append(row, said, box);

  function toggle() {
    node.setAttribute("aria-expanded", String(!el.classList.toggle("cv-gone")));
  }

  async function file(kind, words) {
    said.textContent = kind === "html" ? "Making the page…" : `Making the ${words}…`;
    const { problem, url, name } = await store.take(kind);
    said.textContent = problem ? `Not made: ${problem}` : "";
    if (problem) return;
    const link = make("a", "", name); // it stays, for hosts that save nothing by themselves
    [link.href, link.download] = [url, name];
    said.append("Saved as ", link);
    link.click();
  }

  async function python() {
    if (!box.hidden) { box.hidden = true; return; }
    const { problem, text } = await store.take("python");
    said.textContent = problem ?? "";
    code.textContent = text ?? "";
    copy.textContent = "Copy";
    box.hidden = Boolean(problem);
  }
  return { el, node, show: () => {} };
}
