"""Bearer tokens of programs."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Unauthenticated
from fablab.people.access.logins import SignedIn, signed_in_as
from fablab.people.access.rights import Scope
from fablab.people.access.tries import digest
from fablab.people.models import ApiToken, Member


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


def bearer(uow: UnitOfWork, token: str) -> SignedIn:
    row = uow.session.scalar(select(ApiToken).where(ApiToken.token_hash == digest(token)))
    if row is None or row.revoked_at is not None or not row.member.active:
        raise Unauthenticated("token.unknown")
    if row.expires_at is not None and row.expires_at <= uow.now:
        raise Unauthenticated("token.expired")
    return signed_in_as(row.member, "", "", frozenset(row.scopes.split()))
