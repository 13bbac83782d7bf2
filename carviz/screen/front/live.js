// The store in a notebook: what is shown stands in the widget's traits, which Python alone writes,
// so that a second view, a reloaded page and a host that replays only traits show the same. What
// somebody does goes to Python as one message. Pictures are asked for by name, and come as messages.

const SECTIONS = [
  "head", "names", "doubts", "choice", "work", "chooser", "bank", "numbers", "gallery", "chosen",
  "classes", "changed", "sight", "siblings", "several", "beside", "image", "pruning", "place", "report", "models",
];
const MOST = 48; // pictures asked for in one message
const KEPT = 3000; // pictures that are kept

// Of one view: a host gives each a model of its own, and lets go what was heard of it with the view.
export class Live {
  live = true;
  #model;
  #ears = [];
  #refused = new Set();
  #hearers = new Set();
  #changed = new Set();
  #pictures = new Map(); // key -> promise of a picture
  #waiting = new Map(); // key -> who waits for it
  #takers = new Map(); // kind of file -> who waits for one
  #wanted = [];

  constructor(model) {
    this.#model = model;
    for (const name of SECTIONS) this.#on(`change:shown_${name}`, () => this.#note(name));
    this.#on("msg:custom", (message, buffers) => this.#receive(message, buffers));
  }

  #on(name, hear) {
    this.#model.on(name, hear);
    this.#ears.push([name, hear]);
  }

  close() {
    for (const [name, hear] of this.#ears) this.#model.off(name, hear);
    for (const picture of this.#pictures.values())
      picture.then(({ url }) => url && URL.revokeObjectURL(url));
  }

  // Whether another model and other data can be chosen.
  get change() {
    return this.#model.get("change") !== false;
  }

  get(section) {
    return this.#model.get(`shown_${section}`) ?? {};
  }

  // `hear` is called with the names of the sections that have changed.
  listen(hear) {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  // A kernel that was restarted refuses what is sent to it; whoever asked for that is told.
  send(message, buffers = []) {
    try {
      this.#model.send(message, undefined, buffers);
    } catch (error) {
      console.warn(`carviz: nobody hears ${JSON.stringify(message)}.`, error);
      for (const hear of this.#refused) hear();
      if (message.take) this.#taken({ kind: message.take, problem: "nobody answers: the kernel has ended." }, []);
    }
  }

  onRefused(hear) {
    this.#refused.add(hear);
    return () => this.#refused.delete(hear);
  }

  // What comes together is shown together.
  #note(name) {
    if (!this.#changed.size) {
      queueMicrotask(() => {
        const changed = this.#changed;
        this.#changed = new Set();
        for (const hear of this.#hearers) hear(changed);
      });
    }
    this.#changed.add(name);
  }

  // Returns a promise of { url, blob, about }, or { problem } where there is no such picture.
  picture(key) {
    if (!this.#pictures.has(key)) {
      this.#pictures.set(key, new Promise((resolve) => this.#waiting.set(key, resolve)));
      if (!this.#wanted.length) queueMicrotask(() => this.#ask());
      this.#wanted.push(key);
      this.#makeRoom();
    }
    return this.#pictures.get(key);
  }

  #ask() {
    while (this.#wanted.length) this.send({ want: this.#wanted.splice(0, MOST) });
  }

  // Returns a promise of what is taken along: { url, name } of a file, { text }, or { problem }.
  take(kind) {
    return new Promise((resolve) => {
      this.#takers.set(kind, [...(this.#takers.get(kind) ?? []), resolve]);
      this.send({ take: kind });
    });
  }

  #taken({ kind, problem, text, name, mime }, [part]) {
    const waiting = this.#takers.get(kind) ?? [];
    this.#takers.delete(kind);
    if (!waiting.length) return; // another view has asked for it
    const data = part && new Uint8Array(part.buffer, part.byteOffset ?? 0, part.byteLength);
    const url = data && URL.createObjectURL(new Blob([data], { type: mime }));
    for (const resolve of waiting) resolve({ problem, text, name, url });
  }

  #receive(message, buffers) {
    if (message?.taken) this.#taken(message.taken, buffers ?? []);
    for (const { key, problem, mime, about, at } of message?.pictures ?? []) {
      const resolve = this.#waiting.get(key);
      if (!resolve) continue;
      this.#waiting.delete(key);
      if (mime === undefined) {
        // What cannot be read stays so. What is of another bank by now is asked for anew, later.
        if (!problem) this.#pictures.delete(key);
        resolve({ problem });
        continue;
      }
      const part = buffers[at];
      const data = new Uint8Array(part.buffer, part.byteOffset ?? 0, part.byteLength);
      const blob = new Blob([data], { type: mime });
      resolve({ url: URL.createObjectURL(blob), blob, about });
    }
  }

  #makeRoom() {
    for (const key of this.#pictures.keys()) {
      if (this.#pictures.size <= KEPT) return;
      if (this.#waiting.has(key)) continue;
      this.#pictures.get(key).then(({ url }) => url && URL.revokeObjectURL(url));
      this.#pictures.delete(key);
    }
  }
}
