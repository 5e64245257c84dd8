"""The port over PrusaLink: one task that asks what is, and requests beside it.

A lost answer is never met by sending again: `start` looks whether the run's token is already on the machine.
PrusaLink counts no prints, so a program that an earlier server process left there may have been printed or
not: such a token is refused, not guessed at.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from drivers.http import NotThere, plain
from drivers.prusalink import follow, steering, wire
from drivers.prusalink.follow import Look, Seen
from drivers.prusalink.rest import Conflict, Rest, address
from drivers.prusalink.safety import make_safe
from drivers.prusalink.steering import Patience
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    Misfit,
    Safety,
    Status,
)

log = logging.getLogger(__name__)

_LOOK_TRIES: Final = 3
_IDLE_LOOKS: Final = 3  # a machine at rest is asked every third time; an end is held for 12 s
_PASSING_S: Final = 0.2  # how often at most something is looked for that comes a moment later
_KEPT_UPLOADS: Final = 5
_TIDIED_AT_ONCE: Final = 10


class PrusaLink:
    """`url` may carry a path prefix; `api_key`, or `user` and `password`. Times are in seconds.

    `answer_s` bounds a request and a change that was asked for, `upload_s` an upload; every `look_s` a machine
    that prints is asked (at most 2, or ends would be missed), `safe_s` bounds `make_safe` as a whole,
    `fresh_s` is how old the temperatures may be that a PrusaLink reports, and `begin_s` how long a start is
    waited for: 0.8.1 refuses it while it tells the last end, for about 12 s (measured).
    """

    capabilities = frozenset(
        {Capability.START, Capability.PAUSE, Capability.CANCEL, Capability.DETACHED, Capability.SAFE_STOP}
    )

    def __init__(
        self,
        *,
        name: str,
        url: str,
        user: str = "maker",
        password: str = "",
        api_key: str = "",
        clock: Clock | None = None,
        answer_s: float = 10.0,
        upload_s: float = 900.0,
        look_s: float = 1.0,
        safe_s: float = 25.0,
        fresh_s: float = 2.5,
        begin_s: float = 20.0,
    ) -> None:
        if bool(password) == bool(api_key):
            raise ValueError("a PrusaLink has either a password or an API key")
        if not api_key.isascii() or not (api_key + user + password).isprintable() or '"' in user:
            raise ValueError("a PrusaLink's key, user name and password are printable, the key ASCII")
        if not 0 < look_s <= 2:
            raise ValueError("a PrusaLink that prints is asked at least every two seconds")
        self.name = name
        self._url, self._user, self._password, self._api_key = url, user, password, api_key
        self._clock = clock or SystemClock()
        self._answer_s = answer_s
        self._upload_s = upload_s
        self._look_s = look_s
        self._safe_s = safe_s
        self._fresh_s = fresh_s
        self._begin_s = begin_s
        self._patience = Patience(for_s=answer_s, every_s=min(look_s, _PASSING_S))
        self._seen = Seen()
        self._at = self._clock.now()
        self._rest: Rest | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost: LinkLost | None = LinkLost(f"{name} is not open")
        self._changed = asyncio.Event()  # replaced at each change, so that every watcher sees each of them
        self._look_wanted = asyncio.Event()
        self._spoken = 0  # counts what we commanded; a look begun before is out of date
        self._looks = self._looked = 0  # the number of the last look begun, and of the last one believed
        self._stops = 0  # counts cancels: one that comes during an upload wins
        self._safeties = 0  # counts those of them that also want the heaters off, read back
        self._fresh = ""  # the token that was new to the machine when we first had it
        self._sent = ""  # the last token whose start went out, answered or not
        self._starting = asyncio.Lock()

    # -- the link

    async def open(self) -> Identity:
        await self.close()
        self._rest = rest = self._new_rest()
        try:
            identity = await self._identify(rest)
            self._lost = None
            await self._look(rest)
        except BaseException:
            await self.close()
            raise
        self._task = asyncio.create_task(self._keep_looking(rest), name=f"{self.name}: looks")
        self._task.add_done_callback(self._ended)
        return identity

    async def close(self) -> None:
        self._lose(LinkLost("closed"))
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        rest, self._rest = self._rest, None
        if rest is not None:
            await rest.close()

    async def watch(self) -> AsyncIterator[Status]:
        last: Status | None = None
        due = 0.0
        while True:
            changed = self._changed
            if self._lost is not None:
                raise LinkLost(str(self._lost))
            status, now = self._status(), asyncio.get_running_loop().time()
            if last is None or now >= due or replace(status, at=last.at) != last:
                last, due = status, now + self._look_s
                yield status
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await changed.wait()

    # -- commands

    async def start(self, program: Path, token: str) -> None:
        await self._start(program, token, None)

    async def start_by(self, program: Path, token: str, deadline: datetime) -> None:
        """As `start`; the clock is asked again after the upload, however long this computer was asleep meanwhile."""
        await self._start(program, token, deadline)

    async def _start(self, program: Path, token: str, deadline: datetime | None) -> None:
        stops, safeties = self._stops, self._safeties

        def may_go() -> None:
            if stops != self._stops:
                raise DeviceRefused("stopped while its program was still on its way")
            if deadline is not None and self._clock.now() >= deadline:
                raise DeviceRefused(f"the start of {token} came after its deadline and was dropped")

        async with self._starting:
            rest = self._open_rest()
            storage = await steering.storage(rest)
            place = address(storage, wire.program_name(token))
            if await self._had(rest, token, place):
                return
            steering.must_be_free(await rest.status())
            await self._upload(rest, program, place)
            try:
                await self._begin(rest, place, token, may_go)
            except LinkLost:
                if stops != self._stops:  # it may have begun all the same
                    with contextlib.suppress(DeviceError):
                        await self._take_back(rest, safely=safeties != self._safeties)
                raise
            if stops != self._stops:
                await self._take_back(rest, safely=safeties != self._safeties)
            await self._tidy(rest, storage, keep=token)

    async def _take_back(self, rest: Rest, *, safely: bool) -> None:
        """A stop found nothing to stop, because it overtook the command to begin. `safely`: it found the heaters
        off, and the program's first lines may have switched them on since."""
        if safely:
            await self.make_safe()
            return
        with contextlib.suppress(DeviceRefused):  # the stop came after all, or it has ended by itself
            await self._stop_job(rest)

    async def pause(self) -> None:
        await self._steer("pause", DeviceState.PAUSED)

    async def resume(self) -> None:
        await self._steer("resume", DeviceState.RUNNING)

    async def _steer(self, action: str, wanted: DeviceState) -> None:
        mine = self._seen.open_run is not None
        await steering.steer(self._open_rest(), action, wanted, mine=mine, patience=self._patience)
        self._spoken += 1
        self._want_look()

    async def cancel(self) -> None:
        self._stops += 1
        try:
            await self._stop_job(self._open_rest())
        except DeviceRefused:
            if not self._starting.locked():  # else there is nothing to cancel yet, and `start` sees the count
                raise

    async def _stop_job(self, rest: Rest) -> None:
        await steering.stop(rest, mine=self._seen.open_run is not None, patience=self._patience)
        self._want_look()

    async def make_safe(self) -> Safety:
        """Works on a closed or lost link too; opens a connection of its own for it."""
        self._stops += 1
        self._safeties += 1
        rest = self._new_rest()
        try:
            async with asyncio.timeout(self._safe_s):
                return await make_safe(rest, fresh_s=self._fresh_s)
        except TimeoutError:
            log.warning("%s: heaters not confirmed off within %g s", self.name, self._safe_s)
        except DeviceError as error:
            log.warning("%s: heaters not confirmed off: %s", self.name, error)
        finally:
            await rest.close()
            self._want_look()
        return Safety.NOT_CONFIRMED

    # -- opening

    def _new_rest(self) -> Rest:
        return Rest(
            url=self._url,
            user=self._user,
            password=self._password,
            api_key=self._api_key,
            answer_s=self._answer_s,
            upload_s=self._upload_s,
        )

    def _open_rest(self) -> Rest:
        if self._rest is None:
            raise LinkLost(f"{self.name} is not open")
        return self._rest

    async def _identify(self, rest: Rest) -> Identity:
        try:
            version = await rest.version()
        except NotThere:
            version = wire.Version()
        if not version.is_prusalink:
            said = f"{plain(version.text)} answers" if version.text else "there is no PrusaLink"
            raise Misfit(f"{said} at this address; correct the url or the driver")
        try:
            info = await rest.info()
            status = await rest.status()
        except NotThere:
            raise Misfit("this PrusaLink has no API v1; update the printer's firmware") from None
        if not info.serial and not status.printer.well:
            # For some ten seconds after its own start 0.8.1 is IDLE, with a complaint and no number (measured)
            raise LinkLost("PrusaLink does not know its printer yet")
        firmware = " ".join(part for part in (version.text, version.firmware) if part)
        return Identity(
            firmware=plain(firmware) or "PrusaLink",
            model=plain(
                (version.original or "").removeprefix("PrusaLink ") or info.name or info.hostname or ""
            ),
            serial_number=plain(info.serial or ""),
        )

    # -- looking

    async def _keep_looking(self, rest: Rest) -> None:
        while True:
            rounds = 1 if self._seen.busy else _IDLE_LOOKS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s * rounds):
                    await self._look_wanted.wait()
            self._look_wanted.clear()
            await self._look(rest)

    async def _look(self, rest: Rest) -> None:
        """Ask what is; a picture that does not fit together, or was overtaken, by a command or by a later look, is
        thrown away."""
        for _ in range(_LOOK_TRIES):
            self._looks += 1
            number, spoken = self._looks, self._spoken
            look = await self._picture(rest)
            if number < self._looked:
                return
            if look is not None and spoken == self._spoken:
                self._looked = number
                self._at = look.at
                self._see(follow.looked(self._seen, look))
                return
        self._want_look()

    async def _picture(self, rest: Rest) -> Look | None:
        """None when the job changed between two questions."""
        status = await rest.status()
        job, last = None, None
        if status.job is not None:
            job = await rest.job()
            if job is None or job.id != status.job.id:
                return None
        elif status.printer.state in wire.ENDS:
            last = await rest.last_token()
        return Look(at=self._clock.now(), status=status, job=job, last=last)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that stopped looking, whatever the reason, ends the watch: silence must not look healthy."""
        if task.cancelled():  # by us, who have said so already; or by a mistake somewhere inside
            self._lose(LinkLost("listening was broken off"))
            return
        error = task.exception()
        if not isinstance(error, DeviceError):
            log.error("%s: looking failed", self.name, exc_info=error)
        self._lose(LinkLost(str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}"))

    def _lose(self, why: LinkLost) -> None:
        if self._lost is None:
            self._lost = why
        self._tell()

    def _want_look(self) -> None:
        self._look_wanted.set()

    def _see(self, seen: Seen) -> None:
        if seen.busy and not self._seen.busy:
            self._want_look()  # else the pace of a machine at rest would go on for one more round
        self._seen = seen
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _status(self) -> Status:
        seen = self._seen
        return Status(
            at=self._at, state=seen.state, progress=seen.progress, heat_c=seen.heat_c, message=seen.message
        )

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    # -- starting

    async def _had(self, rest: Rest, token: str, place: str) -> bool:
        """Whether this run was begun before: an earlier try may have had no answer, so the machine is asked."""
        if self._knows(token) or await self._on_machine(rest, token):
            return True
        if token == self._sent:
            raise DeviceRefused(
                "a start of this run was sent before, and may have begun it; it needs a new token"
            )
        if token != self._fresh and await rest.file(place) is not None:
            raise DeviceRefused("this run's program was on the printer before; it needs a new token")
        self._fresh = token
        return False

    def _knows(self, token: str) -> bool:
        """Seen on the machine, moving or ended."""
        progress = self._seen.progress
        return progress is not None and progress.token == token

    async def _on_machine(self, rest: Rest, token: str) -> bool:
        await self._look(rest)
        return self._knows(token)

    async def _upload(self, rest: Rest, program: Path, place: str) -> None:
        """Listed some moments after it was taken, and only what is listed can be started (measured)."""
        await rest.upload(program, place)
        size = program.stat().st_size
        until = self._time() + self._answer_s
        while (entry := await rest.file(place)) is None or entry.size != size:
            if self._time() >= until:
                raise LinkLost(f"the upload did not arrive whole ({size} bytes were sent)")
            await asyncio.sleep(self._patience.every_s)

    async def _begin(self, rest: Rest, place: str, token: str, may_go: Callable[[], None]) -> None:
        until = self._time() + self._begin_s
        refused_idle = False
        while True:
            may_go()
            self._sent = token
            try:
                try:
                    await rest.start(place)
                finally:
                    self._spoken += 1  # a look asked before, and answered after, knows nothing of this run
            except DeviceRefused as error:
                self._sent = ""
                if await self._on_machine(rest, token):  # a racing try of the same run won
                    return
                if not isinstance(error, Conflict) or self._time() >= until:
                    raise
                # An end that was still told when it said no may have passed by the time it is looked at: once more.
                if not await self._holds_an_end(rest):
                    if refused_idle:
                        raise
                    refused_idle = True
                await asyncio.sleep(self._patience.every_s)
                continue
            except LinkLost:
                # The answer is lost, the command perhaps not: what counts is what the machine does.
                for _ in range(_LOOK_TRIES):
                    if await self._on_machine(rest, token):
                        return
                    await asyncio.sleep(self._answer_s / 10)
                raise
            break
        self._see(follow.begun(self._seen, token=token))
        while not await self._on_machine(rest, token):  # a printer may think it over at its own screen first
            if self._time() >= until:
                raise DeviceTimeout("PrusaLink took the start, but nothing has begun")
            await asyncio.sleep(self._patience.every_s)

    @staticmethod
    async def _holds_an_end(rest: Rest) -> bool:
        return (await rest.status()).printer.state in ("FINISHED", "STOPPED")

    async def _tidy(self, rest: Rest, storage: str, *, keep: str) -> None:
        """Old uploads of ours go, oldest first; a failure here is no failure of the start."""
        try:
            ours = [f for f in await rest.files(storage) if f.token and f.token != keep]
            ours.sort(key=lambda f: f.m_timestamp or 0.0, reverse=True)
            for old in ours[_KEPT_UPLOADS:][-_TIDIED_AT_ONCE:]:
                await rest.delete(address(storage, old.name))
        except DeviceError as error:
            log.info("%s: old uploads were not tidied away: %s", self.name, error)
