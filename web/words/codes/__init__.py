"""Every code of the house and its English sentence, room by room; the other languages are in `locales`, by that sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TypeVar

from web.words.codes import (
    certifications,
    day,
    doings,
    general,
    house,
    kiosk,
    notices,
    offers,
    people,
    public,
    reservations,
    schools,
    signing,
    site,
    starts,
    workshops,
)

T = TypeVar("T")
ROOMS: tuple[ModuleType, ...] = (
    general,
    house,
    people,
    public,
    signing,
    certifications,
    day,
    doings,
    reservations,
    kiosk,
    notices,
    offers,
    schools,
    site,
    starts,
    workshops,
)


def _all(table: str) -> dict[str, T]:
    """The rooms' tables of this name as one. Raises ValueError where two rooms say one code."""
    found: dict[str, T] = {}
    for room in ROOMS:
        part: Mapping[str, T] = getattr(room, table)
        if twice := found.keys() & part.keys():
            raise ValueError(f"{room.__name__}.{table}: {sorted(twice)} is said elsewhere")
        found.update(part)
    return found


#: Errors and refusals, by code.
SENTENCES: dict[str, str] = _all("SENTENCES")
#: What to do about them.
REMEDIES: dict[str, str] = _all("REMEDIES")
#: What people are told, by the code of the notice.
NOTICES: dict[str, str] = _all("NOTICES")
#: A word or two where a sentence has no room.
SHORT: dict[str, str] = _all("SHORT")
#: The words of an enumeration, by its name.
WORDS: dict[str, dict[str, str]] = _all("WORDS")
#: Titles of problem documents.
TITLES: dict[str, str] = _all("TITLES")
