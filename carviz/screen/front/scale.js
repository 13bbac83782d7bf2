// From a number to a place in a drawing, and round numbers along it.

export function scale(low, high, start, end) {
  const most = high > low ? high : low + 1;
  const place = (value) => start + ((value - low) / (most - low)) * (end - start);
  return Object.assign(place, { low, high: most });
}

// A few round numbers between two, both ends among them where they are round.
export function roundTicks(low, high, most = 7) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough * (1 - 1e-9));
  const beyond = 1e-9 * (high - low);
  const found = [];
  for (let i = Math.ceil((low - beyond) / step); i * step <= high + beyond; i++)
    found.push(Number((i * step).toPrecision(12)));
  return found;
}
