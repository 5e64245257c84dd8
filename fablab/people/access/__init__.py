"""How people get in: passwords, second factors, sign-ins, API tokens, and what each role may do.

Secrets are kept as hashes only: argon2id for passwords, SHA-256 for random tokens and recovery codes, which have bits
of their own. The one exception is what an authenticator app shares with us (`models.Factor`).
"""

from fablab.people.access.confirming import (
    FRESH_FOR,
    confirm,
    is_fresh,
    require_fresh,
)
from fablab.people.access.factors import (
    RECOVERY_CODES,
    Enrolment,
    FactorState,
    FactorView,
    confirm_enrolment,
    enrol,
    enrolling,
    factor_of,
    forget_keys,
    new_recovery_codes,
    remove_factor,
)
from fablab.people.access.logins import (
    LOGIN_LIFE,
    SEEN_EVERY,
    STEP_LIFE,
    Entry,
    Resumed,
    SecondStep,
    SignedIn,
    finish,
    has_step,
    needs_touch,
    resume,
    resumed,
    sign_in,
    sign_out,
    touch,
)
from fablab.people.access.own import (
    MOST_TOKEN_DAYS,
    Session,
    change_password,
    end_others,
    end_session,
    new_token,
    revoke_token,
    sessions,
    tokens,
)
from fablab.people.access.passwords import (
    PASSWORD_MAX,
    PASSWORD_MIN,
    hash_password,
)
from fablab.people.access.policy import (
    MOST_GRACE_DAYS,
    Rules,
    rules,
    set_rules,
)
from fablab.people.access.proving import (
    TRIES_BY_CODE,
    Proof,
)
from fablab.people.access.rights import (
    RIGHTS,
    Right,
    Scope,
    allows,
    require,
)
from fablab.people.access.tokens import (
    bearer,
    bearers,
    make_token,
)
from fablab.people.access.tries import (
    TRIES_BY_ADDRESS,
    TRIES_BY_EMAIL,
    TRY_WINDOW,
)

__all__ = [
    "FRESH_FOR",
    "LOGIN_LIFE",
    "MOST_GRACE_DAYS",
    "MOST_TOKEN_DAYS",
    "PASSWORD_MAX",
    "PASSWORD_MIN",
    "RECOVERY_CODES",
    "RIGHTS",
    "SEEN_EVERY",
    "STEP_LIFE",
    "TRIES_BY_ADDRESS",
    "TRIES_BY_CODE",
    "TRIES_BY_EMAIL",
    "TRY_WINDOW",
    "Enrolment",
    "Entry",
    "FactorState",
    "FactorView",
    "Proof",
    "Resumed",
    "Right",
    "Rules",
    "Scope",
    "SecondStep",
    "Session",
    "SignedIn",
    "allows",
    "bearer",
    "bearers",
    "change_password",
    "confirm",
    "confirm_enrolment",
    "end_others",
    "end_session",
    "enrol",
    "enrolling",
    "factor_of",
    "finish",
    "forget_keys",
    "has_step",
    "hash_password",
    "is_fresh",
    "make_token",
    "needs_touch",
    "new_recovery_codes",
    "new_token",
    "remove_factor",
    "require",
    "require_fresh",
    "resume",
    "resumed",
    "revoke_token",
    "rules",
    "sessions",
    "set_rules",
    "sign_in",
    "sign_out",
    "tokens",
    "touch",
]
