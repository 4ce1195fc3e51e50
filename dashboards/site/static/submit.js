// Submits a sweep file: first the plan or what is wrong, then the start.
import {api, say} from "./modesweep.js";

const place = (id) => document.getElementById(id);
const kinds = {toml: "application/toml", yaml: "application/yaml", json: "application/json"};
let name = "sweep";

place("file").parentElement.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") place("file").click();
});

place("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file === undefined) return;
  place("text").value = await file.text();
  const [, stem, ending] = file.name.match(/^(.*?)\.?([^.]*)$/);
  place("kind").value = {yml: "yaml", yaml: "yaml", json: "json"}[ending] ?? "toml";
  name = (stem || ending).replace(/[^A-Za-z0-9_ .-]/g, "_").slice(0, 200) || "sweep";
  await check();
});

place("text").addEventListener("input", () => (place("start").disabled = true));
place("kind").addEventListener("change", () => (place("start").disabled = true));
place("submit-form").addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});

function send(path) {
  const query = new URLSearchParams({file: name});
  return api("POST", `${path}?${query}`, place("text").value, kinds[place("kind").value]);
}

async function check() {
  const told = place("plan");
  place("start").disabled = true;
  told.replaceChildren("Checking …");
  try {
    const plan = await send("/plan");
    told.replaceChildren(...planned(plan));
    place("start").disabled = false;
    place("start").focus();
  } catch (error) {
    const text = document.createElement("pre");
    text.className = "bad plan";
    text.textContent = error.message;
    told.replaceChildren(text);
  }
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

function duration(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["ms", 0.001];
  return `${Number((seconds / size).toPrecision(3))} ${unit}`;
}

function bytes(count) {
  const power = Math.max(Math.min(Math.floor(Math.log10(count || 1) / 3), 4), 0);
  return `${Number((count / 1000 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

function element(kind, text, inside = []) {
  const made = document.createElement(kind);
  made.textContent = text;
  made.append(...inside);
  return made;
}

function planned(plan) {
  const count = (n) => n.toLocaleString("en");
  const facts = [
    ["points", count(plan.points) + (plan.skipped ? `, ${count(plan.skipped)} left out` : "")],
    ["blocks", count(plan.blocks)],
    ["time of one core", `${duration(plan.seconds_low)} – ${duration(plan.seconds_high)}`],
    ["longest point", duration(plan.longest_seconds)],
    ["useful workers", count(plan.useful_workers)],
    ["results", bytes(plan.bytes)],
    ["memory of a block", bytes(plan.peak_bytes)],
  ].map(([label, value]) => {
    const fact = element("div", "");
    const [name, said] = [element("div", label), element("div", value)];
    [name.className, said.className] = ["label", "value"];
    fact.append(name, said);
    return fact;
  });
  const box = element("div", "", facts);
  box.className = "facts";
  const head = element("p", `${plan.name}, model ${plan.model}: nothing is wrong with it.`);
  head.className = "good";
  const table = element("table", "");
  table.append(element("tr", "", ["stages", "axes", "calculations", "time", "kept for later sweeps"]
    .map((words) => element("th", words))));
  for (const stage of plan.stages) {
    const kept = stage.kept ? "yes" : "no";
    table.append(element("tr", "", [
      stage.stages, stage.axes.join(", ") || "none", count(stage.instances),
      duration(stage.seconds), kept,
    ].map((words) => element("td", words))));
  }
  return [head, box, table];
}

place("start").addEventListener("click", async () => {
  place("start").disabled = true;
  try {
    const told = await send("/sweeps");
    location.assign(`${document.body.dataset.base}/sweep/${told.name}`);
  } catch (error) {
    say(error.message);
    place("start").disabled = false;
  }
});
