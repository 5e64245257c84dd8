"""Who was here a moment ago: remembered for the one request that may not wait for the database, a machine's stop.

A stop goes to the machine first and is written down after, so whoever asks for it is recognised from what the database
said of the same cookie or token within the last minutes. Nothing else is ever allowed on the strength of it. Only
people who may work the machines are kept, few, not for long, and by a hash of the secret they showed.

What is given up for that: somebody whose sign-in was taken back elsewhere may stop a machine, and only stop it, until
`LIFE_S` after they were last let in. Signing out forgets at once.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from litestar.types import Scope

from fablab.people.access import Right, SignedIn, allows

LIFE_S: Final = 600.0
MOST: Final = 500
_STOP: Final = re.compile(r"(?:/api)?/machines/\d{1,18}/stop|/k/[A-Za-z0-9_-]{1,32}/stop")
_BY_CODE: Final = "/k/"


def is_stop(scope: Scope) -> bool:
    """Whether the request asks a machine to stop."""
    return scope.get("method") == "POST" and _STOP.fullmatch(scope["path"]) is not None


def is_stop_by_code(scope: Scope) -> bool:
    """Whether it is asked by the code on the machine, which needs nobody: then nobody is looked up either."""
    return is_stop(scope) and scope["path"].startswith(_BY_CODE)


class Recent:
    """Belongs to the event loop. `monotonic` gives seconds; who was not seen the longest is forgotten first."""

    def __init__(
        self, *, life_s: float = LIFE_S, most: int = MOST, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._life_s = life_s
        self._most = most
        self._monotonic = monotonic
        self._seen: OrderedDict[bytes, tuple[SignedIn, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def saw(self, secret: str, signed_in: SignedIn | None) -> None:
        """The database has just said who shows `secret`; None: nobody may with it, or no more after this request."""
        key = _digest(secret)
        self._seen.pop(key, None)
        if signed_in is None or not allows(signed_in.actor, Right.OPERATE):
            return
        self._seen[key] = (signed_in, self._monotonic())
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def find(self, secret: str) -> SignedIn | None:
        signed_in, at = self._seen.get(_digest(secret), (None, 0.0))
        return signed_in if self._monotonic() - at <= self._life_s else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
