"""Waiting lists: who waits for a place that nobody has now, and the places that are held for them when one is freed."""

from fablab.claims.waiting.models import WAITING_STEPS, Entry, WaitingState
from fablab.claims.waiting.use import (
    MOST_PASSES,
    Wait,
    get,
    give_up,
    hold,
    join,
    lapse,
    live,
    of_member,
    pass_on,
    take,
    waiting,
)

__all__ = [
    "MOST_PASSES",
    "WAITING_STEPS",
    "Entry",
    "Wait",
    "WaitingState",
    "get",
    "give_up",
    "hold",
    "join",
    "lapse",
    "live",
    "of_member",
    "pass_on",
    "take",
    "waiting",
]
