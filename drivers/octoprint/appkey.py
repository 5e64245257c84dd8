"""An application key from OctoPrint: we ask, a person there clicks Allow, and the key comes to us alone.

    probe 204 -> request 201 -> poll 202 ... -> 200 with the key, or 404: denied, or forgotten

Seen in OctoPrint 1.11.8: a request that is not polled for 5 s is forgotten, any is after 10 minutes; three a
minute are taken; the key is handed out once, and the same app and user get the same key when they ask again.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from drivers.config import Secret
from drivers.http import Http, NotThere
from fablab.device import DeviceError, DeviceRefused, LinkLost, Misfit, Unsupported

WAIT_S: Final = 300.0
_FORGOTTEN_S: Final = 5.0
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")
_KEY: Final = re.compile(r"[!-~]{8,200}")


class State(StrEnum):
    WAITING = "waiting"  # for a person at OctoPrint
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"  # nobody answered in time, or OctoPrint forgot the request
    UNSUPPORTED = "unsupported"  # the application keys plugin is off


class NoKey(DeviceRefused):
    """No key came, and none will: ask again. `state` says why."""

    def __init__(self, state: State, message: str) -> None:
        super().__init__(message)
        self.state = state


class NoAppKeys(Unsupported):
    """This OctoPrint hands out no application keys; one has to be made in its settings."""

    state = State.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A request a person has to answer. `page` is OctoPrint's own page for that; empty where it names none.

    `token` is what the key is fetched with, once: nobody else may see it.
    """

    url: str
    app: str
    token: Secret
    page: str = field(default="", repr=False)  # it names the token


class _Asked(msgspec.Struct):
    app_token: str
    auth_dialog: str = ""


class _Polled(msgspec.Struct):
    api_key: str = ""


async def request_key(url: str, app: str = "fablab", user: str = "", *, answer_s: float = 10.0) -> Pending:
    """Have OctoPrint ask its people whether `app` may have a key; `wait` at once, or it is forgotten in 5 s.

    `user` asks that one only. Raises `NoAppKeys` where keys are not handed out, `DeviceRefused` when OctoPrint
    was asked too often, and whatever `drivers.http` raises.
    """
    http = _http(url, answer_s)
    try:
        try:
            await http.send("GET", "/plugin/appkeys/probe")
        except NotThere:
            raise NoAppKeys(
                "this OctoPrint hands out no application keys; is its Application Keys plugin on?"
            ) from None
        body = {"app": app} | ({"user": user} if user else {})
        asked = await http.ask("POST", "/plugin/appkeys/request", _Asked, json=body)
    finally:
        await http.close()
    if not _TOKEN.fullmatch(asked.app_token):
        raise LinkLost("OctoPrint's answer to the request for a key cannot be used")
    return Pending(url=url, app=app, token=Secret(asked.app_token), page=_own_page(asked.auth_dialog, url))


async def wait(
    pending: Pending,
    *,
    within_s: float = WAIT_S,
    every_s: float = 1.0,
    answer_s: float = 4.0,
    tell: Callable[[State], None] = lambda state: None,
) -> Secret:
    """The key, when a person has allowed it. Raises `NoKey` when it was denied or nobody answered `within_s`.

    `tell` hears the state after each look. A poll that is lost is tried again.
    """
    http = _http(pending.url, answer_s)
    heard_at = time.monotonic()
    deadline = heard_at + within_s
    lost = False
    try:
        while time.monotonic() < deadline:
            try:
                key = await _poll(http, pending)
            except NotThere:
                # A key whose answer was lost is not handed out again: then 404 does not mean denied.
                gap = lost or time.monotonic() - heard_at > _FORGOTTEN_S
                raise _no_key(State.EXPIRED if gap else State.DENIED, tell) from None
            except LinkLost:
                lost = True
            else:
                heard_at = time.monotonic()
                lost = False
                tell(State.GRANTED if key else State.WAITING)
                if key:
                    return key
            await asyncio.sleep(every_s)
        raise _no_key(State.EXPIRED, tell)
    finally:
        await http.close()


async def _poll(http: Http, pending: Pending) -> Secret | None:
    path = f"/plugin/appkeys/request/{quote(pending.token.reveal())}"
    key = (await http.ask("GET", path, _Polled)).api_key
    if key and not _KEY.fullmatch(key):
        raise DeviceRefused("what OctoPrint sent is no key")
    return Secret(key) if key else None


def _no_key(state: State, tell: Callable[[State], None]) -> NoKey:
    tell(state)
    why = {
        State.DENIED: "somebody at OctoPrint said no",
        State.EXPIRED: "nobody at OctoPrint answered in time, or it forgot the request; ask again",
    }
    return NoKey(state, why[state])


def _http(url: str, answer_s: float) -> Http:
    return Http(url=url, who="OctoPrint", answer_s=answer_s, refine=_refined)


def _refined(status: int, said: str, what: str) -> DeviceError:
    # The path of a poll holds the token: no message of ours repeats it.
    if status == 404:
        return NotThere("OctoPrint does not know this request")
    if status == 429:
        return DeviceRefused("OctoPrint was asked for keys too often; wait some minutes")
    if status in (401, 403):
        return NoAppKeys("this OctoPrint hands out no keys now; finish its first set-up, or look at its log")
    if status < 400:
        return Misfit(f"this address leads elsewhere (HTTP {status}); correct it")
    return DeviceRefused(f"OctoPrint refuses: {said}") if status < 500 else LinkLost(f"OctoPrint: {said}")


def _own_page(page: str, url: str) -> str:
    """Only an address on the machine that was asked: what it says is shown to people, and clicked."""
    try:
        theirs, ours = urlsplit(page), urlsplit(url)
        same = theirs.scheme in ("http", "https") and theirs.hostname == ours.hostname
    except ValueError:
        return ""
    return page if same and page.isprintable() and " " not in page and len(page) < 500 else ""
