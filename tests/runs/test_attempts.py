"""One attempt, step by step: what a tap asks for, what stops it, and what its end makes true in one transaction."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fablab.base.database import SYSTEM, Actor
from fablab.base.errors import BadStep, Conflict, Forbidden, Invalid, LabError, NotFound, Refused
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.models import JobState
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimKind, ClaimState
from fablab.device import DeviceState, Outcome, Progress, Status
from fablab.money.models import Charge
from fablab.notices import Notice
from fablab.places import house
from fablab.places.models import Machine, MachineGate, Material, Spool, Technology
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler import planner
from tests.lab import Lab, analysed, submitted


def tap(lab: Lab, job_id: str, machine: str = "mk3", spool: str | None = None) -> str:
    with lab.database.begin(lab.staff) as uow:
        claim = uow.session.get_one(Claim, job_id)
        allocation = planner.place_now(uow, claim, lab.resources[machine])
        spool_id = lab.spools[spool] if spool else None
        return attempts.prepare(uow, allocation, bed_clear=True, spool_id=spool_id).id


def begun(lab: Lab, job_id: str) -> str:
    run_id = tap(lab, job_id)
    with lab.database.begin() as uow:
        attempts.begin(uow, run_id)
    return run_id


def see(
    lab: Lab,
    run_id: str,
    state: DeviceState,
    outcome: Outcome | None = None,
    *,
    mine: bool = True,
    fraction: float | None = 0.5,
    message: str = "",
) -> RunState:
    progress = Progress(token=run_id, fraction=fraction, elapsed_s=60, outcome=outcome) if mine else None
    status = Status(at=lab.clock.now(), state=state, progress=progress, message=message)
    with lab.database.begin() as uow:
        return attempts.observe(uow, run_id, status).state


def running(lab: Lab) -> tuple[str, str]:
    job_id = submitted(lab)
    run_id = begun(lab, job_id)
    assert see(lab, run_id, DeviceState.RUNNING) is RunState.RUNNING
    return job_id, run_id


def run_of(lab: Lab, run_id: str) -> Run:
    with lab.database.read() as uow:
        return attempts.get(uow, run_id)


def state_of(lab: Lab, job_id: str) -> tuple[JobState, ClaimState]:
    with lab.database.read() as uow:
        return jobs.get(uow, job_id).state, uow.session.get_one(Claim, job_id).state


def charged_cents(lab: Lab) -> int | None:
    with lab.database.read() as uow:
        return uow.session.scalar(select(func.sum(Charge.total_cents)))


def told(lab: Lab) -> list[str]:
    with lab.database.read() as uow:
        return list(uow.session.scalars(select(Notice.code).order_by(Notice.id)))


def refused(lab: Lab, job_id: str, machine: str = "mk3", spool: str | None = None) -> list[str]:
    with pytest.raises(Refused) as found:
        tap(lab, job_id, machine, spool)
    return [refusal.code for refusal in found.value.refusals]


def change(lab: Lab, machine: str, **values: object) -> None:
    with lab.database.begin() as uow:
        row = house.machine(uow, lab.resources[machine])
        for name, value in values.items():
            setattr(row, name, value)


# -- the tap -------------------------------------------------------------------------------------------------------


def test_a_tap_makes_the_place_firm_and_the_bed_clear(lab: Lab) -> None:
    run = run_of(lab, tap(lab, submitted(lab)))
    assert (run.state, run.operator_id) == (RunState.PREPARING, lab.staff.member_id)
    assert run.deadline_at == lab.clock.now() + attempts.PREPARE_LIFE
    with lab.database.read() as uow:
        allocation = uow.session.scalars(select(Allocation)).one()
        assert (allocation.run_id, allocation.state) == (run.id, AllocationState.FIRM)
        assert uow.session.get_one(Machine, lab.resources["mk3"]).gate is MachineGate.CLEAR


def test_a_maker_taps_nothing(lab: Lab) -> None:
    job_id = submitted(lab)
    with lab.database.read(lab.maker) as uow:
        allocation = uow.session.get_one(Claim, job_id).allocations[0]
        with pytest.raises(Forbidden):
            attempts.prepare(uow, allocation, bed_clear=True)


def test_a_bed_nobody_confirmed_is_no_tap(lab: Lab) -> None:
    job_id = submitted(lab)
    with pytest.raises(Invalid, match="bed"), lab.database.begin(lab.staff) as uow:
        attempts.prepare(uow, uow.session.get_one(Claim, job_id).allocations[0], bed_clear=False)


def test_every_reason_against_a_start_is_said_at_once(lab: Lab) -> None:
    job_id = submitted(lab)
    change(lab, "mk3", gate=MachineGate.OUT_OF_SERVICE, device=None, spool_id=None)
    assert refused(lab, job_id) == ["machine.out_of_service", "machine.no_device", "material.other_loaded"]


def test_another_material_is_refused(lab: Lab) -> None:
    assert refused(lab, submitted(lab), spool="PLA") == ["material.other_loaded"]


def test_another_colour_is_refused(lab: Lab) -> None:
    with lab.database.begin() as uow:
        petg = uow.session.scalars(select(Material).where(Material.code == "PETG")).one()
        black = Spool(
            material_id=petg.id, label="b", colour="black", colour_hex="#000000", weight_g=1000, left_g=900
        )
        uow.session.add(black)
        uow.session.flush()
        lab.spools["black"] = black.id
    job_id = submitted(lab, wishes=Wishes(colour="orange"))
    assert refused(lab, job_id, spool="black") == ["colour.other_loaded"]


def test_an_unknown_spool_is_not_found(lab: Lab) -> None:
    lab.spools["none"] = 999
    with pytest.raises(NotFound, match="spool"):
        tap(lab, submitted(lab), spool="none")


def test_the_spool_named_at_the_tap_is_on_the_machine_afterwards(lab: Lab) -> None:
    run = run_of(lab, tap(lab, submitted(lab, analysed(material="PLA")), spool="PLA"))
    assert run.spool_id == lab.spools["PLA"]
    with lab.database.read() as uow:
        assert uow.session.get_one(Machine, lab.resources["mk3"]).spool_id == lab.spools["PLA"]


def test_a_machine_the_file_is_not_fit_for_is_refused(lab: Lab) -> None:
    assert refused(lab, submitted(lab), "laser") == ["machine.not_eligible"]


def test_a_claim_that_is_no_job_is_refused(lab: Lab) -> None:
    with lab.database.begin() as uow:
        uow.session.add(
            Claim(
                id="outage",
                kind=ClaimKind.OUTAGE,
                state=ClaimState.OPEN,
                title="raw",
                release_at=uow.now,
                estimate_s=60,
                made_at=uow.now,
            )
        )
    assert refused(lab, "outage") == ["machine.not_eligible"]


def test_a_job_in_review_is_not_started_although_it_has_a_place(lab: Lab) -> None:
    job_id = submitted(lab, analysed(weight_g=900))
    assert state_of(lab, job_id) == (JobState.REVIEW, ClaimState.HELD)
    assert refused(lab, job_id) == ["job.not_waiting"]
    with lab.database.read() as uow:
        assert attempts.next_waiting(uow, lab.resources["mk3"]) is None


def test_one_job_is_not_started_on_two_machines(lab: Lab) -> None:
    change(lab, "ender", spool_id=lab.spools["PETG"])
    job_id = submitted(lab)
    tap(lab, job_id)
    assert refused(lab, job_id, "ender") == ["job.not_waiting"]


def test_a_job_that_runs_is_not_started_again(lab: Lab) -> None:
    change(lab, "ender", spool_id=lab.spools["PETG"])
    job_id, _ = running(lab)
    assert refused(lab, job_id, "ender") == ["job.not_waiting"]


def test_a_finished_job_is_not_started_again(lab: Lab) -> None:
    job_id, run_id = running(lab)
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    lab.clock.advance(minutes=1)
    with pytest.raises(BadStep):
        tap(lab, job_id)
    with lab.database.read() as uow, pytest.raises(Refused):
        attempts.require_waiting(uow, uow.session.get_one(Claim, job_id))


def test_a_machine_runs_one_thing(lab: Lab) -> None:
    tap(lab, submitted(lab))
    with lab.database.begin(lab.staff) as uow:
        other = Allocation(
            claim_id=submitted_within(uow, lab),
            resource_id=lab.resources["mk3"],
            state=AllocationState.FIRM,
            start_at=uow.now + timedelta(days=3),
            run_start_at=uow.now + timedelta(days=3),
            run_end_at=uow.now + timedelta(days=3, hours=1),
            end_at=uow.now + timedelta(days=3, hours=1),
        )
        uow.session.add(other)
        uow.session.flush()
        with pytest.raises(Conflict, match="busy"):
            attempts.prepare(uow, other, bed_clear=True)


def submitted_within(uow, lab: Lab) -> str:  # type: ignore[no-untyped-def]
    """A second job with a claim that is held, without another transaction."""
    program = jobs.keep_program(uow, "f" * 64, 10, analysed(), None)
    job = jobs.draft(uow, program, "second.gcode")
    jobs.submit(uow, job.id, Wishes())
    uow.session.get_one(Claim, job.id).state = ClaimState.HELD
    return job.id


# -- the start -----------------------------------------------------------------------------------------------------


def test_the_start_is_written_down_with_its_deadline(lab: Lab) -> None:
    job_id = submitted(lab)
    run = run_of(lab, begun(lab, job_id))
    assert run.state is RunState.STARTING
    assert run.deadline_at == lab.clock.now() + attempts.START_LIFE
    assert state_of(lab, job_id) == (JobState.ACTIVE, ClaimState.HELD)
    with lab.database.read() as uow:
        assert uow.session.get_one(Machine, lab.resources["mk3"]).gate is MachineGate.AWAITING_CLEAR


def test_a_tap_is_worth_ten_minutes(lab: Lab) -> None:
    run_id = tap(lab, submitted(lab))
    lab.clock.advance(attempts.PREPARE_LIFE)
    with pytest.raises(Conflict, match="too_late"), lab.database.begin() as uow:
        attempts.begin(uow, run_id)


def test_nothing_starts_twice(lab: Lab) -> None:
    run_id = begun(lab, submitted(lab))
    with pytest.raises(BadStep), lab.database.begin() as uow:
        attempts.begin(uow, run_id)


def test_nothing_starts_on_a_machine_that_was_locked_out_after_the_tap(lab: Lab) -> None:
    run_id = tap(lab, submitted(lab))
    with lab.database.begin(lab.staff) as uow:
        house.turn_gate(uow, house.machine(uow, lab.resources["mk3"]), "lock_out", "smoke")
    with pytest.raises(BadStep), lab.database.begin() as uow:
        attempts.begin(uow, run_id)


def test_a_stale_tap_keeps_the_job_its_place_as_one_the_plan_may_move(lab: Lab) -> None:
    job_id = submitted(lab)
    run_id = tap(lab, job_id)
    lab.clock.advance(attempts.PREPARE_LIFE)
    with lab.database.begin() as uow:
        attempts.withdraw(uow, run_id, "too_late")
    run = run_of(lab, run_id)
    assert (run.state, run.detail, run.ended_at) == (RunState.CANCELLED, "too_late", lab.clock.now())
    assert state_of(lab, job_id) == (JobState.QUEUED, ClaimState.HELD)
    with lab.database.begin() as uow:
        planner.refresh(uow, {})
    with lab.database.read() as uow:
        allocation = uow.session.scalars(select(Allocation)).one()
        assert (allocation.run_id, allocation.state) == (None, AllocationState.TENTATIVE)
        assert allocation.run_start_at >= lab.clock.now()
    assert charged_cents(lab) is None


def test_what_was_sent_is_not_withdrawn(lab: Lab) -> None:
    run_id = begun(lab, submitted(lab))
    with pytest.raises(Conflict, match="already_started"), lab.database.begin() as uow:
        attempts.withdraw(uow, run_id, "")


def test_a_refused_start_counts_as_a_try(lab: Lab) -> None:
    job_id = submitted(lab)
    run_id = begun(lab, job_id)
    with lab.database.begin() as uow:
        attempts.refused_start(uow, run_id, "the door is open")
    assert (run_of(lab, run_id).state, run_of(lab, run_id).detail) == (RunState.FAILED, "the door is open")
    assert state_of(lab, job_id) == (JobState.QUEUED, ClaimState.OPEN)


def test_a_refusal_that_comes_after_the_machine_was_seen_running_changes_nothing(lab: Lab) -> None:
    _, run_id = running(lab)
    with lab.database.begin() as uow:
        attempts.refused_start(uow, run_id, "busy")
    assert run_of(lab, run_id).state is RunState.RUNNING


# -- looking -------------------------------------------------------------------------------------------------------


def test_the_last_seen_progress_is_kept(lab: Lab) -> None:
    _, run_id = running(lab)
    see(lab, run_id, DeviceState.RUNNING, fraction=0.7)
    see(lab, run_id, DeviceState.RUNNING, fraction=None)
    run = run_of(lab, run_id)
    assert (run.fraction, run.elapsed_s, run.started_at) == (0.7, 60, lab.clock.now())


def test_a_pause_is_seen_and_left(lab: Lab) -> None:
    _, run_id = running(lab)
    assert see(lab, run_id, DeviceState.PAUSED) is RunState.PAUSED
    assert see(lab, run_id, DeviceState.RUNNING) is RunState.RUNNING


def test_out_of_sight_is_noted_and_forgotten_when_it_is_back(lab: Lab) -> None:
    _, run_id = running(lab)
    lost = lab.clock.advance(minutes=1)
    see(lab, run_id, DeviceState.OFFLINE, mine=False)
    lab.clock.advance(minutes=5)
    assert see(lab, run_id, DeviceState.OFFLINE, mine=False) is RunState.RUNNING
    assert run_of(lab, run_id).unseen_since == lost
    see(lab, run_id, DeviceState.RUNNING)
    assert run_of(lab, run_id).unseen_since is None
    lab.clock.advance(minutes=9)
    assert see(lab, run_id, DeviceState.OFFLINE, mine=False) is RunState.RUNNING


def test_a_run_that_has_ended_is_not_looked_at_again(lab: Lab) -> None:
    _, run_id = running(lab)
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    assert see(lab, run_id, DeviceState.FAULT, Outcome.FAILED) is RunState.SUCCEEDED
    assert charged_cents(lab) == 68


def test_an_unknown_run_is_not_found(lab: Lab) -> None:
    with pytest.raises(NotFound, match="run"):
        run_of(lab, "nothing")


# -- the end -------------------------------------------------------------------------------------------------------


def test_a_part_that_came_out_costs_what_was_promised(lab: Lab) -> None:
    job_id, run_id = running(lab)
    ended = lab.clock.advance(minutes=25)
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    assert state_of(lab, job_id) == (JobState.DONE, ClaimState.CLOSED)
    assert charged_cents(lab) == 68  # half an hour at 1 EUR, 4.5 g at 40 EUR a kilogram
    with lab.database.read() as uow:
        allocation = uow.session.scalars(select(Allocation)).one()
        assert (allocation.run_end_at, allocation.end_at) == (ended, ended)
        assert uow.session.get_one(Spool, lab.spools["PETG"]).left_g == pytest.approx(795.5)
    assert told(lab) == ["job.done"]


def test_an_interrupted_run_requeues_the_job_without_counting_a_try(lab: Lab) -> None:
    job_id, run_id = running(lab)
    see(lab, run_id, DeviceState.IDLE, mine=False, message="booted")
    assert (run_of(lab, run_id).state, run_of(lab, run_id).detail) == (RunState.INTERRUPTED, "booted")
    with lab.database.read() as uow:
        job = jobs.get(uow, job_id)
        assert (job.state, job.tries) == (JobState.QUEUED, 0)
        assert uow.session.get_one(Spool, lab.spools["PETG"]).left_g == pytest.approx(797.75)
    assert charged_cents(lab) is None
    assert told(lab) == ["job.requeued"]


def test_failing_twice_fails_the_job(lab: Lab) -> None:
    job_id = submitted(lab)
    for expected in ((JobState.QUEUED, ClaimState.OPEN), (JobState.FAILED, ClaimState.CLOSED)):
        run_id = begun(lab, job_id)
        lab.clock.advance(minutes=5)
        see(lab, run_id, DeviceState.FAULT)
        assert state_of(lab, job_id) == expected
        lab.clock.advance(minutes=5)
    assert told(lab) == ["job.requeued", "job.failed"]
    assert charged_cents(lab) is None


def test_who_stops_a_run_pays_the_part_that_was_made(lab: Lab) -> None:
    job_id, run_id = running(lab)
    with lab.database.begin(lab.maker) as uow:
        asked = attempts.cancel_job(uow, job_id)
        assert asked is not None
        assert asked.id == run_id
    assert state_of(lab, job_id)[0] is JobState.ACTIVE
    see(lab, run_id, DeviceState.IDLE, Outcome.CANCELLED, fraction=0.5)
    assert state_of(lab, job_id) == (JobState.CANCELLED, ClaimState.CLOSED)
    assert charged_cents(lab) == 34


def test_a_run_that_staff_stop_costs_its_owner_nothing(lab: Lab) -> None:
    job_id, run_id = running(lab)
    with lab.database.begin(lab.staff) as uow:
        attempts.ask_cancel(uow, run_id)
    with lab.database.begin(lab.maker) as uow:
        attempts.ask_cancel(uow, run_id)  # too late: it was stopped already
    see(lab, run_id, DeviceState.IDLE, Outcome.CANCELLED, fraction=0.5)
    assert state_of(lab, job_id)[0] is JobState.CANCELLED
    assert charged_cents(lab) is None


def test_a_machine_that_stops_by_itself_charges_nothing(lab: Lab) -> None:
    job_id, run_id = running(lab)
    see(lab, run_id, DeviceState.IDLE, Outcome.CANCELLED)
    assert state_of(lab, job_id)[0] is JobState.CANCELLED
    assert charged_cents(lab) is None


@pytest.mark.parametrize("end", [DeviceState.FAULT, DeviceState.IDLE])
def test_a_job_that_was_cancelled_does_not_come_back_however_its_run_ends(lab: Lab, end: DeviceState) -> None:
    job_id, run_id = running(lab)
    with lab.database.begin(lab.maker) as uow:
        attempts.ask_cancel(uow, run_id)
    see(lab, run_id, end, mine=False)
    assert state_of(lab, job_id) == (JobState.CANCELLED, ClaimState.CLOSED)
    assert charged_cents(lab) is None


def test_a_part_that_came_out_in_spite_of_a_cancel_is_done_and_paid(lab: Lab) -> None:
    job_id, run_id = running(lab)
    with lab.database.begin(lab.maker) as uow:
        attempts.ask_cancel(uow, run_id)
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    assert state_of(lab, job_id)[0] is JobState.DONE
    assert charged_cents(lab) == 68


def test_a_run_without_a_spool_takes_no_grams(lab: Lab) -> None:
    _, run_id = running(lab)
    with lab.database.begin() as uow:
        attempts.get(uow, run_id).spool_id = None
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    with lab.database.read() as uow:
        assert uow.session.get_one(Spool, lab.spools["PETG"]).left_g == 800


# -- cancelling and pausing ----------------------------------------------------------------------------------------


def test_cancelling_a_tapped_job_takes_the_tap_back(lab: Lab) -> None:
    job_id = submitted(lab)
    run_id = tap(lab, job_id)
    with lab.database.begin(lab.maker) as uow:
        assert attempts.cancel_job(uow, job_id) is None
    assert run_of(lab, run_id).state is RunState.CANCELLED
    assert state_of(lab, job_id) == (JobState.CANCELLED, ClaimState.CLOSED)
    with lab.database.read() as uow:
        assert uow.session.scalars(select(Allocation)).all() == []


def test_cancelling_a_tapped_run_leaves_the_job_in_the_queue(lab: Lab) -> None:
    job_id = submitted(lab)
    run_id = tap(lab, job_id)
    with lab.database.begin(lab.staff) as uow:
        attempts.ask_cancel(uow, run_id)
    assert state_of(lab, job_id) == (JobState.QUEUED, ClaimState.HELD)


def test_a_cancel_is_noted_once(lab: Lab) -> None:
    _, run_id = running(lab)
    first = lab.clock.now()
    for _ in range(2):
        with lab.database.begin(lab.maker) as uow:
            attempts.ask_cancel(uow, run_id)
        lab.clock.advance(minutes=1)
    assert run_of(lab, run_id).cancel_asked_at == first


def test_what_is_over_cannot_be_cancelled(lab: Lab) -> None:
    _, run_id = running(lab)
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    with pytest.raises(Conflict, match="already_ended"), lab.database.begin(lab.maker) as uow:
        attempts.ask_cancel(uow, run_id)


@pytest.mark.parametrize(
    ("who", "error"), [("other", Forbidden), ("maker", None), ("staff", None), ("admin", None)]
)
def test_owner_and_operators_may_cancel_a_run(lab: Lab, who: str, error: type[LabError] | None) -> None:
    _, run_id = running(lab)

    def ask() -> None:
        with lab.database.begin(lab.actors[who]) as uow:
            attempts.ask_cancel(uow, run_id)

    if error is None:
        ask()
    else:
        with pytest.raises(error):
            ask()
    assert (run_of(lab, run_id).cancel_asked_at is None) == (error is not None)


def test_a_stranger_s_job_is_not_there_to_be_cancelled(lab: Lab) -> None:
    job_id, _ = running(lab)
    with pytest.raises(NotFound), lab.database.begin(lab.actors["other"]) as uow:
        attempts.cancel_job(uow, job_id)


def test_operators_pause_what_runs_and_nothing_else(lab: Lab) -> None:
    run_id = begun(lab, submitted(lab))

    def pause(actor: Actor) -> str:
        with lab.database.read(actor) as uow:
            return attempts.may_pause(uow, run_id).id

    with pytest.raises(Conflict, match="not_running"):
        pause(lab.staff)
    see(lab, run_id, DeviceState.RUNNING)
    assert pause(lab.staff) == run_id
    with pytest.raises(Forbidden):
        pause(lab.maker)


# -- clearing ------------------------------------------------------------------------------------------------------


def clear(lab: Lab, actor: Actor, machine: str = "mk3") -> MachineGate:
    with lab.database.begin(actor) as uow:
        return attempts.clear_bed(uow, lab.resources[machine]).gate


def test_a_cleared_bed_is_clear_and_gives_back_what_the_last_run_held(lab: Lab) -> None:
    _, run_id = running(lab)
    lab.clock.advance(minutes=25)
    see(lab, run_id, DeviceState.IDLE, Outcome.DONE)
    with lab.database.begin() as uow:
        allocation = uow.session.scalars(select(Allocation)).one()
        allocation.end_at = uow.now + timedelta(hours=8)
    now = lab.clock.advance(minutes=5)
    assert clear(lab, lab.staff) is MachineGate.CLEAR
    with lab.database.read() as uow:
        assert uow.session.scalars(select(Allocation)).one().end_at == now


def test_clearing_leaves_the_plan_of_others_alone(lab: Lab) -> None:
    submitted(lab)
    with lab.database.read() as uow:
        before = uow.session.scalars(select(Allocation)).one().end_at
    clear(lab, lab.staff)
    with lab.database.read() as uow:
        assert uow.session.scalars(select(Allocation)).one().end_at == before


def test_nobody_clears_under_a_run(lab: Lab) -> None:
    running(lab)
    with pytest.raises(Conflict, match="busy"):
        clear(lab, lab.staff)


def test_a_maker_clears_nothing(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        clear(lab, lab.maker)


def test_a_room_has_no_bed(lab: Lab) -> None:
    with pytest.raises(NotFound, match="machine"):
        clear(lab, lab.staff, "room")


def test_a_machine_out_of_service_is_not_cleared_into_service(lab: Lab) -> None:
    change(lab, "mk3", gate=MachineGate.OUT_OF_SERVICE)
    with pytest.raises(BadStep):
        clear(lab, lab.staff)


def test_the_run_knows_its_program(lab: Lab) -> None:
    job_id = submitted(lab)
    run_id = tap(lab, job_id)
    with lab.database.read(SYSTEM) as uow:
        run = attempts.get(uow, run_id)
        assert attempts.program_of(uow, run) == jobs.get(uow, job_id).program_sha256
        assert [live.id for live in attempts.all_live(uow)] == [run_id]


def test_only_filament_is_left_alone() -> None:
    assert [t for t in Technology if not jobs.is_attended(t)] == [Technology.FDM]
