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

function planned(plan) {
  const table = document.createElement("table");
  table.className = "planned";
  const text = (value) => (Array.isArray(value) ? value.map(text).join(", ")
    : typeof value === "object" && value !== null
      ? Object.entries(value).map(([k, v]) => `${k}: ${text(v)}`).join("; ")
      : typeof value === "number" ? Number(value.toPrecision(4)).toLocaleString("en") : String(value));
  for (const [key, value] of Object.entries(plan)) {
    if (value === null || (typeof value === "object" && !Object.keys(value).length)) continue;
    const row = table.insertRow();
    const head = document.createElement("th");
    head.textContent = key.replaceAll("_", " ");
    row.append(head);
    row.insertCell().textContent = text(value);
  }
  return [table];
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
