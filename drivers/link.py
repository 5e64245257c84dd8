"""Link: one machine as the lab sees it, always there to ask, whether its wire is up or not.

It owns the watch loop of a `Device`, opens again after a loss with back-off, turns silence into OFFLINE and
errors into a state, and lets commands through with a deadline. What heals by itself is retried; what needs a
person (wrong machine, wrong key) is BLOCKED until `retry()`.

    closed -> connecting -> online -> waiting -> connecting ...
                  └-> blocked -retry()-> connecting
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from drivers.identity import Expected
from fablab.base.clock import Clock
from fablab.device import (
    Capability,
    Device,
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    LinkState,
    Misfit,
    Safety,
    Status,
)

log = logging.getLogger(__name__)
T = TypeVar("T")


class StartTooLate(DeviceRefused):
    """The start's deadline had passed: it was dropped, and nothing reached the machine."""


@runtime_checkable
class StartsBy(Protocol):
    """A device behind another process can look at the deadline once more, right before the wire."""

    async def start_by(self, program: Path, token: str, deadline: datetime) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a link waits for what, in seconds."""

    stale_s: float = 20.0  # no status for so long: the machine is OFFLINE
    open_s: float = 60.0
    command_s: float = 30.0
    close_s: float = 5.0
    first_wait_s: float = 1.0
    last_wait_s: float = 60.0

    def back_off_s(self, failures: int, jitter: float) -> float:
        """Doubles with each failure; `jitter` in 0..1 spreads what was lost together over half of it."""
        full = min(self.last_wait_s, self.first_wait_s * 2.0 ** min(failures, 16))
        return max(self.first_wait_s, full * (0.5 + jitter / 2))


class Subscription:
    """Each new Status as an async iterator; ends when the link closes.

    A slow reader skips to the latest one: a Status is a snapshot, and memory stays bounded.
    """

    def __init__(self, first: Status) -> None:
        self._latest: Status | None = first
        self._ended = False
        self._news = asyncio.Event()
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Status:
        await self._news.wait()
        latest, self._latest = self._latest, None
        if latest is None:
            raise StopAsyncIteration
        if not self._ended:
            self._news.clear()
        return latest

    def close(self) -> None:
        self._ended = True
        self._news.set()

    def put(self, status: Status) -> None:
        if not self._ended:
            self._latest = status
            self._news.set()


class Link:
    """`device` belongs to the link from here on; `serial_number` pins the one right machine.

    `known` (serial number -> name of its table) and `where` (its port or address) make the words about a wrong one
    exact.
    """

    def __init__(
        self,
        device: Device,
        *,
        clock: Clock,
        serial_number: str = "",
        known: Mapping[str, str] | None = None,
        where: str = "",
        pace: Pace | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.device = device
        self.identity: Identity | None = None
        self.reason = ""  # why it is not online, in a plain sentence
        self._clock = clock
        self._expected = Expected(
            name=device.name, serial_number=serial_number, where=where, known=known or {}
        )
        self._pace = pace or Pace()
        self._jitter = jitter
        self._state = LinkState.CLOSED
        self._status = Status(at=clock.now(), state=DeviceState.OFFLINE, message="not connected yet")
        self._seen_at: datetime | None = None
        self._failures = 0
        self._said: bool | None = None  # was the last thing logged "reachable"?
        self._retry = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()

    # -- what is ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.device.capabilities

    @property
    def state(self) -> LinkState:
        return self._state

    @property
    def status(self) -> Status:
        """The latest status; OFFLINE with a reason while the machine cannot be reached."""
        return self._status

    @property
    def age_s(self) -> float | None:
        """Seconds since the machine itself was last heard; None if never."""
        return None if self._seen_at is None else (self._clock.now() - self._seen_at).total_seconds()

    def subscribe(self) -> Subscription:
        """The present status at once, then each new one. Keep the object: a dropped one is forgotten."""
        subscription = Subscription(self._status)
        self._subscriptions.add(subscription)
        return subscription

    # -- life ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start to connect in the background; needs a running event loop. A second call changes nothing."""
        if self._task is None:
            self._state = LinkState.CONNECTING
            self._task = asyncio.create_task(self._live(), name=f"link {self.name}")

    async def close(self) -> None:
        """End the watch and the wire; the machine goes on with what it does. Subscriptions end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self._close_device()
        self._enter(LinkState.CLOSED)
        self._offline("closed")
        for subscription in list(self._subscriptions):
            subscription.close()

    async def __aenter__(self) -> Self:
        self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def retry(self) -> None:
        """A person says: try now. The only way out of BLOCKED; cuts a back-off short."""
        self._retry.set()

    async def wait_online(self, within_s: float) -> Identity:
        """Who answered, once it is online; raises `Misfit` when blocked, `LinkLost` when time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._settled.wait()
        if self._state is LinkState.ONLINE and self.identity is not None:
            return self.identity
        if self._state is LinkState.BLOCKED:
            raise Misfit(self.reason)
        raise LinkLost(f"{self.name} cannot be reached: {self.reason or 'no answer yet'}")

    # -- commands --------------------------------------------------------------------------------------------

    async def start(self, program: Path, token: str, deadline: datetime) -> None:
        """Begin `program` unless `deadline` has passed (`StartTooLate`): then it is dropped and said."""
        left_s = (deadline - self._clock.now()).total_seconds()
        if left_s <= 0:
            said = f"the start of {token} on {self.name} came {-left_s:.0f} s too late and was dropped"
            log.warning("%s", said)
            raise StartTooLate(said)
        device = self.device
        if isinstance(device, StartsBy):
            await self._command("start", device.start_by(program, token, deadline), left_s)
        else:
            await self._command("start", device.start(program, token), left_s)

    async def pause(self) -> None:
        await self._command("pause", self.device.pause(), self._pace.command_s)

    async def resume(self) -> None:
        await self._command("resume", self.device.resume(), self._pace.command_s)

    async def cancel(self) -> None:
        await self._command("cancel", self.device.cancel(), self._pace.command_s)

    async def make_safe(self) -> Safety:
        """Tried in every state of the link: a driver may find another way to a machine that it no longer hears.

        While the link is not up a driver's "not open" comes back as `LinkLost`, as for the other commands.
        """
        online = self._state is LinkState.ONLINE
        try:
            return await self._bounded("make_safe", self.device.make_safe(), self._pace.command_s)
        except LinkLost as error:
            if online:
                raise
            why = self.reason or self._state.value
            raise LinkLost(f"make_safe: {self.name} cannot be reached: {why}: {error}") from error

    async def _command(self, what: str, call: Coroutine[Any, Any, T], within_s: float) -> T:
        if self._state is not LinkState.ONLINE:
            call.close()
            raise LinkLost(f"{what}: {self.name} cannot be reached: {self.reason or self._state.value}")
        return await self._bounded(what, call, within_s)

    async def _bounded(self, what: str, call: Coroutine[Any, Any, T], within_s: float) -> T:
        try:
            async with asyncio.timeout(within_s):
                return await call
        except TimeoutError:
            raise DeviceTimeout(f"{what}: {self.name} did not answer within {within_s:.0f} s") from None

    # -- the loop --------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            self._enter(LinkState.CONNECTING)
            try:
                await self._connect()
                await self._follow()
            except Misfit as error:
                await self._close_device()
                await self._block(str(error))
            except (DeviceError, OSError) as error:
                await self._close_device()
                await self._wait(str(error) or type(error).__name__)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Something inside the driver was cancelled, not this link: that must not end the watch for good.
                log.exception("%s: the driver was cancelled from inside", self.name)
                await self._close_device()
                await self._wait("the driver was cancelled from inside")
            except Exception as error:
                # A mistake in one driver must not leave its machine unwatched for good.
                log.exception("%s: the driver failed", self.name)
                await self._close_device()
                await self._wait(f"the driver failed ({type(error).__name__})")

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._pace.open_s):
                identity = await self.device.open()
        except TimeoutError:
            raise DeviceTimeout(f"no answer within {self._pace.open_s:.0f} s") from None
        self._expected.check(identity)
        self.identity = identity

    async def _follow(self) -> None:
        statuses = self.device.watch()
        try:
            while True:
                try:
                    async with asyncio.timeout(self._pace.stale_s):
                        status = await anext(statuses)
                except TimeoutError:
                    raise DeviceTimeout(f"no status for {self._pace.stale_s:.0f} s") from None
                except StopAsyncIteration:
                    raise LinkLost("the driver ended its watch") from None
                self._heard(status)
        finally:
            if isinstance(statuses, AsyncGenerator):
                await statuses.aclose()

    def _heard(self, status: Status) -> None:
        self._failures = 0
        self._seen_at = self._clock.now()
        self.reason = ""
        self._enter(LinkState.ONLINE)
        self._publish(status)

    async def _block(self, reason: str) -> None:
        self.reason = reason
        self._retry.clear()
        self._offline(reason)
        self._enter(LinkState.BLOCKED)
        await self._retry.wait()
        self._failures = 0

    async def _wait(self, reason: str) -> None:
        self.reason = reason
        self._retry.clear()
        self._offline(reason)
        self._enter(LinkState.WAITING)
        delay_s = self._pace.back_off_s(self._failures, self._jitter())
        self._failures += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._retry.wait()

    async def _close_device(self) -> None:
        try:
            async with asyncio.timeout(self._pace.close_s):
                await self.device.close()
        except (DeviceError, OSError, TimeoutError) as error:
            log.debug("%s: close: %s", self.name, error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log.exception("%s: the driver's close was cancelled from inside", self.name)
        except Exception:
            # As above: a mistake in closing must not end the watch, and the next open comes in any case.
            log.exception("%s: the driver failed to close", self.name)

    def _enter(self, state: LinkState) -> None:
        self._state = state
        if state in (LinkState.ONLINE, LinkState.BLOCKED):
            self._settled.set()
        else:
            self._settled.clear()

    def _offline(self, reason: str) -> None:
        self._publish(Status(at=self._clock.now(), state=DeviceState.OFFLINE, message=reason))

    def _publish(self, status: Status) -> None:
        self._status = status
        self._say_once(status)
        for subscription in list(self._subscriptions):
            subscription.put(status)

    def _say_once(self, status: Status) -> None:
        """A machine that is switched off is normal: one line when it goes, one when it is back."""
        reachable = status.state is not DeviceState.OFFLINE
        if reachable == self._said or self._state is LinkState.CLOSED:
            return
        self._said = reachable
        if reachable:
            log.info("%s is online", self.name)
        else:
            log.warning("%s is offline: %s", self.name, status.message)
