"""The house's own planner on the virtual clock: insertion at once, repair when things go wrong, search in between.

It uses the same functions as the live one and nothing of nature's secrets. What it keeps is a plan; what it gives the
operator is the next thing of the plan, earlier than planned where that brings the part earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from scheduler.greedy import Board, Insertion, replan
from scheduler.odds import Odds, Outlook, learn_odds, outlook
from scheduler.plan import Plan
from scheduler.problem import Demand, Need, Piece, Presence, Problem, Slot
from scheduler.pull import RANK_MIN, Begun, Planned, pull, worth
from scheduler.search import search
from scheduler.simulate.house import CLEAR_MIN, DAY, WALK_MIN
from scheduler.simulate.known import HORIZON_MIN, PLAN_AT, Known, Tuning
from scheduler.simulate.luck import SESSION_AROUND_MIN, SESSION_MIN, SESSION_PRINTERS, Job, Session, Visit
from scheduler.simulate.state import Post, Run
from scheduler.simulate.world import World
from scheduler.wish import WORKDAY_MIN

FREEZE_MIN = 120
LATE_MIN = 3
PROMISES_KEPT = 500
PROMISED = {"p10": 0.10, "p80": 0.80, "p90": 0.90}
TELL_FROM_MIN = 15
SEARCH_EVERY_MIN = 30
OVERRUN_MIN = 15

Check = Callable[[Problem, Plan], None]


@dataclass(slots=True, kw_only=True)
class Given:
    """What a promise was made from, and the ready minute its owner was last told."""

    at: int
    view: Outlook
    last_told: int


def unchecked(problem: Problem, plan: Plan) -> None:
    """Tests pass the referee here."""


class Ours:
    self_service = False

    def __init__(self, world: World, tuning: Tuning | None = None, check: Check = unchecked) -> None:
        self.world, self.house = world, world.house
        self._tuning, self._check = tuning or Tuning(), check
        self._known = Known(world, self._tuning)
        self._jobs: dict[str, Job] = {}
        self._touched: set[int] = set()
        self._slots: dict[str, tuple[Slot, ...]] = {}
        self._given: dict[str, Given] = {}
        self._learnt_day = -1
        self._odds = Odds()
        self._off_by: list[float] = []
        self._news = False
        self._searched_at = -DAY
        self._wakes: set[int] = set()

    # -- events ------------------------------------------------------------------------------------------------

    def submitted(self, job: Job, now: int) -> None:
        self._jobs[job.id] = self._known.waiting[job.id] = job
        self._news = True
        found = Board(self._known.problem(now, whole=False), Plan(slots=self._slots)).insert(
            self._known.demand(job, now)
        )
        if isinstance(found, Insertion):
            self._slots[job.id] = found.slots
            self._promise(job, found.slots[0], now)
            self._look_at(now)

    def _promise(self, job: Job, slot: Slot, now: int) -> None:
        """As the live planner: the finish with its odds, and then the next person who can clear the bed."""
        view = outlook(max(0, slot.run_start - now) * 60.0, self._known.duration(job, slot.machine))
        self._given[job.id] = Given(at=now, view=view, last_told=slot.free_at)
        fate = self.world.diary.fates[job.id]
        for name, q in PROMISED.items():
            fate.told[name] = self.house.cleared_at(now + ceil(self._odds.finish_s(view, q) / 60))

    def started(self, run: Run, now: int) -> None:
        self._slots.pop(run.job.id, None)
        self._known.waiting.pop(run.job.id, None)
        self._expect(run, now)
        self._touched.add(run.machine)

    def _expect(self, run: Run, now: int) -> None:
        end = self._known.end_of(run, now)
        self._known.expected[run.machine] = end
        self.world.at(end + OVERRUN_MIN, lambda: self._overrun(run))

    def _overrun(self, run: Run) -> None:
        if self.world.posts[run.machine].run is run:
            self._expect(run, self.world.now)
            self._touched.add(run.machine)

    def succeeded(self, run: Run, now: int) -> None:
        self._news = True
        self._touched.add(run.machine)
        self._known.learn_from(run, now)

    def ended(self, job: Job, at: int, done: bool) -> None:
        """How far off the promise was; what never came out says nothing of when."""
        given = self._given.pop(job.id, None)
        if given is not None and done:
            self._off_by.append(given.view.off_by((at - CLEAR_MIN - given.at) * 60.0))
            self._odds = learn_odds(self._off_by[-PROMISES_KEPT:])

    def failed(self, run: Run, now: int) -> None:
        self._known.waiting[run.job.id] = run.job
        self._news = True
        self._touched.add(run.machine)

    def changed(self, machine: int, now: int) -> None:
        self._touched.add(machine)

    # -- dates with people -------------------------------------------------------------------------------------

    def place_visit(self, visit: Visit, now: int) -> tuple[int, int] | None:
        demand = Demand(
            id=visit.id,
            needs=(Need(eligible=visit.eligible),),
            duration_min=dict.fromkeys(visit.eligible, visit.run_min),
            release=now,
            presence=Presence.HOUSE,
        )
        board = self._dates(now, visit.starts[-1])
        for starts in (visit.starts[:13], visit.starts):
            wish = replace(demand, starts=tuple(Piece(at, at + 1) for at in sorted(starts) if at > now))
            found = board.insert(wish) if wish.starts else None
            if isinstance(found, Insertion):
                return found.slots[0].machine, found.run_start
        return None

    def place_session(self, session: Session, now: int) -> tuple[int, tuple[int, ...]] | None:
        whole_min = SESSION_MIN + 2 * SESSION_AROUND_MIN
        starts = tuple(Piece(at - SESSION_AROUND_MIN, at - SESSION_AROUND_MIN + 1) for at in session.starts)
        demand = Demand(
            id=session.id,
            needs=(Need(eligible=session.eligible, quantity=SESSION_PRINTERS),),
            duration_min=dict.fromkeys(session.eligible, whole_min),
            release=now,
            presence=Presence.HOUSE,
            starts=starts,
        )
        found = self._dates(now, session.starts[-1]).insert(demand)
        if not isinstance(found, Insertion):
            return None
        return found.run_start + SESSION_AROUND_MIN, tuple(slot.machine for slot in found.slots)

    def _dates(self, now: int, until: int) -> Board:
        """Only what cannot move is in the way of people with a date; jobs give way, but not in the next two hours."""
        problem = self._known.problem(now, whole=False)
        frozen = tuple(s for slots in self._slots.values() for s in slots if s.setup_start < now + FREEZE_MIN)
        horizon = max(problem.horizon_min, until + 2 * DAY)
        calendars = (
            (problem.machines[0].staffed, problem.machines[0].open)
            if horizon == problem.horizon_min
            else (
                tuple(p for p in self.house.staffed if now - 5 * DAY < p.end and p.start < horizon),
                tuple(p for p in self.house.open if now - 5 * DAY < p.end and p.start < horizon),
            )
        )
        machines = tuple(replace(m, staffed=calendars[0], open=calendars[1]) for m in problem.machines)
        return Board(Problem(horizon_min=horizon, machines=machines, fixed=(*problem.fixed, *frozen)))

    # -- keeping the plan true ---------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        if now // DAY != self._learnt_day:
            self._learnt_day = now // DAY
            self._known.learn_again(now)
            self._touched |= set(range(len(self.world.posts)))  # every run is a little longer or shorter now
        self._touched |= {
            slots[0].machine for slots in self._slots.values() if slots[0].setup_start < now - LATE_MIN
        }
        if self._touched or len(self._slots) < len(self._known.waiting):
            self._repair(now)
        if self._news and now - self._searched_at >= SEARCH_EVERY_MIN and self.house.staffed_until(now) > now:
            self._news, self._searched_at = False, now
            self._improve(now)

    def _repair(self, now: int) -> None:
        """The machines that something happened to are laid out again in the order they had, later or earlier.

        Who finds no place on its machine any more, or had none, is inserted where it is ready earliest.
        """
        problem = self._known.problem(now)
        touched, self._touched = self._touched | self._stale(problem, now), set()
        demands = {demand.id: demand for demand in problem.demands}
        before = self._slots
        slots = {name: mine for name, mine in before.items() if mine[0].machine not in touched}
        for machine in sorted(touched):
            order = sorted(
                (s[0] for s in before.values() if s[0].machine == machine), key=lambda s: s.setup_start
            )
            slots |= self._laid_out(problem, machine, [demands[s.demand] for s in order])
        plan = Plan(slots=slots)
        if len(slots) < len(demands):
            plan = replan(problem, plan)
        self.world.diary.plans += 1
        self._take(problem, plan, now)

    def _stale(self, problem: Problem, now: int) -> set[int]:
        """Machines on which time itself has overtaken a slot: it should have begun, or what is before it has not ended."""
        busy = [now] * len(problem.machines)
        for slot in problem.fixed:
            if slot.setup_start <= now:
                busy[slot.machine] = max(busy[slot.machine], slot.free_at)
        for machine in problem.machines:
            for block in machine.blocked:
                busy[machine.index] = max(busy[machine.index], block.end)
        return {slot.machine for (slot,) in self._slots.values() if slot.setup_start < busy[slot.machine]}

    def _laid_out(self, problem: Problem, machine: int, order: list[Demand]) -> dict[str, tuple[Slot, ...]]:
        alone = replace(problem, demands=(), fixed=tuple(s for s in problem.fixed if s.machine == machine))
        board = Board(alone)
        found: dict[str, tuple[Slot, ...]] = {}
        for demand in order:
            if machine not in demand.needs[0].eligible:
                continue
            here = replace(demand, needs=(replace(demand.needs[0], eligible=(machine,)),))
            place = board.insert(here)
            if isinstance(place, Insertion):
                found[demand.id] = place.slots
                board.know(demand)
                board.place(place.slots)
        return found

    def _improve(self, now: int) -> None:
        problem = self._known.problem(now)
        if self._stale(problem, now):
            self._repair(now)
        frozen = {n for n, slots in self._slots.items() if slots[0].setup_start < now + FREEZE_MIN}
        movable = tuple(d for d in problem.demands if d.id not in frozen and d.id in self._slots)
        if len(movable) < 2:
            return
        self.world.diary.searches += 1
        held = tuple(slot for name in frozen for slot in self._slots[name])
        part = replace(problem, demands=movable, fixed=(*problem.fixed, *held))
        given = Plan(slots={d.id: self._slots[d.id] for d in movable})
        found = search(
            part, given, iterations=self._tuning.iterations, limit_s=3600, seed=self._tuning.seed + now
        )
        self._take(problem, Plan(slots={**self._slots, **found.plan.slots}), now)

    def _take(self, problem: Problem, plan: Plan, now: int) -> None:
        self._check(problem, plan)
        self._news = True
        self._slots = dict(plan.slots)
        for name, slots in self._slots.items():
            self._tell(name, slots[0])
        self._look_at(now)

    def _tell(self, name: str, slot: Slot) -> None:
        """Who was told a time hears when it moved by more than a threshold."""
        job, ready = self._jobs[name], slot.free_at
        given = self._given.get(name)
        if given is None:
            self._promise(job, slot, self.world.now)
        elif abs(self.house.worked(ready) - self.house.worked(given.last_told)) >= TELL_FROM_MIN:
            given.last_told = ready
            fate = self.world.diary.fates[name]
            fate.notices += 1
            fate.worse = fate.worse or ready > fate.told["p90"]

    def _look_at(self, now: int) -> None:
        """Be woken when something is to be started."""
        for slots in self._slots.values():
            at = slots[0].setup_start
            if now < at < now + DAY and at not in self._wakes:
                self._wakes.add(at)
                self.world.at(at, self._wake)

    def _wake(self) -> None:
        self._wakes.discard(self.world.now)

    # -- what the operator is told to start ---------------------------------------------------------------------

    def pick(self, post: Post, now: int) -> Job | None:
        """As `scheduler.pull` says; what cannot begin any more makes way."""
        mine = [self._planned(job, now) for job in self._next_on(post.number)]
        waiting = (
            self._planned(job, now) for job in self._known.waiting.values() if post.number in job.eligible
        )

        def at_once(planned: Planned) -> Begun | None:
            job = self._jobs[planned.name]
            ready = self._ready_if_now(post, job, now)
            return None if ready is None else Begun(ready=ready, setup_min=self._setup_min(post, job))

        if mine and mine[0].setup_start <= now and at_once(mine[0]) is None:
            self._make_way(post, mine[0].name)
        name = pull(now, mine, waiting, at_once)
        return None if name is None else self._jobs[name]

    def _next_on(self, machine: int) -> list[Job]:
        slots = sorted(
            (s[0] for s in self._slots.values() if s[0].machine == machine), key=lambda s: s.setup_start
        )
        return [self._jobs[slot.demand] for slot in slots]

    def _planned(self, job: Job, now: int) -> Planned:
        slots = self._slots.get(job.id)
        far = now + HORIZON_MIN
        return Planned(
            name=job.id,
            wish=self._known.wish(job, now),
            setup_start=slots[0].setup_start if slots else far,
            ready=slots[0].free_at if slots else far,
        )

    def _make_way(self, post: Post, name: str) -> None:
        date = self.world.next_hold(post.number)
        if date < self._slots[name][0].run_end + DAY // 2:
            self._known.barred[name, post.number] = date
        self._touched.add(post.number)

    def rank(self, post: Post, job: Job | None, hands_min: int, now: int) -> float:
        """What is worth most is done first."""
        part = self._known.wish(post.dirty, now) if post.dirty is not None and post.dirty_good else None
        if job is None:
            return -worth(hands_min, part=part)
        soon = self._ready_if_now(post, job, now) or now
        return -worth(
            hands_min,
            part=part,
            job=self._known.wish(job, now),
            soon=soon,
            later=self._ready_if_now(post, job, now + RANK_MIN) or soon + WORKDAY_MIN,
            behind=sum(s[0].machine == post.number for s in self._slots.values()),
        )

    def _setup_min(self, post: Post, job: Job) -> int:
        return self.house.benches[post.number].setup_min(post.loaded, job.family)

    def _ready_if_now(self, post: Post, job: Job, now: int) -> int | None:
        """None where a rule of the machine or somebody with a date is in the way."""
        start = now + WALK_MIN + self._setup_min(post, job) + (CLEAR_MIN if post.dirty else 0)
        duration = self._known.duration(job, post.number)
        run_min = duration.quantile_min(PLAN_AT)
        if not self.house.may_run(post.number, start, run_min):
            return None
        if start + duration.quantile_min(0.90) + CLEAR_MIN > self.world.next_hold(post.number):
            return None
        return self.house.cleared_at(start + run_min)
