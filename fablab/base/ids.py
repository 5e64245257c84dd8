"""Ids that are made before a row exists: sortable by time, unguessable in their tail, readable aloud.

A claim, its job, its runs and its bill share one such id, so it has to be known before the first insert.
"""

from __future__ import annotations

import secrets
from datetime import datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_CHARS = 16  # nine for the milliseconds until the year 3084, seven for chance
_RANDOM_BITS = 35


def new_id(at: datetime) -> str:
    """Sixteen characters. Two ids of the same millisecond differ but for one chance in 34 thousand million."""
    number, text = int(at.timestamp() * 1000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS), ""
    for _ in range(_CHARS):
        number, digit = divmod(number, 32)
        text = ALPHABET[digit] + text
    return text
