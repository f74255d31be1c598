// The pages work without this.  It filters rows, moves through the grid by the arrow keys, says why on hover and focus,
// copies commands, and takes in what has changed while a night runs.
"use strict";

function filter(input) {
  const table = document.getElementById(input.dataset.rows);
  if (!table) return;
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of table.tBodies[0].rows) {
    row.said ??= said(row);
    row.hidden = !words.every((word) => row.said.includes(word));
  }
}

// What a row is found by: its text, and the latest state.
function said(row) {
  const first = row.querySelector("td a[aria-label]");
  return `${row.textContent} ${first ? first.getAttribute("aria-label") : ""}`.toLowerCase();
}

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // a reader has the label of the link itself

function line(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function show(link) {
  const cell = link.parentElement;
  const table = cell.closest("table");
  const column = table.tHead.rows[1].cells[cell.cellIndex];
  const night = column && column.querySelector("a");
  const head = [];
  if (cell.parentElement.parentElement === table.tBodies[0]) head.push(cell.parentElement.cells[0].textContent.trim());
  if (night && night !== link) head.push(night.getAttribute("aria-label").split(":")[0]);
  tip.replaceChildren(line("strong", head.join(" · ")), line("span", link.getAttribute("aria-label")));
  tip.hidden = false;
  const place = link.getBoundingClientRect();
  const below = place.bottom + tip.offsetHeight + 8 < innerHeight;
  tip.style.top = `${below ? place.bottom + 6 : place.top - tip.offsetHeight - 6}px`;
  tip.style.left = `${Math.max(4, Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
}

function hide() {
  tip.hidden = true;
}

function pointed(event) {
  const link = event.target.closest && event.target.closest(".grid a[aria-label]");
  if (link) show(link);
  else hide();
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function moved(event) {
  if (event.key === "Escape") hide();
  const step = STEPS[event.key];
  const cell = event.target.closest && event.target.closest(".grid th, .grid td");
  if (!step || !cell || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const rows = [...cell.closest("table").rows].slice(1).filter((row) => !row.hidden);
  let [y, x] = [rows.indexOf(cell.parentElement) + step[0], cell.cellIndex + step[1]];
  while (rows[y] && rows[y].cells[x]) {
    const link = rows[y].cells[x].querySelector("a");
    if (link) {
      enter(link);
      return;
    }
    y += step[0];
    x += step[1];
  }
}

// One stop for the tab key in each grid: where one was last.
function enter(link) {
  for (const other of link.closest("table").querySelectorAll('a[tabindex="0"]')) other.tabIndex = -1;
  link.tabIndex = 0;
  link.focus();
}

function copier(block) {
  const button = line("button", "Copy");
  const around = document.createElement("div");
  button.type = "button";
  around.className = "copied";
  block.replaceWith(around);
  around.append(block, button);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(block); // for Ctrl-C
      button.textContent = "Selected";
    }
  });
}

function prepare() {
  for (const input of document.querySelectorAll("input[data-rows]")) {
    input.addEventListener("input", () => filter(input));
    if (input.value) filter(input);
  }
  for (const grid of document.querySelectorAll(".grid")) {
    const links = grid.querySelectorAll("a");
    for (const link of links) link.tabIndex = -1;
    const start = grid.querySelector("tbody td a");
    if (start) start.tabIndex = 0;
  }
  for (const block of document.querySelectorAll("pre[data-copy]")) copier(block);
}

// While a night runs, and where there is a server to ask.
const PAUSE = 5000;
let seen = null;

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const text = answer.ok ? await answer.text() : seen;
    if (seen !== null && text !== seen) take(new DOMParser().parseFromString(text, "text/html"));
    seen = text;
  } catch {
    // the server is away; it may come back
  }
  if ("live" in document.documentElement.dataset) setTimeout(refresh, PAUSE);
}

function take(fresh) {
  const filters = [...document.querySelectorAll("input[data-rows]")].map((input) => input.value);
  const at = document.activeElement;
  const place = at && at.closest("td, th") ? [at.closest("tr").rowIndex, at.closest("td, th").cellIndex] : null;
  const id = at && at.id;
  document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
  if (!("live" in fresh.documentElement.dataset)) delete document.documentElement.dataset.live;
  document.title = fresh.title;
  document.querySelectorAll("input[data-rows]").forEach((input, number) => (input.value = filters[number] || ""));
  prepare();
  hide();
  if (id) document.getElementById(id)?.focus();
  else if (place) {
    const link = document.querySelector(".grid")?.rows[place[0]]?.cells[place[1]]?.querySelector("a");
    if (link) enter(link);
  }
}

document.body.append(tip);
document.addEventListener("mouseover", pointed);
document.addEventListener("focusin", pointed);
document.addEventListener("keydown", moved);
document.addEventListener("scroll", hide, true);
prepare();
if ("live" in document.documentElement.dataset && location.protocol.startsWith("http")) refresh();
