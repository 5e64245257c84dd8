"""Whether what a class makes is made in the session: on the machines it would hold, and behind it for what is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fablab.claims.workshops import Session
from fablab.claims.workshops.offer import Want, piece
from fablab.places.models import ResourceKind, Technology
from scheduler.offering.field import Spans, Thing
from scheduler.offering.fit import Bed, Fit, fit
from scheduler.offering.look import Seen
from scheduler.problem import Piece
from scheduler.sight import MINUTE

#: Somebody who stands beside it takes a piece off, wipes the bed and starts the next one.
LOAD_MIN = 3
#: What is left is made within so many days, or it is said that it is not.
AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """`pieces` alike, each `run_min` on a machine of that technology."""

    technology: Technology
    pieces: int
    run_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`in_session` of `pieces` on so many `machines`; of the others `unplaced` find no time within `AFTER`. `ready_at`:
    when the last one that finds a time is done."""

    pieces: int
    machines: int
    in_session: int
    unplaced: int
    ready_at: datetime | None

    @property
    def left(self) -> int:
        return self.pieces - self.in_session

    def reason(self) -> dict[str, object]:
        """As in `DateOffer.reasons`: all_made, pieces_left (with `ready_at`), pieces_homeless."""
        facts: dict[str, object] = {"pieces": self.pieces, "machines": self.machines}
        if not self.left:
            return {"code": "all_made", "facts": facts}
        facts |= {"in_session": self.in_session, "left": self.left}
        if self.unplaced or self.ready_at is None:
            return {"code": "pieces_homeless", "facts": facts}
        return {"code": "pieces_left", "facts": facts | {"ready_at": self.ready_at.isoformat()}}


def making_of(session: Session) -> Making | None:
    """One for each who comes; None where nothing is made on a machine."""
    said = piece(session.workshop.piece)
    if said is None or not session.people:
        return None
    return Making(technology=said.technology, pieces=session.people, run_min=said.minutes)


def made(
    seen: Seen, making: Making, machine_ids: Sequence[int], start: int, length_min: int, after_min: int
) -> Made:
    """On these machines from `start` on, and from the end of the clearing on wherever they are free while somebody is in
    the house. Minutes of `seen`, which has to reach that far."""
    things = {thing.resource: thing for thing in seen.things}
    end = start + length_min
    free_from, until = end + after_min, end + after_min + AFTER // MINUTE
    beds = [
        Bed(
            machine=each,
            session=Piece(start, end),
            after=_free(things[each], seen.staffed, free_from, until),
        )
        for each in machine_ids
    ]
    found: Fit = fit(beds, pieces=making.pieces, run_min=making.run_min, load_min=LOAD_MIN)
    return Made(
        pieces=making.pieces,
        machines=len(beds),
        in_session=found.in_session,
        unplaced=found.unplaced,
        ready_at=seen.instant(max(each.end for each in found.made)) if found.made else None,
    )


def makers(wants: Sequence[Want], taken: Iterable[tuple[int, int]], making: Making) -> list[int]:
    """Those of the gang, as (need, resource), that can make it."""
    return [
        resource
        for need, resource in taken
        if wants[need].kind is ResourceKind.MACHINE and wants[need].technology in (None, making.technology)
    ]


def _free(thing: Thing, staffed: Spans, since: int, until: int) -> tuple[Piece, ...]:
    """A planned run counts as one that stays: what is promised here is no sooner than it will be."""
    taken = sorted((*_pairs(thing.hard, since, until), *_pairs(thing.soft, since, until)))
    found: list[Piece] = []
    for opens, closes in _common(_pairs(thing.hours, since, until), _pairs(staffed, since, until)):
        at = opens
        for begin, end in taken:
            if end <= at or begin >= closes:
                continue
            if begin > at:
                found.append(Piece(at, begin))
            at = max(at, end)
        if at < closes:
            found.append(Piece(at, closes))
    return tuple(found)


def _pairs(spans: Spans, since: int, until: int) -> list[tuple[int, int]]:
    """What of them lies in [since, until)."""
    near = (spans.ends > since) & (spans.starts < until)
    starts, ends = spans.starts[near].tolist(), spans.ends[near].tolist()
    return [(max(since, start), min(until, end)) for start, end in zip(starts, ends, strict=True)]


def _common(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    both = [(max(x[0], y[0]), min(x[1], y[1])) for x in a for y in b]
    return sorted((start, end) for start, end in both if start < end)
