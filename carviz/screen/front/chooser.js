// Fields for the model and the data. What they hold goes to Python in one message: the press of a
// button would overtake the last letters typed while the kernel is busy.
import { button, focused, make } from "./dom.js";
import { has } from "./has.js";

function field(words, hint, name) {
  const label = make("label", `cv-field ${name}`);
  const input = make("input");
  input.type = "text";
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
  const fill = (options) => {
    list.replaceChildren(...options.map(({ name, note }) => {
      const option = make("option");
      option.value = name;
      if (note) option.label = note;
      return option;
    }));
  };
  return { ...plain, fill, value: () => input.value || held };
}

export function chooser(store) {
  const el = make("div", "cv-chooser cv-gone");
  const form = make("form");
  form.setAttribute("aria-label", "Choose a model and data");
  const network = listed("Model", "a name", "cv-field-model");
  const data = listed("Data", "a name, or a folder of images", "cv-field-data");
  const limit = field("Images a class", "all", "cv-field-limit");
  limit.input.inputMode = "numeric";
  const load = make("button", "cv-button cv-main", "Load");
  load.type = "submit";
  const shut = () => el.classList.add("cv-gone");
  form.append(network.label, data.label, limit.label, load, button("Close", "cv-button", shut));
  el.append(form);

  const ask = (event) => {
    event.preventDefault();
    if (load.disabled) return;
    const typed = { model: network.value(), data: data.value(), limit: limit.value() };
    store.send({ load: typed });
  };
  form.addEventListener("submit", ask);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
    // In JupyterLab a form is not submitted by Enter.
    if (event.key === "Enter" && event.target.tagName === "INPUT") ask(event);
  });

  function toggle() {
    if (!el.classList.toggle("cv-gone")) {
      store.send({ models: true });
      network.input.focus({ preventScroll: true });
    }
  }

  let subject;
  function show(changed) {
    if (has(changed, "models")) {
      const models = store.get("models");
      network.fill(Array.isArray(models) ? models : []);
    }
    if (has(changed, "work")) load.disabled = store.get("work").opening;
    if (!has(changed, "chooser", "head")) return;
    const given = store.get("chooser");
    data.fill(given.sets.map((name) => ({ name })));
    const now = store.get("head").subject;
    if (now === subject) return;
    // Something else was opened: the row is done.
    subject = now;
    if (form.contains(focused(el))) focused(el).blur(); // a name that has stepped back comes back
    network.input.value = given.model;
    data.input.value = given.data;
    limit.input.value = given.limit;
    shut();
  }
  return { el, show, toggle };
}
