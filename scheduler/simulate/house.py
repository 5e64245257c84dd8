"""What the simulated lab is: its machines, its days, its publics. The defaults are those of the demo lab."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from scheduler.lanes import Hours
from scheduler.problem import Family, Piece, SetupRule, pieces

DAY = 24 * 60
FIRST_DAY = date(2026, 9, 1)  # a Tuesday: the year simulated is a school year
SPARE_DAYS = 60  # calendars go on behind the last arrival, so that what waits then is finished

CLEAR_MIN = 5
WALK_MIN = 2  # from wherever the operator is to a machine
BENCH_SETUP_MIN = 10  # a resin printer or a laser is prepared in that, whatever was in it
RULE = SetupRule()

STAFFED_MIN = ((9 * 60 + 30, 12 * 60 + 30), (13 * 60 + 30, 18 * 60 + 30))
OPEN_MIN = (9 * 60, 20 * 60)
SATURDAY = 5

#: Holidays of zone B as the ministry has them for 2026-27: first and last day without school.
HOLIDAYS = (
    (date(2026, 10, 17), date(2026, 11, 1)),
    (date(2026, 12, 19), date(2027, 1, 3)),
    (date(2027, 2, 20), date(2027, 3, 7)),
    (date(2027, 4, 17), date(2027, 5, 2)),
    (date(2027, 7, 3), date(2027, 8, 31)),
)
#: The lab itself is shut: between the years, and two weeks of August.
SHUT = ((date(2026, 12, 24), date(2027, 1, 2)), (date(2027, 8, 2), date(2027, 8, 15)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One machine. `alone_min`: how long a run may be left alone on it; `large`: takes the large parts."""

    name: str
    technology: str
    alone_min: int = 0
    nozzle: int = 4
    large: bool = False

    @property
    def by_operator(self) -> bool:
        """Lasers have a mediator of their own beside them; the others wait for the one operator's hands."""
        return self.technology != "laser"

    @property
    def rule(self) -> SetupRule | None:
        return RULE if self.technology == "fdm" else None

    def setup_min(self, before: Family | None, after: Family) -> int:
        return RULE.minutes(before, after) if self.technology == "fdm" else BENCH_SETUP_MIN


_LARGE = Bench(name="", technology="fdm", alone_min=14 * 60, large=True)
_PRINTERS: tuple[tuple[int, int, bool], ...] = (  # hours alone, nozzle in tenths of a millimetre, large
    (14, 4, True),
    (14, 4, True),
    (14, 4, True),
    (0, 4, True),
    (0, 4, False),
    (0, 4, False),
    (0, 6, False),
    (14, 4, True),
)
_OTHERS = ("resin", "laser", "laser", "cnc", "vinyl")

#: Of all jobs in percent, as the demo lab's members are; how likely a try fails (novices more often).
AUDIENCES: Mapping[str, tuple[int, float]] = {
    "personal": (55, 0.12),
    "student": (15, 0.16),
    "professional": (14, 0.07),
    "school": (8, 0.15),
    "association": (6, 0.12),
    "public_body": (2, 0.08),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is simulated. `load`: arrivals, of the demo lab's; `printers`: how many FDM printers there are."""

    days: int = 364
    seed: int = 1
    printers: int = 8
    saturdays: bool = False
    add_printer: bool = False
    load: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`staffed` and `open`: minutes, for the whole time and `SPARE_DAYS` more."""

    benches: tuple[Bench, ...]
    staffed: tuple[Piece, ...]
    open: tuple[Piece, ...]
    days: int
    hours: Hours = field(repr=False)
    opens: Hours = field(repr=False)
    sums: tuple[int, ...] = field(repr=False)  # staffed minutes before each staffed piece

    def of(self, technology: str) -> tuple[int, ...]:
        return tuple(n for n, bench in enumerate(self.benches) if bench.technology == technology)

    def staffed_until(self, at: int) -> int:
        """The end of the staffed stretch `at` lies in; `at` itself where nobody is there."""
        index = bisect_right(self.hours.starts, at) - 1
        return max(at, self.hours.ends[index]) if index >= 0 else at

    def cleared_at(self, run_end: int) -> int:
        """When a bed is clear at the earliest."""
        return self.hours.room(run_end, CLEAR_MIN) + CLEAR_MIN

    def worked(self, at: int) -> int:
        """Staffed minutes from the beginning until `at`: a clock that stands still when nobody is there."""
        index = bisect_right(self.hours.starts, at) - 1
        if index < 0:
            return 0
        return self.sums[index] + min(at, self.hours.ends[index]) - self.hours.starts[index]

    def at_worked(self, worked_min: int) -> int:
        """The first minute at which `worked` says so."""
        index = max(0, bisect_left(self.sums, worked_min) - 1)
        return self.hours.starts[index] + max(0, worked_min - self.sums[index])

    def alone_min(self, start: int, end: int) -> int:
        """The longest stretch with nobody there between two minutes."""
        longest, since = 0, start
        index = max(0, bisect_right(self.hours.ends, start))
        while index < len(self.hours.starts) and self.hours.starts[index] < end:
            longest = max(longest, self.hours.starts[index] - since)
            since = self.hours.ends[index]
            index += 1
        return max(longest, end - since)

    def may_run(self, machine: int, start: int, run_min: int) -> bool:
        """Whether the rules of the machine let a run of that length begin then: attended ones in staffed time only."""
        limit_min = self.benches[machine].alone_min
        return self.alone_min(start, start + run_min) <= limit_min

    def soonest(self, at: int, machines: tuple[int, ...], run_min: int) -> int:
        """When something wished for at that minute could be ready in an empty lab: set up, run and cleared at once."""
        found = 1 << 40
        for machine in machines:
            setup_min = WALK_MIN + self.benches[machine].setup_min(None, _ANYTHING)
            begin = self.hours.room(at, setup_min)
            while not self.may_run(machine, begin + setup_min, run_min) and begin < self.hours.starts[-1]:
                begin = self.hours.room(begin + 15, setup_min)
            found = min(found, self.cleared_at(begin + setup_min + run_min))
        return found


_ANYTHING = Family(material=0, colour=0, nozzle=0)


def house(settings: Settings) -> House:
    printers = [_PRINTERS[n % len(_PRINTERS)] for n in range(settings.printers)]
    if settings.add_printer:
        printers.append(_PRINTERS[0])
    benches = [
        Bench(name=f"fdm-{n + 1}", technology="fdm", alone_min=60 * hours, nozzle=nozzle, large=large)
        for n, (hours, nozzle, large) in enumerate(printers)
    ]
    benches += [Bench(name=f"{kind}-{n + 1}", technology=kind) for n, kind in enumerate(_OTHERS)]
    staffed: list[tuple[int, int]] = []
    opened: list[tuple[int, int]] = []
    for day in range(settings.days + SPARE_DAYS):
        at = day * DAY
        if is_staffed(day, settings.saturdays):
            staffed += [(at + start, at + end) for start, end in STAFFED_MIN]
            opened.append((at + OPEN_MIN[0], at + OPEN_MIN[1]))
    calendar = pieces(staffed)
    sums = [0]
    for piece in calendar:
        sums.append(sums[-1] + piece.end - piece.start)
    return House(
        benches=tuple(benches),
        staffed=calendar,
        open=pieces(opened),
        days=settings.days,
        hours=Hours(calendar),
        opens=Hours(pieces(opened)),
        sums=tuple(sums[:-1]),
    )


def day_of(day: int) -> date:
    """Behind the first year the same calendar begins again, moved by whole weeks."""
    return FIRST_DAY + timedelta(days=day % 364)


def is_staffed(day: int, saturdays: bool) -> bool:
    """Five days a week as in the demo lab; here from Monday on, so that Saturdays can be asked about."""
    return day_of(day).weekday() < SATURDAY + saturdays and not is_shut(day)


def is_shut(day: int) -> bool:
    return _within(day, SHUT)


def is_term(day: int) -> bool:
    return not _within(day, HOLIDAYS)


def _within(day: int, spans: tuple[tuple[date, date], ...]) -> bool:
    return any(first <= day_of(day) <= last for first, last in spans)
