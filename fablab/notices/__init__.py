"""What people are told: a row in the same transaction as its cause, so nothing is announced that did not happen.

`tell` writes a notice and, as its member has chosen, a letter; `write` a letter to somebody who is no member yet. The
outbox is emptied by the server (`web.mail`); what it is in words is said there too.
"""

from fablab.notices.models import (
    ALWAYS_SENT,
    USUAL,
    Channel,
    Choice,
    Letter,
    LetterState,
    Notice,
    Subject,
)
from fablab.notices.telling import (
    latest,
    seen,
    subject_of,
    take_back,
    tell,
    tell_many,
    told_since,
    unseen,
    write,
)

__all__ = [
    "ALWAYS_SENT",
    "USUAL",
    "Channel",
    "Choice",
    "Letter",
    "LetterState",
    "Notice",
    "Subject",
    "latest",
    "seen",
    "subject_of",
    "take_back",
    "tell",
    "tell_many",
    "told_since",
    "unseen",
    "write",
]
