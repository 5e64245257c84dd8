"""What the people's pages are given: frozen views with every sentence in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with a form that was sent, and what was typed into it: no password is among it.

    `form` tells the forms of a page apart; `field` empty: the sentence stands above the whole form.
    """

    form: str
    field: str
    text: str
    typed: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A badge. `tone`: good, wait, bad or quiet."""

    tone: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """`can`: the names of what may be done with them here."""

    id: int
    name: str
    href: str
    mark: Mark | None
    meta: tuple[str, ...]
    can: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """`due` empty: nothing has to be paid."""

    id: int
    name: str
    mark: Mark
    days: str
    price: str
    due: str
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    id: int
    name: str
    kind: str
    whose: str
    whose_href: str
    mark: Mark
    meta: tuple[str, ...]
    reason: str
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    kind: str
    label: str
    said: str
    is_given: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRow:
    id: int
    name: str
    href: str
    meta: tuple[str, ...]
    mark: Mark | None
    consents: tuple[ConsentRow, ...]
    missing: bool
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    id: int
    text: str
    meta: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    at: datetime
    text: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """A project or an organisation in a list."""

    id: int
    name: str
    href: str
    meta: tuple[str, ...]
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """A member's page, their own or the staff's. `here`: the page's path; `own`: it is the reader's own."""

    id: int
    here: str
    own: bool
    name: str
    email: str
    phone: str
    born_on: str
    born_on_fixed: bool
    age: str
    language: str
    audience: str
    audience_word: str
    role: str
    role_word: str
    state: str
    mark: Mark
    since: datetime
    parent: PersonRow | None
    as_child: ChildRow | None
    children: tuple[ChildRow, ...]
    places: tuple[PlaceRow, ...]
    projects: tuple[PlaceRow, ...]
    subscriptions: tuple[SubscriptionRow, ...]
    covered: str
    due: str
    tariffs: tuple[Option, ...]
    documents: tuple[DocumentRow, ...]
    invitations: tuple[InvitationRow, ...]
    certifications: tuple[PlaceRow, ...]
    log: tuple[LogRow, ...]
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersView:
    """The staff's list. `pages` are numbered from 1; `query`: the filters as they stand in an address, without page."""

    rows: tuple[PersonRow, ...]
    said: str
    page: int
    pages: int
    query: str
    text: str
    state: str
    role: str
    audience: str
    states: tuple[Option, ...]
    roles: tuple[Option, ...]
    audiences: tuple[Option, ...]
    waiting: tuple[PersonRow, ...]
    documents: tuple[DocumentRow, ...]
    asked: tuple[SubscriptionAsked, ...]
    invitations: tuple[InvitationRow, ...]
    may_manage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionAsked:
    row: SubscriptionRow
    person: PersonRow


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationView:
    id: int
    name: str
    audience: str
    audience_word: str
    siret: str
    uai: str
    is_closed: bool
    leads: bool
    is_staff: bool
    people: tuple[PersonRow, ...]
    invitations: tuple[InvitationRow, ...]
    subscriptions: tuple[SubscriptionRow, ...]
    tariffs: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """`me`: the reader's own number."""

    id: int
    me: int | None
    name: str
    kind: str
    kind_word: str
    organisation: str
    organisation_id: str
    is_closed: bool
    leads: bool
    is_in: bool
    is_staff: bool
    owner: PersonRow
    people: tuple[PersonRow, ...]
    invitations: tuple[InvitationRow, ...]
    organisations: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffRow:
    id: int
    name: str
    audience: str
    cover: str
    price: str
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsView:
    sign_up: str
    rules: tuple[Option, ...]
    tariffs: tuple[TariffRow, ...]
    audiences: tuple[Option, ...]
    covers: tuple[Option, ...]
