// A planned job taken in hand on the calendar: dragged by mouse or long touch, or moved by keys. While it is held, the
// rows show where its run may start (GET /api/claims/.../reach), a chip says whom that displaces, and letting go opens
// the panel with the forecast; nothing changes before somebody confirms there.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const said = $("#hand");
const words = said.dataset;
const csrf = $('meta[name="csrf-token"]').content;
const lang = document.documentElement.lang || "fr";
const clock = new Intl.DateTimeFormat(lang, { timeZone: words.zone, weekday: "short", hour: "2-digit", minute: "2-digit" });
const live = $("#live");
const wide = matchMedia("(min-width: 681px)");
const STEP_MS = 300_000;
const THRESHOLD_PX = 6;
const HOLD_MS = 350;
const ASK_AFTER_MS = 250;

const board = () => $("#board");
const announce = (text) => {
  $("#hand-said").textContent = text;
};
function element(name, className) {
  const found = document.createElement(name);
  found.className = className;
  return found;
}

/* ---- what is held: at most one job ---- */

let held = null;

function grid() {
  const { start, columnS, columns } = board().dataset;
  return { start: Date.parse(start), columnMs: columnS * 1000, columns: Number(columns) };
}
function span(from, until) {
  const { start, columnMs, columns } = grid();
  const first = Math.max(0, Math.round((from - start) / columnMs));
  const last = Math.min(columns, Math.round((until - start) / columnMs));
  return first < columns && last > 0 ? [first, Math.max(1, last - first)] : null;
}
function put(track, className, from, until) {
  const place = span(from, until);
  if (!place) return null;
  const found = element("span", `${className} at-${place[0]} for-${place[1]}`);
  found.setAttribute("aria-hidden", "true");
  track.prepend(found);
  return found;
}

async function take(block, how) {
  leave();
  const at = Date.parse(block.dataset.run);
  const mine = { block, id: block.id, claim: block.dataset.claim, title: $("b", block).textContent, how, from: at, at, row: block.dataset.row, fromRow: block.dataset.row, runMs: block.dataset.runS * 1000, rows: null, names: {} };
  held = mine;
  block.classList.add("is-held");
  board().classList.add("is-holding");
  announce(words.looking);
  show();
  const { start, columnMs, columns } = grid();
  const query = new URLSearchParams({ from: new Date(start).toISOString(), to: new Date(start + columns * columnMs).toISOString() });
  let answer = null;
  try {
    const response = await fetch(`/api/claims/${mine.claim}/reach?${query}`, { headers: { Accept: "application/json" } });
    if (response.ok) answer = await response.json();
  } catch {
    // said below: an answer that never came is as good as none
  }
  if (held !== mine) return;
  if (!answer || answer.refusals.length) {
    leave(answer ? answer.refusals.map((refusal) => refusal.detail).join(" ") : words.failed, true);
    return;
  }
  mine.names = answer.claims;
  mine.rows = new Map(answer.rows.map((row) => [String(row.resource), row.spans.map((s) => ({ from: Date.parse(s.from), until: Date.parse(s.until), displaced: s.displaced }))]));
  shade();
  show();
  if (how === "keys") announce(`${words.mode} ${status().text}`);
}

function shade() {
  for (const track of $$(".track[data-resource]", board())) {
    const spans = held.rows.get(track.dataset.resource);
    track.classList.toggle("is-other", !spans);
    for (const each of spans ?? []) put(track, `reach is-${each.displaced.length ? "moves" : "free"}`, each.from, each.until);
  }
}

function status() {
  const track = trackOf(held.row);
  const where = `${track?.dataset.name ?? ""}, ${clock.format(held.at)}`;
  if (!held.rows) return { word: "wait", text: where };
  const spans = held.rows.get(held.row);
  if (!spans) return { word: "no", text: `${where} · ${words.other}` };
  const found = spans.find((each) => each.from <= held.at && held.at < each.until);
  if (!found) return { word: "no", text: `${where} · ${words.no}` };
  if (!found.displaced.length) return { word: "free", text: `${where} · ${words.free}` };
  const who = found.displaced.map((name) => held.names[name]?.title ?? name);
  return { word: "moves", text: `${where} · ${words.moves} ${who.join(", ")}` };
}

const trackOf = (row) => $(`.track[data-resource="${CSS.escape(row)}"]`, board());

function show() {
  for (const old of $$(".ghost", board())) old.remove();
  const track = trackOf(held.row);
  const { word, text } = status();
  const ghost = track && put(track, `ghost is-${word}`, held.at, held.at + held.runMs);
  chip(ghost, word, text);
  clearTimeout(held.asking);
  if (word === "moves" || word === "free") held.asking = setTimeout(ask, ASK_AFTER_MS, held, held.row, held.at);
}

function chip(ghost, word, text) {
  const found = $("#hand-chip") ?? document.body.appendChild(element("div", "hand-chip"));
  found.id = "hand-chip";
  found.className = `hand-chip is-${word}`;
  found.textContent = text;
  if (!ghost) return;
  found.style.left = "0"; // where it is measured at its full width
  const box = ghost.getBoundingClientRect();
  // Through the object model, which the content policy allows; a style attribute it would not.
  found.style.left = `${Math.max(8, Math.min(box.left, innerWidth - found.offsetWidth - 8))}px`;
  const above = box.top - found.offsetHeight - 8;
  found.style.top = `${above > 64 ? above : box.bottom + 8}px`;
}

async function ask(mine, row, at) {
  let answer;
  try {
    const response = await fetch(`/api/claims/${mine.claim}/forecast`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify({ action: "move", resource: Number(row), run_start_at: new Date(at).toISOString() }),
    });
    if (!response.ok) return;
    answer = await response.json();
  } catch {
    return; // the chip keeps what the rows say already
  }
  if (held !== mine || mine.row !== row || mine.at !== at) return;
  const { text } = status();
  const detail = answer.possible
    ? [answer.said, ...answer.displaced.slice(0, 3).map((each) => `${each.title ?? ""} ${each.said}`)].join(" · ")
    : answer.refusals.map((refusal) => refusal.detail).join(" ");
  const ghost = $(".ghost", board());
  const word = !answer.possible ? "no" : answer.displaced.length ? "moves" : "free";
  if (ghost) ghost.className = ghost.className.replace(/\bis-\w+/, `is-${word}`);
  chip(ghost, word, `${text.split(" · ")[0]} · ${detail}`);
  if (mine.how === "keys") announce(detail);
}

function leave(why, loud) {
  if (!held) return;
  clearTimeout(held.asking);
  const mine = held;
  held = null;
  for (const old of $$(".ghost, .reach", board())) old.remove();
  for (const track of $$(".track.is-other", board())) track.classList.remove("is-other");
  $("#hand-chip")?.remove();
  $(`#${CSS.escape(mine.id)}`)?.classList.remove("is-held");
  board().classList.remove("is-holding");
  if (why) announce(why);
  if (loud) toast(why);
  if (mine.stale) live?.dispatchEvent(new CustomEvent("resync"));
}
function toast(text) {
  const found = $("#toast-lost").content.cloneNode(true);
  $("p", found).textContent = text;
  $("#toasts").append(found);
}

/* ---- letting go: the panel opens with what it would cost ---- */

function drop() {
  const { word, text } = status();
  if (word === "wait" || word === "no" || (held.at === held.from && held.row === held.fromRow)) {
    leave(word === "no" ? text : words.left);
    return;
  }
  const form = $("#hand-form");
  form.elements.claim.value = held.claim;
  form.elements.resource.value = held.row;
  form.elements.start.value = new Date(held.at).toISOString();
  leave();
  $("#panel-in").replaceChildren();
  $("#panel").showModal();
  form.requestSubmit();
}
document.addEventListener("htmx:after:swap", () => {
  const panel = $("#panel");
  const mark = $("[data-hand-done]");
  if (mark) {
    mark.remove();
    panel.close();
    live?.dispatchEvent(new CustomEvent("calendar"));
    return;
  }
  const yes = panel.open && $("#hand-yes", panel);
  if (yes) yes.focus();
  else if (panel.open) $("#forecast", panel)?.focus();
});

// The board is not replaced under the hand: it catches up when that lets go.
document.addEventListener("htmx:config:request", (event) => {
  const { sourceElement, request } = event.detail.ctx;
  if (held && request.method === "GET" && sourceElement.id === "board") {
    held.stale = true;
    event.preventDefault();
  }
});

/* ---- by mouse and by touch ---- */

let press = null;
function pixelsToMs(block, px) {
  const { columnMs, columns } = grid();
  return (px / block.closest(".track").clientWidth) * columns * columnMs;
}
function rasterMs() {
  return Math.max(STEP_MS, Math.min(grid().columnMs, 900_000));
}
document.addEventListener("pointerdown", (event) => {
  const block = event.target.closest?.(".alloc[data-claim]");
  if (!block || event.button !== 0 || !wide.matches || held) return;
  press = { block, x: event.clientX, y: event.clientY, pointer: event.pointerId, moved: false };
  if (event.pointerType !== "mouse") press.timer = setTimeout(lift, HOLD_MS);
  else press.mouse = true;
});
function lift() {
  press.moved = true;
  take(press.block, "pointer");
}
document.addEventListener("pointermove", (event) => {
  if (!press || event.pointerId !== press.pointer) return;
  const far = Math.hypot(event.clientX - press.x, event.clientY - press.y) > THRESHOLD_PX;
  if (!press.moved) {
    if (!far) return;
    if (press.mouse) lift();
    else return void forget(); // a finger that moves at once scrolls
  }
  if (!held) return;
  const raw = held.from + pixelsToMs(press.block, event.clientX - press.x);
  const raster = rasterMs();
  const at = Math.round(raw / raster) * raster;
  const track = document.elementsFromPoint(event.clientX, event.clientY).find((e) => e.matches(".track[data-resource]"));
  const row = track?.dataset.resource ?? held.row;
  if (at === held.at && row === held.row) return;
  held.at = at;
  held.row = row;
  show();
});
function swallow(click) {
  click.preventDefault();
  click.stopImmediatePropagation();
}
function forget() {
  clearTimeout(press?.timer);
  press = null;
}
document.addEventListener("pointerup", (event) => {
  if (!press || event.pointerId !== press.pointer) return;
  const moved = press.moved;
  forget();
  if (!moved) return;
  // The click that follows would open the panel of what lies there now.
  addEventListener("click", swallow, true);
  setTimeout(() => removeEventListener("click", swallow, true), 0);
  if (held) drop();
});
document.addEventListener("pointercancel", () => {
  forget();
  leave(words.left);
});
document.addEventListener("dragstart", (event) => event.target.closest?.(".alloc[data-claim]") && event.preventDefault());
document.addEventListener("touchmove", (event) => held && event.cancelable && event.preventDefault(), { passive: false });
document.addEventListener("contextmenu", (event) => (held || press?.timer) && event.target.closest?.(".alloc") && event.preventDefault());

/* ---- by keys: M takes the block that has the focus ---- */

const MOVES = {
  ArrowLeft: (event) => shift(event.shiftKey ? -12 : -1),
  ArrowRight: (event) => shift(event.shiftKey ? 12 : 1),
  ArrowUp: () => climb(-1),
  ArrowDown: () => climb(1),
  Enter: () => drop(),
  Escape: () => leave(words.left),
};
function shift(steps) {
  // The first step also brings it onto the raster.
  const on = steps < 0 ? Math.ceil(held.at / STEP_MS) : Math.floor(held.at / STEP_MS);
  held.at = (on + steps) * STEP_MS;
  tell();
}
function climb(by) {
  const rows = $$(".track[data-resource]", board()).map((track) => track.dataset.resource).filter((row) => !held.rows || held.rows.has(row));
  const next = rows[rows.indexOf(held.row) + by];
  if (next) held.row = next;
  tell();
}
function tell() {
  show();
  $(".ghost", board())?.scrollIntoView({ block: "nearest", inline: "nearest" });
  announce(status().text);
}
addEventListener(
  "keydown",
  (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (held && MOVES[event.key]) {
      event.preventDefault();
      event.stopPropagation();
      MOVES[event.key](event);
      return;
    }
    const block = event.target.closest?.(".alloc[data-claim]");
    if (block && event.key.toLowerCase() === "m" && !held) {
      event.preventDefault();
      take(block, "keys");
    }
  },
  true,
);
// Going elsewhere by Tab or by a click lets go as well.
document.addEventListener("focusout", (event) => held?.how === "keys" && event.target === held.block && event.relatedTarget && leave(words.left));
