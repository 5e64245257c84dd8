"""The port over OctoPrint: one push socket that is listened to, and requests beside it.

A lost answer is never met by sending again: `start` looks whether the run's token is already on the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from websockets.asyncio.client import ClientConnection

from drivers.http import NotThere, heard
from drivers.news import News
from drivers.octoprint import follow, push, uploads, wire
from drivers.octoprint.follow import Seen
from drivers.octoprint.rest import Rest
from drivers.octoprint.safety import make_safe
from drivers.starts import Starts
from drivers.uploads import tidy
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Capability,
    DeviceRefused,
    DeviceState,
    Identity,
    LinkLost,
    Misfit,
    Outcome,
    Safety,
    Status,
)

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
        self._news = News(Seen(), name=name, clock=self._clock, every_s=look_s)
        self._starts = Starts(
            self._news, self.make_safe, name=name, clock=self._clock, answer_s=answer_s, safe_s=safe_s
        )
        self._rest: Rest | None = None
        self._socket: ClientConnection | None = None
        self._began = ""  # the last token whose start OctoPrint has taken
        self._tried: tuple[str, int] = ("", 0)  # the last token whose start was sent, and over which link
        self._opened = 0  # counts links

    # -- the link

    async def open(self) -> Identity:
        await self.close()
        self._rest = rest = self._new_rest()
        try:
            version = await self._version(rest)
            profile = await self._profile(rest)
            self._socket = await self._listen_to(rest)
            self._news.begin()
            self._opened += 1
            await self._look(rest)
        except BaseException:
            await self.close()
            raise
        self._news.listen(push=self._hear(self._socket), looks=self._keep_looking(rest))
        return Identity(
            firmware=wire.plain(version.text or f"OctoPrint {version.server}"),
            model=wire.plain(profile.model or profile.name),
        )

    async def close(self) -> None:
        await self._news.end()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        rest, self._rest = self._rest, None
        if rest is not None:
            await rest.close()

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
            await self._must_be_free(rest)
            path = await uploads.upload(rest, program, token)
            start.may_go()
            async with start.begins(rest.cancel):
                await self._begin(rest, path, token)
            await tidy(uploads.older(rest, path), rest.delete, name=self.name)

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
        self._starts.count_stop()
        try:
            await self._open_rest().cancel()
        except DeviceRefused:
            if not self._starts.under_way:
                raise

    async def make_safe(self) -> Safety:
        """Works on a closed or lost link too; opens a connection of its own for it."""
        rest = self._new_rest()
        return await self._starts.stop_safely(make_safe(rest), rest.close)

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
        messages = heard(socket, wire.Push, name=self.name, unread=self._news.want_look)
        async with aclosing(messages):
            async for said in messages:
                await self._take(socket, said)
        raise LinkLost("OctoPrint closed its push socket")

    async def _take(self, socket: ClientConnection, said: wire.Push) -> None:
        news = self._news
        news.heard()
        if said.event is not None:
            news.overtake()
            news.see(follow.heard(news.seen, said.event))
            news.want_look()
        elif (current := said.current or said.history) is not None:
            seen, doubtful = follow.glanced(news.seen, current)
            news.see(seen)
            if doubtful:
                news.want_look()
        elif said.reauth_required is not None:
            login = await self._open_rest().login()
            await push.authenticate(socket, login)

    async def _keep_looking(self, rest: Rest) -> None:
        while True:
            await self._news.look_due(self._look_s)
            await self._look(rest)

    async def _look(self, rest: Rest) -> None:
        await self._news.look(lambda: self._ask(rest), lambda answer: follow.looked(self._news.seen, *answer))

    async def _ask(self, rest: Rest) -> tuple[wire.Job, wire.Prints | None]:
        """With the print count of the run whose end is not known, if the machine stands still."""
        job = await rest.job()
        if wire.state_of(job.state) in wire.MOVING and job.state != "Cancelling":
            return job, None
        run = self._news.seen.open_run
        selected = job.job.file.path
        path = run.path if run is not None else selected
        if path is None or wire.token_of(path) is None:
            return job, None
        entry = await rest.file(path)
        return job, None if entry is None else entry.prints

    # -- starting

    async def _had(self, rest: Rest, token: str) -> bool:
        """Whether this run was begun before: an earlier try may have had no answer, so the machine is asked."""
        if self._news.seen.is_of(token) or await self._on_machine(rest, token):
            return True
        began = token == self._began
        path = wire.program_path(token)
        entry = await rest.file(path)
        if entry is None or entry.prints == wire.Prints():
            if began or await self._may_have_died(rest, token):  # how far the part got nobody knows
                raise DeviceRefused("this run had begun before and was lost; it needs a new token")
            return False
        if not entry.prints.success:
            raise DeviceRefused("this run was tried before and did not succeed; it needs a new token")
        self._news.overtake()
        self._news.see(replace(self._news.seen, run=follow.Run(token=token, path=path).ended(Outcome.DONE)))
        return True

    async def _may_have_died(self, rest: Rest, token: str) -> bool:
        """The start was sent, its answer and then the link were lost, and now no file at all is selected: OctoPrint
        was restarted, and whether it printed before that is written nowhere (measured)."""
        tried, link = self._tried
        return tried == token and link != self._opened and (await rest.job()).job.file.path is None

    async def _on_machine(self, rest: Rest, token: str) -> bool:
        await self._look(rest)
        return self._news.seen.is_of(token)

    async def _must_be_free(self, rest: Rest) -> None:
        job = await rest.job()
        if wire.state_of(job.state) is not DeviceState.IDLE:
            raise DeviceRefused(f"the printer cannot start now: {wire.plain(job.state)}")

    async def _begin(self, rest: Rest, path: str, token: str) -> None:
        self._tried = (token, self._opened)
        try:
            with self._news.commanding():
                await rest.select_and_print(path)
        except DeviceRefused:
            if await self._on_machine(rest, token):  # a racing try of the same run won
                return
            raise
        except LinkLost:
            if not await self._starts.took(lambda: self._on_machine(rest, token)):
                raise
            self._began = token
            return
        self._began = token
        self._news.see(follow.begun(self._news.seen, token=token, path=path))
        # 204 is no proof: OctoPrint says it even where nothing happens (measured)
        if not await self._on_machine(rest, token):
            raise DeviceRefused("OctoPrint took the start, but nothing began")
