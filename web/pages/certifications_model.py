"""What the pages of certifications, rules and trainings are given: frozen views with sentences in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from web.pages.people_model import Mark, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSign:
    """Rules that are still to be signed."""

    id: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """A session in a list. `can`: join, wait or leave; `mark`: one's own state in it, where there is one."""

    id: str
    icon: str
    title: str
    when: str
    meta: tuple[str, ...]
    mark: Mark | None
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveRow:
    """One technology on a member's own page: how they stand with it and what is missing."""

    technology: str
    name: str
    mark: Mark
    note: str
    unsigned: tuple[ToSign, ...]
    training: TrainingRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRow:
    """A certification. `can`: renew, revoke."""

    id: int
    icon: str
    title: str
    mark: Mark
    meta: tuple[str, ...]
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRow:
    title: str
    href: str
    meta: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassportView:
    """`here`: the page's own path, to which its forms come back; `whose` empty: one's own. `paper`: rules that could be
    written down as signed on paper."""

    member_id: int
    whose: str
    here: str
    leaves: tuple[LeaveRow, ...]
    stamps: tuple[StampRow, ...]
    trainings: tuple[TrainingRow, ...]
    signatures: tuple[SignatureRow, ...]
    may_grant: bool
    paper: tuple[Option, ...]
    scopes: tuple[Option, ...]
    levels: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesRow:
    id: int
    icon: str
    title: str
    mark: Mark | None
    meta: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesList:
    rows: tuple[RulesRow, ...]
    may_publish: bool
    scopes: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesView:
    """One version. `signed` says by whom and when; `may_sign`: this reader, here and now, under the name `name`."""

    id: int
    title: str
    about: str
    version: str
    paragraphs: tuple[str, ...]
    old: bool
    signed: str
    may_sign: bool
    name: str
    children: tuple[Option, ...]
    versions: tuple[RulesRow, ...]
    signatures: tuple[SignatureRow, ...]
    may_publish: bool
    scope: str
    again: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingsView:
    """`plans`: whether this reader plans sessions; `past`: those whose attendance is to be written down."""

    rows: tuple[TrainingRow, ...]
    past: tuple[TrainingRow, ...]
    plans: bool
    scopes: tuple[Option, ...]
    levels: tuple[Option, ...]
    holds: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatRow:
    member_id: int
    name: str
    mark: Mark
    ticked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingView:
    """One session. `hands`: its trainer and the staff, who see the names; `now`: it has begun and is to be written down."""

    row: TrainingRow
    note: str
    holds: tuple[str, ...]
    state: Mark
    hands: bool
    now: bool
    planned: bool
    places: int
    seats: tuple[SeatRow, ...]
    children: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """`said`: what it says, as words."""

    id: int
    title: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsRow:
    id: int
    title: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A machine and what it may be fed: name, leave and material id of each line."""

    machine_id: int
    name: str
    lines: tuple[tuple[str, str, str], ...]
    materials: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRow:
    id: int
    who: str
    rule: str
    meta: tuple[str, ...]
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the policy form; with `options` it is chosen, otherwise typed."""

    name: str
    label: str
    value: str
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoliciesView:
    """`abouts`: what a policy can be about; `scopes`: what terms can be about."""

    rows: tuple[PolicyRow, ...]
    terms: tuple[TermsRow, ...]
    lists: tuple[ListRow, ...]
    waivers: tuple[WaiverRow, ...]
    may_set: bool
    fields: tuple[Field, ...]
    about: str
    audience: str
    abouts: tuple[Option, ...]
    audiences: tuple[Option, ...]
    scopes: tuple[Option, ...]
    permissions: tuple[Option, ...]
