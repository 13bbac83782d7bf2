// The reader's own image: from a file, dropped, pasted, drawn, or from the camera where there is one.
// It is scaled here and sent as bytes, so that nothing of it stays in the notebook.
import { button, make } from "./dom.js";
import { has } from "./has.js";

const SIDE = 1024; // pixels of the longer side that are sent
const MOST = 1_000_000; // bytes that are sent
const BOARD = 256; // pixels of the drawing's sides
const INKS = ["#000000", "#d32f2f", "#f9a825", "#2e7d32", "#1565c0", "#7b1fa2", "#ffffff"];

// The size at which a picture is sent: as it is, or with a longer side of `most`.
export function fitted(width, height, most = SIDE) {
  const factor = Math.min(1, most / Math.max(width, height));
  return [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))];
}

// Encodes a canvas below the limit: exact where that is small, else as a photograph, ever smaller.
async function encoded(canvas) {
  const as = (kind, quality) => new Promise((resolve) => canvas.toBlob(resolve, kind, quality));
  for (const [kind, quality] of [["image/png"], ["image/jpeg", 0.92], ["image/jpeg", 0.75], ["image/jpeg", 0.5]]) {
    const blob = await as(kind, quality);
    if (blob && blob.size <= MOST) return blob;
  }
  throw new Error("It cannot be made smaller than 1 MB.");
}

function drawn(source, width, height) {
  const canvas = make("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // what is transparent is white
  pen.fillRect(0, 0, width, height);
  pen.drawImage(source, 0, 0, width, height);
  return canvas;
}

export function own(store, place) {
  const el = make("div", "cv-own-image");
  if (!store.live) return { el, show: () => {}, say: () => {} };
  const problem = make("p", "cv-own-said");
  problem.setAttribute("role", "alert");
  const say = (words) => {
    problem.textContent = words;
    problem.hidden = !words;
  };
  say("");

  async function send(canvas, name) {
    say("");
    try {
      const blob = await encoded(canvas);
      store.send({ own: { name } }, [await blob.arrayBuffer()]);
    } catch (error) {
      say(`Not shown: ${error.message}`);
    }
  }

  async function take(file) {
    if (!file) return;
    try {
      // The turn that a camera notes is done here, and no script of an SVG is ever run.
      if (/svg/.test(file.type)) throw new Error("svg");
      const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
      const canvas = drawn(bitmap, ...fitted(bitmap.width, bitmap.height));
      bitmap.close();
      await send(canvas, (file.name ?? "").slice(0, 80));
    } catch {
      say(`Not shown: ${file.name || "this"} is no picture that the browser can read. Take a PNG or a JPEG.`);
    }
  }

  const label = make("label", "cv-button cv-file", "Your image…");
  const file = make("input", "cv-unseen");
  file.type = "file";
  file.accept = "image/*";
  file.addEventListener("change", () => {
    take(file.files[0]);
    file.value = ""; // the same file can be taken again
  });
  label.append(file);
  const board = drawing((canvas) => send(canvas, "drawn"));
  const draw = button("Draw", "cv-button", () => {
    board.el.hidden = !board.el.hidden;
    draw.setAttribute("aria-expanded", String(!board.el.hidden));
  });
  draw.setAttribute("aria-expanded", "false");
  const row = make("div", "cv-acts");
  row.append(label, draw, ...camera(send, say), make("span", "cv-hint", "or drop or paste one here"));
  el.append(row, problem, board.el);

  place.tabIndex = -1; // so that what is pasted comes here
  place.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    place.classList.add("cv-over");
  });
  for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("cv-over"));
  place.addEventListener("drop", (event) => {
    const given = event.dataTransfer.files[0];
    if (!given) return;
    event.preventDefault();
    event.stopPropagation();
    take(given);
  });
  place.addEventListener("paste", (event) => {
    const given = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!given) return; // text is somebody else's
    event.preventDefault();
    event.stopPropagation();
    take(given);
  });

  function show(changed) {
    if (!has(changed, "image")) return;
    const { refused } = store.get("image");
    if (refused) say(`Not shown: ${refused}`);
  }
  return { el, show, say };
}

// A small board to draw on; `done` is given what was drawn after each stroke.
function drawing(done) {
  const el = make("div", "cv-drawing");
  el.hidden = true;
  const canvas = make("canvas", "cv-board");
  canvas.width = canvas.height = BOARD;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "A board to draw on with a mouse, a pen or a finger");
  const pen = canvas.getContext("2d");
  const clear = () => {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, BOARD, BOARD);
  };
  clear();
  let [ink, width, last] = [INKS[0], 16, null];
  const at = (event) => {
    const box = canvas.getBoundingClientRect(); // also where the screen is scaled
    return [((event.clientX - box.left) * BOARD) / box.width, ((event.clientY - box.top) * BOARD) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(event);
  });
  function stroke(event) {
    if (!last) return;
    const now = at(event);
    [pen.strokeStyle, pen.lineWidth, pen.lineCap] = [ink, width, "round"];
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...now);
    pen.stroke();
    last = now;
  }
  canvas.addEventListener("pointermove", stroke);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    if (last) done(canvas);
    last = null;
  });
  const tools = make("div", "cv-tools");
  const inks = INKS.map((colour) => {
    const node = button("", "cv-ink", () => { ink = colour; chosen(); });
    node.style.background = colour;
    node.setAttribute("aria-label", `Draw in ${colour}`);
    return node;
  });
  const chosen = () => inks.forEach((node, place) => node.setAttribute("aria-pressed", String(INKS[place] === ink)));
  chosen();
  const size = make("input");
  [size.type, size.min, size.max, size.value] = ["range", 4, 48, width];
  size.setAttribute("aria-label", "Width of the brush");
  size.addEventListener("input", () => { width = Number(size.value); });
  tools.append(...inks, size, button("Clear", "cv-button cv-small-button", clear));
  el.append(canvas, tools);
  return { el };
}

// The button of a camera, where the host lets a page use one.
function camera(send, say) {
  const media = globalThis.navigator?.mediaDevices;
  if (!globalThis.isSecureContext || !media?.getUserMedia) return [];
  const allowed = document.featurePolicy?.allowsFeature?.("camera") ?? true;
  if (!allowed) return [];
  const video = make("video", "cv-video");
  [video.muted, video.playsInline, video.hidden] = [true, true, true];
  let stream = null;
  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    [stream, video.srcObject, video.hidden] = [null, null, true];
    node.textContent = "Camera";
  };
  const node = button("Camera", "cv-button", async () => {
    if (stream) {
      const canvas = drawn(video, ...fitted(video.videoWidth, video.videoHeight));
      stop();
      await send(canvas, "from the camera");
      return;
    }
    try {
      stream = await media.getUserMedia({ video: true });
      [video.srcObject, video.hidden] = [stream, false];
      await video.play();
      node.textContent = "Take it";
    } catch (error) {
      stop();
      say(`No camera: ${error.message}`);
    }
  });
  return [node, video];
}
