"""The clock and what is physical: machines, beds, one operator with one pair of hands, people who come or do not.

A policy says what is to be started where; when it can be done, how long it takes and how it ends is decided here, and
the same for every policy. A class or a person with a date finds the machine as it is: a run that still prints is not
thrown off, it makes them wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from scheduler.simulate.house import CLEAR_MIN, WALK_MIN, House
from scheduler.simulate.luck import (
    SESSION_AROUND_MIN,
    SESSION_MIN,
    TRIES,
    Breakdown,
    Job,
    Luck,
    Session,
    Visit,
)
from scheduler.simulate.state import Diary, Fate, Hold, Post, Run

GRACE_MIN = 15  # after that long, somebody who has not come is not coming
PATIENCE_MIN = 45  # a visitor who finds the machine taken waits that long


class Task(NamedTuple):
    """Something for hands to do; the least `rank` first. `job`: what is to be begun, None where a bed is only cleared."""

    rank: float
    machine: int
    job: Job | None
    setup_min: int


class Policy(Protocol):
    """What decides. `self_service`: people start their own runs (`World.begin_by_owner`), nobody asks `pick`."""

    self_service: bool

    def submitted(self, job: Job, now: int) -> None: ...
    def pick(self, post: Post, now: int) -> Job | None: ...
    def rank(self, post: Post, job: Job | None, hands_min: int, now: int) -> float: ...
    def started(self, run: Run, now: int) -> None: ...
    def failed(self, run: Run, now: int) -> None: ...
    def succeeded(self, run: Run, now: int) -> None: ...
    def ended(self, job: Job, at: int, done: bool) -> None: ...
    def place_visit(self, visit: Visit, now: int) -> tuple[int, int] | None: ...
    def place_session(self, session: Session, now: int) -> tuple[int, tuple[int, ...]] | None: ...
    def changed(self, machine: int, now: int) -> None: ...
    def settle(self, now: int) -> None: ...


class World:
    """One life of the lab. `plug` gives it a policy; `live` runs it until every job has ended."""

    def __init__(self, house: House, luck: Luck) -> None:
        self.house, self.luck = house, luck
        self.now = 0
        self.posts = [Post(number=n) for n in range(len(house.benches))]
        self.holds: list[dict[str, Hold]] = [{} for _ in house.benches]
        self.tries: dict[str, int] = {}
        self.open_jobs = len(luck.jobs)
        self.diary = Diary(busy_min=[0] * len(house.benches))
        self._hands_free = 0
        self._was_walking = False
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.policy: Policy

    def plug(self, policy: Policy) -> None:
        self.policy = policy
        for job in self.luck.jobs:
            self.at(job.arrives, partial(self._arrive, job))
        for visit in self.luck.visits:
            self.at(visit.asked, partial(self._ask, visit))
        for session in self.luck.sessions:
            self.at(session.asked, partial(self._invite, session))
        for breakdown in self.luck.breakdowns:
            self.at(breakdown.at, partial(self._break, breakdown))
        for piece in self.house.staffed:
            self.at(piece.start, lambda: None)

    def at(self, when: int, act: Callable[[], None]) -> None:
        """Have something happen at a minute (now at the earliest)."""
        self._count += 1
        heappush(self._heap, (max(when, self.now), self._count, act))

    def live(self) -> Diary:
        while self._heap and self.open_jobs:
            self.now = self._heap[0][0]
            while self._heap and self._heap[0][0] == self.now:
                heappop(self._heap)[2]()
            self.policy.settle(self.now)
            self._work()
        return self.diary

    # -- arrivals --------------------------------------------------------------------------------------------

    def _arrive(self, job: Job) -> None:
        self.diary.fates[job.id] = Fate(job=job)
        self.tries[job.id] = 0
        self.policy.submitted(job, self.now)

    def _ask(self, visit: Visit) -> None:
        found = self.policy.place_visit(visit, self.now)
        self.diary.visits[visit.id] = "granted" if found else "refused"
        if found is None:
            return
        machine, start = found
        hold = Hold(machine=machine, start=start, end=start + visit.run_min, ref=visit.id)
        self._hold(hold)
        self.at(start + (0 if visit.shows else GRACE_MIN), lambda: self._come(visit, hold, start))

    def _invite(self, session: Session) -> None:
        found = self.policy.place_session(session, self.now)
        self.diary.sessions[session.id] = -1
        if found is None:
            return
        start, machines = found
        self.diary.sessions[session.id] = 0
        for machine in machines:
            begin, end = start - SESSION_AROUND_MIN, start + SESSION_MIN + SESSION_AROUND_MIN
            hold = Hold(machine=machine, start=begin, end=end, ref=session.id)
            self._hold(hold)
            self.at(begin, partial(self._class_begins, hold))
            self.at(end, partial(self._leave, hold))

    def _hold(self, hold: Hold) -> None:
        self.holds[hold.machine][hold.ref] = hold
        self.policy.changed(hold.machine, self.now)

    def _come(self, visit: Visit, hold: Hold, since: int) -> None:
        """The visitor stands before the machine; where that is taken, any other of its kind that is free will do."""
        if not visit.shows:
            self.diary.visits[visit.id] = "missed"
            return self._release(hold)
        choices = [hold.machine, *(m for m in visit.eligible if m != hold.machine)]
        for machine in choices:
            if self._is_free_for(machine, visit, hold):
                return self._sit_down(visit, hold, machine, since)
        if self.now - since >= PATIENCE_MIN:
            self.diary.visits[visit.id] = "lost"
            return self._release(hold)
        self.at(self.now + 5, lambda: self._come(visit, hold, since))
        return None

    def _is_free_for(self, machine: int, visit: Visit, hold: Hold) -> bool:
        post = self.posts[machine]
        if not post.is_idle(self.now):
            return False
        ahead = (h.start for h in self.holds[machine].values() if h.ref != hold.ref and h.end > self.now)
        return machine == hold.machine or min(ahead, default=self.now + 10**6) >= self.now + visit.run_min

    def _sit_down(self, visit: Visit, hold: Hold, machine: int, since: int) -> None:
        if machine != hold.machine:
            self._release(hold)
        post = self.posts[machine]
        self._take_off(post, self.now)
        self.diary.visits[visit.id] = "served" if self.now - since <= GRACE_MIN else "waited"
        self.diary.visit_wait_min += self.now - since
        post.in_use = visit.id
        end = self.now + visit.run_min + visit.over_min
        mine = Hold(machine=machine, start=self.now, end=self.now + visit.run_min, ref=visit.id)
        self._hold(mine)
        self.at(end, lambda: self._leave(mine))

    def _class_begins(self, hold: Hold) -> None:
        post = self.posts[hold.machine]
        if not post.is_idle(self.now):
            return
        self._take_off(post, self.now)
        post.in_use = hold.ref
        self.diary.sessions[hold.ref] += 1

    def _leave(self, hold: Hold) -> None:
        post = self.posts[hold.machine]
        if post.in_use == hold.ref:
            post.in_use, post.free_since = None, self.now
        self._release(hold)

    def _release(self, hold: Hold) -> None:
        self.holds[hold.machine].pop(hold.ref, None)
        self.policy.changed(hold.machine, self.now)

    def next_hold(self, machine: int) -> int:
        """When the machine is next wanted by people with a date."""
        return min((h.start for h in self.holds[machine].values() if h.end > self.now), default=1 << 40)

    # -- machines --------------------------------------------------------------------------------------------

    def _break(self, breakdown: Breakdown) -> None:
        post = self.posts[breakdown.machine]
        post.down_until = self.now + breakdown.repair_min
        post.down_said = self.now + breakdown.said_min
        if post.run is not None:
            post.run.fails = True
            self.tries[post.run.job.id] -= 1  # not the job's own failure
            self._end(post.run)
        self.policy.changed(post.number, self.now)
        self.at(post.down_until, lambda: self._mend(post))

    def _mend(self, post: Post) -> None:
        post.free_since = self.now
        self.policy.changed(post.number, self.now)

    def _start(self, post: Post, job: Job, setup_start: int, start: int) -> None:
        number = self.tries[job.id]
        length_min = self.luck.true_min(job, post.number, number)
        fails_at = job.tries[number].fails_at
        true_min = length_min if fails_at is None else length_min * fails_at
        run = Run(
            job=job,
            machine=post.number,
            number=number,
            setup_start=setup_start,
            start=start,
            true_end=start + max(1, round(true_min)),
            fails=fails_at is not None,
        )
        if post.loaded != job.family:
            self.diary.spool_changes += self.house.benches[post.number].rule is not None
        post.run, post.loaded = run, job.family
        fate = self.diary.fates[job.id]
        fate.begun = fate.begun if fate.begun is not None else start
        self.tries[job.id] += 1
        self.diary.setups += 1
        self.policy.started(run, self.now)
        self.at(run.true_end, lambda: self._end(run))

    def _end(self, run: Run) -> None:
        post = self.posts[run.machine]
        if post.run is not run:
            return  # a breakdown ended it before
        post.run = None
        self.diary.busy_min[post.number] += self.now - run.setup_start
        fate = self.diary.fates[run.job.id]
        fate.runs.append((post.number, run.setup_start, self.now))
        post.dirty, post.dirty_since, post.dirty_good = run.job, self.now, not run.fails
        if not run.fails:
            self.policy.succeeded(run, self.now)
        elif self.tries[run.job.id] >= TRIES:
            self._close(fate, done=False)
            self.policy.changed(post.number, self.now)
        else:
            self.policy.failed(run, self.now)

    def _take_off(self, post: Post, at: int) -> None:
        """Somebody clears the bed; a good part is ready then."""
        if post.dirty is None:
            return
        fate = self.diary.fates[post.dirty.id]
        if post.dirty_good:
            self._close(fate, done=True, at=at)
        post.dirty, post.free_since = None, at

    def give_up(self, job: Job) -> None:
        """A policy that will never have a place for a job says so at once."""
        self._close(self.diary.fates[job.id], done=False)

    def _close(self, fate: Fate, *, done: bool, at: int | None = None) -> None:
        fate.ended, fate.done = self.now if at is None else at, done
        self.open_jobs -= 1
        self.policy.ended(fate.job, fate.ended, done)

    # -- hands -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """While somebody has hands and it is staffed time: what the policy ranks first."""
        while self.now < (until := self.house.staffed_until(self.now)):
            posts = [p for p in self.posts if self._hands_free <= self.now or not self._by_operator(p)]
            tasks = [task for post in posts if (task := self._task(post, until))]
            if not tasks:
                self._was_walking = False
                return
            first = min(tasks, key=lambda task: task[:2])
            if (
                first.job is not None
            ):  # of the machines that could take this job, the one with the least to change
                first = min((t for t in tasks if t.job is first.job), key=lambda t: (t.setup_min, t.rank))
            self._do(self.posts[first.machine], first.job, first.setup_min)

    def _task(self, post: Post, until: int) -> Task | None:
        """What could be done at a machine within the staffed time that is left."""
        if not post.is_idle(self.now) or any(
            h.start <= self.now < h.end for h in self.holds[post.number].values()
        ):
            return None
        hands_min = WALK_MIN + (CLEAR_MIN if post.dirty else 0)
        job = None if self.policy.self_service else self.policy.pick(post, self.now)
        if job is not None:
            setup_min = self.house.benches[post.number].setup_min(post.loaded, job.family)
            if self.now + hands_min + setup_min <= until:
                rank = self.policy.rank(post, job, hands_min + setup_min, self.now)
                return Task(rank, post.number, job, setup_min)
        if post.dirty and self.now + hands_min <= until:
            return Task(self.policy.rank(post, None, hands_min, self.now), post.number, None, 0)
        return None

    def _do(self, post: Post, job: Job | None, setup_min: int) -> None:
        begun, at = self.now, self.now + WALK_MIN
        own = self._by_operator(post)
        if own and not self._was_walking:
            self.diary.walks += 1
            self._was_walking = True
        if post.dirty:
            at += CLEAR_MIN
            self._take_off(post, at)
        if job is not None:
            self.diary.setup_min += setup_min
            at += setup_min
            self._start(post, job, begun, at)
        else:
            self.policy.changed(post.number, self.now)
        if own:
            self.diary.hands_min += at - begun
            self._hands_free = at
            self.at(at, lambda: None)

    def _by_operator(self, post: Post) -> bool:
        return self.house.benches[post.number].by_operator and not self.policy.self_service

    def begin_by_owner(self, job: Job, machine: int) -> bool:
        """The owner clears, sets up and starts with hands of their own; False where the machine is not free."""
        post = self.posts[machine]
        if not post.is_idle(self.now):
            return False
        begun = at = self.now
        if post.dirty:
            at += CLEAR_MIN
            self._take_off(post, at)
        setup_min = self.house.benches[machine].setup_min(post.loaded, job.family)
        self.diary.setup_min += setup_min
        self._start(post, job, begun, at + setup_min)
        return True
