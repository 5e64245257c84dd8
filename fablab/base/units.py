"""Bare numbers and their units: money in integer cents, lengths in millimetres, time in seconds."""

from __future__ import annotations

import math

CURRENCY = "EUR"


def cents(amount: float) -> int:
    """Round half up, as a till does: 0.5 cent is a cent. Negative amounts mirror positive ones."""
    return int(math.copysign(math.floor(abs(amount) + 0.5), amount))


def steps_of(value_s: float, step_s: int) -> int:
    """How many whole price steps a duration fills; a begun step counts."""
    return max(0, math.ceil(value_s / step_s - 1e-9))
