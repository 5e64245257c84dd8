"""Which group is at which station when: each group comes to each station once, nobody waits longer than needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Minutes from the beginning of the workshop. `group`, `station`: counted from 0."""

    group: int
    station: int
    since_min: int
    until_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All go on together. `stops`: by station; a station without a group has none."""

    since_min: int
    until_min: int
    stops: tuple[Stop, ...]


def rotations(minutes: Sequence[int], groups: int, *, available_min: int) -> tuple[Round, ...]:
    """`minutes` each station takes; in a round everybody stays as long as its slowest station that has a group needs.

    With as many groups as stations or fewer there are as many rounds as stations; with more groups than stations there
    are as many rounds as groups, and those without a station have their turn of the room. Rounds are stretched evenly
    when there is time left, and shortened evenly when there is too little: the last one ends when the workshop does.

    Raises ValueError for no groups, or stations that take no time.
    """
    if groups < 1 or any(each < 1 for each in minutes) or available_min < 1:
        raise ValueError(f"{groups} groups at stations of {list(minutes)} min in {available_min} min")
    if not minutes:
        return ()
    turns = max(len(minutes), groups)
    wanted = [
        max((minutes[s] for s, _ in _pairs(turn, len(minutes), groups)), default=1) for turn in range(turns)
    ]
    found: list[Round] = []
    begun = said = 0
    for turn, length in enumerate(wanted):
        said += length
        end = max(begun + 1, said * available_min // sum(wanted))
        stops = (
            Stop(group=group, station=station, since_min=begun, until_min=end)
            for station, group in _pairs(turn, len(minutes), groups)
        )
        found.append(Round(since_min=begun, until_min=end, stops=tuple(stops)))
        begun = end
    return tuple(found)


def _pairs(turn: int, stations: int, groups: int) -> list[tuple[int, int]]:
    """(station, group) of one round: a round table that turns by one seat."""
    seats = max(stations, groups)
    return [(s, (s + turn) % seats) for s in range(stations) if (s + turn) % seats < groups]


def sizes(people: int, groups: int) -> tuple[int, ...]:
    """How many are in each group, as even as can be, the larger ones first."""
    least, more = divmod(max(0, people), groups)
    return tuple(least + (number < more) for number in range(groups))


def letter(group: int) -> str:
    """A, B, ... Z, AA, AB: what a group is called."""
    found = ""
    group += 1
    while group:
        group, rest = divmod(group - 1, 26)
        found = chr(ord("A") + rest) + found
    return found
