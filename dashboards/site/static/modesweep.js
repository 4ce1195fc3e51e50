// Keeps a page up to date: parts come from the server, with what has changed in them.
//
// The state of a page is its address. A control changes the address and asks for the parts
// again; while the page is seen, it asks every few seconds what has changed.

const body = document.body;
const base = body.dataset.base;
const sweep = body.dataset.sweep;
const place = (id) => document.getElementById(id);
const SLOW_SECONDS = 4;
let seconds = Number(body.dataset.seconds) || 2;
let timer = 0;
let asking = null;
let missed = 0;
const figures = new Map(); // by part: the views and the document of Bokeh

// --- asking -------------------------------------------------------------------------------

function state() {
  return new URLSearchParams(location.search);
}

function wide() {
  const main = place("main");
  const padding = 2 * parseFloat(getComputedStyle(main).paddingLeft);
  return Math.floor((main.clientWidth - padding) / 20) * 20;
}

function request() {
  const query = state();
  const have = [...document.querySelectorAll("[data-part]")]
    .filter((part) => part.dataset.version)
    .map((part) => `${part.id}:${part.dataset.version}`);
  query.set("_parts", "1");
  query.set("_have", have.join(","));
  query.set("_wide", wide());
  if (document.documentElement.dataset.theme === "dark") query.set("_dark", "1");
  return `${location.pathname}?${query}`;
}

async function refresh({push = false} = {}) {
  clearTimeout(timer);
  asking?.abort();
  const own = (asking = new AbortController());
  const slow = setTimeout(() => connection("slow", "The service is slow to answer …"), SLOW_SECONDS * 1000);
  try {
    const reply = await fetch(request(), {signal: own.signal, headers: {Accept: "application/json"}});
    if (reply.status === 401) {
      connection("lost", "Logged out. Open a new link: modesweep login");
    } else {
      const told = await reply.json();
      if (told.error !== undefined) {
        connection("lost", told.error);
      } else {
        await show(told, push);
        connection("", "");
      }
    }
    missed = 0;
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error instanceof TypeError || error instanceof SyntaxError) {
      missed += 1;
      connection("lost", "The service does not answer. What is shown is as it was; looking again …");
    } else {
      console.error(error);
    }
  } finally {
    clearTimeout(slow);
    if (own === asking) later();
  }
}

function later() {
  clearTimeout(timer);
  if (document.hidden || !seconds) return;
  timer = setTimeout(refresh, 1000 * (missed ? Math.min(2 * missed, 10) : seconds));
}

function connection(kind, words) {
  const told = place("connection");
  if (told.textContent !== words) told.textContent = words;
  told.dataset.kind = kind;
  body.classList.toggle("stale", kind === "lost");
}

// --- showing ------------------------------------------------------------------------------

async function show(told, push) {
  seconds = told.seconds;
  const query = new URLSearchParams(told.state).toString();
  if (query !== location.search.slice(1)) {
    const address = query ? `${location.pathname}?${query}` : location.pathname;
    history[push ? "pushState" : "replaceState"](null, "", address);
  }
  for (const part of told.parts) {
    const element = place(part.id);
    if (element === null) continue;
    if (part.html !== undefined) words(element, part.html);
    else if (part.rows !== undefined) rows(element, part);
    else if (part.figure !== undefined) await figure(element, part.figure);
    else if (part.changes !== undefined) change(element, part.changes);
    element.dataset.version = part.version;
  }
}

function words(element, html) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const open = [...element.querySelectorAll("details[open]")].map((d) => d.id);
  const typed = focused?.matches("input[type=search], textarea") ? focused.value : null;
  element.innerHTML = html;
  for (const id of open) place(id)?.setAttribute("open", "");
  if (focused === null) return;
  const again = focused.id ? place(focused.id) : element.querySelector(`[name="${focused.name}"]`);
  again?.focus();
  if (typed !== null && again) {
    again.value = typed;
    again.setSelectionRange?.(typed.length, typed.length);
  }
}

function rows(element, part) {
  const there = new Map([...element.children].map((row) => [row.dataset.key, row]));
  const wanted = part.order.map((key) => {
    let row = there.get(key);
    if (part.rows[key] !== undefined) {
      if (row === undefined) {
        row = document.createElement("tr");
        row.dataset.key = key;
      }
      if (!row.contains(document.activeElement)) row.innerHTML = part.rows[key];
    }
    return row;
  }).filter((row) => row !== undefined);
  wanted.forEach((row, i) => {
    if (element.children[i] !== row) element.insertBefore(row, element.children[i] ?? null);
  });
  while (element.children.length > wanted.length) element.lastElementChild.remove();
}

async function bokeh() {
  while (window.Bokeh === undefined) await new Promise((go) => setTimeout(go, 20));
  return window.Bokeh;
}

async function figure(element, item) {
  const {embed} = await bokeh();
  const old = figures.get(element.id);
  const before = [...element.children];
  const inside = document.createElement("div"); // drawn beside the old one, so that nothing jumps
  inside.className = "coming";
  element.append(inside);
  const views = await embed.embed_item(item, inside).catch((error) => console.error(error));
  old?.clear();
  for (const child of before) child.remove();
  inside.className = "";
  element.dataset.part = "figure"; // it may have held words until now
  if (views === undefined) return;
  figures.set(element.id, views);
  watch(views.roots[0].model.document, element);
}

function sources(doc) {
  return [...doc._all_models.values()].filter((model) => model.type === "ColumnDataSource");
}

function change(element, changes) {
  const views = figures.get(element.id);
  if (views === undefined) return;
  const doc = views.roots[0].model.document;
  for (const [name, told] of Object.entries(changes)) {
    const source = doc.get_model_by_name(name);
    if (source === null) continue;
    const columns = Object.fromEntries(
      Object.entries(told.columns).map(([key, column]) => [key, numbers(column)]),
    );
    if (Object.keys(columns).length) source.data = {...source.data, ...columns};
    const patches = Object.fromEntries(
      Object.entries(told.patches).map(([key, list]) => [key, list.map(([i, v]) => [i, v ?? NaN])]),
    );
    if (Object.keys(patches).length) source.patch(new Map(Object.entries(patches)));
  }
}

function numbers(column) {
  return column.map((value) => (value === null ? NaN : value));
}

// A source with a column `link` leads there; one with a column `place`, to its tag with that place
// at its end; one with `choose_NAME` sets that state of the page.
function watch(doc, element) {
  for (const source of sources(doc)) {
    source.selected.on_change(source.selected.properties.indices, () => {
      const [index] = source.selected.indices;
      if (index === undefined) return;
      const {link, place: places} = source.data;
      if (link) location.assign(link[index]);
      else if (places && source.tags.length) location.assign(source.tags[0] + places[index]);
      const chosen = Object.keys(source.data).filter((name) => name.startsWith("choose_"));
      if (!chosen.length) return;
      const query = state();
      for (const name of chosen) query.set(name.slice("choose_".length), source.data[name][index]);
      go(query);
      element.dispatchEvent(new Event("chosen"));
    });
  }
}

// --- moving pictures ------------------------------------------------------------------------

// Sources whose name begins with "animation" swing: x = x0 + ax cos t + bx sin t, and so does y.
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const FRAME_MILLISECONDS = 50;
const SWINGS_A_SECOND = 0.6;
let shown = 0;

function swing(now) {
  requestAnimationFrame(swing);
  if (now - shown < FRAME_MILLISECONDS || STILL.matches || document.hidden) return;
  shown = now;
  const t = (now / 1000) * SWINGS_A_SECOND * 2 * Math.PI;
  const [c, s] = [Math.cos(t), Math.sin(t)];
  for (const views of figures.values()) {
    for (const source of sources(views.roots[0].model.document)) {
      if (!source.name?.startsWith("animation")) continue;
      const {data} = source;
      for (const axis of ["x", "y"]) {
        const [zero, a, b] = [data[`${axis}0`], data[`a${axis}`], data[`b${axis}`]];
        for (let i = 0; i < zero.length; i++) data[axis][i] = zero[i] + a[i] * c + b[i] * s;
      }
      source.change.emit();
    }
  }
}
requestAnimationFrame(swing);

function go(query, {push = true} = {}) {
  const address = `${location.pathname}?${query}`;
  history[push ? "pushState" : "replaceState"](null, "", address);
  refresh();
}

// --- controls -----------------------------------------------------------------------------

function slid(input) {
  const {value, words: said} = JSON.parse(input.dataset.values)[Number(input.value)];
  input.parentElement.querySelector("output").textContent = said;
  return value;
}

document.addEventListener("input", (event) => {
  const input = event.target;
  if (input.matches("input[type=range][data-values]")) slid(input);
  if (input.matches("input[type=search]")) {
    clearTimeout(input.timer);
    input.timer = setTimeout(() => choose(input.form, false), 250);
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form?.matches("[data-controls]") && !event.target.matches("input[type=search]")) choose(form, true);
});

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-controls]")) {
    event.preventDefault();
    choose(event.target, true);
  }
});

function choose(form, push) {
  const query = state();
  for (const input of form.elements) {
    if (!input.name) continue;
    if (input.dataset.values) query.set(input.name, slid(input));
    else if (input.type === "checkbox") query.set(input.name, input.checked ? "1" : "0");
    else if (input.value === "") query.delete(input.name);
    else query.set(input.name, input.value);
  }
  go(query, {push});
}

document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-set], [data-verb], [data-save], [data-copy]");
  if (target === null) return;
  event.preventDefault();
  if (target.dataset.set !== undefined) {
    const query = state();
    for (const [name, value] of new URLSearchParams(target.dataset.set)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    go(query);
  } else if (target.dataset.verb !== undefined) {
    await act(target);
  } else if (target.dataset.save !== undefined) {
    await save(target.dataset.figure, target.dataset.save);
  } else {
    await navigator.clipboard.writeText(target.dataset.copy);
    say("Copied.", "good");
  }
});

window.addEventListener("popstate", () => refresh());
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
let width = 0;
new ResizeObserver(() => {
  if (width && Math.abs(wide() - width) > 40) {
    for (const part of document.querySelectorAll("[data-part=figure]")) part.dataset.version = "";
    refresh();
  }
  width ||= wide();
  if (Math.abs(wide() - width) > 40) width = wide();
}).observe(place("main"));

place("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("modesweep-theme", next);
  for (const part of document.querySelectorAll("[data-part=figure]")) part.dataset.version = "";
  refresh();
});

// --- doing --------------------------------------------------------------------------------

function confirmed(question) {
  const dialog = place("confirm");
  dialog.querySelector("p").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), {once: true});
  });
}

export async function api(method, path, content, kind) {
  const reply = await fetch(`${base}/api/v1${path}`, {
    method, body: content, headers: kind ? {"Content-Type": kind} : {},
  });
  const told = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(told.detail ?? `The service answers ${reply.status}.`);
  return told;
}

async function act(button) {
  const {verb, name, question} = button.dataset;
  if (question && !(await confirmed(question))) return;
  button.disabled = true;
  try {
    if (verb === "remove") await api("DELETE", `/sweeps/${name}`);
    else await api("POST", `/sweeps/${name}/${verb}`);
    if (verb === "remove" && sweep === name) location.assign(`${base}/`);
  } catch (error) {
    say(error.message);
  } finally {
    button.disabled = false;
    refresh();
  }
}

let silence = 0;
export function say(text, kind = "bad") {
  const said = place("said");
  said.textContent = text;
  said.dataset.kind = kind;
  said.hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => (said.hidden = true), kind === "good" ? 2000 : 15000);
}

async function save(id, kind) {
  const view = figures.get(id)?.roots[0];
  if (view === undefined) return;
  const blob = await view.export(kind, true).to_blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${[sweep, state().get("view") ?? id].filter(Boolean).join("-")}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

refresh();
