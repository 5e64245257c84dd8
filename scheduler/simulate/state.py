"""How things stand in the simulated lab: machines, runs, dates with people, what became of each job, and what is counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduler.problem import Family
from scheduler.simulate.luck import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A machine kept for people who come at that time: what no policy moves."""

    machine: int
    start: int
    end: int
    ref: str


@dataclass(slots=True, kw_only=True)
class Run:
    """An attempt as it is known from outside; `true_end` is nature's own."""

    job: Job
    machine: int
    number: int
    setup_start: int
    start: int
    true_end: int
    fails: bool


@dataclass(slots=True, kw_only=True)
class Post:
    """One machine as it stands. `dirty`: what lies on the bed since `dirty_since`, waiting for a person."""

    number: int
    loaded: Family | None = None
    run: Run | None = None
    dirty: Job | None = None
    dirty_since: int = 0
    dirty_good: bool = False
    in_use: str | None = None
    down_until: int = 0
    down_said: int = 0
    free_since: int = 0

    def is_idle(self, now: int) -> bool:
        return self.run is None and self.in_use is None and self.down_until <= now


@dataclass(slots=True, kw_only=True)
class Fate:
    """What became of a job. `told`: by name, what its owner was promised at the beginning (P10, P80 ...)."""

    job: Job
    told: dict[str, int] = field(default_factory=dict)
    notices: int = 0
    worse: bool = False  # once the plan said later than was promised at P90
    begun: int | None = None
    ended: int | None = None
    done: bool = False
    runs: list[tuple[int, int, int]] = field(default_factory=list)  # machine, start of set-up, clear


@dataclass(slots=True, kw_only=True)
class Diary:
    """Everything the report counts."""

    fates: dict[str, Fate] = field(default_factory=dict)
    visits: dict[str, str] = field(
        default_factory=dict
    )  # granted, refused; then served, waited, missed, lost
    visit_wait_min: int = 0
    sessions: dict[str, int] = field(default_factory=dict)  # printers a class found, -1: no date
    hands_min: int = 0
    setup_min: int = 0
    setups: int = 0
    spool_changes: int = 0
    walks: int = 0
    busy_min: list[int] = field(default_factory=list)  # by machine, with jobs
    plans: int = 0
    searches: int = 0
