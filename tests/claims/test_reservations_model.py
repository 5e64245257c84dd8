"""Claims and what they hold, against a model that anybody can read: a list of who has what from when until when.

Hypothesis reserves, moves, extends, gives back, comes, stays away, ends early and lets time pass, in any order; after
every step the calendar holds what the list says, and no two places of one resource meet (asked in SQL).
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from fablab.base.errors import Conflict, Invalid, LabError
from fablab.claims import reservations
from fablab.claims.reservations import Order, Reservation, ReservationState
from fablab.claims.reservations.together import reserve_together
from fablab.places.models import HoursRule
from tests.lab import OVERLAPS, Lab, copy_of, counted, make_lab

STEP = timedelta(minutes=30)
GRACE = timedelta(minutes=15)
NAMES = ("mk3", "ender", "room")
PEOPLE = ("maker", "other", "staff")

slots = st.integers(0, 30)
lengths = st.integers(1, 6)
things = st.sets(st.sampled_from(NAMES), min_size=1)
people = st.sampled_from(PEOPLE)


@dataclass(frozen=True)
class Believed:
    """What the list says of one reservation."""

    who: str
    names: frozenset[str]
    start: datetime
    end: datetime
    state: ReservationState = ReservationState.CONFIRMED

    def meets(self, names: frozenset[str], start: datetime, end: datetime) -> bool:
        return bool(self.names & names) and self.start < end and start < self.end


_template: list[Lab] = []


def fresh(folder: Path) -> Lab:
    """The usual lab, but always open: hours have tests of their own."""
    if not _template:
        home = Path(tempfile.mkdtemp(prefix="fablab-model-"))
        lab = make_lab(f"sqlite:///{home / 'lab.db'}", home)
        with lab.database.begin() as uow:
            uow.session.execute(text("DELETE FROM hours_rules"))
            for kind in ("open", "staffed"):
                for weekday in range(7):
                    uow.session.execute(
                        HoursRule.__table__.insert(),  # type: ignore[attr-defined]
                        {"kind": kind, "weekday": weekday, "opens": _MIDNIGHT, "closes": _MIDNIGHT},
                    )
        lab.database.dispose()
        _template.append(lab)
    return copy_of(_template[0], folder / "lab.db")


_MIDNIGHT = datetime.min.time()


class Calendar(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fablab-model-"))
        self.lab = fresh(self.folder)
        self.origin = self.lab.clock.now()
        self.believed: dict[str, Believed] = {}

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            self.lab.database.dispose()
            shutil.rmtree(self.folder)

    # what anybody can read

    def live(self) -> list[str]:
        ended = (ReservationState.CANCELLED, ReservationState.MISSED, ReservationState.COMPLETED)
        return sorted(id_ for id_, each in self.believed.items() if each.state not in ended)

    def is_free(self, names: frozenset[str], start: datetime, end: datetime, but: str = "") -> bool:
        return not any(
            each.meets(names, start, end)
            for id_, each in self.believed.items()
            if id_ != but and each.start < each.end
        )

    def order(self, names: set[str], slot: int, length: int) -> Order:
        ids = tuple(self.lab.resources[name] for name in names)
        start = self.origin + slot * STEP
        return Order(resource_ids=ids, start_at=start, end_at=start + length * STEP)

    def pick(self, number: int) -> str:
        live = self.live()
        return live[number % len(live)]

    # what happens

    @rule(who=people, names=things, slot=slots, length=lengths)
    def reserve(self, who: str, names: set[str], slot: int, length: int) -> None:
        order = self.order(names, slot, length)
        self._taken(who, names, order, self._try(who, lambda uow: reservations.reserve(uow, order)))

    @rule(names=things, other_names=things, slot=slots, length=lengths)
    def reserve_at_the_same_moment(
        self, names: set[str], other_names: set[str], slot: int, length: int
    ) -> None:
        wanted = [
            ("maker", names, self.order(names, slot, length)),
            ("other", other_names, self.order(other_names, slot, 1)),
        ]
        asked = [(self.lab.actors[who], order) for who, _, order in wanted]
        answers = self.lab.database.write(lambda uow: reserve_together(uow, asked))
        for (who, each, order), answer in zip(wanted, answers, strict=True):
            self._taken(who, each, order, answer)

    @precondition(lambda self: self.live())
    @rule(number=st.integers(0), slot=slots)
    def move(self, number: int, slot: int) -> None:
        id_ = self.pick(number)
        one, start = self.believed[id_], self.origin + slot * STEP
        end = start + (one.end - one.start)
        found = self._try(one.who, lambda uow: reservations.move(uow, id_, start_at=start))
        if (start, end) == (one.start, one.end):
            assert isinstance(found, Reservation)
        elif one.state is ReservationState.IN_USE:
            assert isinstance(found, Conflict), found
            assert found.code == "reservation.in_use"
        elif start < self.lab.clock.now() - timedelta(minutes=5) or end <= self.lab.clock.now():
            assert isinstance(found, Invalid), found
        else:
            self._moved(id_, replace(one, start=start, end=end), found)

    @precondition(lambda self: self.live())
    @rule(number=st.integers(0), steps=st.integers(-3, 3).filter(bool))
    def resize(self, number: int, steps: int) -> None:
        id_ = self.pick(number)
        one = self.believed[id_]
        end = one.end + steps * STEP
        found = self._try(one.who, lambda uow: reservations.move(uow, id_, end_at=end))
        if end <= one.start or end <= self.lab.clock.now():
            assert isinstance(found, Invalid), found
        else:
            self._moved(id_, replace(one, end=end), found)

    @precondition(lambda self: self.live())
    @rule(number=st.integers(0))
    def cancel(self, number: int) -> None:
        id_ = self.pick(number)
        one = self.believed[id_]
        found = self._try(one.who, lambda uow: reservations.cancel(uow, id_, "no more"))
        if one.state is ReservationState.IN_USE:
            assert isinstance(found, Conflict), found
            return
        assert isinstance(found, Reservation), found
        self._ended(id_, ReservationState.CANCELLED)

    @precondition(lambda self: self.live())
    @rule(number=st.integers(0))
    def come(self, number: int) -> None:
        id_ = self.pick(number)
        one, now = self.believed[id_], self.lab.clock.now()
        found = self._try(one.who, lambda uow: reservations.check_in(uow, id_))
        if one.state is ReservationState.IN_USE or one.start - GRACE <= now < one.end:
            assert isinstance(found, Reservation), found
            self.believed[id_] = replace(one, state=ReservationState.IN_USE)
        else:
            assert isinstance(found, Conflict), found

    @precondition(lambda self: self.live())
    @rule(number=st.integers(0))
    def end_early(self, number: int) -> None:
        id_ = self.pick(number)
        one = self.believed[id_]
        found = self._try(one.who, lambda uow: reservations.end_early(uow, id_))
        if one.state is not ReservationState.IN_USE:
            assert isinstance(found, Conflict), found
            return
        assert isinstance(found, Reservation), found
        self._ended(id_, ReservationState.COMPLETED)

    @rule(minutes=st.sampled_from((1, 10, 30, 90)))
    def time_passes(self, minutes: int) -> None:
        now = self.lab.clock.advance(minutes=minutes)
        with self.lab.database.begin() as uow:
            reservations.complete_ended(uow)
            reservations.release_missed(uow)
        for id_ in self.live():
            one = self.believed[id_]
            if one.state is ReservationState.IN_USE and one.end <= now:
                self.believed[id_] = replace(one, state=ReservationState.COMPLETED)
            elif one.state is ReservationState.CONFIRMED and min(one.start + GRACE, one.end) <= now:
                self._ended(id_, ReservationState.MISSED)

    # what must be so

    @invariant()
    def the_calendar_holds_what_the_list_says(self) -> None:
        if not hasattr(self, "lab"):
            return
        assert counted(self.lab, OVERLAPS) == 0
        with self.lab.database.read() as uow:
            rows = uow.session.execute(
                text("SELECT claim_id, resource_id, start_at, end_at FROM allocations")
            ).all()
        held = {(row[0], row[1], row[2][:19], row[3][:19]) for row in rows}
        assert held == {
            (
                id_,
                self.lab.resources[name],
                f"{each.start:%Y-%m-%d %H:%M:%S}",
                f"{each.end:%Y-%m-%d %H:%M:%S}",
            )
            for id_, each in self.believed.items()
            if each.start < each.end
            for name in each.names
        }

    @invariant()
    def every_state_is_as_believed(self) -> None:
        if not hasattr(self, "lab"):
            return
        with self.lab.database.read() as uow:
            rows = uow.session.execute(text("SELECT id, state FROM reservations")).all()
        assert {row[0]: row[1] for row in rows} == {
            id_: each.state.value for id_, each in self.believed.items()
        }

    def _try(self, who: str, work):  # type: ignore[no-untyped-def]
        try:
            return self.lab.database.write(work, self.lab.actors[who])
        except LabError as error:
            return error

    def _taken(self, who: str, names: set[str], order: Order, found: Reservation | LabError) -> None:
        if (
            order.start_at < self.lab.clock.now() - timedelta(minutes=5)
            or order.end_at <= self.lab.clock.now()
        ):
            assert isinstance(found, LabError), found
        elif self.is_free(frozenset(names), order.start_at, order.end_at):
            assert isinstance(found, Reservation), found
            self.believed[found.id] = Believed(who, frozenset(names), order.start_at, order.end_at)
        else:
            assert isinstance(found, Conflict), found
            assert found.code == "slot_taken"

    def _moved(self, id_: str, wanted: Believed, found: Reservation | LabError) -> None:
        if self.is_free(wanted.names, wanted.start, wanted.end, but=id_):
            assert isinstance(found, Reservation), found
            self.believed[id_] = wanted
        else:
            assert isinstance(found, Conflict), found
            assert found.code == "slot_taken"

    def _ended(self, id_: str, state: ReservationState) -> None:
        """What was held until now stays as it was; nothing stays of what had not begun."""
        one = self.believed[id_]
        end = max(one.start, min(one.end, self.lab.clock.now()))
        self.believed[id_] = replace(one, end=end, state=state)


usual = settings(deadline=None, suppress_health_check=list(HealthCheck))


class TestCalendar(Calendar.TestCase):  # type: ignore[misc]  # made by hypothesis
    settings = settings(usual, max_examples=5, stateful_step_count=12)


@pytest.mark.soak
class TestCalendarAtLength(Calendar.TestCase):  # type: ignore[misc]  # made by hypothesis
    settings = settings(usual, max_examples=100, stateful_step_count=40)
