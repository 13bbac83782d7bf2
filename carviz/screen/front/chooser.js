// Fields for the model and the data. What they hold goes to Python in one message: the press of a
// button would overtake the last letters typed while the kernel is busy.
import { button, focused, make } from "./dom.js";
import { has } from "./has.js";

const HELP = {
  model: "A network's name, as in the list.",
  weights: "default: trained ones, downloaded once. none: random numbers. Or a file of weights on the kernel's machine.",
  data: "A name of the list, or a folder on the kernel's machine that holds a folder of images for each class.",
  limit: "How many images of each class are taken; nothing for all. 50 are quick on a laptop.",
  fit: "Classes that the network does not have, and files that are no images, are left out; the status says which.",
};

function field(words, hint, name) {
  const label = make("label", `cv-field cv-field-${name}`);
  const input = make("input");
  input.type = "text";
  input.name = name;
  input.spellcheck = false;
  input.autocomplete = "off";
  input.placeholder = hint;
  label.append(make("span", "", words), input);
  return { label, input, value: () => input.value };
}

let made = 0;

// A field with a list of names to choose from; any other can be typed.
function listed(words, hint, name) {
  const plain = field(words, hint, name);
  const { label, input } = plain;
  const list = make("datalist");
  list.id = `cv-names-${Date.now()}-${made++}`;
  input.setAttribute("list", list.id);
  label.append(list);
  // A browser lists only the names that hold what the field does. So a name steps back to be the
  // field's hint while that has the focus, and all are listed; a path stays, to be edited.
  let held = "";
  input.addEventListener("focus", () => {
    if (/[\\/]/.test(input.value)) return;
    held = input.value;
    input.value = "";
    input.placeholder = held || hint;
  });
  input.addEventListener("blur", () => {
    if (!input.value) input.value = held;
    held = "";
    input.placeholder = hint;
  });
  let known = "";
  const fill = (options) => {
    const now = JSON.stringify(options);
    if (now === known) return; // else a list that is open would be closed
    known = now;
    list.replaceChildren(...options.map(({ name, note }) => {
      const option = make("option");
      option.value = name;
      if (note) option.label = note;
      return option;
    }));
  };
  return { ...plain, fill, value: () => input.value || held };
}

function ticked(words, name) {
  const label = make("label", `cv-field cv-field-${name}`);
  const input = make("input");
  input.type = "checkbox";
  input.name = name;
  label.append(input, make("span", "", words));
  return { label, input, value: () => input.checked };
}

export function chooser(store) {
  const el = make("div", "cv-chooser cv-gone");
  const form = make("form");
  form.setAttribute("aria-label", "Choose a model and data");
  const network = listed("Model", "a name", "model");
  const weights = listed("Weights", "default", "weights");
  const data = listed("Data", "a name, or a folder of images", "data");
  const limit = field("Images a class", "all", "limit");
  const fit = ticked("Leave out what does not fit", "fit");
  const fields = { model: network, weights, data, limit, fit };
  weights.fill([{ name: "default" }, { name: "none" }]);
  limit.input.inputMode = "numeric";
  const load = make("button", "cv-button cv-main", "Load");
  load.type = "submit";
  const node = button("Change…", "cv-button cv-small-button", toggle, "Choose another model or other data");
  const open = (now) => {
    el.classList.toggle("cv-gone", !now);
    node.setAttribute("aria-expanded", String(now));
  };
  open(false);
  // Room that is always there: what a field takes, or what was wrong with what was asked for.
  const said = make("p", "cv-row-said");
  said.setAttribute("role", "status");
  form.append(...Object.values(fields).map((one) => one.label), load, button("Close", "cv-button", shut), said);
  el.append(form);

  function shut() {
    const inside = form.contains(focused(el));
    open(false);
    if (inside) node.focus({ preventScroll: true });
  }

  let touched = false; // since the last problem was told
  const tell = () => {
    const { problem, field: where } = store.get("chooser");
    const shown = problem && !touched;
    const asked = focused(el)?.name;
    said.classList.toggle("cv-wrong", Boolean(shown));
    const words = shown ? problem : HELP[asked] ?? "";
    if (said.textContent !== words) said.textContent = words;
    for (const [name, { input }] of Object.entries(fields))
      input.setAttribute("aria-invalid", String(Boolean(shown) && name === where));
  };

  const ask = (event) => {
    event.preventDefault();
    if (load.disabled) return;
    touched = false;
    store.send({ load: Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.value()])) });
  };
  form.addEventListener("submit", ask);
  form.addEventListener("focusin", tell);
  form.addEventListener("input", () => { touched = true; tell(); });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      shut();
    }
    // In JupyterLab a form is not submitted by Enter.
    if (event.key === "Enter" && event.target.tagName === "INPUT") ask(event);
  });

  function toggle() {
    if (!el.classList.contains("cv-gone")) return shut();
    open(true);
    store.send({ models: true });
    network.input.focus({ preventScroll: true });
  }

  let subject;
  let told;
  function show(changed) {
    if (has(changed, "models")) {
      const models = store.get("models");
      network.fill(Array.isArray(models) ? models : []);
    }
    if (has(changed, "work")) load.disabled = store.get("work").opening;
    if (!has(changed, "chooser", "head")) return;
    const given = store.get("chooser");
    data.fill(given.sets.map((name) => ({ name })));
    if (given.problem !== told) {
      told = given.problem;
      touched = false;
    }
    tell();
    const now = store.get("head").subject;
    if (now === subject) return;
    // Something else was opened: the row is done.
    subject = now;
    if (form.contains(focused(el))) focused(el).blur(); // a name that has stepped back comes back
    network.input.value = given.model;
    weights.input.value = given.weights;
    data.input.value = given.data;
    limit.input.value = given.limit;
    fit.input.checked = given.fit;
    open(false);
  }
  return { el, show, node, isOpen: () => !el.classList.contains("cv-gone") };
}
