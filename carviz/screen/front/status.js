// What is being done: a bar and a line, with the traceback of what failed folded away.
import { make } from "./dom.js";
import { has } from "./has.js";

export function status(store, row) {
  const el = make("div", "cv-status");
  const bar = make("div", "cv-progress");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "Share done");
  bar.setAttribute("aria-valuemin", 0);
  bar.setAttribute("aria-valuemax", 100);
  const filled = make("span");
  bar.append(filled);
  const words = make("div", "cv-words");
  words.setAttribute("role", "status");
  const sign = make("b", "cv-sign", "Failed");
  const said = make("span");
  const more = make("details");
  const story = make("pre");
  more.append(make("summary", "", "Show the traceback"), story);
  words.append(sign, " ", said, more);
  el.append(bar, words);

  function show(changed) {
    if (!has(changed, "work", "chooser")) return;
    const work = store.get("work");
    const share = 100 * (work.progress ?? 0);
    bar.setAttribute("aria-valuenow", Math.round(share));
    filled.style.width = `${share.toFixed(1)}%`;
    bar.hidden = Boolean(work.story) || !(work.busy || (share > 0 && share < 100));
    // What is wrong with what was typed is told where it was typed.
    const above = store.get("chooser").problem && row.isOpen();
    const line = (above && !work.busy ? store.get("chooser").stays : work.status) ?? "";
    if (said.textContent !== line) said.textContent = line;
    sign.hidden = more.hidden = !work.story || above;
    el.classList.toggle("cv-failed", Boolean(work.story) && !above);
    if (story.textContent !== work.story) story.textContent = work.story ?? "";
  }
  return { el, show };
}
