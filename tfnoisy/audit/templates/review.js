// The page itself: one label after another, decisions kept in the browser.

const page = JSON.parse(document.getElementById("page").textContent);
const at = id => document.getElementById(id);
const STORE = "tfnoisy-review-" + page.id;
const COLUMNS = ["path", "sha256", "given_label", "corrected_label", "action", "note"];
const MOST_BUTTONS = 9;

function numbers(text, type) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  return new type(bytes.buffer);
}
const wrongness = numbers(page.wrongness, Float64Array);
const strata = numbers(page.strata, Uint8Array);

// {key: {action, label}}; label is a class's number, or null.
let decisions = {}, past = [], shown = [], place = 0;
// {key: cells}: lines of a loaded file that do not belong to this page, but
// are somebody's work: they are saved again as they were.
let others = {};
// Whether the server lacks what this browser has.
let unsaved = false;

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) || "{}");
    decisions = kept.decisions || {};
    past = kept.past || [];
    others = kept.others || {};
    unsaved = Boolean(kept.unsaved);
  } catch (error) { decisions = {}; past = []; others = {}; }
}
function keep() {
  unsaved = served;
  saveToServer();
  remember();
}
function remember() {
  try {
    localStorage.setItem(STORE, JSON.stringify(
      {decisions, past: past.slice(-1000), others, unsaved}));
  } catch (error) {
    at("progress").textContent = "This browser keeps nothing: save often. ";
  }
}

// Where `audit_labels.py --serve` shows the page: each decision goes there.
const served = location.protocol === "http:";
const token = new URLSearchParams(location.search).get("token");
let version = null, saving = Promise.resolve(), waiting = false;

async function ask(method, body) {
  const headers = {"X-Token": token, "Content-Type": "text/csv"};
  if (version !== null) headers["X-Version"] = version;
  const answer = await fetch("/corrections.csv", {method, headers, body});
  if (!answer.ok) throw new Error((await answer.text()).trim());
  version = answer.headers.get("X-Version");
  return answer.text();
}
function saveToServer() {
  if (!served || version === null || waiting) return;
  waiting = true;
  saving = saving.then(async () => {
    waiting = false;
    try {
      await ask("PUT", toCsv());
      at("saved").textContent = "saved";
      unsaved = waiting;
      remember();
    } catch (error) {
      at("saved").textContent = "NOT SAVED: " + (error.message || "the server is gone");
    }
  });
}
async function takeFromServer() {
  try {
    const text = await ask("GET");
    if (text.trim()) {
      // What could not be saved before a reload goes on top of the file.
      const mine = unsaved ? {decisions, others} : {decisions: {}, others: {}};
      decisions = {}; past = []; others = {};
      load(text, mine);
    }
  } catch (error) {
    at("saved").textContent = "NOT SAVED: " + (error.message || "the server is gone");
  }
  select((page.items.find(item => !isDecided(item)) || page.items[0] || {}).key);
}

function isDecided(item) {
  const one = decisions[item.key];
  return Boolean(one && one.action !== "undecided");
}
function matches(item) {
  const kind = at("filter").value, given = at("given").value;
  const words = at("search").value.trim().toLowerCase();
  const one = decisions[item.key];
  if (given !== "" && item.given !== Number(given)) return false;
  if (words && !item.key.toLowerCase().includes(words)) return false;
  if (kind === "open") return !isDecided(item);
  if (kind === "decided") return isDecided(item);
  if (kind === "flagged") return item.flagged;
  if (kind === "changed") return Boolean(one && ["relabel", "remove"].includes(one.action));
  return true;
}
function select(key) {
  shown = page.items.filter(matches);
  const found = shown.findIndex(item => item.key === key);
  place = found >= 0 ? found : Math.min(place, Math.max(shown.length - 1, 0));
  draw();
}

function decide(action, label = null) {
  const item = shown[place];
  if (!item) return;
  past.push([item.key, decisions[item.key] || null]);
  decisions[item.key] = {action, label};
  keep();
  if (place < shown.length - 1) place += 1;
  // A filter may hide what has just been decided.
  select(shown[place].key);
  at("card").focus({preventScroll: true});
}
function choose(label) {
  const item = shown[place];
  if (!item || label >= page.classes.length) return;
  if (label === item.given) decide("keep"); else decide("relabel", label);
}
function undo() {
  const last = past.pop();
  if (!last) return;
  const [key, before] = last;
  if (before) decisions[key] = before; else delete decisions[key];
  keep();
  at("filter").value = "all"; at("given").value = ""; at("search").value = "";
  select(key);
}
function move(by) {
  place = Math.min(Math.max(place + by, 0), Math.max(shown.length - 1, 0));
  draw();
}
const ACTIONS = {
  keep: () => decide("keep"),
  take: () => shown[place] && choose(shown[place].suggested),
  remove: () => decide("remove"),
  undecided: () => decide("undecided"),
  back: () => move(-1),
  next: () => move(1),
};

function percent(x) { return (100 * x).toFixed(1) + " %"; }
function said(one) {
  if (!one) return "";
  if (one.action === "relabel") return "changed to " + page.classes[one.label];
  return {keep: "kept", remove: "removed", undecided: "undecided"}[one.action];
}
function drawEstimate() {
  const inSample = [], answers = [];
  for (const item of page.items) {
    if (!isDecided(item)) continue;
    const wrong = decisions[item.key].action !== "keep";
    answers.push([wrongness[item.row], wrong]);
    if (item.stratum >= 0) inSample.push([item.stratum, wrong]);
  }
  const found = estimate(wrongness, strata, inSample, answers);
  if (!found) {
    at("estimate").textContent = `The first ${page.sample} are a random sample: ` +
      "from 5 answers on they say how many labels are wrong.";
    return;
  }
  const width = found.high - found.low;
  const more = Math.min(3 * found.checked, wrongness.length - found.checked);
  at("estimate").textContent =
    `${percent(found.rate)} of all labels are wrong, 95 % interval ` +
    `${percent(found.low)} to ${percent(found.high)} (${found.checked} checked, ` +
    `${found.wrong} wrong). About ${more} more of the sample would halve the width.`;
  at("estimate").dataset.found = JSON.stringify(found);
}
function draw() {
  const count = page.items.filter(isDecided).length;
  at("progress").textContent = `${count} of ${page.items.length} decided`;
  at("bar").value = count;
  drawEstimate();
  const item = shown[place];
  at("card").hidden = !item;
  at("empty").hidden = Boolean(item);
  at("undo").disabled = !past.length;
  if (!item) return;
  at("image").src = item.image;
  at("image").alt = "image labelled " + page.classes[item.given];
  at("name").textContent = item.key;
  at("is").textContent = at("keep-name").textContent = page.classes[item.given];
  at("maybe").textContent = at("take-name").textContent = page.classes[item.suggested];
  at("wrong").textContent = item.wrong.toFixed(2);
  at("place").textContent = `${place + 1} of ${shown.length}`;
  const one = decisions[item.key];
  at("decision").textContent = said(one);
  document.querySelector("[data-do=take]").hidden = item.suggested === item.given;
  for (const [name, action] of [["keep", "keep"], ["remove", "remove"], ["undecided", "undecided"]]) {
    document.querySelector(`[data-do=${name}]`)
      .setAttribute("aria-pressed", String(Boolean(one && one.action === action)));
  }
  for (const button of at("classes").querySelectorAll("button")) {
    const label = Number(button.dataset.label);
    button.setAttribute("aria-pressed",
      String(Boolean(one && one.action === "relabel" && one.label === label)));
  }
  at("near").hidden = !item.near.length;
  const title = document.createElement("h2");
  title.textContent = "The most similar images, and what they are called";
  at("near").replaceChildren(title, ...item.near.map(([image, label]) => {
    const box = document.createElement("div"), img = document.createElement("img");
    const text = document.createElement("span");
    img.src = image; img.alt = "";
    text.textContent = page.classes[label];
    text.className = label === item.given ? "" : "other";
    box.append(img, document.createElement("br"), text);
    return box;
  }));
}

// As csv_cells.py writes and reads them.
function safe(text) {
  if (/^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text)) return text;
  return /^'*[=+\-@\t\r]/.test(text) ? "'" + text : text;
}
function original(text) { return /^'+[=+\-@\t\r]/.test(text) ? text.slice(1) : text; }
function cell(text) {
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}
function toCsv() {
  const lines = [COLUMNS.join(",")];
  for (const item of page.items) {
    const one = decisions[item.key];
    if (!one) continue;
    const path = safe(item.key) === item.key ? item.key : "./" + item.key;
    const label = one.action === "relabel" ? page.classes[one.label] : "";
    lines.push([path, item.sha256, safe(page.classes[item.given]), safe(label), one.action, ""]
      .map(cell).join(","));
  }
  for (const [key, cells] of Object.entries(others)) {
    if (!decisions[key]) lines.push(cells.map(cell).join(","));
  }
  return lines.join("\n") + "\n";
}
function parseCsv(text) {
  const rows = [[]];
  let value = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') value += c;
      else if (text[i + 1] === '"') { value += c; i++; }
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ",") { rows.at(-1).push(value); value = ""; }
    else if (c === "\n") { rows.at(-1).push(value.replace(/\r$/, "")); value = ""; rows.push([]); }
    else value += c;
  }
  if (value || rows.at(-1).length) rows.at(-1).push(value);
  return rows.filter(row => row.length > 1);
}
function load(text, mine = {decisions: {}, others: {}}) {
  const [head, ...rows] = parseCsv(text.replace(/^\ufeff/, ""));
  const columns = Object.fromEntries((head || []).map((name, k) => [name.trim(), k]));
  if (!("path" in columns) || !("action" in columns)) {
    at("progress").textContent = "This file is no corrections.csv: it needs the columns path and action.";
    return;
  }
  const items = new Map(page.items.map(item => [item.key, item]));
  let taken = 0, strange = 0, elsewhere = 0;
  for (const row of rows) {
    const key = original(row[columns.path]).replace(/^\.\//, "");
    const item = items.get(key);
    const action = row[columns.action];
    const name = original(row[columns.corrected_label] || "");
    const given = original(row[columns.given_label] || "");
    const label = page.classes.indexOf(name);
    if (!["keep", "relabel", "remove", "undecided"].includes(action) ||
        (action === "relabel" && !name)) { strange += 1; continue; }
    if (!item || (given && given !== page.classes[item.given]) ||
        (action === "relabel" && label < 0)) {
      others[key] = COLUMNS.map(column => row[columns[column]] || "");
      elsewhere += 1;
      continue;
    }
    past.push([item.key, decisions[item.key] || null]);
    decisions[item.key] = {action, label: action === "relabel" ? label : null};
    taken += 1;
  }
  Object.assign(decisions, mine.decisions);
  Object.assign(others, mine.others);
  keep();
  select();
  at("progress").textContent = `${taken} decisions loaded` +
    (elsewhere ? `, ${elsewhere} are on images or labels that are not here: ` +
      "they stay in the file" : "") +
    (strange ? `, ${strange} lines left out: they do not say what to do` : "");
}

function prepare() {
  at("given").append(new Option("any class", ""),
    ...page.classes.map((name, k) => new Option(name, String(k))));
  page.classes.slice(0, MOST_BUTTONS).forEach((name, k) => {
    const button = document.createElement("button"), key = document.createElement("kbd");
    button.type = "button"; button.dataset.label = k;
    key.textContent = k + 1;
    button.append(name + " ", key);
    button.addEventListener("click", () => choose(k));
    at("classes").append(button);
  });
  if (page.classes.length > MOST_BUTTONS) {
    const more = document.createElement("select");
    more.setAttribute("aria-label", "Another class");
    more.append(new Option("another class", ""),
      ...page.classes.map((name, k) => new Option(name, String(k))));
    more.addEventListener("change", () => {
      const label = more.value;
      more.value = "";
      if (label !== "") choose(Number(label));
    });
    at("classes").append(more);
  }
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => ACTIONS[button.dataset.do]());
  }
  for (const id of ["filter", "given"]) at(id).addEventListener("change", () => select());
  at("search").addEventListener("input", () => select());
  at("undo").addEventListener("click", undo);
  at("help").addEventListener("click", () => {
    at("keys").hidden = !at("keys").hidden;
    at("help").setAttribute("aria-expanded", String(!at("keys").hidden));
  });
  at("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([toCsv()], {type: "text/csv"}));
    link.download = "corrections.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  at("load").addEventListener("change", async () => {
    if (at("load").files.length) load(await at("load").files[0].text());
    at("load").value = "";
  });
  document.addEventListener("keydown", onKey);
}
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = event.target.closest("input, select, textarea");
  if (inField) {
    if (event.key === "Escape") { inField.blur(); at("card").focus(); }
    return;
  }
  // A button that has the focus does what it says.
  const onButton = event.target.closest("button");
  if (onButton && [" ", "Enter"].includes(event.key)) return;
  const keys = {
    Enter: "take", s: "take", k: "keep", " ": "keep", x: "remove",
    u: "undecided", ArrowLeft: "back", ArrowRight: "next",
  };
  if (/^[1-9]$/.test(event.key)) choose(Number(event.key) - 1);
  else if (event.key in keys) ACTIONS[keys[event.key]]();
  else if (event.key === "z") undo();
  else if (event.key === "?") at("help").click();
  else if (event.key === "/") at("search").focus();
  else return;
  event.preventDefault();
}

restore();
prepare();
if (served) takeFromServer();
select((page.items.find(item => !isDecided(item)) || page.items[0] || {}).key);
