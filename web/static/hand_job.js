// A planned job in the hand: where its run may start is asked of the server once, whom that displaces at every stop.

import { $, at, fetched, iso, panel, put, range, words } from "./hand_board.js";

export const job = {
  selector: ".alloc[data-claim]",
  modes: ["move"],
  grip() {
    return "move";
  },
  open(block) {
    const start = Date.parse(block.dataset.run);
    return { claim: block.dataset.claim, from: start, until: start + block.dataset.runS * 1000, row: block.dataset.row };
  },
  async look(held) {
    const { from, to } = range();
    const answer = await fetched(`/api/claims/${held.claim}/reach?${new URLSearchParams({ from: iso(from), to: iso(to) })}`);
    if (!answer) return words.failed;
    if (answer.refusals.length) return answer.refusals.map((refusal) => refusal.detail).join(" ");
    held.names = answer.claims;
    held.rows = new Map(answer.rows.map((row) => [String(row.resource), row.spans.map((s) => ({ from: Date.parse(s.from), until: Date.parse(s.until), displaced: s.displaced }))]));
    return "";
  },
  shade(held, track) {
    const spans = held.rows.get(track.dataset.resource);
    for (const each of spans ?? []) put(track, `reach is-${each.displaced.length ? "moves" : "free"}`, each.from, each.until);
    return Boolean(spans);
  },
  said(held, name) {
    return `${name}, ${at(held.from)}`;
  },
  status(held) {
    const spans = held.rows.get(held.row);
    if (!spans) return { word: "no", text: words.other };
    const found = spans.find((each) => each.from <= held.from && held.from < each.until);
    if (!found) return { word: "no", text: words.no };
    if (!found.displaced.length) return { word: "free", text: words.free };
    return { word: "moves", text: `${words.moves} ${found.displaced.map((name) => held.names[name]?.title ?? name).join(", ")}` };
  },
  ask(held) {
    return fetched(`/api/claims/${held.claim}/forecast`, { action: "move", resource: Number(held.row), run_start_at: iso(held.from) });
  },
  drop(held) {
    panel($("#hand-form"), { claim: held.claim, resource: held.row, start: iso(held.from) });
  },
};
