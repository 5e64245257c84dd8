"""Passwords: kept as argon2id hashes only (19 MiB, two passes: 40 ms here)."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fablab.base.errors import Invalid
from fablab.people.models import Member

PASSWORD_MIN = 10
PASSWORD_MAX = 200

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Verified when nobody has that e-mail, so that the answer takes as long as for a wrong password.
_NOBODY = _hasher.hash(secrets.token_hex(16))


def hash_password(password: str) -> str:
    if len(password) < PASSWORD_MIN:
        raise Invalid("password.too_short", field="password", least=PASSWORD_MIN)
    if len(password) > PASSWORD_MAX:
        raise Invalid("password.too_long", field="password", most=PASSWORD_MAX)
    return _hasher.hash(password)


def is_password(member: Member | None, password: str) -> bool:
    """Takes as long for nobody, and for somebody who has none, as for a wrong one."""
    stored = member.password_hash if member is not None and member.password_hash else _NOBODY
    try:
        return _hasher.verify(stored, password[: PASSWORD_MAX + 1]) and stored is not _NOBODY
    except (VerificationError, InvalidHashError):
        return False
