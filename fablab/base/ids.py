"""Ids that are made before a row exists: sortable by time, unguessable in their tail, readable aloud.

A claim, its job, its runs and its bill share one such id, so it has to be known before the first insert.
"""

from __future__ import annotations

import secrets
from datetime import datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_CHARS = 9  # milliseconds until the year 3084
_RANDOM_CHARS = 7  # 35 bits


def new_id(at: datetime) -> str:
    """Sixteen characters. Two ids of the same millisecond differ but for one chance in 34 thousand million."""
    stamp, text = int(at.timestamp() * 1000), ""
    for _ in range(_TIME_CHARS):
        stamp, digit = divmod(stamp, 32)
        text = ALPHABET[digit] + text
    return text + "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM_CHARS))
