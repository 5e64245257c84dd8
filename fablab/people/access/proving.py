"""Whether a code is right, once, and how often it may be wrong."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from sqlalchemy import delete, func, select, update

from fablab.base.database import UnitOfWork
from fablab.notices import tell
from fablab.people.access import totp
from fablab.people.access.models import Factor, RecoveryCode, of_factor
from fablab.people.access.tries import TRIES_BY_ADDRESS, digest, failed, slow_down
from fablab.people.models import LoginTry

#: Fewer than for a password: whoever is asked for a code has given the right password already.
TRIES_BY_CODE = 5


class Proof(StrEnum):
    """What a second factor was proved with."""

    APP = "app"
    RECOVERY = "recovery"


def active_factor(uow: UnitOfWork, member_id: int, *, lock: bool = False) -> Factor | None:
    """The one that is asked for when they sign in. `lock`: nobody else looks at it until this transaction is over."""
    query = select(Factor).where(Factor.member_id == member_id, Factor.confirmed_at.is_not(None))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return uow.session.scalars(query).first()


def prove(uow: UnitOfWork, member_id: int, said: str, *, address: str) -> Proof | None:
    """None for a wrong code, which is counted: the caller commits either way. Raises `TooMany` login.too_many.

    Whoever has used up the tries knows the password, so the member is told.
    """
    factor = active_factor(uow, member_id, lock=True)
    by_member, by_address = digest(f"code:{member_id}"), digest("address:" + address)
    slow_down(uow, (by_member, TRIES_BY_CODE), (by_address, TRIES_BY_ADDRESS))
    proof = _proof(uow, factor, plain(said)) if factor is not None else None
    if proof is not None:
        uow.session.execute(delete(LoginTry).where(LoginTry.key == by_member))
        return proof
    failed(uow, (by_member, by_address))
    uow.session.flush()
    wrong = select(func.count()).where(LoginTry.key == by_member)
    if uow.session.scalars(wrong).one() == TRIES_BY_CODE:
        tell(uow, member_id, "security.wrong_codes", address=address, path="/security")
    return None


def _proof(uow: UnitOfWork, factor: Factor, said: str) -> Proof | None:
    if len(said) == totp.DIGITS and said.isascii() and said.isdigit():
        secret = uow.sealer.open(factor.secret, of_factor(factor.member_id))
        step = totp.matching_step(secret, said, uow.now, factor.last_step)
        if step is None:
            return None
        factor.last_step = step
        return Proof.APP
    if not strike_out(uow, factor.member_id, said):
        return None
    left = select(func.count()).where(
        RecoveryCode.member_id == factor.member_id, RecoveryCode.used_at.is_(None)
    )
    tell(
        uow,
        factor.member_id,
        "security.recovery_used",
        left=uow.session.scalars(left).one(),
        path="/security",
    )
    return Proof.RECOVERY


def strike_out(uow: UnitOfWork, member_id: int, said: str) -> bool:
    """Whether it was a recovery code that nobody had used; of two at once one wins."""
    spent = (
        update(RecoveryCode)
        .where(
            RecoveryCode.member_id == member_id,
            RecoveryCode.code_hash == recovery_hash(member_id, said),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=uow.now)
        .returning(RecoveryCode.id)
    )
    return uow.session.scalar(spent) is not None


def plain(said: str) -> str:
    """As typed from an app or a sheet: without blanks and dashes, in capitals, O for 0 and I or L for 1 forgiven."""
    bare = "".join(c for c in said[:60].upper() if not c.isspace() and c not in "-–")
    return bare.translate(str.maketrans("OIL", "011"))


def recovery_hash(member_id: int, code: str) -> str:
    """Of `plain` signs. 80 random bits need no slow hash, and the member's number keeps one table from fitting all."""
    return hashlib.sha256(f"{member_id}:{code}".encode()).hexdigest()
