"""One case of the fault matrix: a run on a real driver and a mock, a fault at one moment, and how the run ends.

It does what the dispatcher does (a start that was written down before, a cancel that is asked for again, a machine
made safe after a run that did not succeed) and judges what it sees with `runs.reconcile`, on a clock that goes
faster, so that the ten minutes of the table pass in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from drivers.link import Link, Pace
from fablab.base.states import step
from fablab.device import (
    Device,
    DeviceError,
    DeviceRefused,
    DeviceState,
    LinkLost,
    LinkState,
    Safety,
    Status,
)
from fablab.runs.models import ENDED, RUN_STEPS, RunState
from fablab.runs.reconcile import reconcile

# How many times faster than the wall the clock goes:
SETTING_UP = 10.0  # until the fault is there: nothing is to be waited for yet
STRUCK = 40.0  # the table's two minutes are three seconds, for all that a driver and its machine do about the fault
LAPSING = 300.0  # after that; its ten minutes are two seconds
TOKEN = "run-1"
LONGEST_S = 18.0  # real seconds from the fault to the end of the run
STEADY = timedelta(minutes=16)  # by the clock: so long a run must stay paused to be called so
OVER_S = 4.0  # real seconds after which no fault without a longer time of its own, and no limit of a driver, runs on
SETTLED_S = 0.3  # nothing of what was on its way is done any more
WAITING_LINES = (
    1  # a GRBL whose planner is emptied by an alarm still reads the line that waited for room in it
)
CANCEL_AGAIN_S = 0.5
LOOK_S = 0.02


class Phase(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"


class FastClock:
    """Wall time from a fixed noon on, some times as fast."""

    def __init__(self) -> None:
        self._pace = (datetime(2026, 5, 4, 12, 0, tzinfo=UTC), time.monotonic(), SETTING_UP)

    def now(self) -> datetime:
        since, begun, faster = self._pace
        return since + timedelta(seconds=(time.monotonic() - begun) * faster)

    def go(self, faster: float) -> None:
        self._pace = (self.now(), time.monotonic(), faster)  # at once, for the threads that read it


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the mock knows: how many programs it began, how many lines it has done of the last one and whether it was
    carried out whole, whether it still heats or burns."""

    starts: int
    done: int
    whole: bool
    hot: bool


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A driver, not opened yet, on its mock. `slow` makes a program last, `hurry` lets it end at once."""

    device: Device
    program: Path
    inject: Callable[[str], object]
    truth: Callable[[], Truth]
    hurry: Callable[[], object]
    pace: Pace = field(
        default_factory=lambda: Pace(
            stale_s=1.5, open_s=3.0, command_s=3.0, first_wait_s=0.2, last_wait_s=0.2
        )
    )


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a case came out. `state`: of the run; `safe`: what make_safe said after a run that did not succeed."""

    state: RunState
    truth: Truth
    safe: Safety | None
    resumed_by_itself: bool
    said: str


class Play:
    """A run and its follower."""

    def __init__(self, rig: Rig, clock: FastClock) -> None:
        self.rig = rig
        self.clock = clock
        self.link = Link(rig.device, clock=clock, pace=rig.pace, jitter=lambda: 0.0)
        self.state = RunState.STARTING
        self.since = clock.now()
        self.unseen_since: datetime | None = None
        self.said = ""
        self.done_in_pause = 0
        self.history: list[RunState] = []
        self.struck_at = self.since
        self._following: asyncio.Task[None] | None = None
        self._lapsing: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    async def start(self) -> None:
        """As the dispatcher does: written down, then sent; a lost answer is for the next looks to say."""
        self._enter(RunState.STARTING)
        self._following = asyncio.create_task(self._follow())
        try:
            await self.link.start(self.rig.program, TOKEN, self.clock.now() + timedelta(hours=1))
        except LinkLost as error:
            self.said = str(error)
        except DeviceError as error:
            self.said = f"refused: {error}"
            self._enter(RunState.FAILED)

    async def reach(self, state: RunState, within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while self.state is not state:
                await self._moved.wait()
                self._moved.clear()

    async def strike(self, fault: str) -> None:
        await _now(self.rig.inject(fault))
        self.struck_at = self.clock.now()
        self.clock.go(STRUCK)
        self._lapsing = asyncio.create_task(self._lapse(fault))

    async def _lapse(self, fault: str) -> None:
        """Nothing but time happens any more once the fault is over."""
        own = fault.partition(":")[2]
        await asyncio.sleep(OVER_S + float(own or 0))
        self.clock.go(LAPSING)

    def steadily_paused(self) -> bool:
        return self.state is RunState.PAUSED and self.clock.now() > self.struck_at + STEADY

    async def cancel_until_ended(self) -> None:
        while self.state not in ENDED:
            if self.link.state is LinkState.ONLINE:
                with contextlib.suppress(DeviceError):
                    await self.link.cancel()
            await asyncio.sleep(CANCEL_AGAIN_S)

    async def close(self) -> None:
        tasks = [task for task in (self._following, self._lapsing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.link.close()

    def _enter(self, state: RunState) -> None:
        if state is not self.state or not self.history:
            self.history.append(state)
            self.since = self.clock.now()
        self.state = state
        self._moved.set()

    async def _follow(self) -> None:
        async for status in self._looks():
            self._judge(status)
            if self.state in ENDED:
                return

    async def _looks(self) -> AsyncIterator[Status]:
        """The link's latest, again and again: time passes for a machine that is silent, too."""
        while True:
            latest = self.link.status
            yield Status(
                at=self.clock.now(), state=latest.state, progress=latest.progress, message=latest.message
            )
            await asyncio.sleep(LOOK_S)

    def _judge(self, status: Status) -> None:
        if status.state is DeviceState.OFFLINE:
            self.unseen_since = self.unseen_since or status.at
        action = reconcile(self.state, self.since, self.unseen_since, TOKEN, status)
        if status.state is not DeviceState.OFFLINE:
            self.unseen_since = None
        if action is not None:
            detail = status.progress.detail if status.progress else ""
            self.said = detail or status.message or self.said
            self._enter(step(RUN_STEPS, self.state, action))


async def played(rig: Rig, clock: FastClock, fault: str, phase: Phase) -> Ended:
    """Run one case to its end, or until it stays paused, or until `LONGEST_S` are over."""
    play = Play(rig, clock)
    play.link.begin()
    tasks: list[asyncio.Task[None]] = []
    try:
        await play.link.wait_online(30.0)
        await _stage(play, fault, phase, tasks)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                while play.state not in ENDED and not play.steadily_paused():
                    await asyncio.sleep(LOOK_S)
        truth = rig.truth()
        safe = (
            await _made_safe(play) if play.state in ENDED and play.state is not RunState.SUCCEEDED else None
        )
        return Ended(
            state=play.state,
            truth=truth if safe is None else rig.truth(),
            safe=safe,
            resumed_by_itself=phase is Phase.PAUSED and truth.done > play.done_in_pause + WAITING_LINES,
            said=play.said,
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await play.close()


async def _stage(play: Play, fault: str, phase: Phase, tasks: list[asyncio.Task[None]]) -> None:
    rig = play.rig
    if phase is Phase.STARTING:
        await play.strike(fault)
        await play.start()
        await _now(rig.hurry())
        return
    await play.start()
    await play.reach(RunState.RUNNING)
    if phase is Phase.PAUSED:
        await play.link.pause()
        await play.reach(RunState.PAUSED)
        play.done_in_pause = await _settled(rig)
        await play.strike(fault)
        return
    if phase is Phase.CANCELLING:
        tasks.append(asyncio.create_task(play.cancel_until_ended()))  # begins once the fault is on its way
        await play.strike(fault)
        return
    await play.strike(fault)
    await asyncio.sleep(0.05)
    await _now(rig.hurry())


async def _settled(rig: Rig) -> int:
    """How many lines were done when the pause had got through."""
    done = -1
    while done != rig.truth().done:
        done = rig.truth().done
        await asyncio.sleep(SETTLED_S)
    return done


async def _now(given: object) -> None:
    if isinstance(given, Awaitable):
        await given


async def _made_safe(play: Play) -> Safety:
    """As the dispatcher's aftercare does, once."""
    try:
        return await play.link.make_safe()
    except (LinkLost, DeviceRefused):
        return Safety.NOT_CONFIRMED
