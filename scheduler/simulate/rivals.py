"""What labs do without a planner: slots that people book, a queue first come first served, a queue by due date.

Each is meant as its friends would run it; where a choice had to be made it is made in the rival's favour, and said.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil

from scheduler.simulate.house import CLEAR_MIN, DAY, STAFFED_MIN
from scheduler.simulate.luck import SESSION_AROUND_MIN, SESSION_MIN, SESSION_PRINTERS, Job, Session, Visit
from scheduler.simulate.state import Hold, Post, Run
from scheduler.simulate.world import World

#: A queue's operator counts with the slicer's time and a tenth.
MARGIN = 1.1
_EVENING = STAFFED_MIN[-1][1]
_LONG_MIN = _EVENING - STAFFED_MIN[0][0]  # what no day can take


class Commitments:
    """Dates with people, given in order of asking: the first of the wished starts at which a machine has no other date.

    `taken` may name more that counts as a date.
    """

    self_service = False

    def __init__(self, world: World) -> None:
        self.world, self.house = world, world.house

    def taken(self, machine: int) -> Sequence[Hold]:
        return ()

    def place_visit(self, visit: Visit, now: int) -> tuple[int, int] | None:
        for start in visit.starts:
            for machine in visit.eligible:
                if start > now and self._is_clear(machine, start, start + visit.run_min):
                    return machine, start
        return None

    def place_session(self, session: Session, now: int) -> tuple[int, tuple[int, ...]] | None:
        for start in session.starts:
            begin, end = start - SESSION_AROUND_MIN, start + SESSION_MIN + SESSION_AROUND_MIN
            free = [m for m in session.eligible if begin > now and self._is_clear(m, begin, end)]
            if len(free) >= SESSION_PRINTERS:
                return start, tuple(
                    free[-SESSION_PRINTERS:]
                )  # the attended ones are the last: nights stay free
        return None

    def _is_clear(self, machine: int, start: int, end: int) -> bool:
        holds = (*self.world.holds[machine].values(), *self.taken(machine))
        return all(hold.end <= start or end <= hold.start for hold in holds)

    def rank(self, post: Post, job: Job | None, hands_min: int, now: int) -> float:
        """What has been possible longest."""
        if job is None:
            return float(post.dirty_since)
        return float(max(post.free_since, job.arrives))

    def changed(self, machine: int, now: int) -> None:
        """Nothing is planned, so nothing has to be planned anew."""

    def settle(self, now: int) -> None:
        """Nothing is thought over."""

    def started(self, run: Run, now: int) -> None:
        """Nothing to remember."""

    def succeeded(self, run: Run, now: int) -> None:
        """Nothing is learnt."""

    def ended(self, job: Job, at: int, done: bool) -> None:
        """Nothing was promised."""


class Queue(Commitments):
    """One queue a technology. A free machine gets the first in it that may run there and is done before the next date.

    In favour of the queue: the operator passes over what does not fit instead of waiting with it, picks the machine
    with the right spool, and a failed job goes back to its old place.
    """

    def __init__(self, world: World, *, by_due: bool) -> None:
        super().__init__(world)
        self._by_due = by_due
        self._waiting: list[tuple[tuple[float, int, str], Job]] = []

    def submitted(self, job: Job, now: int) -> None:
        due = job.due if job.due is not None else job.arrives + 14 * DAY  # who names no day has a fortnight
        self._waiting.append((((due if self._by_due else 0), job.arrives, job.id), job))
        self._waiting.sort(key=lambda entry: entry[0])

    def failed(self, run: Run, now: int) -> None:
        self.submitted(run.job, now)

    def started(self, run: Run, now: int) -> None:
        self._waiting = [entry for entry in self._waiting if entry[1] is not run.job]

    def pick(self, post: Post, now: int) -> Job | None:
        for _, job in self._waiting:
            if post.number in job.eligible and self._fits(post, job, now):
                return job
        return None

    def _fits(self, post: Post, job: Job, now: int) -> bool:
        setup_min = self.house.benches[post.number].setup_min(post.loaded, job.family)
        start = now + setup_min + CLEAR_MIN
        run_min = ceil(job.estimate_min * MARGIN)
        if not self.house.may_run(post.number, start, run_min):
            return False
        return start + run_min + CLEAR_MIN <= self.world.next_hold(post.number)


class Slots(Commitments):
    """People book the first free slots of a fixed grid on a machine of their choice, and come to start their own run.

    The grid is of whole hours within staffed time. People keep a third more than the slicer says (over-reservation is
    what makes a booking safe), rounded up to slots. Nobody moves a booking; a slot freed by a short run stays empty.
    The day's last slot may run into the night on a machine that may print then, and so may what is too long for any
    day; it is kept up to the next morning. Two in five insist on the machine they know; the others take whichever is
    free first.
    In favour of the slots: people use their own hands, so they never wait for the operator; beds are cleared in staffed
    time at once; who finds the machine still printing waits an hour and then books again; one in twenty misses a slot.
    """

    self_service = True
    SLOT_MIN = 60
    KEPT = 1.33

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._booked: list[list[Hold]] = [[] for _ in world.house.benches]
        self._grid = tuple(
            start
            for piece in world.house.staffed
            for start in range(piece.start, piece.end - self.SLOT_MIN + 1, self.SLOT_MIN)
        )
        self._missed: set[str] = set()

    def taken(self, machine: int) -> Sequence[Hold]:
        """A booking stands to its end, used or not."""
        self._booked[machine] = [hold for hold in self._booked[machine] if hold.end > self.world.now]
        return self._booked[machine]

    def submitted(self, job: Job, now: int) -> None:
        self._book(job, now)

    def failed(self, run: Run, now: int) -> None:
        self._book(run.job, now)

    def pick(self, post: Post, now: int) -> Job | None:
        return None

    def _book(self, job: Job, now: int) -> None:
        insists = job.likes % 5 < 2
        machines = (job.eligible[job.likes % len(job.eligible)],) if insists else job.eligible
        found = self._first(job, machines, now) or self._first(job, job.eligible, now)
        if found is None:
            return self.world.give_up(job)
        self._booked[found.machine].append(found)
        self.world.diary.fates[job.id].told.setdefault("slot", found.end)
        self.world.at(found.start, lambda: self._come(job, found))
        return None

    def _first(self, job: Job, machines: Sequence[int], now: int) -> Hold | None:
        best: Hold | None = None
        for machine in machines:
            hold = self._first_on(job, machine, now, best.start if best else 1 << 40)
            best = hold if hold and (best is None or hold.start < best.start) else best
        return best

    def _first_on(self, job: Job, machine: int, now: int, before: int) -> Hold | None:
        length_min = self.SLOT_MIN * ceil(job.estimate_min * self.KEPT / self.SLOT_MIN)
        for start in self._grid[bisect_right(self._grid, now + 15) :]:
            if start >= before:
                return None
            end = start + length_min
            if not self._suits(job, machine, start, end):
                continue
            if self.house.staffed_until(end - 1) == end - 1:  # ends with nobody there: kept until the morning
                end = self.house.hours.room(end, self.SLOT_MIN)
            if self._is_clear(machine, start, end):
                return Hold(machine=machine, start=start, end=end, ref=job.id)
        return None

    def _suits(self, job: Job, machine: int, start: int, end: int) -> bool:
        """Within the day; over night only what is too long for any day, begun in its last slots."""
        if self.house.may_run(machine, start, end - start):
            by_day = end // DAY == start // DAY and end % DAY <= _EVENING
            return by_day or end - start > _LONG_MIN or start % DAY >= _EVENING - self.SLOT_MIN
        return end - start > _LONG_MIN and self.house.may_run(machine, start, ceil(job.estimate_min * MARGIN))

    def _come(self, job: Job, hold: Hold) -> None:
        world, now = self.world, self.world.now
        if job.missed_first and job.id not in self._missed:
            self._missed.add(job.id)
            return self._book(job, now + DAY // 2)
        run_min = ceil(job.estimate_min)
        fits = now + run_min <= world.next_hold(hold.machine) and self.house.may_run(
            hold.machine, now, run_min
        )
        if now - hold.start > self.SLOT_MIN or not fits or world.posts[hold.machine].down_until > now:
            return self._book(job, now)
        if not world.begin_by_owner(job, hold.machine):
            world.at(now + 10, lambda: self._come(job, hold))
        return None
