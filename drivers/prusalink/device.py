"""The port over PrusaLink: one task that asks what is, and requests beside it.

A lost answer is never met by sending again: `start` looks whether the run's token is already on the machine.
PrusaLink counts no prints, so a program that an earlier server process left there may have been printed or
not: such a token is refused, not guessed at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final

from drivers.http import NotThere, plain
from drivers.news import News
from drivers.prusalink import follow, steering, wire
from drivers.prusalink.follow import Look, Seen
from drivers.prusalink.rest import Conflict, Rest, address
from drivers.prusalink.safety import make_safe
from drivers.prusalink.steering import Patience
from drivers.starts import Start, Starts
from drivers.uploads import program_name, tidy
from fablab.base.clock import Clock, SystemClock
from fablab.device import (
    Capability,
    DeviceRefused,
    DeviceState,
    DeviceTimeout,
    Identity,
    LinkLost,
    Misfit,
    Safety,
    Status,
)

_IDLE_LOOKS: Final = 3  # a machine at rest is asked every third time; an end is held for 12 s
_PASSING_S: Final = 0.2  # how often at most something is looked for that comes a moment later


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
        self._fresh_s = fresh_s
        self._begin_s = begin_s
        self._patience = Patience(for_s=answer_s, every_s=min(look_s, _PASSING_S))
        self._news = News(Seen(), name=name, clock=self._clock, every_s=look_s)
        self._starts = Starts(
            self._news, self.make_safe, name=name, clock=self._clock, answer_s=answer_s, safe_s=safe_s
        )
        self._rest: Rest | None = None
        self._fresh = ""  # the token that was new to the machine when we first had it
        self._sent = ""  # the last token whose start went out, answered or not

    # -- the link

    async def open(self) -> Identity:
        await self.close()
        self._rest = rest = self._new_rest()
        try:
            identity = await self._identify(rest)
            self._news.begin()
            await self._look(rest)
        except BaseException:
            await self.close()
            raise
        self._news.listen(looks=self._keep_looking(rest))
        return identity

    async def close(self) -> None:
        await self._news.end()
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
            storage = await steering.storage(rest)
            place = address(storage, program_name(token))
            if await self._had(rest, token, place):
                return
            steering.must_be_free(await rest.status())
            await self._upload(rest, program, place)
            async with start.begins(lambda: self._stop_job(rest)):
                await self._begin(rest, place, token, start)
            await tidy(_older(rest, storage, token), rest.delete, name=self.name)

    async def pause(self) -> None:
        await self._steer("pause", DeviceState.PAUSED)

    async def resume(self) -> None:
        await self._steer("resume", DeviceState.RUNNING)

    async def _steer(self, action: str, wanted: DeviceState) -> None:
        mine = self._news.seen.open_run is not None
        await steering.steer(self._open_rest(), action, wanted, mine=mine, patience=self._patience)
        self._news.overtake()
        self._news.want_look()

    async def cancel(self) -> None:
        self._starts.count_stop()
        try:
            await self._stop_job(self._open_rest())
        except DeviceRefused:
            if not self._starts.under_way:
                raise

    async def _stop_job(self, rest: Rest) -> None:
        await steering.stop(rest, mine=self._news.seen.open_run is not None, patience=self._patience)
        self._news.want_look()

    async def make_safe(self) -> Safety:
        """Works on a closed or lost link too; opens a connection of its own for it."""
        rest = self._new_rest()
        return await self._starts.stop_safely(make_safe(rest, fresh_s=self._fresh_s), rest.close)

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
            rounds = 1 if self._news.seen.busy else _IDLE_LOOKS
            await self._news.look_due(self._look_s * rounds)
            await self._look(rest)

    async def _look(self, rest: Rest) -> None:
        await self._news.look(lambda: self._picture(rest), self._believe)

    def _believe(self, look: Look | None) -> Seen | None:
        return None if look is None else self._paced(follow.looked(self._news.seen, look))

    def _paced(self, seen: Seen) -> Seen:
        if seen.busy and not self._news.seen.busy:
            self._news.want_look()  # else the pace of a machine at rest would go on for one more round
        return seen

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

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    # -- starting

    async def _had(self, rest: Rest, token: str, place: str) -> bool:
        """Whether this run was begun before: an earlier try may have had no answer, so the machine is asked."""
        if self._news.seen.is_of(token) or await self._on_machine(rest, token):
            return True
        if token == self._sent:
            raise DeviceRefused(
                "a start of this run was sent before, and may have begun it; it needs a new token"
            )
        if token != self._fresh and await rest.file(place) is not None:
            raise DeviceRefused("this run's program was on the printer before; it needs a new token")
        self._fresh = token
        return False

    async def _on_machine(self, rest: Rest, token: str) -> bool:
        await self._look(rest)
        return self._news.seen.is_of(token)

    async def _upload(self, rest: Rest, program: Path, place: str) -> None:
        """Listed some moments after it was taken, and only what is listed can be started (measured)."""
        await rest.upload(program, place)
        size = program.stat().st_size
        until = self._time() + self._answer_s
        while (entry := await rest.file(place)) is None or entry.size != size:
            if self._time() >= until:
                raise LinkLost(f"the upload did not arrive whole ({size} bytes were sent)")
            await asyncio.sleep(self._patience.every_s)

    async def _begin(self, rest: Rest, place: str, token: str, start: Start) -> None:
        until = self._time() + self._begin_s
        refused_idle = False
        while True:
            start.may_go()
            self._sent = token
            try:
                with self._news.commanding():
                    await rest.start(place)
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
                if not await self._starts.took(lambda: self._on_machine(rest, token)):
                    raise
                return
            break
        self._news.see(self._paced(follow.begun(self._news.seen, token=token)))
        while not await self._on_machine(rest, token):  # a printer may think it over at its own screen first
            if self._time() >= until:
                raise DeviceTimeout("PrusaLink took the start, but nothing has begun")
            await asyncio.sleep(self._patience.every_s)

    @staticmethod
    async def _holds_an_end(rest: Rest) -> bool:
        return (await rest.status()).printer.state in ("FINISHED", "STOPPED")


async def _older(rest: Rest, storage: str, keep: str) -> dict[str, float]:
    """Our uploads but the one of the token `keep`: when each came, by address."""
    ours = [f for f in await rest.files(storage) if f.token and f.token != keep]
    return {address(storage, f.name): f.m_timestamp or 0.0 for f in ours}
