// A reservation in the hand, moved or made longer and shorter; and a new one, drawn on an empty stretch.

import { $, between, fetched, iso, panel, put, range, words } from "./hand_board.js";

const EDGE_PX = 9;

async function look(held) {
  const { from, to } = range();
  const query = { from: iso(from), to: iso(to), ...(held.stay ? { reservation: held.stay } : {}) };
  const answer = await fetched(`/api/reservations/reach?${new URLSearchParams(query)}`);
  if (!answer) return words.failed;
  held.names = answer.claims;
  const span = (s) => ({ from: Date.parse(s.from), until: Date.parse(s.until), claim: s.claim });
  held.rows = new Map(answer.rows.map((row) => [String(row.resource), { free: row.free.map(span), soft: row.soft.map(span) }]));
  return "";
}
function shade(held, track) {
  const row = held.rows.get(track.dataset.resource);
  if (!row || (held.alike && !held.alike.includes(track.dataset.resource))) return false;
  for (const each of row.free) put(track, "reach is-free", each.from, each.until);
  for (const each of row.soft) put(track, "reach is-moves", each.from, each.until);
  return true;
}
/** The resources it would lie on: its own, or where one alone goes elsewhere that one. */
const rowsOf = (held) => (held.resources?.length > 1 ? held.resources : [held.row]);

function status(held) {
  if (held.alike && !held.alike.includes(held.row)) return { word: "no", text: words.elsewhere };
  const soft = new Set();
  for (const name of rowsOf(held)) {
    const row = held.rows.get(name);
    // What has begun lies in the past with its beginning: only the rest of it has to be free.
    const from = held.fixed ? Math.max(held.from, Math.min(...(row?.free ?? []).map((each) => each.from))) : held.from;
    if (!row?.free.some((each) => each.from <= from && held.until <= each.until)) return { word: "no", text: words.no };
    for (const each of row.soft) if (each.from < held.until && each.until > held.from) soft.add(each.claim);
  }
  if (!soft.size) return { word: "free", text: words.free };
  return { word: "moves", text: `${words.moves} ${[...soft].map((name) => held.names[name] ?? words.job).join(", ")}` };
}
const order = (held) => ({ resources: rowsOf(held).map(Number), start_at: iso(held.from), end_at: iso(held.until) });
const said = (held, name) => `${name}, ${between(held.from, held.until)}`;

export const stay = {
  selector: ".alloc[data-stay]",
  modes: ["move", "end", "start"],
  grip(block, event) {
    if (block.dataset.fixed) return "end";
    const box = block.getBoundingClientRect();
    const edge = Math.min(EDGE_PX, box.width / 4);
    if (event && box.right - event.clientX < edge) return "end";
    return event && event.clientX - box.left < edge ? "start" : "move";
  },
  open(block) {
    const { stay: id, start, end, row, alike, resources, fixed } = block.dataset;
    return { stay: id, from: Date.parse(start), until: Date.parse(end), row, alike: alike.split(","), resources: resources.split(","), fixed: Boolean(fixed) };
  },
  look,
  shade,
  said,
  status,
  ask(held) {
    return fetched(`/api/reservations/${held.stay}/forecast`, order(held));
  },
  drop(held) {
    panel($("#stay-form"), { stay: held.stay, resource: rowsOf(held).join(","), start: iso(held.from), end: iso(held.until) });
  },
};

export const fresh = {
  modes: ["end", "start", "move"],
  look,
  shade,
  said,
  status,
  ask(held) {
    return fetched("/api/reservations/forecast", order(held));
  },
  drop(held) {
    const minutes = String(Math.round((held.until - held.from) / 60_000));
    const asked = { what: `r${held.row}`, length: minutes, when: "soon" };
    location.assign(`/reserve/confirm?${new URLSearchParams({ ...asked, resources: held.row, start: iso(held.from), end: iso(held.until) })}`);
  },
};
