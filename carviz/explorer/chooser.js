// Fields for the model and the data. What they hold goes to Python in one message.

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

function render({ model, el }) {
  el.classList.add("cv-chooser");
  const form = make("form");
  form.setAttribute("aria-label", "Choose a model and data");
  const network = listed("Model", "a name", "cv-field-model");
  const data = listed("Data", "a name, or a folder of images", "cv-field-data");
  const limit = field("Images a class", "all", "cv-field-limit");
  limit.input.inputMode = "numeric";
  const load = make("button", "cv-button cv-main", "Load");
  load.type = "submit";
  const close = make("button", "cv-button", "Close");
  close.type = "button";
  form.append(network.label, data.label, limit.label, load, close);
  el.append(form);

  const shut = () => model.send({ close: true });
  const ask = (event) => {
    event.preventDefault();
    if (model.get("loading")) return;
    const typed = { model: network.value(), data: data.value(), limit: limit.value() };
    model.send({ load: typed });
  };
  form.addEventListener("submit", ask);
  close.addEventListener("click", shut);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
    // In JupyterLab a form is not submitted by Enter.
    if (event.key === "Enter" && event.target.tagName === "INPUT") ask(event);
  });

  const named = () => network.fill(model.get("models"));
  const remembered = () => data.fill(model.get("sets").map((name) => ({ name })));
  const chosen = () => {
    // A name that has stepped back comes to its place first.
    if (form.contains(document.activeElement)) document.activeElement.blur();
    network.input.value = model.get("model");
    data.input.value = model.get("data");
    limit.input.value = model.get("limit");
  };
  const busy = () => { load.disabled = model.get("loading"); };
  const shown = () => {
    el.classList.toggle("cv-gone", !model.get("shown"));
    if (model.get("shown")) network.input.focus({ preventScroll: true });
  };
  const listeners = [
    ["change:models", named], ["change:sets", remembered], ["change:model", chosen],
    ["change:data", chosen], ["change:limit", chosen], ["change:loading", busy],
    ["change:shown", shown],
  ];
  for (const [name, heard] of listeners) model.on(name, heard);
  for (const draw of [named, remembered, chosen, busy, shown]) draw();
  return () => { for (const [name, heard] of listeners) model.off(name, heard); };
}

export default { render };
