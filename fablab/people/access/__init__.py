"""How people get in: passwords, sign-ins, API tokens, and what each role may do.

Secrets are kept as hashes only: argon2id for passwords, SHA-256 for random tokens, which have bits of their own.
"""

from fablab.people.access.logins import (
    LOGIN_LIFE,
    SEEN_EVERY,
    SignedIn,
    needs_touch,
    resume,
    sign_in,
    sign_out,
    touch,
)
from fablab.people.access.passwords import PASSWORD_MAX, PASSWORD_MIN, hash_password
from fablab.people.access.rights import RIGHTS, Right, Scope, allows, require
from fablab.people.access.tokens import bearer, make_token
from fablab.people.access.tries import TRIES_BY_ADDRESS, TRIES_BY_EMAIL, TRY_WINDOW

__all__ = [
    "LOGIN_LIFE",
    "PASSWORD_MAX",
    "PASSWORD_MIN",
    "RIGHTS",
    "SEEN_EVERY",
    "TRIES_BY_ADDRESS",
    "TRIES_BY_EMAIL",
    "TRY_WINDOW",
    "Right",
    "Scope",
    "SignedIn",
    "allows",
    "bearer",
    "hash_password",
    "make_token",
    "needs_touch",
    "require",
    "resume",
    "sign_in",
    "sign_out",
    "touch",
]
