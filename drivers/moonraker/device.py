"""The port over Moonraker: one websocket that is listened to, and requests beside it.

A lost answer is never met by sending again: `start` looks whether the run's token is already on the machine,
or in Moonraker's history.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection

from drivers.http import NotThere, heard, plain
from drivers.moonraker import follow, push, wire
from drivers.moonraker.follow import Look, Seen
from drivers.moonraker.looks import Looks
from drivers.moonraker.rest import Rest
from drivers.moonraker.safety import make_safe
from drivers.moonraker.uploads import older, upload
from drivers.news import News
from drivers.starts import Starts
from drivers.uploads import tidy
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
    Outcome,
    Safety,
    Status,
)

log = logging.getLogger(__name__)

_REMEMBERED_JOBS: Final = 100  # how far back a late retry of a start is recognised
# Measured: of a print that begins less than half a second after Klipper came up, Moonraker keeps no history.
_SETTLE_S: Final = 1.0


class Moonraker:
    """`url` may carry a path prefix; `api_key` may be empty where Moonraker trusts this computer. In seconds:

    `answer_s` bounds a request, `upload_s` an upload, `look_s` is how old a status may get before Moonraker is
    asked again, `safe_s` bounds `make_safe` as a whole, and half of it is the time before an emergency stop;
    `settle_s` is how long Klipper must have been up before a print may begin.
    """

    capabilities = frozenset(
        {Capability.START, Capability.PAUSE, Capability.CANCEL, Capability.DETACHED, Capability.SAFE_STOP}
    )

    def __init__(
        self,
        *,
        name: str,
        url: str,
        api_key: str = "",
        clock: Clock | None = None,
        answer_s: float = 10.0,
        upload_s: float = 900.0,
        look_s: float = 5.0,
        safe_s: float = 25.0,
        settle_s: float = _SETTLE_S,
    ) -> None:
        if not api_key.isascii() or (api_key and not api_key.isprintable()):
            raise ValueError("a Moonraker API key is printable ASCII")
        self.name = name
        self._url = url
        self._api_key = api_key
        self._clock = clock or SystemClock()
        self._answer_s = answer_s
        self._upload_s = upload_s
        self._look_s = look_s
        self._safe_s = safe_s
        self._settle_s = settle_s
        self._news = News(Seen(), name=name, clock=self._clock, every_s=look_s)
        self._starts = Starts(
            self._news, self.make_safe, name=name, clock=self._clock, answer_s=answer_s, safe_s=safe_s
        )
        self._rest: Rest | None = None
        self._socket: ClientConnection | None = None
        self._asking: Looks | None = None
        self._ready_since: float | None = None
        self._began = ""  # the last token whose start Klipper has taken
        self._tried = ("", 0)  # the last token whose start was sent, and in which life of Klipper
        self._lives = 0  # counts restarts of Klipper that we noticed

    # -- the link

    async def open(self) -> Identity:
        await self.close()
        self._rest = rest = self._new_rest()
        try:
            identity = await self._identify(rest)
            self._socket = await push.listen(rest, answer_s=self._answer_s, ping_s=self._look_s)
            self._asking = Looks(rest, self._socket)
            self._news.begin()
            await self._look()
        except BaseException:
            await self.close()
            raise
        self._news.listen(push=self._hear(self._socket), looks=self._keep_looking())
        return identity

    async def close(self) -> None:
        await self._news.end()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        rest, self._rest = self._rest, None
        if rest is not None:
            await rest.close()
        self._asking = self._ready_since = None

    def watch(self) -> AsyncIterator[Status]:
        return self._news.watch()

    # -- commands

    async def start(self, program: Path, token: str) -> None:
        await self.start_by(program, token, None)

    async def start_by(self, program: Path, token: str, deadline: datetime | None) -> None:
        """As `start`; the clock is asked again after the upload, however long this computer was asleep meanwhile."""
        async with self._starts.one(token, deadline) as start:
            rest = self._open_rest()
            if await self._had(rest, token):
                return
            await self._must_be_idle()
            path = await upload(rest, program, token)
            await self._must_be_free(rest)
            start.may_go()
            async with start.begins(lambda: self._stop_print(rest)):
                await self._begin(rest, path, token)
            await tidy(older(rest, path), rest.delete, name=self.name)

    async def pause(self) -> None:
        if await self._stands_in(DeviceState.RUNNING, already=DeviceState.PAUSED):
            await self._told("pause", self._open_rest().pause())

    async def resume(self) -> None:
        """Only to a Klipper that obeys at once: one that is busy would go on later, perhaps under somebody's hand."""
        stops = self._starts.stops
        if await self._stands_in(DeviceState.PAUSED, already=DeviceState.RUNNING):
            rest = self._open_rest()
            try:
                await rest.must_be_free()
            except DeviceTimeout:
                raise DeviceRefused("Klipper is busy with other commands; press resume again later") from None
            if stops != self._starts.stops:
                raise DeviceRefused("the machine was stopped meanwhile")
            await self._told("resume", rest.resume())

    async def _told(self, what: str, answer: Awaitable[None]) -> None:
        """Klipper obeys when it is done with the command before, and then is not asked back by anybody."""
        try:
            await answer
        except DeviceTimeout:
            raise DeviceTimeout(
                f"Klipper has not answered the {what} yet; if it waits for heat it will obey after that. "
                "The stop does not wait"
            ) from None
        finally:
            self._news.want_look()

    async def cancel(self) -> None:
        self._starts.count_stop()
        rest = self._open_rest()
        starting = self._starts.under_way
        if self._seen.state not in wire.MOVING:
            await self._look()
        if self._seen.state in wire.MOVING:
            await self._stop_print(rest)
        elif not starting:
            raise DeviceRefused(f"nothing is printing that could be cancelled{self._why()}")

    async def _stop_print(self, rest: Rest) -> None:
        """Heaters too: Klipper's own CANCEL_PRINT leaves them on, until ten idle minutes are over, where no macro of
        the owner's does more (klippy/extras/pause_resume.py and idle_timeout.py)."""
        await self._told("cancel", rest.cancel())
        try:
            await rest.heaters_off()
        except DeviceError as error:
            log.warning("%s: cancelled, but its heaters may be on still: %s", self.name, error)

    async def make_safe(self) -> Safety:
        """Works on a closed or lost link too; opens a connection of its own for it."""
        rest = self._new_rest()
        moving = None if self._news.lost is not None else self._seen.state in wire.MOVING
        work = make_safe(rest, name=self.name, moving=moving, soft_s=self._safe_s / 2)
        return await self._starts.stop_safely(work, rest.close)

    async def _stands_in(self, wanted: DeviceState, *, already: DeviceState) -> bool:
        """Klipper answers pause and resume with 200 and "ok" whatever it does (measured), so we look before.

        Worse, an idle Klipper remembers that it was told to pause.
        """
        self._open_rest()  # raises without a link
        if self._seen.state is not wanted:
            await self._look()
        if self._seen.state is wanted:
            return True
        if self._seen.state is already:
            return False
        doing = "paused" if wanted is DeviceState.RUNNING else "resumed"
        raise DeviceRefused(f"nothing is printing that could be {doing}{self._why()}")

    @property
    def _seen(self) -> Seen:
        return self._news.seen

    def _why(self) -> str:
        return f": {self._seen.message}" if self._seen.message else ""

    # -- opening

    def _new_rest(self) -> Rest:
        return Rest(url=self._url, api_key=self._api_key, answer_s=self._answer_s, upload_s=self._upload_s)

    def _open_rest(self) -> Rest:
        if self._rest is None:
            raise LinkLost(f"{self.name} is not open")
        return self._rest

    async def _identify(self, rest: Rest) -> Identity:
        """`serial_number` is Moonraker's instance id: it outlives restarts and updates, and is the same whatever
        address it is reached by. `model` is the host's name, and known only while Klipper is there."""
        try:
            server = await rest.server()
        except NotThere:
            raise Misfit("there is no Moonraker at this address; correct the url") from None
        printer = wire.PrinterInfo()
        with contextlib.suppress(DeviceRefused):
            printer = await rest.printer()
        return Identity(
            firmware=plain(f"Moonraker {server.moonraker_version}".strip()),
            model=plain(printer.hostname),
            serial_number=await rest.instance_id(),
            features={"klipper": plain(f"{printer.app} {printer.software_version}")} if printer.state else {},
        )

    # -- listening

    async def _hear(self, socket: ClientConnection) -> None:
        messages = heard(socket, wire.Push, name=self.name, unread=self._news.want_look)
        async with contextlib.aclosing(messages):
            async for said in messages:
                self._take(said)
        raise LinkLost("Moonraker closed its push socket")

    def _take(self, said: wire.Push) -> None:
        match said.method:
            case "notify_status_update":
                seen, doubtful = follow.glanced(self._seen, _first(said.params))
                self._news.heard()
                self._news.see(seen)
                if doubtful:
                    self._news.want_look()
            case "notify_klippy_ready" | "notify_klippy_disconnected":
                self._unsubscribed()
                self._ready_since = None
                self._lives += 1
                self._news.overtake()
                self._news.want_look()
            case "notify_klippy_shutdown" | "notify_history_changed":
                self._news.want_look()
            case _ if said.error is not None:
                log.warning("%s: no subscription: %s", self.name, plain(said.error.message))
                self._unsubscribed()

    def _unsubscribed(self) -> None:
        if self._asking is not None:
            self._asking.unsubscribed()

    async def _keep_looking(self) -> None:
        while True:
            await self._news.look_due(self._look_s)
            await self._look()

    async def _look(self) -> Look:
        asking = self._asking
        if asking is None:
            raise LinkLost(f"{self.name} is not open")
        return await self._news.look(lambda: asking.ask(self._seen), self._believe)

    def _believe(self, look: Look) -> Seen:
        self._note_ready(look.klippy)
        return follow.looked(self._seen, look)

    def _note_ready(self, klippy: str) -> None:
        if klippy != wire.READY:
            self._ready_since = None
        elif self._ready_since is None:
            self._ready_since = asyncio.get_running_loop().time()

    # -- starting

    async def _had(self, rest: Rest, token: str) -> bool:
        """Whether this run was begun before: an earlier try may have had no answer, so the machine is asked."""
        if self._seen.is_of(token) or await self._on_machine(token):
            return True
        path = wire.program_path(token)
        row = follow.row_of(path, await rest.history(_REMEMBERED_JOBS))
        if row is None:
            tried, life = self._tried
            # Klipper was restarted over it before Moonraker noticed: how far the part got nobody knows
            if token == self._began or (token == tried and life != self._lives):
                raise DeviceRefused("this run had begun before and was lost; it needs a new token")
            return False
        if row.status == "in_progress":
            return True
        if row.status != "completed":
            raise DeviceRefused("this run was tried before and did not succeed; it needs a new token")
        self._news.overtake()
        self._news.see(replace(self._seen, run=follow.Run(token=token, path=path).ended(Outcome.DONE)))
        return True

    async def _on_machine(self, token: str) -> bool:
        look = await self._look()
        return self._seen.is_of(token) or wire.token_of(look.loaded) == token

    async def _must_be_free(self, rest: Rest) -> None:
        """Idle, and taking commands at this moment: a start that had to wait behind others would come late."""
        try:
            await rest.must_be_free()
        except DeviceTimeout:
            raise DeviceRefused("the printer cannot start now: Klipper is busy with other commands") from None
        await self._look()
        await self._must_be_idle()

    async def _must_be_idle(self) -> None:
        """By the look before. Klipper would take a start while paused, and drop what it had (measured)."""
        while (rest_s := self._unsettled_s()) > 0:
            await asyncio.sleep(rest_s)
            await self._look()
        if self._seen.state is not DeviceState.IDLE:
            raise DeviceRefused(f"the printer cannot start now: {self._seen.message or self._seen.state}")

    def _unsettled_s(self) -> float:
        """How long Klipper still needs before a print may begin; nothing if it is not ready at all."""
        if self._ready_since is None:
            return 0.0
        return self._ready_since + self._settle_s - asyncio.get_running_loop().time()

    async def _begin(self, rest: Rest, path: str, token: str) -> None:
        self._tried = (token, self._lives)
        try:
            with self._news.commanding():
                await rest.begin(path)
        except DeviceRefused:
            if await self._on_machine(token):  # a racing try of the same run won
                return
            raise
        except LinkLost:
            if not await self._starts.took(lambda: self._on_machine(token)):
                raise
            self._began = token
            return
        self._began = token
        if not await self._on_machine(token):
            raise DeviceRefused("Klipper took the start, but nothing began")


def _first(params: Any) -> dict[str, Any]:
    """The diff of a status update: the first of its parameters."""
    diff = params[0] if isinstance(params, list) and params else None
    return diff if isinstance(diff, dict) else {}
