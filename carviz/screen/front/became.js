// What images became: in a line, and as a small table, what they were against what they become.
import { make } from "./dom.js";
import * as said from "./wording.js";

const TOLD = 3; // kinds of change in the line
const MOST = 8; // rows and columns of the table

// "Become: heart → square 8, ring → drop 2, and 3 more." Of one class what it was is left out.
export function summary(pairs, names, of) {
  const short = of !== undefined && pairs.every(([before]) => names[before] === of);
  const told = pairs.slice(0, TOLD).map(([before, after, count]) =>
    `${short ? "" : `${names[before]} `}→ ${names[after]} ${said.whole(count)}`);
  const rest = pairs.slice(TOLD).reduce((sum, [, , count]) => sum + count, 0);
  return `Become: ${told.join(", ")}${rest ? `, and ${said.whole(rest)} more` : ""}.`;
}

// The classes that occur most among the rows and the columns, and how many images are left out.
export function cells(pairs, most = MOST) {
  const [rows, columns] = [0, 1].map((end) => {
    const sums = new Map();
    for (const pair of pairs) sums.set(pair[end], (sums.get(pair[end]) ?? 0) + pair[2]);
    return [...sums].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, most).map(([number]) => number);
  });
  const counts = new Map();
  let left = 0;
  for (const [before, after, count] of pairs)
    if (rows.includes(before) && columns.includes(after)) counts.set(`${before} ${after}`, count);
    else left += count;
  return { rows, columns, counts, left };
}

export function matrix(pairs, names) {
  const { rows, columns, counts, left } = cells(pairs);
  const most = Math.max(...counts.values());
  const table = make("table", "cv-matrix");
  table.append(make("caption", "", "Rows: what the network said. Columns: what it says without."));
  const head = make("tr");
  head.append(make("td"), ...columns.map((number) => {
    const cell = make("th", "");
    cell.scope = "col";
    cell.append(make("span", "", names[number]));
    return cell;
  }));
  table.append(head, ...rows.map((before) => {
    const row = make("tr");
    const name = make("th", "", names[before]);
    name.scope = "row";
    row.append(name, ...columns.map((after) => {
      const count = counts.get(`${before} ${after}`);
      const cell = make("td", count ? "cv-cell" : "", count ? said.whole(count) : "");
      if (count) cell.style.setProperty("--cv-share", `${Math.round(18 + (62 * count) / most)}%`);
      return cell;
    }));
    return row;
  }));
  const box = make("div", "cv-matrix-box");
  box.append(table);
  if (left) box.append(make("p", "cv-note", `${said.counted(left, "image")} of other classes not in the table.`));
  return box;
}
