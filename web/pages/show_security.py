"""The page Security in words: what lets somebody in with this account, and where it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.people import access, identities
from fablab.people.access import Enrolment, FactorState, Right, Scope, SignedIn, allows
from fablab.people.models import Member
from web.pages.qr import drawn
from web.words import Words

NEWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    id: str
    browser: str
    address: str
    by: str
    since: datetime
    seen_at: datetime
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    id: int
    name: str
    scopes: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """An account elsewhere; `id` None: it could be linked. `key` names its provider."""

    key: str
    label: str
    id: int | None = None
    email: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsRow:
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesView:
    staff_factor: bool
    grace_days: str
    most_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityView:
    """`fresh`: may change things now. `due_at`: when a second factor is wanted, `held_back` once that is past.
    `errors`: by the name of the field; `new_token`: just made, shown this once."""

    fresh: bool
    has_password: bool
    has_email: bool
    factor_on: bool
    factor_since: datetime | None
    codes_left: int
    due_at: datetime | None
    held_back: bool
    sessions: tuple[SessionRow, ...]
    links: tuple[LinkRow, ...]
    linkable: tuple[LinkRow, ...]
    tokens: tuple[TokenRow, ...]
    scopes: tuple[Choice, ...]
    token_name: str
    token_days: str
    new_token: str
    news: tuple[NewsRow, ...]
    rules: RulesView | None
    errors: dict[str, str]
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentView:
    """`picture`: the QR code as inline SVG; `groups`: the secret as people type it."""

    picture: Markup
    groups: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a form had in it when it was refused."""

    token_name: str = ""
    token_days: str = "365"  # noqa: S105 - a number of days
    scopes: frozenset[str] = frozenset({Scope.READ.value})
    grace_days: str | None = None
    staff_factor: bool | None = None


def view(
    uow: UnitOfWork,
    signed_in: SignedIn,
    login_token: str,
    words: Words,
    providers: tuple[tuple[str, str], ...],
    label: Callable[[str | None], str],
    *,
    typed: Typed | None = None,
    errors: dict[str, str] | None = None,
    problem: str = "",
    new_token: str = "",
) -> SecurityView:
    """`providers`: key and label of each that is set up."""
    typed = typed or Typed()
    factor = access.factor_of(uow, signed_in.member_id)
    member = uow.session.get_one(Member, signed_in.member_id)
    linked = identities.identities_of(uow, member.id)
    return SecurityView(
        fresh=access.is_fresh(uow, login_token),
        has_password=member.password_hash is not None,
        has_email=member.email is not None,
        factor_on=factor.state is FactorState.ON,
        factor_since=factor.since,
        codes_left=factor.codes_left,
        due_at=factor.due_at,
        held_back=signed_in.held_back,
        sessions=tuple(
            SessionRow(
                id=each.id,
                browser=each.browser,
                address=each.address,
                by=label(each.provider) if each.provider else "",
                since=each.since,
                seen_at=each.seen_at,
                here=each.here,
            )
            for each in access.sessions(uow, login_token)
        ),
        links=tuple(
            LinkRow(
                key=row.provider, label=label(row.provider), id=row.id, email=row.email, since=row.linked_at
            )
            for row in linked
        ),
        linkable=tuple(
            LinkRow(key=key, label=name)
            for key, name in providers
            if key not in {row.provider for row in linked}
        ),
        tokens=tuple(
            TokenRow(
                id=row.id,
                name=row.name,
                scopes=", ".join(words.word("scope", scope) for scope in row.scopes.split()),
                created_at=row.created_at,
                expires_at=row.expires_at,
            )
            for row in access.tokens(uow, member.id)
        ),
        scopes=tuple(
            Choice(value=scope.value, label=words.word("scope", scope), chosen=scope.value in typed.scopes)
            for scope in Scope
        ),
        token_name=typed.token_name,
        token_days=typed.token_days,
        new_token=new_token,
        news=tuple(
            NewsRow(at=row.made_at, text=words.notice(row.code, row.facts))
            for row in notices.latest(uow, member.id, limit=50)
            if row.code.startswith("security.")
        )[:NEWS],
        rules=_rules(uow, typed) if allows(signed_in.actor, Right.MANAGE) else None,
        errors=errors or {},
        problem=problem,
    )


def _rules(uow: UnitOfWork, typed: Typed) -> RulesView:
    found = access.rules(uow)
    return RulesView(
        staff_factor=found.staff_factor if typed.staff_factor is None else typed.staff_factor,
        grace_days=str(found.grace_days) if typed.grace_days is None else typed.grace_days,
        most_days=access.MOST_GRACE_DAYS,
    )


def enrolment(found: Enrolment) -> EnrolmentView:
    groups = " ".join(found.secret[i : i + 4] for i in range(0, len(found.secret), 4))
    return EnrolmentView(picture=drawn(found.address), groups=groups, address=found.address)
