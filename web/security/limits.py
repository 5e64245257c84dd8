"""How often somebody may come: a token bucket for each caller and kind of request, in this process's memory.

Callers are told apart by the address of the peer itself, or by their member id once signed in: a header that a
client writes (X-Forwarded-For and its like) never changes whose bucket is drawn from.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from fablab.base.errors import TooMany

MOST_BUCKETS = 20_000


class Pace(StrEnum):
    """Which bucket a route draws from, as its `pace`."""

    USUAL = "usual"
    LOGIN = "login"
    UPLOAD = "upload"
    STOP = "stop"  # of a machine: pages that were loaded too fast must not use it up


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    burst: int
    per_minute: float


#: A class of thirty behind one address has to get in, and to keep its pages live.
RATES: dict[Pace, Rate] = {
    Pace.USUAL: Rate(burst=600, per_minute=1800),
    Pace.LOGIN: Rate(burst=60, per_minute=60),
    Pace.UPLOAD: Rate(burst=30, per_minute=30),
    Pace.STOP: Rate(burst=120, per_minute=240),
}


class Limiter:
    """Thread-safe. `monotonic` gives seconds; buckets that were full the longest are forgotten first."""

    def __init__(
        self, rates: dict[Pace, Rate] | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rates = {**RATES, **(rates or {})}
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[Pace, str], tuple[float, float]] = OrderedDict()

    def draw(self, pace: Pace, caller: str) -> None:
        """Take one token. Raises `TooMany` with the seconds until the next one."""
        rate, now = self._rates[pace], self._monotonic()
        per_s = rate.per_minute / 60
        with self._lock:
            left, at = self._buckets.pop((pace, caller), (float(rate.burst), now))
            left = min(float(rate.burst), left + (now - at) * per_s)
            self._buckets[pace, caller] = (max(0.0, left - 1), now) if left >= 1 else (left, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        if left < 1:
            raise TooMany(retry_after_s=max(1, math.ceil((1 - left) / per_s)))


def address_key(host: str) -> str:
    """One key for a peer; a whole IPv6 /64 is one, since a single household has that many addresses."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
