"""Hires: rooms for people without an account. Asked for on a public page, held meanwhile, and answered by the staff."""

from fablab.claims.hires.asking import (
    ANSWER_WITHIN,
    CONFIRM_WITHIN,
    Foreseen,
    HireWish,
    ask,
    cancel_by_key,
    confirm_email,
    foresee,
    opened,
)
from fablab.claims.hires.deciding import approve, cancel, decline, forget, get, of_part, tend
from fablab.claims.hires.models import HIRE_STEPS, LIVE_HIRES, Hire, HireState
from fablab.claims.hires.rooms import Offered, kits_of, names_of, public_room, public_rooms

__all__ = [
    "ANSWER_WITHIN",
    "CONFIRM_WITHIN",
    "HIRE_STEPS",
    "LIVE_HIRES",
    "Foreseen",
    "Hire",
    "HireState",
    "HireWish",
    "Offered",
    "approve",
    "ask",
    "cancel",
    "cancel_by_key",
    "confirm_email",
    "decline",
    "foresee",
    "forget",
    "get",
    "kits_of",
    "names_of",
    "of_part",
    "opened",
    "public_room",
    "public_rooms",
    "tend",
]
