// The calendar in hand: a planned job or a reservation dragged by mouse or long touch, or moved by keys, and a new
// reservation drawn on an empty stretch. While something is held the rows show where it may lie, a chip says whom that
// displaces, and letting go opens what it would cost; nothing changes before somebody confirms there.

import { $, $$, announce, board, chip, grid, pixelsToMs, put, rasterMs, STEP_MS, toast, tracks, words } from "./hand_board.js";
import { job } from "./hand_job.js";
import { fresh, stay } from "./hand_stay.js";

const live = $("#live");
const wide = matchMedia("(min-width: 681px)");
const subjects = [...(words.jobs ? [job] : []), ...(words.stays ? [stay] : [])];
const THRESHOLD_PX = 6;
const HOLD_MS = 350;
const ASK_AFTER_MS = 250;
const USUAL_MS = 3_600_000;
const LEAST_MS = STEP_MS;

const trackOf = (row, from) => {
  const found = $$(`.track[data-resource="${CSS.escape(row)}"]`, board());
  // In a week of one thing the same thing has a row a day: the one in which it begins.
  return found.find((track) => from >= grid(track).start && from < grid(track).start + grid(track).columns * grid(track).columnMs) ?? found[0];
};
const subjectOf = (block) => subjects.find((each) => block.matches(each.selector));

/* ---- what is held: at most one thing ---- */

let held = null;

async function take(subject, block, how, mode, opened) {
  leave();
  const mine = { subject, block, id: block.id, how, mode, rows: null, names: {}, ...opened };
  mine.was = { from: mine.from, until: mine.until, row: mine.row };
  held = mine;
  if (block.matches(".alloc")) block.classList.add("is-held");
  board().classList.add("is-holding");
  announce(words.looking);
  show();
  const problem = await subject.look(mine);
  if (held !== mine) return;
  if (problem) {
    leave(problem, true);
    return;
  }
  for (const track of tracks()) track.classList.toggle("is-other", !subject.shade(mine, track));
  show();
  if (how === "keys") announce(`${subject === job ? words.mode : words.modeStay} ${status().text}`);
}

function status() {
  const where = held.subject.said(held, trackOf(held.row, held.from)?.dataset.name ?? "");
  if (!held.rows) return { word: "wait", text: where };
  const { word, text } = held.subject.status(held);
  return { word, text: `${where} · ${text}` };
}

const isWhereItWas = () => held.from === held.was.from && held.until === held.was.until && held.row === held.was.row;

function show() {
  for (const old of $$(".ghost", board())) old.remove();
  const { word, text } = status();
  const rows = held.resources?.length > 1 ? held.resources : [held.row];
  const ghosts = rows.map((row) => [row, trackOf(row, held.from)]).map(([, track]) => track && put(track, `ghost is-${word}`, held.from, held.until));
  chip(ghosts.find(Boolean), word, text);
  clearTimeout(held.asking);
  // Where it lies already nothing is asked, and what to do with the keys is said undisturbed.
  if ((word === "moves" || word === "free") && (held.subject === fresh || !isWhereItWas())) held.asking = setTimeout(ask, ASK_AFTER_MS, held, held.row, held.from, held.until);
}

async function ask(mine, row, from, until) {
  const answer = await mine.subject.ask(mine);
  // Without an answer the chip keeps what the rows say already.
  if (!answer || held !== mine || mine.row !== row || mine.from !== from || mine.until !== until) return;
  const { text } = status();
  const detail = answer.possible
    ? [answer.said, ...answer.displaced.slice(0, 3).map((each) => `${each.title ?? ""} ${each.said}`)].join(" · ")
    : answer.refusals.map((refusal) => refusal.detail).join(" ");
  const word = !answer.possible ? "no" : answer.displaced.length ? "moves" : "free";
  for (const ghost of $$(".ghost", board())) ghost.className = ghost.className.replace(/\bis-\w+/, `is-${word}`);
  chip($(".ghost", board()), word, `${text.split(" · ")[0]} · ${detail}`);
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
  if (mine.id) $(`#${CSS.escape(mine.id)}`)?.classList.remove("is-held");
  board().classList.remove("is-holding");
  if (why) announce(why);
  if (loud) toast(why);
  if (mine.stale) live?.dispatchEvent(new CustomEvent("resync"));
}

/* ---- letting go: what it would cost ---- */

function drop() {
  const { word, text } = status();
  if (word === "wait" || word === "no" || (isWhereItWas() && held.subject !== fresh)) {
    leave(word === "no" ? text : words.left);
    return;
  }
  const mine = held;
  leave();
  mine.subject.drop(mine);
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
const onRaster = (ms) => Math.round(ms / rasterMs()) * rasterMs();

/** What is under the pointer: something that can be taken, or an empty stretch on which something can be drawn. */
function under(event) {
  const block = event.target.closest?.(".alloc");
  if (block) {
    const subject = subjectOf(block);
    return subject ? { subject, block, mode: subject.grip(block, event), opened: subject.open(block) } : null;
  }
  const track = words.stays && event.target.closest?.(".track[data-resource]:not([data-fixed])");
  if (!track) return null;
  const { start } = grid(track);
  const raster = rasterMs();
  const from = Math.floor((start + pixelsToMs(track, event.clientX - track.getBoundingClientRect().left)) / raster) * raster;
  const drawn = event.pointerType === "mouse" ? raster : USUAL_MS;
  return { subject: fresh, block: track, mode: "end", opened: { row: track.dataset.resource, from, until: from + drawn } };
}
document.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !wide.matches || held || !event.target.closest?.("#board")) return;
  const found = under(event);
  if (!found) return;
  press = { ...found, x: event.clientX, y: event.clientY, pointer: event.pointerId, moved: false, track: found.block.closest(".track") };
  if (event.pointerType !== "mouse") press.timer = setTimeout(lift, HOLD_MS);
  else press.mouse = true;
});
function lift() {
  press.moved = true;
  take(press.subject, press.block, "pointer", press.mode, press.opened);
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
  const track = held.mode === "move" ? document.elementsFromPoint(event.clientX, event.clientY).find((e) => e.matches(".track[data-resource]")) : null;
  const row = held.resources?.length > 1 ? held.row : (track?.dataset.resource ?? held.row);
  const days = track ? grid(track).start - grid(press.track).start : 0;
  if (shifted(pixelsToMs(press.track, event.clientX - press.x) + days, row)) show();
});
/** Moves or resizes by so much from where it was taken up; whether anything has changed. */
function shifted(by, row) {
  const { from, until } = press.opened;
  const before = `${held.from} ${held.until} ${held.row}`;
  if (held.mode === "move") {
    held.from = onRaster(from + by);
    held.until = held.from + (until - from);
    held.row = row;
  } else if (held.mode === "end") {
    held.until = Math.max(held.from + LEAST_MS, onRaster(until + by));
  } else {
    held.from = Math.min(held.until - LEAST_MS, onRaster(from + by));
  }
  return before !== `${held.from} ${held.until} ${held.row}`;
}
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
  if (held) letGo();
});
/** A pointer may be quicker than the answer that says where it may lie. */
async function letGo() {
  const mine = held;
  for (let tries = 0; held === mine && !mine.rows && tries < 20; tries++) await new Promise((done) => setTimeout(done, 50));
  if (held === mine) drop();
}
document.addEventListener("pointercancel", () => {
  forget();
  leave(words.left);
});
document.addEventListener("dragstart", (event) => event.target.closest?.(".alloc") && subjectOf(event.target.closest(".alloc")) && event.preventDefault());
document.addEventListener("touchmove", (event) => held && event.cancelable && event.preventDefault(), { passive: false });
document.addEventListener("contextmenu", (event) => (held || press?.timer) && event.target.closest?.("#board") && event.preventDefault());

/* ---- by keys: M takes the block that has the focus, N draws a new one in the row that has it ---- */

const MOVES = {
  ArrowLeft: (event) => shift(event.shiftKey ? -12 : -1),
  ArrowRight: (event) => shift(event.shiftKey ? 12 : 1),
  ArrowUp: () => climb(-1),
  ArrowDown: () => climb(1),
  e: () => turn(),
  Enter: () => drop(),
  Escape: () => leave(words.left),
};
function shift(steps) {
  const edge = held.mode === "end" ? "until" : "from";
  // The first step also brings it onto the raster.
  const on = steps < 0 ? Math.ceil(held[edge] / STEP_MS) : Math.floor(held[edge] / STEP_MS);
  const length = held.until - held.from;
  const found = (on + steps) * STEP_MS;
  if (held.mode === "move") [held.from, held.until] = [found, found + length];
  else if (held.mode === "end") held.until = Math.max(held.from + LEAST_MS, found);
  else held.from = Math.min(held.until - LEAST_MS, found);
  tell();
}
function climb(by) {
  if (held.mode !== "move" || held.resources?.length > 1) return tell();
  const rows = [...new Set(tracks().map((track) => track.dataset.resource))].filter((row) => !held.rows || (held.rows.has(row) && (!held.alike || held.alike.includes(row))));
  const next = rows[rows.indexOf(held.row) + by];
  if (next) held.row = next;
  tell();
}
function turn() {
  const modes = held.fixed ? ["end"] : held.subject.modes;
  held.mode = modes[(modes.indexOf(held.mode) + 1) % modes.length];
  announce(words[`turn${held.mode}`] ?? "");
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
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (held && MOVES[key]) {
      event.preventDefault();
      event.stopPropagation();
      MOVES[key](event);
      return;
    }
    if (held) return;
    const block = event.target.closest?.(".alloc");
    const subject = block && subjectOf(block);
    if (subject && key === "m") {
      event.preventDefault();
      take(subject, block, "keys", subject.grip(block), subject.open(block));
    }
    const name = words.stays && event.target.closest?.("[data-reserve]");
    if (name && key === "n") {
      event.preventDefault();
      const track = $(".track[data-resource]", name.closest("tr"));
      const { start, columns, columnMs } = grid(track);
      const from = Math.ceil(Math.max(Date.now(), start + (columns * columnMs) / 2.4) / USUAL_MS) * USUAL_MS;
      take(fresh, name, "keys", "move", { row: track.dataset.resource, from, until: from + USUAL_MS });
    }
  },
  true,
);
// Going elsewhere by Tab or by a click lets go as well.
document.addEventListener("focusout", (event) => held?.how === "keys" && event.target === held.block && event.relatedTarget && leave(words.left));
