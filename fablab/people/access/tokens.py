"""Bearer tokens of programs."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import String, bindparam, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Unauthenticated
from fablab.people.access.logins import Person, SignedIn, signed_in_as
from fablab.people.access.rights import Scope
from fablab.people.access.tries import digest
from fablab.people.models import ApiToken, Member, MemberState


def make_token(
    uow: UnitOfWork, member: Member, name: str, scopes: frozenset[Scope], life: timedelta | None = None
) -> str:
    """The bearer token in clear, this once."""
    token = "fab_" + secrets.token_urlsafe(32)
    uow.session.add(
        ApiToken(
            member_id=member.id,
            name=name[:80],
            token_hash=digest(token),
            scopes=" ".join(sorted(scope.value for scope in scopes)),
            created_at=uow.now,
            expires_at=uow.now + life if life else None,
        )
    )
    return token


def bearers(uow: UnitOfWork, tokens: Collection[str]) -> dict[str, SignedIn | Unauthenticated]:
    """By token who shows it, or why nobody does, in one look-up."""
    by_hash = {digest(token): token for token in tokens}
    found: dict[str, SignedIn | Unauthenticated] = {
        token: Unauthenticated("token.unknown") for token in tokens
    }
    for row in uow.session.execute(_TOKENS, {"hashes": list(by_hash)}):
        token = by_hash[row.token_hash]
        if row.revoked_at is not None or row.state is not MemberState.ACTIVE:
            continue
        if row.expires_at is not None and row.expires_at <= uow.now:
            found[token] = Unauthenticated("token.expired")
            continue
        who = Person(id=row.id, name=row.name, role=row.role, language=row.language)
        found[token] = signed_in_as(who, "", "", frozenset(row.scopes.split()))
    return found


# Put together once: it is run for every request.
_TOKENS = (
    select(
        ApiToken.token_hash,
        ApiToken.scopes,
        ApiToken.expires_at,
        ApiToken.revoked_at,
        Member.id,
        Member.name,
        Member.role,
        Member.language,
        Member.state,
    )
    .join(Member, Member.id == ApiToken.member_id)
    .where(ApiToken.token_hash.in_(bindparam("hashes", expanding=True, type_=String)))
)


def bearer(uow: UnitOfWork, token: str) -> SignedIn:
    found = bearers(uow, [token])[token]
    if isinstance(found, Unauthenticated):
        raise found
    return found
