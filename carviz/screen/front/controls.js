// The bank, the device, and the buttons that begin and end a job.
import { button, make, select } from "./dom.js";
import { has } from "./has.js";

const JOBS = [
  ["compute bank", "Compute the bank", "CAR of every filter of this bank"],
  ["compute filter", "This filter only", "CAR of the chosen filter"],
  ["prune", "Prune greedily", "Remove filters one by one, the least needed first"],
];

export function controls(store) {
  const el = make("div", "cv-controls");
  const bank = select("Bank", "cv-bank-select", (layer) => store.send({ layer }));
  const device = select("Device", "cv-device", (device) => store.send({ device }));
  const press = (name) => () => store.send({ press: name });
  const jobs = JOBS.map(([name, words, tip]) => button(words, "cv-button", press(name), tip));
  jobs[0].classList.add("cv-main");
  const cancel = button("Cancel", "cv-button", press("cancel"), "Stop, and keep what is measured so far");
  el.append(bank.label);
  if (store.live) el.append(device.label, ...jobs, cancel);

  function show(changed) {
    if (!has(changed, "names", "choice", "work")) return;
    const { banks, devices } = store.get("names");
    const { layer, device: where } = store.get("choice");
    bank.fill(banks.map((bank) => [bank.layer, bank.words]), layer);
    device.fill(devices.map((name) => [name, name]), where);
    device.label.hidden = devices.length < 2;
    const { can } = store.get("work");
    cancel.disabled = !can.cancel;
    for (const node of [bank.node, device.node, ...jobs]) node.disabled = !can.choose;
  }
  return { el, show };
}
