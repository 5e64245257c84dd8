"""What the planner knows of the simulated lab at a minute, and how it sees that: durations, wishes, facts, a problem.

Only what people in the lab could know: the slicer's estimates, what finished runs taught, when a repair is believed done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.durations import Duration, Factors, FinishedRun, Key, learn
from scheduler.fairness import Fairness, Load, judge, weigh
from scheduler.problem import Block, Demand, Machine, Need, Piece, Problem, Slot
from scheduler.simulate.house import AUDIENCES, BENCH_SETUP_MIN, CLEAR_MIN, DAY
from scheduler.simulate.luck import Job
from scheduler.simulate.state import Post, Run
from scheduler.simulate.world import World
from scheduler.wish import Wish, slack_min

HORIZON_MIN = 35 * DAY
PLAN_AT = 0.60
SHARE_DAYS = 28
RUNS_KEPT = 3000
STILL_BROKEN_MIN = 4 * 60  # what should be mended by now and is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """`iterations` of one search."""

    iterations: int = 30_000
    seed: int = 0


class Known:
    """`waiting`: jobs that no run stands on. `expected`: by machine, when its run is now expected to end. `barred`: a job
    too slow (P90) for the gap before somebody with a date on that machine, until that date."""

    def __init__(self, world: World, tuning: Tuning) -> None:
        self.world, self.house = world, world.house
        self.tuning = tuning
        self.waiting: dict[str, Job] = {}
        self.expected: dict[int, int] = {}
        self.barred: dict[tuple[str, int], int] = {}
        self._factors: Factors = learn(())
        self._finished: list[FinishedRun] = []
        self._used: deque[tuple[int, str, float]] = deque()
        self._fair = Fairness()
        self._wishes: dict[str, Wish] = {}  # of this minute
        self._wishes_at = -1
        self._from_day = -1
        self._window: tuple[tuple[Piece, ...], tuple[Piece, ...]] = ((), ())

    def learn_from(self, run: Run, now: int) -> None:
        """A run that went to its end; it counts from the next `learn_again` on."""
        took_s = (now - run.start) * 60.0
        self._used.append((now, run.job.audience, took_s / 3600))
        key = self._key(run.job, run.machine)
        self._finished.append(FinishedRun(key=key, estimate_s=run.job.estimate_min * 60, actual_s=took_s))

    def learn_again(self, now: int) -> None:
        self._wishes_at = -1
        self._factors = learn(self._finished[-RUNS_KEPT:])
        self._fair = self._fairness(now)

    def duration(self, job: Job, machine: int) -> Duration:
        return self._factors.distribution(self._key(job, machine), job.estimate_min * 60)

    def _key(self, job: Job, machine: int) -> Key:
        return Key(
            machine=self.house.benches[machine].name, material=str(job.family.material), source="slicer"
        )

    def demand(self, job: Job, now: int) -> Demand:
        wish = self.wish(job, now)
        eligible = tuple(m for m in job.eligible if self.barred.get((job.id, m), 0) <= now)
        return Demand(
            id=job.id,
            needs=(Need(eligible=eligible or job.eligible),),
            duration_min={m: self.duration(job, m).quantile_min(PLAN_AT) for m in job.eligible},
            release=now,
            due=wish.due,
            weight=wish.weight,
            setup_min=0 if job.technology == "fdm" else BENCH_SETUP_MIN,
            clear_min=CLEAR_MIN,
            family=job.family,
        )

    def wish(self, job: Job, now: int) -> Wish:
        """As the plan counts it at this minute."""
        if self._wishes_at != now:
            self._wishes_at = now
            self._wishes.clear()
        found = self._wishes.get(job.id)
        if found is None:
            found = self._wishes[job.id] = self._wish(job, now)
        return found

    def _wish(self, job: Job, now: int) -> Wish:
        slack = None
        if job.due is not None:
            slack = slack_min(self.house.worked(job.due) - self.house.worked(now), job.estimate_min)
        waited_days = (now - job.arrives) / DAY
        parts = weigh(
            self._fair,
            priority=0,
            audience=job.audience,
            owner=job.audience,
            waited_days=waited_days,
            slack_min=slack,
        )
        return Wish(due=job.arrives, weight=parts.weight)

    def problem(self, now: int, *, whole: bool = True) -> Problem:
        """Everything that is known at this minute; what has to wait may not begin before it."""
        return Problem(
            horizon_min=now + HORIZON_MIN,
            machines=tuple(self._machine(post, now) for post in self.world.posts),
            demands=tuple(self.demand(job, now) for job in self.waiting.values()) if whole else (),
            fixed=tuple(self._facts(now)),
        )

    def _machine(self, post: Post, now: int) -> Machine:
        bench = self.house.benches[post.number]
        staffed, opened = self._calendar(now)
        blocked: tuple[Block, ...] = ()
        if post.down_until > now:
            blocked = (Block(start=now - 1, end=max(post.down_said, now + STILL_BROKEN_MIN)),)
        return Machine(
            index=post.number,
            staffed=staffed,
            open=opened,
            blocked=blocked,
            unattended_max_min=bench.alone_min,
            loads=bench.rule,
            loaded=post.loaded if bench.rule else None,
        )

    def _calendar(self, now: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        """From some days ago until behind the horizon: once a day."""
        day = now // DAY
        if day != self._from_day:
            low, high = now - 5 * DAY, now + HORIZON_MIN + 2 * DAY
            self._window = (
                tuple(p for p in self.house.staffed if p.end > low and p.start < high),
                tuple(p for p in self.house.open if p.end > low and p.start < high),
            )
            self._from_day = day
        return self._window

    def _facts(self, now: int) -> Iterable[Slot]:
        """Runs, beds that wait for a person, people with a date."""
        for post in self.world.posts:
            bench = self.house.benches[post.number]
            run = post.run
            if run is not None:
                end = max(now + 1, self.expected[post.number])
                yield Slot(
                    demand=f"run {run.job.id}",
                    machine=post.number,
                    setup_start=run.setup_start,
                    run_start=run.start,
                    run_end=end,
                    free_at=self.house.cleared_at(end),
                    family=run.job.family if bench.rule else None,
                )
            elif post.dirty is not None:
                yield _kept(f"bed {post.number}", post.number, now - 1, self.house.cleared_at(now))
            for hold in self.world.holds[post.number].values():
                if hold.end > now:
                    yield _kept(hold.ref, post.number, hold.start, hold.end)

    def end_of(self, run: Run, now: int) -> int:
        elapsed_s = max(0, now - run.start) * 60.0
        left = self.duration(run.job, run.machine).remaining(elapsed_s).quantile_min(PLAN_AT)
        return max(now, run.start) + left

    def _fairness(self, now: int) -> Fairness:
        """By audience: hours used in 28 days, and asked for by those who wait, beside its share of the members."""
        while self._used and self._used[0][0] < now - SHARE_DAYS * DAY:
            self._used.popleft()
        used = dict.fromkeys(AUDIENCES, 0.0)
        waiting = dict.fromkeys(AUDIENCES, 0)
        for _, audience, hours in self._used:
            used[audience] += hours
        for job in self.waiting.values():
            waiting[job.audience] += 1
        loads = [Load(audience=a, owner=a, used_h=used[a], waiting=waiting[a]) for a in AUDIENCES]
        return judge(loads, {name: float(percent) for name, (percent, _) in AUDIENCES.items()})


def _kept(name: str, machine: int, start: int, end: int) -> Slot:
    return Slot(
        demand=name,
        machine=machine,
        setup_start=start,
        run_start=start,
        run_end=max(start + 1, end - 1),
        free_at=end,
    )
