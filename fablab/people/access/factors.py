"""The second factor: an authenticator app, and recovery codes for the day it is lost.

A code is taken once: of a used step and of every one before it no code opens again, and a recovery code is struck out
by the very statement that finds it. Wrong codes are counted by member and by address, as wrong passwords are.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, func, select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.notices import tell
from fablab.people.access import policy, totp
from fablab.people.access.confirming import require_fresh
from fablab.people.access.models import (
    Factor,
    FactorDue,
    Identity,
    KnownBrowser,
    LoginStep,
    RecoveryCode,
    of_factor,
)
from fablab.people.access.proving import active_factor, plain, recovery_hash
from fablab.people.models import Member
from fablab.places.models import House

RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits: more than can be guessed, few enough to be typed
PENDING_LIFE = timedelta(hours=1)


class FactorState(StrEnum):
    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorView:
    """`codes_left`: recovery codes. `due_at`: when the house wants one of this member, where it does."""

    state: FactorState
    since: datetime | None
    codes_left: int
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Shown until it is confirmed: the secret for people, and the address for the QR code."""

    secret: str
    address: str


def factor_of(uow: UnitOfWork, member_id: int) -> FactorView:
    factor = active_factor(uow, member_id)
    left = select(func.count()).where(RecoveryCode.member_id == member_id, RecoveryCode.used_at.is_(None))
    member = uow.session.get_one(Member, member_id)
    return FactorView(
        state=FactorState.OFF if factor is None else FactorState.ON,
        since=factor.confirmed_at if factor is not None else None,
        codes_left=uow.session.scalars(left).one(),
        due_at=policy.due_at(uow, member),
    )


def enrol(uow: UnitOfWork, login_token: str) -> Enrolment:
    """A fresh secret that does nothing until `confirm_enrolment`; an earlier unconfirmed one is forgotten.

    Raises `Forbidden` access.confirm, and `Conflict` factor.on where there is one already.
    """
    login = require_fresh(uow, login_token)
    if active_factor(uow, login.member_id) is not None:
        raise Conflict("factor.on")
    uow.session.execute(delete(Factor).where(Factor.member_id == login.member_id))
    secret = totp.new_secret()
    sealed = uow.sealer.seal(secret, of_factor(login.member_id))
    uow.session.add(Factor(member_id=login.member_id, secret=sealed, made_at=uow.now))
    return _shown(uow, login.member, secret)


def enrolling(uow: UnitOfWork, login_token: str) -> Enrolment:
    """The enrolment that waits for its first code. Raises `NotFound` factor.not_begun."""
    login = require_fresh(uow, login_token)
    sealed = _pending(uow, login.member_id).secret
    return _shown(uow, login.member, uow.sealer.open(sealed, of_factor(login.member_id)))


def confirm_enrolment(uow: UnitOfWork, login_token: str, said: str) -> tuple[str, ...]:
    """The first code shows that the app has the secret. Answers the recovery codes, this once.

    Raises `Invalid` factor.wrong: nothing is counted, since the secret is on the screen anyway.
    """
    login = require_fresh(uow, login_token)
    factor = _pending(uow, login.member_id)
    secret = uow.sealer.open(factor.secret, of_factor(factor.member_id))
    step = totp.matching_step(secret, plain(said), uow.now, None)
    if step is None:
        raise Invalid("factor.wrong", field="code")
    factor.confirmed_at, factor.last_step = uow.now, step
    policy.settled(uow, login.member_id)
    tell(uow, login.member_id, "security.factor_on", path="/security")
    return _new_codes(uow, login.member_id)


def new_recovery_codes(uow: UnitOfWork, login_token: str) -> tuple[str, ...]:
    """Ten new ones, shown this once; those of before open nothing any more."""
    login = require_fresh(uow, login_token)
    if active_factor(uow, login.member_id) is None:
        raise NotFound("factor.off")
    tell(uow, login.member_id, "security.codes_made", path="/security")
    return _new_codes(uow, login.member_id)


def remove_factor(uow: UnitOfWork, login_token: str) -> None:
    """By the member. Where the house wants one, it is wanted again at once."""
    login = require_fresh(uow, login_token)
    if active_factor(uow, login.member_id) is None:
        raise NotFound("factor.off")
    forget_factor(uow, login.member)
    tell(uow, login.member_id, "security.factor_off", path="/security")


def forget_factor(uow: UnitOfWork, member: Member) -> None:
    """Factor and recovery codes; the caller says who may, and tells."""
    uow.session.execute(delete(Factor).where(Factor.member_id == member.id))
    uow.session.execute(delete(RecoveryCode).where(RecoveryCode.member_id == member.id))
    policy.removed(uow, member)


def forget_keys(uow: UnitOfWork, member_id: int) -> None:
    """All by which a member who is forgotten for good could come in, or be known again."""
    for table in (Factor, RecoveryCode, LoginStep, KnownBrowser, FactorDue, Identity):
        uow.session.execute(delete(table).where(table.member_id == member_id))


def _pending(uow: UnitOfWork, member_id: int) -> Factor:
    query = select(Factor).where(Factor.member_id == member_id, Factor.confirmed_at.is_(None))
    factor = uow.session.scalars(query.with_for_update()).first()
    if factor is None or factor.made_at <= uow.now - PENDING_LIFE:
        raise NotFound("factor.not_begun")
    return factor


def _shown(uow: UnitOfWork, member: Member, secret: str) -> Enrolment:
    house = uow.session.get(House, 1)
    lab = house.name if house is not None else "FabLab"
    return Enrolment(
        secret=secret, address=totp.address(secret, lab=lab, account=member.email or f"{member.id}")
    )


def _new_codes(uow: UnitOfWork, member_id: int) -> tuple[str, ...]:
    uow.session.execute(delete(RecoveryCode).where(RecoveryCode.member_id == member_id))
    codes = tuple(_code() for _ in range(RECOVERY_CODES))
    uow.session.add_all(
        RecoveryCode(member_id=member_id, code_hash=recovery_hash(member_id, plain(code)), made_at=uow.now)
        for code in codes
    )
    uow.session.flush()
    return codes


#: Crockford's 32 signs: none that is taken for another.
_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _code() -> str:
    number = int.from_bytes(secrets.token_bytes(RECOVERY_BYTES), "big")
    signs = "".join(_SIGNS[number >> 5 * i & 31] for i in range(RECOVERY_BYTES * 8 // 5))
    return "-".join(signs[i : i + 4] for i in range(0, len(signs), 4))
