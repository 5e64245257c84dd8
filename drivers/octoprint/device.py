"""The port over OctoPrint: one push socket that is listened to, and requests beside it.

A lost answer is never met by sending again: `start` looks whether the run's token is already on the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from drivers.http import NotThere
from drivers.octoprint import follow, push, uploads, wire
from drivers.octoprint.follow import Seen
from drivers.octoprint.rest import Rest
from drivers.octoprint.safety import make_safe
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Capability,
    DeviceError,
    DeviceRefused,
    DeviceState,
    Identity,
    LinkLost,
    Misfit,
    Outcome,
    Safety,
    Status,
)

log = logging.getLogger(__name__)

_LOOK_TRIES: Final = 3
_PASSING_S: Final = 0.1


class OctoPrint:
    """`url` may carry a path prefix. Times are in seconds.

    `answer_s` bounds a request, `upload_s` an upload, `look_s` is how old a status may get before OctoPrint
    is asked again, `safe_s` bounds `make_safe` as a whole.
    """

    capabilities = frozenset(
        {Capability.START, Capability.PAUSE, Capability.CANCEL, Capability.DETACHED, Capability.SAFE_STOP}
    )

    def __init__(
        self,
        *,
        name: str,
        url: str,
        api_key: str,
        clock: Clock | None = None,
        answer_s: float = 10.0,
        upload_s: float = 900.0,
        look_s: float = 5.0,
        safe_s: float = 25.0,
    ) -> None:
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise ValueError("an OctoPrint API key is printable ASCII")
        self.name = name
        self._url = url
        self._api_key = api_key
        self._clock = clock or SystemClock()
        self._answer_s = answer_s
        self._upload_s = upload_s
        self._look_s = look_s
        self._safe_s = safe_s
        self._seen = Seen()
        self._at = self._clock.now()
        self._rest: Rest | None = None
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._lost: LinkLost | None = LinkLost(f"{name} is not open")
        self._changed = asyncio.Event()  # replaced at each change, so that every watcher sees each of them
        self._look_wanted = asyncio.Event()
        self._spoken = 0  # counts what we heard or commanded; a look begun before is out of date
        self._looks = self._looked = 0  # the number of the last look begun, and of the last one believed
        self._stops = 0  # counts cancels: one that comes during an upload wins
        self._safeties = 0  # counts those of them that also want the heaters off, read back
        self._began = ""  # the last token whose start OctoPrint has taken
        self._tried: tuple[str, int] = ("", 0)  # the last token whose start was sent, and over which link
        self._opened = 0  # counts links
        self._starting = asyncio.Lock()

    # -- the link

    async def open(self) -> Identity:
        await self.close()
        self._rest = rest = self._new_rest()
        try:
            version = await self._version(rest)
            profile = await self._profile(rest)
            self._socket = await self._listen_to(rest)
            self._lost = None
            self._opened += 1
            await self._look(rest)
        except BaseException:
            await self.close()
            raise
        self._tasks = [
            asyncio.create_task(self._hear(self._socket), name=f"{self.name}: push"),
            asyncio.create_task(self._keep_looking(rest), name=f"{self.name}: looks"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        return Identity(
            firmware=wire.plain(version.text or f"OctoPrint {version.server}"),
            model=wire.plain(profile.model or profile.name),
        )

    async def close(self) -> None:
        self._lose(LinkLost("closed"))
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
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
        async with self._starting:
            rest = self._open_rest()
            if await self._had(rest, token):
                return
            await self._must_be_free(rest)
            path = await uploads.upload(rest, program, token)
            if stops != self._stops:
                raise DeviceRefused("stopped while its program was still on its way")
            if deadline is not None and self._clock.now() >= deadline:
                raise DeviceRefused(f"the start of {token} came after its deadline and was dropped")
            try:
                await self._begin(rest, path, token)
            except LinkLost:
                if stops != self._stops:  # it may have begun all the same
                    with contextlib.suppress(DeviceError):
                        await self._take_back(rest, safely=safeties != self._safeties)
                raise
            if stops != self._stops:
                await self._take_back(rest, safely=safeties != self._safeties)
            await uploads.tidy(rest, keep=path, name=self.name)

    async def _take_back(self, rest: Rest, *, safely: bool) -> None:
        """A stop found nothing to stop, because it overtook the command to begin. `safely`: it found the heaters
        off, and the program's first lines may have switched them on since."""
        if safely:
            await self.make_safe()
            return
        with contextlib.suppress(DeviceRefused):  # the stop came after all, or it has ended by itself
            await rest.cancel()
        self._want_look()

    async def pause(self) -> None:
        await self._open_rest().pause("pause")

    async def resume(self) -> None:
        rest = self._open_rest()
        # While it is still "Pausing" OctoPrint answers a resume with 204 and drops it (measured)
        for _ in range(round(self._answer_s / _PASSING_S)):
            if (await rest.job()).state != "Pausing":
                break
            await asyncio.sleep(_PASSING_S)
        await rest.pause("resume")

    async def cancel(self) -> None:
        self._stops += 1
        try:
            await self._open_rest().cancel()
        except DeviceRefused:
            if not self._starting.locked():  # else there is nothing to cancel yet, and `start` sees the count
                raise

    async def make_safe(self) -> Safety:
        """Works on a closed or lost link too; opens a connection of its own for it."""
        self._stops += 1
        self._safeties += 1
        rest = self._new_rest()
        try:
            async with asyncio.timeout(self._safe_s):
                return await make_safe(rest)
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
        return Rest(url=self._url, api_key=self._api_key, answer_s=self._answer_s, upload_s=self._upload_s)

    def _open_rest(self) -> Rest:
        if self._rest is None:
            raise LinkLost(f"{self.name} is not open")
        return self._rest

    async def _version(self, rest: Rest) -> wire.Version:
        try:
            return await rest.version()
        except NotThere:
            raise Misfit("there is no OctoPrint at this address; correct the url") from None

    async def _profile(self, rest: Rest) -> wire.Profile:
        try:
            profiles = (await rest.profiles()).profiles
        except Misfit:  # a permission of its own, and not one we need
            return wire.Profile()
        return next((p for p in profiles.values() if p.current), wire.Profile())

    async def _listen_to(self, rest: Rest) -> ClientConnection:
        login = await rest.login()
        missing = wire.REQUIRED_ROLES - set(login.needs.role)
        if missing:
            raise Misfit(
                f"the API key may not: {', '.join(sorted(missing))}; give its user these permissions"
            )
        return await push.listen(rest.socket_url, login, answer_s=self._answer_s, ping_s=self._look_s)

    # -- listening

    async def _hear(self, socket: ClientConnection) -> None:
        decoder = msgspec.json.Decoder(wire.Push)
        garbled = False
        async for message in socket:
            try:
                said = decoder.decode(message)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if not garbled:
                    log.warning("%s: a push message cannot be read: %s", self.name, error)
                garbled = True
                self._want_look()
                continue
            await self._take(socket, said)
        raise LinkLost("OctoPrint closed its push socket")

    async def _take(self, socket: ClientConnection, said: wire.Push) -> None:
        self._at = self._clock.now()
        if said.event is not None:
            self._spoken += 1
            self._see(follow.heard(self._seen, said.event))
            self._want_look()
        elif (current := said.current or said.history) is not None:
            seen, doubtful = follow.glanced(self._seen, current)
            self._see(seen)
            if doubtful:
                self._want_look()
        elif said.reauth_required is not None:
            login = await self._open_rest().login()
            await push.authenticate(socket, login)

    async def _keep_looking(self, rest: Rest) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._look_wanted.wait()
            self._look_wanted.clear()
            await self._look(rest)

    async def _look(self, rest: Rest) -> None:
        """Ask what is; an answer that was overtaken, by an event, a start of ours or a later look, is thrown away."""
        for _ in range(_LOOK_TRIES):
            self._looks += 1
            number, spoken = self._looks, self._spoken
            job = await rest.job()
            prints = await self._prints(rest, job)
            if number < self._looked:
                return
            if spoken == self._spoken:
                self._looked = number
                self._at = self._clock.now()
                self._see(follow.looked(self._seen, job, prints))
                return
        self._want_look()

    async def _prints(self, rest: Rest, job: wire.Job) -> wire.Prints | None:
        """The print count of the run whose end is not known, if the machine stands still."""
        if wire.state_of(job.state) in wire.MOVING and job.state != "Cancelling":
            return None
        run = self._seen.open_run
        selected = job.job.file.path
        path = run.path if run is not None else selected
        if path is None or wire.token_of(path) is None:
            return None
        entry = await rest.file(path)
        return None if entry is None else entry.prints

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that stopped listening, whatever the reason, ends the watch: silence must not look healthy."""
        if task.cancelled():  # by us, who have said so already; or by a mistake somewhere inside
            self._lose(LinkLost("listening was broken off"))
            return
        error = task.exception()
        expected = isinstance(error, DeviceError | websockets.WebSocketException)
        if not expected:
            log.error("%s: listening failed", self.name, exc_info=error)
        self._lose(LinkLost(str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}"))

    def _lose(self, why: LinkLost) -> None:
        if self._lost is None:
            self._lost = why
        self._tell()

    def _want_look(self) -> None:
        self._look_wanted.set()

    def _see(self, seen: Seen) -> None:
        self._seen = seen
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _status(self) -> Status:
        seen = self._seen
        return Status(
            at=self._at,
            state=seen.state,
            progress=None if seen.run is None else seen.run.progress(),
            heat_c=seen.heat_c,
            message=seen.message,
        )

    # -- starting

    async def _had(self, rest: Rest, token: str) -> bool:
        """Whether this run was begun before: an earlier try may have had no answer, so the machine is asked."""
        run = self._seen.run
        if run is not None and run.token == token:
            return True
        if await self._on_machine(rest, token):
            return True
        began = token == self._began
        path = f"{wire.FOLDER}/{wire.program_name(token)}"
        entry = await rest.file(path)
        if entry is None or entry.prints == wire.Prints():
            if began or await self._may_have_died(rest, token):  # how far the part got nobody knows
                raise DeviceRefused("this run had begun before and was lost; it needs a new token")
            return False
        if not entry.prints.success:
            raise DeviceRefused("this run was tried before and did not succeed; it needs a new token")
        self._spoken += 1
        self._see(replace(self._seen, run=follow.Run(token=token, path=path).ended(Outcome.DONE)))
        return True

    async def _may_have_died(self, rest: Rest, token: str) -> bool:
        """The start was sent, its answer and then the link were lost, and now no file at all is selected: OctoPrint
        was restarted, and whether it printed before that is written nowhere (measured)."""
        tried, link = self._tried
        return tried == token and link != self._opened and (await rest.job()).job.file.path is None

    async def _on_machine(self, rest: Rest, token: str) -> bool:
        await self._look(rest)
        run = self._seen.run
        return run is not None and run.token == token

    async def _must_be_free(self, rest: Rest) -> None:
        job = await rest.job()
        if wire.state_of(job.state) is not DeviceState.IDLE:
            raise DeviceRefused(f"the printer cannot start now: {wire.plain(job.state)}")

    async def _begin(self, rest: Rest, path: str, token: str) -> None:
        self._tried = (token, self._opened)
        try:
            try:
                await rest.select_and_print(path)
            finally:
                self._spoken += 1  # a look asked before, and answered after, knows nothing of this run
        except DeviceRefused:
            if await self._on_machine(rest, token):  # a racing try of the same run won
                return
            raise
        except LinkLost:
            # The answer is lost, the command perhaps not: what counts is what the machine does.
            for _ in range(_LOOK_TRIES):
                if await self._on_machine(rest, token):
                    self._began = token
                    return
                await asyncio.sleep(self._answer_s / 10)
            raise
        self._began = token
        self._see(follow.begun(self._seen, token=token, path=path))
        # 204 is no proof: OctoPrint says it even where nothing happens (measured)
        if not await self._on_machine(rest, token):
            raise DeviceRefused("OctoPrint took the start, but nothing began")
