"""The courier: takes deliveries that are due, makes them, and writes down how each try ended."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Sequence

import httpx

from fablab.base.clock import Clock
from fablab.base.database import Database
from fablab.base.events import Event
from fablab.notices import hooks
from fablab.notices.hooks import Answer, Sending
from fablab.people.post import hooks as desk
from web.hooks.address import Address, Network, NotAllowed, Target, networks, resolve, target_of
from web.hooks.signature import headers
from web.rounds import LONGEST_S, Aside, Rounds
from web.settings import Settings

TIMEOUT_S = 10.0
MOST_ANSWER_BYTES = 2000  # what is kept of it is 500 characters; a body without end is not read
AT_ONCE = 4


class Courier:
    def __init__(
        self, settings: Settings, database: Database, clock: Clock, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls or ssl.create_default_context()
        self._database = database
        self._clock = clock
        self._allowed = networks(settings.hook_networks)
        self._aside = Aside()
        self._rounds = Rounds("webhooks", database, self.round, _wakes)

    def begin(self) -> None:
        self._rounds.begin()

    async def close(self) -> None:
        await self._rounds.close()

    async def round(self) -> float:
        """Deliver all that is due, a few at a time. In how many seconds there may be more."""
        await self._aside(self._recover)
        while batch := await self._aside(self._take):
            await asyncio.gather(*(self._make(sending) for sending in batch))
        return await self._aside(self._wait_s)

    def _recover(self) -> None:
        with self._database.read() as uow:
            lost = hooks.lost(uow)
        if lost:
            self._database.write(hooks.recover)

    def _take(self) -> list[Sending]:
        """Looked for by reading first: a house without webhooks is not made to wait for a writer's turn."""
        if self._wait_s() > 0:
            return []
        found: list[Sending] = []
        while len(found) < AT_ONCE:
            lease = secrets.token_hex(16)
            sending = self._database.write(lambda uow, lease=lease: hooks.take(uow, lease))  # type: ignore[misc]  # a default binds this turn's lease
            if sending is None:
                break
            found.append(sending)
        return found

    async def _make(self, sending: Sending) -> None:
        began = time.monotonic()
        answer = await deliver(sending, self._clock, self._allowed, self._tls)
        took_ms = round((time.monotonic() - began) * 1000)
        full = Answer(reason=answer.reason, status=answer.status, said=answer.said, took_ms=took_ms)
        await self._aside(lambda: self._database.write(lambda uow: desk.answered(uow, sending, full)))

    def _wait_s(self) -> float:
        with self._database.read() as uow:
            due = hooks.next_due(uow)
        return LONGEST_S if due is None else (due - self._clock.now()).total_seconds()


async def deliver(sending: Sending, clock: Clock, allowed: Sequence[Network], tls: ssl.SSLContext) -> Answer:
    """One try. Whatever goes wrong is an answer too."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            target = target_of(sending.url)
            return await _post(target, await resolve(target, allowed), sending, clock, tls)
    except NotAllowed as error:
        return Answer(reason=error.reason)
    except TimeoutError:
        return Answer(reason="hook.too_slow")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer(reason="hook.no_answer", said=f"{type(error).__name__}: {error}"[:300])


async def _post(
    target: Target, address: Address, sending: Sending, clock: Clock, tls: ssl.SSLContext
) -> Answer:
    """To the address that was looked at, under the name that was written down: for TLS and for the Host line."""
    body = sending.body.encode()
    where = f"[{address}]" if address.version == 6 else str(address)
    request_headers = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "User-Agent": "FabLab-Webhooks/1",
        "Accept-Encoding": "identity",
        **headers(sending.secret, sending.key, clock.now(), body),
    }
    # No proxy of the environment: it would resolve the name again, and reach what we may not.
    async with (
        httpx.AsyncClient(verify=tls, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S) as client,
        client.stream(
            "POST",
            f"{target.scheme}://{where}:{target.port}{target.path}",
            content=body,
            headers=request_headers,
            extensions={"sni_hostname": target.host},
        ) as response,
    ):
        said = await _beginning(response)
    status = response.status_code
    if 200 <= status < 300:
        return Answer(status=status, said=said)
    return Answer(reason="hook.redirect" if 300 <= status < 400 else "hook.refused", status=status, said=said)


async def _beginning(response: httpx.Response) -> str:
    found = b""
    async for chunk in response.aiter_raw():
        found += chunk
        if len(found) >= MOST_ANSWER_BYTES:
            break
    plain = found[:MOST_ANSWER_BYTES].decode("utf-8", "replace").replace("\x00", "")
    return plain[:500]


def _wakes(event: Event) -> bool:
    return (event.topic, event.name) == ("outbox", "hook")
