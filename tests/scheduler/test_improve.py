"""The plan gets better by itself: when it looks, what it may move, and that all of a plan goes in or nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from fablab import migrations
from fablab.base.database import Database
from fablab.base.events import Event
from fablab.claims import calendar
from fablab.claims.calendar import Place
from fablab.claims.models import Allocation, AllocationState, Claim
from fablab.claims.promises import Promised
from fablab.notices import Notice
from fablab.places import house
from fablab.places.models import HoursRule, MachineGate
from scheduler.greedy import solve
from scheduler.improve import End, Improver, Pace, Status, explained, stand, swap_in
from scheduler.improve.process import SearchDied
from scheduler.planner.standing import FREEZE
from scheduler.problem import Problem, Slot
from scheduler.searcher import Found
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, breaches, copy_of, counted, make_lab, submitted

HOUR = timedelta(hours=1)
PATIENCE_S = 20
ROOT = Path(__file__).resolve().parents[2]
Slots = Mapping[str, tuple[Slot, ...]]


def afresh(problem: Problem, _slots: Slots) -> Slots:
    """Everybody inserted anew by urgency: what a search would at least find."""
    return solve(problem).slots


class Told:
    """A searcher that answers what it is told to; `meanwhile` happens while it searches."""

    def __init__(
        self,
        answer: Callable[[Problem, Slots], Slots] = afresh,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self._answer = answer
        self._meanwhile = meanwhile
        self.asked: list[Problem] = []
        self.searching = threading.Event()
        self.cancelled = threading.Event()

    def search(self, problem: Problem, slots: Slots, *, limit_s: float, seed: int) -> Found:
        self.asked.append(problem)
        self.searching.set()
        self._meanwhile()
        return Found(number=seed, slots=dict(self._answer(problem, slots)), iterations=1, runtime_s=0.0)

    def cancel(self) -> None:
        self.cancelled.set()

    def abandon(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        pass


def improved(lab: Lab, searcher: Told | None = None, changes_a_day: int = 9) -> Status:
    return Improver(lab.database, searcher or Told(), changes_a_day=changes_a_day).turn()


def gap(lab: Lab, behind: int = 4) -> list[str]:
    """Three hours of print on each of two printers, three that are taken back, and what stands behind those."""
    first = [submitted(lab, analysed(duration_s=3 * 3600)) for _ in range(2)]
    gone = [submitted(lab, analysed(duration_s=3 * 3600)) for _ in range(2)]
    others = [
        submitted(lab, analysed(duration_s=1200), actor=lab.actors["maker" if n % 2 else "other"])
        for n in range(behind)
    ]
    for job in gone:
        lab.intake.cancel(lab.maker, job)
    return [*first, *others]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[str]]]:
    folder = tmp_path_factory.mktemp("gap")
    lab = make_lab(f"sqlite:///{folder / 'lab.db'}", folder)
    yield lab, gap(lab)
    lab.database.dispose()


@pytest.fixture
def gapped(template: tuple[Lab, list[str]], tmp_path: Path) -> Iterator[tuple[Lab, list[str]]]:
    """A lab with a gap in its calendar, and the jobs in it."""
    lab = copy_of(template[0], tmp_path / "lab.db")
    yield lab, template[1]
    lab.database.dispose()


@pytest.fixture
def lab(gapped: tuple[Lab, list[str]]) -> Lab:
    return gapped[0]


@pytest.fixture
def jobs(gapped: tuple[Lab, list[str]]) -> list[str]:
    return gapped[1]


def places(lab: Lab) -> dict[str, tuple[int, datetime, datetime]]:
    with lab.database.read() as uow:
        rows = uow.session.query(Allocation).all()
        return {row.claim_id: (row.resource_id, row.start_at, row.end_at) for row in rows}


def earlier(slot: Slot, minutes: int = 60) -> Slot:
    return replace(
        slot,
        setup_start=slot.setup_start - minutes,
        run_start=slot.run_start - minutes,
        run_end=slot.run_end - minutes,
        free_at=slot.free_at - minutes,
    )


def claim_of(lab: Lab, claim_id: str) -> Claim:
    with lab.database.read() as uow:
        return calendar.claim(uow, claim_id)


def told(lab: Lab) -> int:
    with lab.database.read() as uow:
        return uow.session.query(Notice).filter(Notice.code == "job.moved").count()


# -- when ----------------------------------------------------------------------------------------------------------


def test_nothing_heard_is_nothing_to_do() -> None:
    assert Pace().due_at() is None


def test_it_waits_until_the_calendar_has_come_to_rest() -> None:
    pace = Pace(quiet_s=2, patience_s=10, every_s=20)
    for now in (100.0, 101.5, 103.0):
        pace.hear(now)
    assert pace.due_at() == 105.0


def test_a_calendar_that_never_rests_is_not_waited_for() -> None:
    pace = Pace(quiet_s=2, patience_s=10, every_s=20)
    for tenth in range(300):
        pace.hear(100.0 + tenth / 10)
    assert pace.due_at() == 110.0


def test_two_searches_begin_far_apart_and_a_long_one_is_followed_by_a_long_pause() -> None:
    pace = Pace(quiet_s=2, patience_s=10, every_s=20)
    pace.hear(100.0)
    pace.begin()
    assert pace.due_at() is None
    pace.end(102.0, 107.0)
    pace.hear(103.0)
    assert pace.due_at() == 122.0
    pace.begin()
    pace.end(122.0, 182.0)
    pace.hear(150.0)
    assert pace.due_at() == 242.0


def test_what_was_heard_during_a_search_is_looked_at_after_it() -> None:
    pace = Pace()
    pace.hear(100.0)
    pace.begin()
    pace.hear(101.0)
    assert pace.due_at() is not None


# -- what it may move ----------------------------------------------------------------------------------------------


def test_a_gap_is_filled_with_what_stands_behind_it_and_the_promises_follow(any_lab: Lab) -> None:
    jobs = gap(any_lab)
    before = {name: claim_of(any_lab, name) for name in jobs}
    status = improved(any_lab)
    assert status.outcome.end is End.APPLIED
    assert status.outcome.gain.earlier_min > 60
    assert breaches(any_lab) == ()
    assert counted(any_lab, OVERLAPS) == 0
    held = places(any_lab)
    for name in jobs:
        now, was = claim_of(any_lab, name), before[name]
        assert now.ready_at == held[name][2] <= (was.ready_at or TUESDAY)
        assert now.ready_from <= now.ready_at <= now.ready_until  # type: ignore[operator]  # none of them is None
        assert now.reasons
    assert told(any_lab) == status.outcome.told > 0


def test_the_plans_own_caution_is_no_reason_for_anybody(lab: Lab, jobs: list[str]) -> None:
    """Who asked for no day could start at once, whatever stood in the way."""
    assert improved(lab).outcome.moved > 0
    assert "release" not in {said["code"] for name in jobs for said in claim_of(lab, name).reasons}


def test_no_promise_is_told_to_be_later_when_nobody_is_late(lab: Lab, jobs: list[str]) -> None:
    promised = {name: claim_of(lab, name).told_ready_at for name in jobs}
    improved(lab)
    assert all(claim_of(lab, name).ready_at <= promised[name] for name in jobs)  # type: ignore[operator]


def test_what_is_searched_counts_the_wait_since_the_wish_and_the_nearness_of_its_day(
    lab: Lab, jobs: list[str]
) -> None:
    searcher = Told()
    with lab.database.begin() as uow:
        calendar.claim(uow, jobs[-1]).due_at = lab.clock.now() + HOUR
    improved(lab, searcher)
    demands = {demand.id: demand for demand in searcher.asked[0].demands}
    assert {demand.due for demand in demands.values()} == {0}  # they are all wished for by now
    assert all(demand.told is not None for demand in demands.values())
    assert demands[jobs[-1]].weight > 5 * demands[jobs[-3]].weight  # of the same person


def test_what_starts_within_the_freeze_is_nothing_to_the_search(lab: Lab, jobs: list[str]) -> None:
    before, searcher = places(lab), Told()
    improved(lab, searcher)
    near = {name for name, (_, start, _) in before.items() if start < TUESDAY + FREEZE}
    assert near
    assert near.isdisjoint(demand.id for demand in searcher.asked[0].demands)
    assert {name: places(lab)[name] for name in near} == {name: before[name] for name in near}
    assert near < set(jobs)


def test_what_a_person_was_given_stays(lab: Lab, jobs: list[str]) -> None:
    with lab.database.begin() as uow:
        calendar.claim(uow, jobs[-1]).allocations[0].state = AllocationState.FIRM
    before = places(lab)
    improved(lab)
    assert places(lab)[jobs[-1]] == before[jobs[-1]]


def test_a_gap_is_not_filled_sooner_than_somebody_can_be_there(lab: Lab, jobs: list[str]) -> None:
    """Both printers are nearly done, and then free at once."""
    ends = sorted(places(lab)[job][2] for job in jobs[:2])
    now = lab.clock.set(ends[0] - timedelta(minutes=3))
    assert improved(lab).outcome.end is End.APPLIED
    soonest = min(places(lab)[job][1] for job in jobs[2:])
    assert now + timedelta(minutes=5) <= soonest <= now + timedelta(minutes=30)


def test_a_job_without_a_place_gets_one(lab: Lab, jobs: list[str]) -> None:
    with lab.database.begin() as uow:
        calendar.release(uow, calendar.claim(uow, jobs[-1]), "replan")
    status = improved(lab)
    assert status.outcome.gain.placed > 0
    assert jobs[-1] in places(lab)


def test_who_was_told_that_there_is_no_place_hears_of_the_first_and_it_is_kept_as_a_promise(lab: Lab) -> None:
    with lab.database.begin() as uow:
        rules = [(row.kind, row.weekday, row.opens, row.closes) for row in uow.session.query(HoursRule)]
        uow.session.query(HoursRule).delete()
    job = submitted(lab, analysed(duration_s=600), actor=lab.actors["other"])
    assert claim_of(lab, job).ready_at is None
    with lab.database.begin() as uow:
        for kind, weekday, opens, closes in rules:
            uow.session.add(HoursRule(kind=kind, weekday=weekday, opens=opens, closes=closes))
    assert improved(lab).outcome.end is End.APPLIED
    with lab.database.read() as uow:
        (notice,) = uow.session.query(Notice).filter(Notice.claim_id == job)
        promised = uow.session.get_one(Promised, job)
    ready_at = claim_of(lab, job).ready_at
    assert ready_at is not None
    assert (notice.code, notice.facts["ready"]) == ("job.placed", ready_at.isoformat())
    assert promised.told_at == lab.clock.now()
    assert promised.p50_at < ready_at


def test_hours_that_have_changed_since_leave_what_they_broke_to_others(lab: Lab, jobs: list[str]) -> None:
    with lab.database.begin() as uow:
        place = calendar.claim(uow, jobs[-1]).allocations[0]
        place.end_at -= timedelta(minutes=4)  # nobody clears a bed in one
        broken = jobs[-1]
    before = places(lab)
    searcher = Told()
    improved(lab, searcher)
    assert broken not in {demand.id for demand in searcher.asked[0].demands}
    assert places(lab)[broken] == before[broken]


# -- all or nothing ------------------------------------------------------------------------------------------------


def test_a_calendar_that_moved_meanwhile_wins(any_lab: Lab) -> None:
    gap(any_lab)
    meanwhile = Told(meanwhile=lambda: submitted(any_lab, analysed(duration_s=600)))
    status = improved(any_lab, meanwhile)
    assert status.outcome.end is End.MOVED_MEANWHILE
    assert told(any_lab) == 0
    assert improved(any_lab).outcome.end is End.APPLIED


def test_a_change_that_nobody_announced_is_noticed_as_well(lab: Lab, jobs: list[str]) -> None:
    """The database counts, not our verbs."""
    with lab.database.read() as uow:
        seen = stand(uow)
    found = solve(seen.problem).slots
    with lab.database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE allocations SET state = 'firm' WHERE claim_id = '{jobs[0]}'")
    before = places(lab)
    with lab.database.begin() as uow:
        assert swap_in(uow, seen, found, explained(seen, found)).end is End.MOVED_MEANWHILE
    assert places(lab) == before


def test_a_freeze_that_has_come_too_near_meanwhile_stops_it(lab: Lab) -> None:
    before = places(lab)
    soonest = min(start for _, start, _ in before.values() if start > TUESDAY + FREEZE)
    meanwhile = Told(meanwhile=lambda: lab.clock.advance(soonest - TUESDAY - FREEZE + timedelta(minutes=1)))
    assert improved(lab, meanwhile).outcome.end is End.FROZEN_MEANWHILE
    assert places(lab) == before


def test_a_few_minutes_that_pass_meanwhile_do_no_harm(lab: Lab) -> None:
    status = improved(lab, Told(meanwhile=lambda: lab.clock.advance(timedelta(seconds=95))))
    assert status.outcome.end is End.APPLIED
    lab.clock.set(TUESDAY)  # what has begun by now would be called too early
    assert breaches(lab) == ()


def test_a_plan_that_breaks_a_rule_is_not_applied(lab: Lab) -> None:
    before = places(lab)

    def hasty(_problem: Problem, slots: Slots) -> Slots:
        """Everybody an hour earlier, whatever stands there."""
        return {name: tuple(earlier(slot) for slot in found) for name, found in slots.items()}

    assert improved(lab, Told(hasty)).outcome.end is End.UNSOUND
    assert places(lab) == before


def elsewhere(slots: Slots, **changes: int | str) -> Slots:
    """The first of them somewhere that it cannot be."""
    name = next(iter(slots))
    return {**slots, name: tuple(replace(slot, **changes) for slot in slots[name])}  # type: ignore[arg-type]  # a dict


@pytest.mark.parametrize(
    "spoil",
    [
        lambda slots: {**slots, "nobody": next(iter(slots.values()))},
        lambda slots: {**slots, next(iter(slots)): ()},
        lambda slots: elsewhere(slots, demand="nobody"),
        lambda slots: elsewhere(slots, machine=99),
        lambda slots: elsewhere(slots, machine=-1),
        lambda slots: elsewhere(slots, need=9),
        lambda slots: elsewhere(slots, setup_start=-(10**12), free_at=10**16),
    ],
    ids=["for nobody", "nowhere", "another's", "no machine", "before the first", "no need", "no time"],
)
def test_a_search_process_that_talks_nonsense_changes_nothing(
    lab: Lab, spoil: Callable[[Slots], Slots]
) -> None:
    before = places(lab)
    assert improved(lab, Told(lambda _problem, slots: spoil(slots))).outcome.end is End.UNSOUND
    assert places(lab) == before


def test_a_machine_that_went_out_of_service_meanwhile_gets_nothing(lab: Lab) -> None:
    before = places(lab)

    def lock_out() -> None:
        with lab.database.begin() as uow:
            for name in ("mk3", "ender"):
                house.machine(uow, lab.resources[name]).gate = MachineGate.OUT_OF_SERVICE

    assert improved(lab, Told(meanwhile=lock_out)).outcome.end is not End.APPLIED
    assert places(lab) == before


def test_a_plan_that_is_no_better_is_not_applied(lab: Lab) -> None:
    before = places(lab)
    assert improved(lab, Told(lambda _problem, slots: slots)).outcome.end is End.NOTHING_BETTER

    def worse(problem: Problem, slots: Slots) -> Slots:
        """What is last of all goes a day later."""
        name = max(slots, key=lambda name: slots[name][0].setup_start)
        return {**slots, name: tuple(earlier(slot, -24 * 60) for slot in slots[name])}

    assert improved(lab, Told(worse)).outcome.end is End.NOTHING_BETTER
    assert places(lab) == before


def test_a_plan_that_pays_for_nobody_is_not_applied(lab: Lab) -> None:
    """Six minutes of waiting are not worth a change."""
    assert improved(lab).outcome.end is End.APPLIED
    job = max(places(lab), key=lambda name: places(lab)[name][1])
    with lab.database.begin() as uow:
        row = calendar.claim(uow, job)
        place = row.allocations[0]
        later = {
            name: getattr(place, name) + timedelta(minutes=6)
            for name in ("start_at", "run_start_at", "run_end_at", "end_at")
        }
        calendar.swap(uow, {job: [Place(resource_id=place.resource_id, need_id=place.need_id, **later)]})
        row.ready_at = row.told_ready_at = later["end_at"]
    before = places(lab)
    assert improved(lab).outcome.end is End.NOT_WORTH_IT
    assert places(lab) == before


# -- whom it troubles ----------------------------------------------------------------------------------------------


def test_nobody_hears_of_more_changes_in_a_day_than_the_house_allows(lab: Lab) -> None:
    for _ in range(3):
        improved(lab, changes_a_day=1)
    with lab.database.read() as uow:
        heard = [row.member_id for row in uow.session.query(Notice).filter(Notice.code == "job.moved")]
    assert sorted(heard) == sorted(set(heard))
    assert heard


def test_a_new_day_is_a_new_budget(lab: Lab) -> None:
    improved(lab, changes_a_day=1)
    assert told(lab) == 2  # one of two people's each
    assert improved(lab, changes_a_day=1).outcome.end is End.NOTHING_TO_MOVE
    spoken = told(lab)
    with lab.database.begin() as uow:
        for notice in uow.session.query(Notice):
            notice.made_at -= timedelta(days=1)
    assert improved(lab, changes_a_day=1).outcome.end is End.APPLIED
    assert told(lab) > spoken


# -- the thread and its searcher -----------------------------------------------------------------------------------


def eager(lab: Lab, searcher: Told) -> Improver:
    return Improver(lab.database, searcher, pace=Pace(quiet_s=0, patience_s=0, every_s=0), changes_a_day=9)


def test_it_listens_to_the_house(lab: Lab) -> None:
    searcher = Told()
    improver = eager(lab, searcher)
    improver.begin()
    try:
        assert searcher.searching.wait(PATIENCE_S)
        searcher.searching.clear()
        submitted(lab, analysed(duration_s=600))
        assert searcher.searching.wait(PATIENCE_S)
    finally:
        improver.close()


def test_a_search_under_way_is_called_off_when_the_calendar_changes(lab: Lab) -> None:
    go_on = threading.Event()
    searcher = Told(meanwhile=lambda: go_on.wait(PATIENCE_S))
    improver = eager(lab, searcher)
    improver.begin()
    try:
        assert searcher.searching.wait(PATIENCE_S)
        lab.database.bus.publish([Event(topic="claim", id="x", name="changed", at=lab.clock.now())])
        assert not searcher.cancelled.is_set()
        lab.database.bus.publish([Event(topic="calendar", id="house", name="changed", at=lab.clock.now())])
        assert searcher.cancelled.is_set()
    finally:
        go_on.set()
        improver.close()


def test_a_calendar_that_changes_while_it_is_looked_at_is_not_searched_in(lab: Lab) -> None:
    searcher = Told()
    improver = Improver(lab.database, searcher)
    changed = Event(topic="calendar", id="house", name="changed", at=lab.clock.now())
    event.listen(lab.database.engine, "before_cursor_execute", lambda *_: improver.hear(changed), once=True)
    assert improver.turn().outcome.end is End.MOVED_MEANWHILE
    assert searcher.asked == []
    assert improver.turn().outcome.end is End.APPLIED


def test_a_calendar_that_kills_every_search_is_left_alone_until_it_changes(lab: Lab) -> None:
    def die(_problem: Problem, _slots: Slots) -> Slots:
        raise SearchDied("exit code -9")

    pace = Pace()
    improver = Improver(lab.database, Told(die), pace=pace)
    improver.turn()
    assert pace.due_at() is not None
    improver.turn()
    improver.turn()
    assert pace.due_at() is None
    improver.hear(Event(topic="calendar", id="house", name="changed", at=lab.clock.now()))
    assert pace.due_at() is not None


def test_a_searcher_that_dies_costs_an_improvement_and_no_more(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    before = places(lab)

    def die(_problem: Problem, _slots: Slots) -> Slots:
        raise SearchDied("exit code -9")

    with caplog.at_level(logging.WARNING):
        assert improved(lab, Told(die)).outcome.end is End.DIED
    assert "another one will start" in caplog.text
    assert places(lab) == before


def test_a_fault_in_one_turn_does_not_end_the_next(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    broken = threading.Event()

    def once(problem: Problem, slots: Slots) -> Slots:
        if broken.is_set():
            return afresh(problem, slots)
        broken.set()
        raise ZeroDivisionError

    improver = eager(lab, Told(once))
    applied = threading.Event()
    improver.begin()
    try:
        assert broken.wait(PATIENCE_S)
        lab.database.bus.subscribe(lambda event: applied.set() if event.topic == "calendar" else None)
        submitted(lab, analysed(duration_s=600))
        assert applied.wait(PATIENCE_S)
    finally:
        improver.close()
    assert "the plan was not improved" in caplog.text


def test_a_house_that_is_not_set_up_yet_is_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(f"sqlite:///{tmp_path / 'bare.db'}")
    migrations.upgrade(database)
    improver = Improver(database, Told(), pace=Pace(quiet_s=0, patience_s=0, every_s=0))
    with caplog.at_level(logging.INFO, logger="scheduler.improve"):
        improver.begin()
        until = time.monotonic() + PATIENCE_S
        while improver.status is None and time.monotonic() < until:
            time.sleep(0.01)
        improver.close()
    database.dispose()
    assert improver.status is not None
    assert improver.status.outcome.end is End.NOTHING_TO_MOVE
    assert [record for record in caplog.records if record.name == "scheduler.improve"] == []


def test_a_server_that_is_torn_away_does_not_wait_for_it(lab: Lab) -> None:
    """Two times Ctrl-C: nobody calls `close`."""
    code = (
        "import threading\n"
        "from fablab.base.database import Database\n"
        "from scheduler.improve import Improver\n"
        f"Improver(Database('sqlite:///{lab.database.url.database}')).begin()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=PATIENCE_S, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0


def test_an_improvement_is_one_line_of_the_log(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="scheduler.improve"):
        improved(lab)
    assert [record.message[:14] for record in caplog.records if record.levelno == logging.INFO] == [
        "a better plan:"
    ]


@pytest.mark.soak
def test_people_who_submit_meanwhile_never_wait_for_it_in_vain(any_lab: Lab) -> None:
    """Four people submit and cancel while plans are swapped as fast as they come."""
    gap(any_lab, behind=8)
    ends: list[End] = []
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            ends.append(improved(any_lab, changes_a_day=99).outcome.end)

    def live(number: int) -> list[str]:
        kept = []
        for turn in range(12):
            job = submitted(
                any_lab, analysed(duration_s=600 * (1 + (number + turn) % 9)), actor=any_lab.actors["other"]
            )
            if turn % 3 == 0:
                any_lab.intake.cancel(any_lab.actors["other"], job)
            else:
                kept.append(job)
        return kept

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            kept = [job for found in pool.map(live, range(4)) for job in found]
    finally:
        over.set()
        swapping.join()
    assert counted(any_lab, OVERLAPS) == 0
    assert breaches(any_lab) == ()
    assert set(kept) <= places(any_lab).keys()
    print("\n", {end.value: ends.count(end) for end in End if end in ends})
    assert End.MOVED_MEANWHILE in ends
    assert improved(any_lab, changes_a_day=99).outcome.end is not End.MOVED_MEANWHILE
    assert breaches(any_lab) == ()
