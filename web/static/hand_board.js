// The calendar as a hand sees it: instants and columns, what is drawn while something is held, and what is said.

export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
export const words = $("#hand").dataset;
const csrf = $('meta[name="csrf-token"]').content;
const lang = document.documentElement.lang || "fr";
const clock = new Intl.DateTimeFormat(lang, { timeZone: words.zone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const hour = new Intl.DateTimeFormat(lang, { timeZone: words.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const STEP_MS = 300_000;

export const at = (ms) => clock.format(ms);
export const between = (from, until) => `${clock.format(from)} – ${hour.format(until)}`;
export const iso = (ms) => new Date(ms).toISOString();
export const board = () => $("#board");
export const tracks = () => $$(".track[data-resource]", board());
export function announce(text) {
  $("#hand-said").textContent = text;
}
export function toast(text) {
  const found = $("#toast-lost").content.cloneNode(true);
  $("p", found).textContent = text;
  $("#toasts").append(found);
}

export function element(name, className) {
  const found = document.createElement(name);
  found.className = className;
  return found;
}
/** A row of a week of one thing begins on its own day; every other begins where the board does. */
export function grid(track) {
  const { start, columnS, columns } = board().dataset;
  return { start: Date.parse(track?.dataset.start ?? start), columnMs: columnS * 1000, columns: Number(columns) };
}
export function range() {
  const starts = tracks().map((track) => grid(track));
  const ends = starts.map(({ start, columnMs, columns }) => start + columnMs * columns);
  return { from: Math.min(...starts.map(({ start }) => start)), to: Math.max(...ends) };
}
export function put(track, className, from, until) {
  const { start, columnMs, columns } = grid(track);
  const first = Math.max(0, Math.round((from - start) / columnMs));
  const last = Math.min(columns, Math.round((until - start) / columnMs));
  if (first >= columns || last <= 0) return null;
  const found = element("span", `${className} at-${first} for-${Math.max(1, last - first)}`);
  found.setAttribute("aria-hidden", "true");
  track.prepend(found);
  return found;
}
export function rasterMs() {
  return Math.max(STEP_MS, Math.min(grid().columnMs, 900_000));
}
export function pixelsToMs(track, px) {
  const { columnMs, columns } = grid(track);
  return (px / track.clientWidth) * columns * columnMs;
}

export function chip(ghost, word, text) {
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

/** Null for an answer that never came, and for one that is no answer. */
export async function fetched(path, body) {
  const headers = { Accept: "application/json" };
  const options = body === undefined ? { headers } : { method: "POST", headers: { ...headers, "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(body) };
  try {
    const response = await fetch(path, options);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}
export function panel(form, fields) {
  for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
  $("#panel-in").replaceChildren();
  $("#panel").showModal();
  form.requestSubmit();
}
