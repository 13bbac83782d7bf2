// The parts of the front end that need no browser, tried in Node:  node --test tests/front
import assert from "node:assert/strict";
import { test } from "node:test";

const front = (name) => import(new URL(`../../carviz/screen/front/${name}.js`, import.meta.url));
const { floats, flags } = await front("numbers");
const { scale, roundTicks } = await front("scale");
const { sorted } = await front("gallery");
const { curves } = await front("curve");
const { Live } = await front("live");
const { gently } = await front("gently");
const { Saved } = await front("saved");

const bytes = (...values) => new Uint8Array(Float64Array.from(values).buffer);
const base64 = (...values) => Buffer.from(bytes(...values)).toString("base64");

test("numbers come as bytes at any place in a message, and as base64", () => {
  const numbers = [0, -0.25, NaN, 1e300];
  const message = new Uint8Array(3 + 8 * numbers.length);
  message.set(bytes(...numbers), 3);
  assert.deepEqual([...floats(new DataView(message.buffer, 3))], numbers);
  assert.deepEqual([...floats(base64(...numbers))], numbers);
  assert.deepEqual([...floats(bytes(...numbers))], numbers);
  assert.deepEqual([...floats("")], []);
  assert.deepEqual(flags(new DataView(Uint8Array.from([9, 1, 0, 1]).buffer, 1)), [true, false, true]);
});

test("what is not measured comes last, and of equals the lowest number first", () => {
  const car = [NaN, 0.1, 0.3, 0.1];
  assert.deepEqual(sorted("car", car, [], 4), [2, 1, 3, 0]);
  assert.deepEqual(sorted("number", car, [], 4), [0, 1, 2, 3]);
  assert.deepEqual(sorted("color", car, [0.2, NaN, 0.9, 0.2], 4), [2, 0, 3, 1]);
  assert.deepEqual(sorted("color", car, [], 4), [0, 1, 2, 3], "nothing is known of their colour");
});

test("a scale goes from end to end, also where there is nothing between", () => {
  const x = scale(-1, 3, 10, 50);
  assert.deepEqual([x(-1), x(1), x(3)], [10, 30, 50]);
  assert.equal(scale(2, 2, 0, 100)(2), 0);
});

test("ticks are round, few, in between, and hold zero where it is", () => {
  for (let i = 0; i < 2000; i++) {
    const low = -(10 ** (3 * Math.random() - 2)) * (i % 3);
    const high = low + 10 ** (5 * Math.random() - 2);
    const ticks = roundTicks(low, high);
    assert.ok(ticks.length >= 2 && ticks.length <= 8, `${low} to ${high}: ${ticks}`);
    assert.ok(ticks.every((tick) => tick >= low - 1e-6 && tick <= high + 1e-6));
    if (low < 0 && high > 0) assert.ok(ticks.includes(0));
    const step = ticks[1] - ticks[0];
    const digit = Number(step.toExponential(6).split("e")[0]);
    assert.ok([1, 2, 5, 10].some((d) => Math.abs(d - digit) < 1e-5), `${step}`);
  }
  assert.deepEqual(roundTicks(0, 32), [0, 5, 10, 15, 20, 25, 30]);
});

test("curves are numbers, with the band and the held-out line where they are", () => {
  const found = curves({
    filters: 2, one_answer: 0.5, held: base64(1, 0.5), band: null,
    lines: [{ criterion: "car", name: "CAR", accuracy: base64(1, 0.75) }],
  });
  assert.deepEqual([...found.lines[0].accuracy], [1, 0.75]);
  assert.deepEqual([...found.held], [1, 0.5]);
  assert.equal(found.band, null);
});

// A widget's model, as anywidget gives it.
function fakeModel(state = {}) {
  const heard = {};
  return {
    sent: [],
    get: (name) => state[name],
    on: (name, hear) => { (heard[name] ??= []).push(hear); },
    off() {},
    send(message) { this.sent.push(message); },
    set(name, value) { state[name] = value; heard[`change:${name}`]?.forEach((hear) => hear()); },
    receive(message, buffers) { heard["msg:custom"].forEach((hear) => hear(message, buffers)); },
  };
}
const soon = () => new Promise((resolve) => setTimeout(resolve, 0));

test("what comes together is shown together", async () => {
  const model = fakeModel();
  const told = [];
  const store = new Live(model);
  store.listen((changed) => told.push([...changed].sort()));
  model.set("shown_work", { busy: true });
  model.set("shown_bank", {});
  assert.deepEqual(told, []);
  await soon();
  assert.deepEqual(told, [["bank", "work"]]);
  assert.equal(store.get("work").busy, true);
});

test("a picture is asked for once", async () => {
  const model = fakeModel();
  const store = new Live(model);
  const both = ["a", "a", "b", "c"].map((key) => store.picture(key));
  await soon();
  assert.deepEqual(model.sent, [{ want: ["a", "b", "c"] }]);
  const buffers = [new DataView(Uint8Array.from([1, 2, 3]).buffer)];
  model.receive({ pictures: [
    { key: "a", mime: "image/png", about: {}, at: 0 }, { key: "b", problem: "it cannot be read" },
    { key: "c", problem: "" },
  ] }, buffers);
  const [first, again, none] = await Promise.all(both);
  assert.equal(first, again);
  assert.equal(first.blob.size, 3);
  assert.equal(none.problem, "it cannot be read");
  store.picture("b");
  store.picture("c");
  await soon();
  assert.deepEqual(model.sent[1], { want: ["c"] }, "what was not there may be there by now");
});

test("messages that are not ours are left", () => {
  const model = fakeModel();
  new Live(model);
  model.receive(null, []);
  model.receive({ pictures: [{ key: "never asked", mime: "image/png", at: 0 }] }, []);
});

test("what changes while something is pressed is shown after its click", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.window = new EventTarget();
  const root = new EventTarget();
  let field = false;
  root.closest = (selector) => (field ? selector.includes("input") : selector.includes("button"));
  const told = [];
  const { hear, end } = gently(root, (changed) => told.push([...changed].join()));
  const happen = (where, name, more = {}) => where.dispatchEvent(Object.assign(new Event(name), more));
  const take = () => told.splice(0);

  hear(new Set(["work"]));
  assert.deepEqual(take(), ["work"]);
  for (const [down, up] of [["pointerdown", "pointerup"], ["keydown", "keyup"]]) {
    happen(root, down, { key: " " });
    hear(new Set(["numbers", "classes"]));
    hear(new Set(["classes"]));
    happen(window, up);
    assert.deepEqual(take(), [], `${down}: the click is still to come`);
    happen(root, "click");
    hear(new Set(["choice"]));
    assert.deepEqual(take(), ["numbers,classes,choice"], "what the click does is shown at once");
  }
  happen(root, "pointerdown");
  hear(new Set(["classes"]));
  happen(window, "pointerup"); // elsewhere: no click
  t.mock.timers.tick(200);
  assert.deepEqual(take(), ["classes"]);
  happen(root, "pointerdown"); // and never released
  hear(new Set(["classes"]));
  t.mock.timers.tick(2000);
  assert.deepEqual(take(), ["classes"]);
  field = true; // a slider, or a list
  happen(root, "pointerdown");
  hear(new Set(["place"]));
  assert.deepEqual(take(), ["place"]);
  end();
  delete globalThis.window;
});

test("a page's deeper bank begins with patches, until a reader says what to show", () => {
  const galleries = { weights: 0, patches: 1, synthesised: 2 };
  const bank = (layer, gallery) => ({ layer, filter: 0, count: 0, gallery, galleries, all: {}, filters: [[]], changed: [{}], places: [] });
  const parts = [{ sheets: [["w", [0]]] }, { sheets: [["p", [0]]] }, { sheets: [] }];
  const store = new Saved({
    parts, banks: [bank("first", "weights"), bank("deep", "patches")], sections: [], status: "",
    choice: { layer: "first", gallery: "weights", opened: -1 },
  });
  const go = (layer) => {
    store.send({ layer });
    return store.get("choice").gallery;
  };
  assert.equal(go("deep"), "patches");
  assert.equal(go("first"), "weights");
  go("deep");
  store.send({ look: { gallery: "weights" } });
  assert.equal(go("first"), "weights");
  assert.equal(go("deep"), "weights");
});

test("a picture is sent with a longer side of 1024 pixels at most, and never as nothing", async () => {
  const { fitted } = await front("own");
  assert.deepEqual(fitted(4000, 3000), [1024, 768]);
  assert.deepEqual(fitted(32, 20), [32, 20]);
  assert.deepEqual(fitted(9000, 2), [1024, 1]);
});

test("what images became is counted in a line and in a table", async () => {
  const { cells, summary } = await front("became");
  const names = ["cat", "dog", "owl"];
  const pairs = [[0, 1, 8], [1, 2, 3], [2, 0, 2], [1, 0, 1]];
  assert.equal(summary(pairs, names), "Become: cat → dog 8, dog → owl 3, owl → cat 2, and 1 more.");
  assert.equal(summary([[0, 1, 8], [0, 2, 1]], names, "cat"), "Become: → dog 8, → owl 1.");
  assert.equal(summary([[0, 1, 8], [1, 2, 1]], names, "cat"), "Become: cat → dog 8, dog → owl 1.");
  const found = cells(pairs, 2);
  assert.deepEqual(found.rows, [0, 1]);
  assert.deepEqual(found.columns, [1, 0], "of equals the lower number");
  assert.equal([...found.counts.values()].reduce((a, b) => a + b, 0) + found.left, 14);
});

test("one goes back and forward, and what came after is forgotten by going elsewhere", async () => {
  const { Visits } = await front("find");
  const visits = new Visits();
  const at = (filter, layer = "a") => ({ layer, filter });
  for (const filter of [0, 3, 3, 5]) visits.note(at(filter));
  assert.equal(visits.can(1), false);
  assert.deepEqual(visits.go(-1), at(3));
  visits.note(at(3)); // the kernel says that it is there
  assert.deepEqual(visits.go(-1), at(0));
  assert.equal(visits.go(-1), null);
  assert.deepEqual(visits.go(1), at(3));
  visits.note(at(3, "b"));
  assert.equal(visits.can(1), false);
  assert.deepEqual(visits.go(-1), at(3));
});

test("what is shown until one is back forgets nothing of what came after", async () => {
  const { Visits } = await front("find");
  const at = (filter, layer = "a") => ({ layer, filter });
  const visits = new Visits();
  for (const filter of [0, 3, 5]) visits.note(at(filter));
  visits.go(-1);
  visits.note(at(5)); // a measurement repaints before the kernel answers
  visits.go(-1);
  for (const filter of [5, 3, 0]) visits.note(at(filter));
  assert.deepEqual(visits.go(1), at(3));
  visits.note(at(3));
  assert.deepEqual(visits.go(1), at(5));
  visits.note(at(5));
  visits.note(at(7, "b"));
  visits.go(-1);
  visits.note(at(9)); // the bank, with the filter that was chosen there
  visits.note(at(5));
  assert.deepEqual(visits.go(1), at(7, "b"));
  visits.note(at(8, "b")); // and somebody who goes elsewhere meanwhile is followed
  visits.note(at(2, "b"));
  assert.equal(visits.can(1), false);
  visits.go(-1);
  visits.note(at(4, "b"));
  assert.equal(visits.can(1), false);
});

test("what a kernel that has ended is asked for is said not to come", async () => {
  const model = { on() {}, off() {}, get() {}, send() { throw new Error("disposed"); } };
  const { problem, url } = await new Live(model).take("png");
  assert.match(problem, /the kernel has ended/);
  assert.equal(url, undefined);
});
