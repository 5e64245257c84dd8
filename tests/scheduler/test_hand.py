"""A job taken in hand: what would come of it is said first, then done as it was said, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fablab.base.database import Actor
from fablab.base.errors import Conflict, Forbidden, Invalid, Refused
from fablab.base.ids import new_id
from fablab.claims import calendar, decisions
from fablab.claims.calendar import Place
from fablab.claims.decisions import Action
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.notices import Notice
from fablab.places import house
from scheduler import planner
from scheduler.planner.forecast import Forecast
from scheduler.planner.hand import carry_out, forecast
from scheduler.planner.outage import forecast_absence, forecast_outage
from scheduler.planner.reach import reach
from scheduler.planner.standing import FREEZE, stand
from scheduler.planner.wishes import BARRED, Bar, Move, Pin, Prioritise, Wish
from tests.lab import OVERLAPS, TUESDAY, Lab, analysed, breaches, copy_of, counted, make_lab, submitted

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TOMORROW = TUESDAY + timedelta(days=1)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[str]]]:
    """Both printers are taken for three hours, then come six short jobs of two people."""
    folder = tmp_path_factory.mktemp("hand")
    lab = make_lab(f"sqlite:///{folder / 'lab.db'}", folder)
    jobs = [submitted(lab, analysed(duration_s=3 * 3600), name=f"long{n}.gcode") for n in range(2)]
    for n in range(6):
        owner = lab.actors["maker" if n % 2 else "other"]
        jobs.append(submitted(lab, analysed(duration_s=2400), actor=owner, name=f"short{n}.gcode"))
    yield lab, jobs
    lab.database.dispose()


@pytest.fixture
def lab(template: tuple[Lab, list[str]], tmp_path: Path) -> Iterator[Lab]:
    found = copy_of(template[0], tmp_path / "lab.db")
    yield found
    found.database.dispose()


@pytest.fixture
def jobs(template: tuple[Lab, list[str]]) -> list[str]:
    return template[1]


def asked(lab: Lab, job: str, wish: Wish, actor: Actor | None = None) -> Forecast:
    with lab.database.read(actor or lab.staff) as uow:
        return forecast(uow, job, wish)


def done(lab: Lab, job: str, wish: Wish, why: str = "") -> Forecast:
    """As it is forecast."""
    seen = asked(lab, job, wish)
    assert seen.refusals == ()
    return lab.database.write(lambda uow: carry_out(uow, job, wish, version=seen.version, why=why), lab.staff)


def codes(said: Forecast) -> list[str]:
    return [refusal.code for refusal in said.refusals]


def place(lab: Lab, job: str) -> Allocation:
    with lab.database.read() as uow:
        (found,) = calendar.current(calendar.claim(uow, job))
        return found


def all_places(lab: Lab) -> dict[str, tuple[int, datetime, datetime]]:
    with lab.database.read() as uow:
        rows = uow.session.query(Allocation).all()
        return {row.claim_id: (row.resource_id, row.run_start_at, row.end_at) for row in rows}


def notices(lab: Lab) -> int:
    with lab.database.read() as uow:
        return uow.session.query(Notice).count()


def is_sound(lab: Lab) -> bool:
    return breaches(lab) == () and counted(lab, OVERLAPS) == 0


def first_of(lab: Lab, jobs: list[str], machine: str) -> list[str]:
    """The short jobs on this machine, by their starts."""
    here = [job for job in jobs[2:] if place(lab, job).resource_id == lab.resources[machine]]
    return sorted(here, key=lambda job: place(lab, job).start_at)


# --- moved


def test_a_move_to_a_free_place_displaces_nobody_and_is_done_as_it_was_said(
    lab: Lab, jobs: list[str]
) -> None:
    wish = Move(resource_id=lab.resources["ender"], run_start_at=TOMORROW + HOUR)
    said = asked(lab, jobs[7], wish)
    assert (codes(said), said.displaced) == ([], ())
    before = all_places(lab)
    assert done(lab, jobs[7], wish) == said
    there = place(lab, jobs[7])
    assert said.place is not None
    assert (there.resource_id, there.run_start_at) == (wish.resource_id, wish.run_start_at)
    assert (there.start_at, there.end_at) == (said.place.start_at, said.place.ready_at)
    assert there.state is AllocationState.FIRM
    moved = {job for job, where in all_places(lab).items() if where != before[job]}
    assert moved == {jobs[7]}
    assert is_sound(lab)


def test_the_owner_of_the_job_is_told_of_its_new_promise(lab: Lab, jobs: list[str]) -> None:
    before = notices(lab)
    said = done(lab, jobs[7], Move(resource_id=lab.resources["ender"], run_start_at=TOMORROW + HOUR))
    assert said.is_told
    assert notices(lab) == before + 1
    with lab.database.read() as uow:
        claim = calendar.claim(uow, jobs[7])
        assert said.place is not None
        assert claim.told_ready_at == claim.ready_at == said.place.ready_at
        assert claim.ready_from is not None
        assert claim.ready_until is not None
        assert claim.ready_from <= said.place.ready_at <= claim.ready_until


def test_whoever_is_in_the_way_gives_way_and_the_forecast_is_what_happens(lab: Lab, jobs: list[str]) -> None:
    front, *_, last = first_of(lab, jobs, "ender")
    goal = place(lab, front)
    wish = Move(resource_id=goal.resource_id, run_start_at=goal.run_start_at)
    said = asked(lab, last, wish)
    assert codes(said) == []
    assert front in {each.claim_id for each in said.displaced}
    told = notices(lab)
    before = all_places(lab)
    done(lab, last, wish)
    after = all_places(lab)
    moved = {job for job in after if after[job] != before[job]} - {last}
    assert moved == {each.claim_id for each in said.displaced}
    for each in said.displaced:
        assert after[each.claim_id][1:] == (each.run_start_at, each.ready_at)
        assert before[each.claim_id][2] == each.was_ready_at
    assert notices(lab) == told + said.told + said.is_told
    assert is_sound(lab)


def test_a_forecast_writes_nothing(lab: Lab, jobs: list[str]) -> None:
    before, version = all_places(lab), counted(lab, "SELECT version FROM calendar_version")
    front, *_, last = first_of(lab, jobs, "ender")
    goal = place(lab, front)
    for wish in (
        Move(resource_id=goal.resource_id, run_start_at=goal.run_start_at),
        Pin(),
        Bar(resource_id=goal.resource_id),
        Prioritise(priority=1),
    ):
        asked(lab, last, wish)
    assert all_places(lab) == before
    assert counted(lab, "SELECT version FROM calendar_version") == version
    assert counted(lab, "SELECT count(*) FROM decisions") == 0


def test_what_somebody_has_made_firm_is_never_moved_and_is_named(lab: Lab, jobs: list[str]) -> None:
    front, *_, last = first_of(lab, jobs, "ender")
    done(lab, front, Pin())
    goal = place(lab, front)
    said = asked(lab, last, Move(resource_id=goal.resource_id, run_start_at=goal.run_start_at))
    assert codes(said) == ["hand.firm"]
    facts = said.refusals[0].facts
    with lab.database.read() as uow:
        assert facts["title"] == calendar.claim(uow, front).title
    assert facts["until"] == goal.end_at.isoformat()


def test_what_starts_within_the_freeze_is_never_moved(lab: Lab, jobs: list[str]) -> None:
    goal = place(lab, jobs[0])
    assert goal.start_at < TUESDAY + FREEZE
    said = asked(lab, jobs[7], Move(resource_id=goal.resource_id, run_start_at=goal.run_start_at))
    assert codes(said) == ["hand.frozen"]


def test_a_job_within_the_freeze_may_itself_be_moved_by_hand(lab: Lab, jobs: list[str]) -> None:
    said = done(lab, jobs[0], Move(resource_id=lab.resources["ender"], run_start_at=TOMORROW + HOUR))
    assert said.displaced == ()
    assert is_sound(lab)


def test_somebodys_own_reservation_stays_where_it_is(lab: Lab, jobs: list[str]) -> None:
    with lab.database.begin() as uow:
        own = Claim(
            id=new_id(uow.now),
            kind=ClaimKind.RESERVATION,
            state=ClaimState.OPEN,
            title="my hour",
            release_at=TUESDAY,
            estimate_s=3600,
            made_at=TUESDAY,
        )
        uow.session.add(own)
        uow.session.flush()
        start_at = TOMORROW + 2 * HOUR
        hour = Place(
            resource_id=lab.resources["ender"],
            start_at=start_at,
            run_start_at=start_at,
            run_end_at=start_at + HOUR,
            end_at=start_at + HOUR,
        )
        calendar.hold(uow, own, [hour], AllocationState.FIRM)
    said = asked(lab, jobs[7], Move(resource_id=lab.resources["ender"], run_start_at=start_at))
    assert codes(said) == ["hand.firm"]
    assert said.refusals[0].facts["title"] == "my hour"
    assert said.refusals[0].facts["until"] == (start_at + HOUR).isoformat()


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (-HOUR, "hand.past"),
        (timedelta(hours=15), "hand.setup_needs_person"),
        (timedelta(days=40), "hand.beyond_horizon"),
    ],
    ids=str,
)
def test_the_calendar_says_no_in_a_code_of_its_own(
    lab: Lab, jobs: list[str], after: timedelta, code: str
) -> None:
    said = asked(lab, jobs[7], Move(resource_id=lab.resources["ender"], run_start_at=TUESDAY + after))
    assert codes(said) == [code]


def test_nobody_has_set_it_up_two_minutes_from_now(lab: Lab, jobs: list[str]) -> None:
    here = place(lab, jobs[0]).resource_id
    said = asked(lab, jobs[0], Move(resource_id=here, run_start_at=TUESDAY + 2 * MINUTE))
    assert codes(said) == ["hand.too_early"]


def test_a_machine_that_cannot_make_it_is_no_place_for_it(lab: Lab, jobs: list[str]) -> None:
    said = asked(lab, jobs[7], Move(resource_id=lab.resources["laser"], run_start_at=TOMORROW + HOUR))
    assert codes(said) == ["machine.not_eligible"]


def test_the_move_back_brings_it_back(lab: Lab, jobs: list[str]) -> None:
    last = first_of(lab, jobs, "ender")[-1]
    was = place(lab, last)
    done(lab, last, Move(resource_id=was.resource_id, run_start_at=TOMORROW + HOUR))
    back = Move(resource_id=was.resource_id, run_start_at=was.run_start_at, firm=False)
    assert done(lab, last, back).displaced == ()
    now = place(lab, last)
    assert (now.run_start_at, now.end_at, now.state) == (was.run_start_at, was.end_at, was.state)


def test_a_calendar_that_has_changed_since_is_looked_at_again_first(lab: Lab, jobs: list[str]) -> None:
    wish = Move(resource_id=lab.resources["ender"], run_start_at=TOMORROW + HOUR)
    seen = asked(lab, jobs[7], wish)
    done(lab, jobs[6], Pin())
    before = all_places(lab)
    with pytest.raises(Conflict, match=r"calendar\.moved"), lab.database.begin(lab.staff) as uow:
        carry_out(uow, jobs[7], wish, version=seen.version)
    assert all_places(lab) == before


def test_what_is_refused_is_not_done(lab: Lab, jobs: list[str]) -> None:
    wish = Move(resource_id=lab.resources["laser"], run_start_at=TOMORROW + HOUR)
    seen = asked(lab, jobs[7], wish)
    with pytest.raises(Refused), lab.database.begin(lab.staff) as uow:
        carry_out(uow, jobs[7], wish, version=seen.version)


def test_only_those_who_operate_take_jobs_in_hand(lab: Lab, jobs: list[str]) -> None:
    for actor in (lab.maker, lab.actors["other"]):
        with pytest.raises(Forbidden):
            asked(lab, jobs[7], Pin(), actor)
        with pytest.raises(Forbidden), lab.database.begin(actor) as uow:
            carry_out(uow, jobs[7], Pin(), version=0)
        with pytest.raises(Forbidden), lab.database.read(actor) as uow:
            reach(uow, jobs[7], TUESDAY, TOMORROW)
        with pytest.raises(Forbidden), lab.database.read(actor) as uow:
            forecast_outage(uow, lab.resources["mk3"])


# --- made firm


def test_a_pinned_job_is_none_of_the_search_until_it_is_let_go(lab: Lab, jobs: list[str]) -> None:
    assert done(lab, jobs[7], Pin()).place == asked(lab, jobs[7], Pin()).place
    with lab.database.read() as uow:
        assert jobs[7] not in stand(uow).claims
    done(lab, jobs[7], Pin(firm=False))
    with lab.database.read() as uow:
        assert jobs[7] in stand(uow).claims
    assert place(lab, jobs[7]).state is AllocationState.TENTATIVE


def test_a_pinned_job_stays_when_a_start_before_it_is_missed(lab: Lab, jobs: list[str]) -> None:
    firm = first_of(lab, jobs, "ender")[-1]
    done(lab, firm, Pin())
    was = place(lab, firm)
    lab.clock.advance(hours=1)  # nobody has come to start anything
    with lab.database.begin() as uow:
        planner.refresh(uow, {})
    assert (place(lab, firm).run_start_at, place(lab, firm).resource_id) == (
        was.run_start_at,
        was.resource_id,
    )
    assert is_sound(lab)


def test_a_pin_that_cannot_be_kept_gives_way(lab: Lab, jobs: list[str]) -> None:
    """Its start is missed, or its machine goes out of service: else it would wait for ever."""
    firm = first_of(lab, jobs, "ender")[-1]
    done(lab, firm, Pin())
    was = place(lab, firm)
    with lab.database.begin() as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["ender"]), "lock_out")
    with lab.database.begin() as uow:
        planner.refresh(uow, {})
    assert place(lab, firm).resource_id == lab.resources["mk3"]
    done(lab, firm, Pin())
    lab.clock.set(max(was.end_at, place(lab, firm).end_at) + HOUR)
    with lab.database.begin() as uow:
        planner.refresh(uow, {})
    assert place(lab, firm).start_at >= lab.clock.now()


# --- kept off a machine


def test_a_job_kept_off_its_machine_goes_elsewhere_and_the_plan_knows_why(lab: Lab, jobs: list[str]) -> None:
    job = first_of(lab, jobs, "ender")[0]
    said = done(lab, job, Bar(resource_id=lab.resources["ender"]), "warps there")
    assert said.place is not None
    assert said.place.resource_id == lab.resources["mk3"]
    with lab.database.read() as uow:
        need = calendar.claim(uow, job).needs[0]
        assert need.eligible == [lab.resources["mk3"]]
        assert need.barred[str(lab.resources["ender"])] == BARRED
        reasons = calendar.claim(uow, job).reasons
    assert {"reason": BARRED, "machine": "ender"} in [
        {"reason": r["facts"].get("reason"), "machine": r["facts"].get("machine")}  # type: ignore[attr-defined]
        for r in reasons
    ]
    assert is_sound(lab)


def test_a_job_that_lies_elsewhere_stays_where_it_is(lab: Lab, jobs: list[str]) -> None:
    job = first_of(lab, jobs, "ender")[0]
    before = all_places(lab)
    done(lab, job, Bar(resource_id=lab.resources["mk3"]))
    assert all_places(lab) == before
    again = asked(lab, job, Move(resource_id=lab.resources["mk3"], run_start_at=TOMORROW + HOUR))
    assert codes(again) == ["machine.not_eligible"]


def test_the_last_machine_is_not_taken_away(lab: Lab, jobs: list[str]) -> None:
    done(lab, jobs[7], Bar(resource_id=lab.resources["mk3"]))
    assert codes(asked(lab, jobs[7], Bar(resource_id=lab.resources["ender"]))) == ["hand.last_machine"]


def test_only_what_a_person_has_barred_is_allowed_again(lab: Lab, jobs: list[str]) -> None:
    mk3 = lab.resources["mk3"]
    assert codes(asked(lab, jobs[7], Bar(resource_id=mk3, barred=False))) == ["hand.not_barred"]
    done(lab, jobs[7], Bar(resource_id=mk3))
    done(lab, jobs[7], Bar(resource_id=mk3, barred=False))
    with lab.database.read() as uow:
        need = calendar.claim(uow, jobs[7]).needs[0]
        assert (need.eligible, need.barred) == (sorted([mk3, lab.resources["ender"]]), {})


# --- urgent


def test_an_urgent_job_comes_forward_and_the_forecast_says_whose_cost_it_is(
    lab: Lab, jobs: list[str]
) -> None:
    last = max(jobs[2:], key=lambda job: place(lab, job).end_at)
    was = place(lab, last)
    said = done(lab, last, Prioritise(priority=1, due_at=TUESDAY + 5 * HOUR))
    assert said.place is not None
    assert said.place.ready_at < was.end_at
    assert said.cost["late_min"] < 0
    with lab.database.read() as uow:
        claim = calendar.claim(uow, last)
        assert (claim.priority, claim.due_at) == (1, TUESDAY + 5 * HOUR)
        assert claim.ready_at == said.place.ready_at
    assert is_sound(lab)


def test_a_job_that_can_wait_stays_until_the_plan_finds_better(lab: Lab, jobs: list[str]) -> None:
    before = all_places(lab)
    assert done(lab, jobs[3], Prioritise(priority=-1)).displaced == ()
    assert all_places(lab) == before


def test_a_firm_job_is_weighed_anew_but_not_moved(lab: Lab, jobs: list[str]) -> None:
    last = max(jobs[2:], key=lambda job: place(lab, job).end_at)
    done(lab, last, Pin())
    before = all_places(lab)
    done(lab, last, Prioritise(priority=1))
    assert all_places(lab) == before
    assert place(lab, last).state is AllocationState.FIRM


@pytest.mark.parametrize(("at", "code"), [(-HOUR, "due.past"), (timedelta(days=400), "due.too_far")], ids=str)
def test_a_date_that_cannot_be_is_refused(lab: Lab, jobs: list[str], at: timedelta, code: str) -> None:
    assert codes(asked(lab, jobs[7], Prioritise(priority=0, due_at=TUESDAY + at))) == [code]


def test_there_is_no_priority_of_one_hundred(lab: Lab, jobs: list[str]) -> None:
    with pytest.raises(Invalid, match=r"priority\.unknown"):
        asked(lab, jobs[7], Prioritise(priority=100))


# --- the trace


def test_who_did_what_and_why_is_written_down(lab: Lab, jobs: list[str]) -> None:
    done(lab, jobs[7], Pin(), "  the  school\nneeds it ")
    done(lab, jobs[7], Prioritise(priority=1))
    with lab.database.read() as uow:
        first, second = decisions.of(uow, jobs)[jobs[7]]
    assert (first.action, first.by_name, first.why) == (Action.PIN, "Staff", "the school needs it")
    assert (first.made_at, first.facts["machine"]) == (TUESDAY, second.facts["machine"])
    assert (second.action, second.facts["priority"]) == (Action.PRIORITISE, 1)


# --- reach


def test_the_reach_of_a_job_is_what_its_moves_would_say(lab: Lab, jobs: list[str]) -> None:
    last = first_of(lab, jobs, "ender")[-1]
    with lab.database.read(lab.staff) as uow:
        found = reach(uow, last, TUESDAY, TUESDAY + 10 * HOUR)
    assert {row.machine for row in found.rows} == {"mk3", "ender"}
    assert found.claims
    free = displacing = 0
    for row in found.rows:
        legal = {}
        for span in row.spans:
            at = span.start_at
            while at < span.end_at:
                legal[at] = span.displaced
                at += timedelta(minutes=5)
        for hour in range(0, 10 * 60, 25):
            at = TUESDAY + hour * MINUTE
            said = asked(lab, last, Move(resource_id=row.resource_id, run_start_at=at))
            assert (said.refusals == ()) == (at in legal)
            if at in legal:
                assert set(legal[at]) <= {each.claim_id for each in said.displaced} | set(found.claims)
                displacing += bool(legal[at])
                free += not legal[at]
    assert free
    assert displacing


def test_a_job_that_cannot_be_moved_has_no_reach(lab: Lab, jobs: list[str]) -> None:
    lab.intake.cancel(lab.actors["maker"], jobs[7])
    with lab.database.read(lab.staff) as uow:
        found = reach(uow, jobs[7], TUESDAY, TOMORROW)
    assert (found.rows, [r.code for r in found.refusals]) == ((), ["job.not_waiting"])


def test_a_reach_is_asked_for_days_not_for_years(lab: Lab, jobs: list[str]) -> None:
    with lab.database.read(lab.staff) as uow:
        with pytest.raises(Invalid, match=r"span\.too_long"):
            reach(uow, jobs[7], TUESDAY, TUESDAY + timedelta(days=30))
        with pytest.raises(Invalid, match=r"span\.wrong"):
            reach(uow, jobs[7], TUESDAY, TUESDAY)


# --- what would become of the others


@pytest.mark.parametrize("hours", [None, 1, 5])
def test_the_forecast_of_an_outage_names_those_whom_the_outage_moves(
    lab: Lab, jobs: list[str], hours: int | None
) -> None:
    ender, until = lab.resources["ender"], TUESDAY + hours * HOUR if hours else None
    with lab.database.read(lab.staff) as uow:
        said = forecast_outage(uow, ender, until)
    before = all_places(lab)
    here = {job for job, where in before.items() if where[0] == ender and (not until or where[1] < until)}
    lab.database.write(lambda uow: planner.take_out(uow, ender, "nozzle", until=until), lab.staff)
    after = all_places(lab)
    # Who moves is the same; the minute where they land may differ: a repair stops improving after some milliseconds.
    moved = {job for job in before if after[job] != before[job]}
    assert here <= moved
    assert {each.claim_id for each in said.displaced} == moved
    assert {each.claim_id for each in said.displaced if each.is_told} <= moved


def test_an_outage_until_noon_moves_only_what_lies_before(lab: Lab, jobs: list[str]) -> None:
    with lab.database.read(lab.staff) as uow:
        said = forecast_outage(uow, lab.resources["ender"], TUESDAY + HOUR)
    long = {job for job in jobs[:2] if place(lab, job).resource_id == lab.resources["ender"]}
    assert long <= {each.claim_id for each in said.displaced}
    assert all(each.ready_at is not None for each in said.displaced)
    with lab.database.read(lab.staff) as uow, pytest.raises(Invalid, match=r"span\.wrong"):
        forecast_outage(uow, lab.resources["ender"], TUESDAY - HOUR)


def test_a_shut_afternoon_moves_whoever_needs_somebody_then(lab: Lab, jobs: list[str]) -> None:
    with lab.database.read(lab.staff) as uow:
        said = forecast_absence(uow, TUESDAY + 3 * HOUR, TUESDAY + 8 * HOUR)
        none = forecast_absence(uow, TUESDAY + timedelta(days=20), TUESDAY + timedelta(days=21))
    assert said.displaced
    assert said.cost["late_min"] > 0
    assert none.displaced == ()


def test_places_are_exchanged_on_every_database(any_lab: Lab) -> None:
    """One takes what another leaves, inside one transaction, whenever the constraint is looked at."""
    lab = any_lab
    first, second = (submitted(lab, analysed(duration_s=12 * 3600)) for _ in range(2))
    third = submitted(lab, analysed(duration_s=3600))
    done(lab, third, Move(resource_id=lab.resources["ender"], run_start_at=TOMORROW + HOUR, firm=False))
    fourth = submitted(lab, analysed(duration_s=3600))
    said = done(
        lab, fourth, Move(resource_id=lab.resources["ender"], run_start_at=TOMORROW + HOUR), "a visit"
    )
    assert [each.claim_id for each in said.displaced] == [third]
    assert place(lab, fourth).run_start_at == TOMORROW + HOUR
    assert {first, second} <= all_places(lab).keys()
    assert is_sound(lab)
