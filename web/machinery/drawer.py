"""Secrets between two forms: kept in memory for half an hour, so that a browser sends each only once."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
LIFE_S: Final = 1800.0
MOST: Final = 200


class Drawer(Generic[T]):
    """What one member has put in, nobody else takes out. The oldest makes room."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[tuple[int, str], tuple[float, T]] = OrderedDict()

    def put(self, member_id: int, thing: T) -> str:
        key = secrets.token_urlsafe(16)
        self.replace(member_id, key, thing)
        return key

    def replace(self, member_id: int, key: str, thing: T) -> None:
        self._kept[member_id, key] = (self._monotonic(), thing)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def get(self, member_id: int, key: str) -> T | None:
        at, thing = self._kept.get((member_id, key), (float("-inf"), None))
        return thing if self._monotonic() - at <= LIFE_S else None
