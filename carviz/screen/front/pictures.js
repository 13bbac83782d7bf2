// Pictures by name, put into <img> and <canvas>: it may take a while until they come.

// Shows a picture in an <img>; what was shown stays until it is there. `then` is told how it went.
export function paint(image, store, key, then) {
  if (image.dataset.key === key) return;
  image.dataset.key = key ?? "";
  if (!key) {
    image.removeAttribute("src");
    return;
  }
  store.picture(key).then((found) => {
    if (image.dataset.key !== key) return; // another one is wanted by now
    if (found.url) image.src = found.url;
    else if (!found.problem) image.dataset.key = "";
    then?.(found);
  });
}

// Draws one filter's picture of a sheet into a canvas.
export function cut(canvas, bitmap, { filters, width, height, columns }, filter) {
  const place = filters.indexOf(filter);
  if (place < 0) return;
  canvas.width = width;
  canvas.height = height;
  canvas.classList.toggle("cv-smooth", Math.max(width, height) > 32);
  const [x, y] = [(place % columns) * width, Math.floor(place / columns) * height];
  canvas.getContext("2d").drawImage(bitmap, x, y, width, height, 0, 0, width, height);
}
