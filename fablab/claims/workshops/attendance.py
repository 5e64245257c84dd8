"""Who came, as numbers: La Coop's vocabulary, and head-counts whose sums agree. Pure.

Ages, genders and statuses as "La Coop de la médiation numérique" counts them (its exports name the words below).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fablab.base.errors import Invalid
from fablab.claims.workshops.words import AttendanceAxis

MOST_PEOPLE = 5_000
ADULTS = "accompagnants"


class Age(StrEnum):
    UNDER_12 = "moins_de_douze"
    FROM_12 = "douze_dix_huit"
    FROM_18 = "dix_huit_vingt_quatre"
    FROM_25 = "vingt_cinq_trente_neuf"
    FROM_40 = "quarante_cinquante_neuf"
    FROM_60 = "soixante_soixante_neuf"
    FROM_70 = "soixante_dix_plus"
    UNKNOWN = "non_communique"


class Gender(StrEnum):
    FEMALE = "feminin"
    MALE = "masculin"
    UNKNOWN = "non_communique"


class Status(StrEnum):
    IN_SCHOOL = "scolarise"
    WITHOUT_WORK = "sans_emploi"
    IN_WORK = "en_emploi"
    RETIRED = "retraite"
    UNKNOWN = "non_communique"


AXES: Mapping[AttendanceAxis, type[StrEnum]] = {
    AttendanceAxis.AGE: Age,
    AttendanceAxis.GENDER: Gender,
    AttendanceAxis.STATUS: Status,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """`people`: participants; `adults`: who came along with them and are not counted among these. `counts`: by axis and
    word; an axis of which nothing is said is not communicated for anybody."""

    people: int
    adults: int
    counts: Mapping[AttendanceAxis, Mapping[str, int]]


def checked(came: Came) -> dict[AttendanceAxis, dict[str, int]]:
    """Rows to be written, those of nobody left out. Raises `Invalid` attendance.word, attendance.people (its field is the
    axis or "people"), and attendance.sum where an axis counts others than came."""
    for field, number in (("people", came.people), ("adults", came.adults)):
        if not 0 <= number <= MOST_PEOPLE:
            raise Invalid("attendance.people", field=field, most=MOST_PEOPLE)
    found: dict[AttendanceAxis, dict[str, int]] = {}
    for axis, words in AXES.items():
        said = came.counts.get(axis, {})
        known = {word.value for word in words}
        for word, number in said.items():
            if word not in known:
                raise Invalid("attendance.word", field=axis.value, word=word[:40])
            if not 0 <= number <= MOST_PEOPLE:
                raise Invalid("attendance.people", field=axis.value, most=MOST_PEOPLE)
        total = sum(said.values())
        if total not in (0, came.people):
            raise Invalid("attendance.sum", field=axis.value, counted=total, people=came.people)
        rows = said if total else {"non_communique": came.people}
        found[axis] = {word: number for word, number in rows.items() if number}
    found[AttendanceAxis.ADULTS] = {ADULTS: came.adults} if came.adults else {}
    return found
