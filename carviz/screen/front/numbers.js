// Arrays of numbers, as Python sends them: bytes in a notebook, base64 in a saved page.

function bytes(given) {
  if (!given) return new Uint8Array();
  if (typeof given === "string") return Uint8Array.from(atob(given), (c) => c.charCodeAt(0));
  // A DataView need not be aligned to 8 bytes: copied, it is.
  if (ArrayBuffer.isView(given))
    return new Uint8Array(given.buffer, given.byteOffset, given.byteLength).slice();
  return new Uint8Array(given);
}

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function floats(given) {
  const found = bytes(given);
  if (LITTLE) return new Float64Array(found.buffer, 0, found.byteLength / 8);
  const view = new DataView(found.buffer);
  return Float64Array.from({ length: found.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

export const flags = (given) => Array.from(bytes(given), Boolean);
