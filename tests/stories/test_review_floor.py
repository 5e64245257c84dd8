"""A second reader's doubts about the dispatcher: starts once and in time, runs judged rightly, no stop forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from fablab.base.clock import Clock
from fablab.base.errors import Conflict, NotFound
from fablab.claims.jobs.use import Wishes
from fablab.device import (
    Capability,
    DeviceRefused,
    DeviceState,
    Identity,
    LinkLost,
    LinkState,
    Outcome,
    Progress,
    Safety,
    Status,
)
from fablab.runs import attempts
from fablab.runs.models import Run, RunState
from scheduler.dispatch import Dispatcher
from tests.lab import Lab, analysed, drafted

HOT = {"tool0": 215.0, "tool0_target": 210.0}
COLD = {"tool0": 40.0, "tool0_target": 0.0}


class HeldLink:
    """A link in the test's hand. `gate` holds every start until it is set; `safety` is what a stop answers."""

    def __init__(self, clock: Clock, name: str = "mk3") -> None:
        self.name = name
        self.capabilities = frozenset(Capability)
        self.state = LinkState.ONLINE
        self.reason = ""
        self.identity: Identity | None = None
        self.age_s: float | None = 0.0
        self.sent: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.start_error: BaseException | None = None
        self.safety: Safety | Exception = Safety.CONFIRMED
        self.begun = 0
        self._clock = clock
        self._news = asyncio.Event()
        self.status = Status(at=clock.now(), state=DeviceState.IDLE)

    def begin(self) -> None:
        self._news.set()

    async def close(self) -> None: ...

    def retry(self) -> None: ...

    def say(
        self,
        state: DeviceState,
        token: str | None = None,
        outcome: Outcome | None = None,
        heat: dict[str, float] | None = None,
    ) -> None:
        progress = Progress(token=token, fraction=0.5, outcome=outcome) if token else None
        self.status = Status(at=self._clock.now(), state=state, progress=progress, heat_c=heat or {})
        self._news.set()

    async def subscribe(self) -> AsyncIterator[Status]:
        while True:
            await self._news.wait()
            self._news.clear()
            yield self.status

    async def start(self, program: Path, token: str, deadline: datetime) -> None:
        self.begun += 1
        await self.gate.wait()
        self.sent.append(f"start {token}")
        if self.start_error is not None:
            raise self.start_error

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def cancel(self) -> None:
        self.sent.append("cancel")

    async def make_safe(self) -> Safety:
        self.sent.append("make_safe")
        if isinstance(self.safety, Exception):
            raise self.safety
        return self.safety


class Floor:
    def __init__(self, lab: Lab, link: HeldLink | None = None) -> None:
        self.lab = lab
        self.link = link or HeldLink(lab.clock)
        self.mk3 = lab.resources["mk3"]
        self.programs_lost = False
        self.dispatcher = Dispatcher(
            lab.database, {self.link.name: self.link}, self.path, lab.clock, unlinked_every_s=0.05
        )

    def path(self, sha256: str) -> Path:
        """The programs of these tests were never files; a link in the hand does not mind."""
        if self.programs_lost:
            raise NotFound("program.not_found")
        return Path("/nowhere") / sha256

    async def __aenter__(self) -> Floor:
        await self.dispatcher.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.close()

    async def tapped(self) -> Run:
        await asyncio.to_thread(submitted, self.lab)
        return await self.dispatcher.tap(self.lab.staff, self.mk3, bed_clear=True)

    async def running(self) -> Run:
        run = await self.tapped()
        await self.until(run, RunState.STARTING)
        self.link.say(DeviceState.RUNNING, run.id)
        await self.until(run, RunState.RUNNING)
        return run

    async def until(self, run: Run, *states: RunState) -> Run:
        return await until(lambda: now if (now := read(self.lab, run)).state in states else None)


def submitted(lab: Lab) -> str:
    job = drafted(lab, analysed())
    lab.intake.submit(lab.maker, job, Wishes())
    return job


def read(lab: Lab, run: Run) -> Run:
    with lab.database.read() as uow:
        return attempts.get(uow, run.id)


async def until(look, within_s: float = 12.0):  # type: ignore[no-untyped-def]
    deadline = asyncio.get_running_loop().time() + within_s
    while not (found := await asyncio.to_thread(look)):
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
    return found


async def held(fact, for_s: float = 0.5) -> None:  # type: ignore[no-untyped-def]
    """It is so, and stays so a while: what must not happen cannot be waited for."""
    deadline = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < deadline:
        assert fact()
        await asyncio.sleep(0.02)


# -- starts


async def test_a_tap_is_taken_back_when_somebody_else_used_the_machine_meanwhile(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        floor.link.say(DeviceState.OFFLINE)
        run = await floor.tapped()
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.RUNNING)
        await floor.until(run, RunState.CANCELLED)
        floor.link.say(DeviceState.IDLE)  # with a stranger's part on the bed
        await held(lambda: floor.link.sent == [])


async def test_a_machine_that_is_seen_to_move_takes_no_tap(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.say(DeviceState.RUNNING)
        with pytest.raises(Conflict, match="busy"):
            await floor.tapped()


async def test_a_machine_that_only_comes_to_rest_keeps_its_tap(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.say(DeviceState.RUNNING, "the run before", Outcome.CANCELLED)
        run = await floor.tapped()
        await held(lambda: read(lab, run).state is RunState.PREPARING)
        floor.link.say(DeviceState.IDLE, "the run before", Outcome.CANCELLED)
        await floor.until(run, RunState.STARTING)


async def test_a_cancel_overtakes_a_start_that_takes_its_time(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.gate.clear()
        run = await floor.tapped()
        await until(lambda: floor.link.begun)
        await floor.dispatcher.cancel(lab.maker, run.id)
        await until(lambda: "cancel" in floor.link.sent)
        floor.link.start_error = DeviceRefused("stopped while its program was still on its way")
        floor.link.gate.set()
        await floor.until(run, RunState.FAILED)


async def test_a_program_that_is_gone_is_said_before_anything_is_written_down(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.programs_lost = True
        run = await floor.until(await floor.tapped(), RunState.CANCELLED)
        assert run.detail == "program_gone"
        assert floor.link.sent == []


async def test_a_tap_from_before_the_clock_went_back_starts_nothing(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        run = await floor.tapped()
        lab.clock.advance(hours=-1)
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.IDLE)
        await floor.until(run, RunState.CANCELLED)
        assert floor.link.sent == []


@pytest.mark.parametrize("minutes", [11, 600])
async def test_a_tap_that_went_stale_while_the_server_was_down_starts_nothing(lab: Lab, minutes: int) -> None:
    off = HeldLink(lab.clock)
    off.state = LinkState.WAITING
    async with Floor(lab, off) as floor:
        run = await floor.tapped()
    lab.clock.advance(minutes=minutes)
    async with Floor(lab) as floor:
        await floor.until(run, RunState.CANCELLED)
        assert floor.link.sent == []


async def test_a_start_written_down_by_a_server_that_died_is_not_sent_by_the_next(lab: Lab) -> None:
    off = HeldLink(lab.clock)
    off.state = LinkState.WAITING
    async with Floor(lab, off) as floor:
        run = await floor.tapped()
    with lab.database.begin() as uow:
        attempts.begin(uow, run.id)
    async with Floor(lab) as floor:
        await held(lambda: floor.link.sent == [])
        lab.clock.advance(minutes=3)
        floor.link.say(DeviceState.IDLE)
        await floor.until(run, RunState.FAILED)
        assert floor.link.sent == []


async def test_a_program_whose_start_came_after_its_run_was_given_up_is_cancelled(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.start_error = LinkLost("no answer")
        run = await floor.tapped()
        await floor.until(run, RunState.STARTING)
        lab.clock.advance(minutes=3)
        floor.link.say(DeviceState.IDLE)
        await floor.until(run, RunState.FAILED)
        floor.link.say(DeviceState.RUNNING, run.id)  # it had been in a queue somewhere
        await until(lambda: "cancel" in floor.link.sent)


# -- judging


async def test_a_print_goes_on_although_an_older_look_is_judged_late(lab: Lab) -> None:
    """The old look waits for the database while a newer one comes: it must not be believed after it."""
    async with Floor(lab) as floor:
        run = await floor.tapped()
        await floor.until(run, RunState.STARTING)
        lab.clock.advance(minutes=1.5)
        with lab.database.begin():  # everybody who writes has to wait
            floor.link.say(DeviceState.IDLE)
            await asyncio.sleep(0.1)
            floor.link.say(DeviceState.RUNNING, run.id)
            await asyncio.sleep(0.1)
        await floor.until(run, RunState.RUNNING)
        await held(lambda: read(lab, run).state is RunState.RUNNING)


async def test_a_run_of_a_machine_without_a_link_is_interrupted_after_ten_minutes(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
    renamed = HeldLink(lab.clock, name="renamed")
    async with Floor(lab, renamed):
        await until(lambda: read(lab, run).unseen_since)
        lab.clock.advance(minutes=9)
        await held(lambda: read(lab, run).state is RunState.RUNNING)
        lab.clock.advance(minutes=2)
        await until(lambda: read(lab, run).state is RunState.INTERRUPTED)


async def test_a_tap_on_a_machine_without_a_link_goes_stale(lab: Lab) -> None:
    async with Floor(lab, HeldLink(lab.clock, name="renamed")) as floor:
        run = await floor.tapped()
        lab.clock.advance(minutes=11)
        await floor.until(run, RunState.CANCELLED)


async def test_a_run_behind_a_blocked_link_is_interrupted_after_ten_minutes(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.link.state = LinkState.BLOCKED
        floor.link.say(DeviceState.OFFLINE)  # said once, and never again
        await until(lambda: read(lab, run).unseen_since)
        lab.clock.advance(minutes=11)
        await floor.until(run, RunState.INTERRUPTED)


async def test_a_machine_that_knows_the_run_and_stands_still_has_not_failed_it(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.start_error = LinkLost("the host died over it")
        run = await floor.tapped()
        await floor.until(run, RunState.STARTING)
        floor.link.say(DeviceState.IDLE, run.id)
        await floor.until(run, RunState.INTERRUPTED)


# -- stops and heat


async def test_a_stop_that_could_not_be_sent_is_sent_when_it_can(lab: Lab) -> None:
    async with Floor(lab) as floor:
        await floor.running()
        floor.link.safety = LinkLost("the cable is out")
        with pytest.raises(LinkLost):
            await floor.dispatcher.stop(lab.staff, floor.mk3)
        floor.link.safety = Safety.CONFIRMED
        await until(lambda: floor.link.sent.count("make_safe") == 2)


async def test_a_stop_takes_back_a_tap_that_waits_for_its_machine(lab: Lab) -> None:
    async with Floor(lab) as floor:
        floor.link.state = LinkState.WAITING
        run = await floor.tapped()
        await floor.dispatcher.stop(lab.staff, floor.mk3)
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.IDLE)
        await floor.until(run, RunState.CANCELLED)
        assert floor.link.sent == ["make_safe"]


async def test_a_stop_waits_for_no_database(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        with lab.database.begin():  # nobody can write now
            taps = [
                asyncio.create_task(floor.dispatcher.cancel(lab.maker, run.id)) for _ in range(20)
            ]  # more than there are threads
            async with asyncio.timeout(2):
                assert await floor.dispatcher.stop(lab.staff, floor.mk3) is Safety.CONFIRMED
        await asyncio.gather(*taps, return_exceptions=True)


async def test_a_cancel_asked_while_the_machine_was_away_is_not_forgotten(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.link.state = LinkState.WAITING
        floor.link.say(DeviceState.OFFLINE)
        await floor.dispatcher.cancel(lab.maker, run.id)
        await until(lambda: read(lab, run).unseen_since)
        lab.clock.advance(minutes=11)
        floor.link.say(DeviceState.OFFLINE)
        await floor.until(run, RunState.INTERRUPTED)
        floor.link.sent.clear()
        floor.link.state = LinkState.ONLINE
        floor.link.say(DeviceState.RUNNING, run.id)
        await until(lambda: floor.link.sent == ["cancel"])


async def test_a_print_that_was_only_out_of_sight_is_not_cancelled(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.link.say(DeviceState.OFFLINE)
        await until(lambda: read(lab, run).unseen_since)
        lab.clock.advance(minutes=11)
        floor.link.say(DeviceState.OFFLINE)
        await floor.until(run, RunState.INTERRUPTED)
        floor.link.sent.clear()
        floor.link.say(DeviceState.RUNNING, run.id)
        await held(lambda: floor.link.sent == [])


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.CANCELLED, Outcome.FAILED])
async def test_heat_that_a_run_left_on_goes_off(lab: Lab, outcome: Outcome) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.link.say(DeviceState.IDLE, run.id, outcome, HOT)
        await floor.until(run, RunState.SUCCEEDED, RunState.CANCELLED, RunState.FAILED)
        assert "make_safe" not in floor.link.sent
        async with asyncio.timeout(12.0):
            while "make_safe" not in floor.link.sent:
                lab.clock.advance(
                    seconds=30
                )  # time goes on: the dispatcher may hear of the end a moment after us
                floor.link.say(DeviceState.IDLE, run.id, outcome, HOT)  # as a machine does, again and again
                await asyncio.sleep(0.1)


async def test_in_a_fault_heat_is_switched_off_at_once_and_not_for_ever(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.link.say(DeviceState.FAULT)
        await floor.until(run, RunState.FAILED)
        await until(lambda: floor.link.sent.count("make_safe") == 1)
        await held(lambda: floor.link.sent.count("make_safe") == 1)


async def test_who_preheats_a_machine_that_was_seen_cold_is_left_in_peace(lab: Lab) -> None:
    async with Floor(lab) as floor:
        run = await floor.running()
        floor.link.say(DeviceState.IDLE, run.id, Outcome.DONE, COLD)
        await floor.until(run, RunState.SUCCEEDED)
        await asyncio.sleep(1.2)  # longer than the dispatcher lets a quiet machine wait for its look
        floor.link.say(DeviceState.IDLE, run.id, Outcome.DONE, COLD)
        await asyncio.sleep(0.3)
        lab.clock.advance(minutes=5)
        floor.link.say(DeviceState.IDLE, run.id, Outcome.DONE, HOT)
        await held(lambda: "make_safe" not in floor.link.sent, 1.5)


# -- floods and mistakes


async def test_five_thousand_statuses_ask_the_database_a_few_times_only(lab: Lab) -> None:
    asked = 0

    async with Floor(lab) as floor:
        run = await floor.running()
        before = read(lab, run).version
        for number in range(5000):
            floor.link.say(DeviceState.PAUSED if number % 2 else DeviceState.RUNNING, run.id)
            await asyncio.sleep(0)
        asked = read(lab, run).version - before
    assert asked < 50


async def test_a_step_that_is_cancelled_from_inside_does_not_end_the_watch(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    async with Floor(lab) as floor:
        floor.link.start_error = asyncio.CancelledError()
        run = await floor.tapped()
        await until(lambda: "cancelled from inside" in caplog.text)
        floor.link.say(DeviceState.IDLE, run.id, Outcome.DONE)
        await floor.until(run, RunState.SUCCEEDED)
