"""What can go wrong, said once: every error carries a stable code and the facts its words need.

    LabError
    ├── NotFound        the thing named does not exist (or may not be seen)
    ├── Forbidden       this actor may not do this
    ├── Unauthenticated nobody is signed in, or the sign-in is no longer good
    ├── TooMany         too many tries; `retry_after_s` says when the next may come
    ├── Invalid         input that cannot be understood, with the field it stands in
    ├── Refused         understood, but a rule of the lab says no: all refusals at once
    ├── Conflict        someone else was faster, or the state has moved on; a retry may succeed
    └── BadStep         a state machine has no such step from here

The words themselves live at the edge (`web.words`), in French and English, keyed by `code`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

Fact = str | int | float | bool | None
_NONE: Mapping[str, Fact] = MappingProxyType({})


class LabError(Exception):
    """Base of all errors that are answered in plain words; `code` is stable and public."""

    code = "error"

    def __init__(self, code: str | None = None, /, **facts: Fact) -> None:
        if code is not None:
            self.code = code
        self.facts: Mapping[str, Fact] = facts
        super().__init__(self.code, facts)

    def __str__(self) -> str:
        facts = ", ".join(f"{k}={v!r}" for k, v in self.facts.items())
        return f"{self.code}({facts})" if facts else self.code


class NotFound(LabError):
    code = "not_found"


class Forbidden(LabError):
    code = "forbidden"


class Unauthenticated(LabError):
    code = "unauthenticated"


class TooMany(LabError):
    code = "too_many"

    def __init__(self, code: str | None = None, /, *, retry_after_s: int, **facts: Fact) -> None:
        super().__init__(code, retry_after_s=retry_after_s, **facts)
        self.retry_after_s = retry_after_s


class Invalid(LabError):
    """`field` names the input that is wrong, as the form and the API call it."""

    code = "invalid"

    def __init__(self, code: str | None = None, /, *, field: str | None = None, **facts: Fact) -> None:
        super().__init__(code, **facts)
        self.field = field


class Conflict(LabError):
    code = "conflict"


class BadStep(Conflict):
    code = "bad_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One coded reason why a rule says no. `waivable`: staff may let it pass, and that is logged."""

    code: str
    waivable: bool = False
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NONE)


class Refused(LabError):
    code = "refused"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("refused", count=len(refusals))
        self.refusals = tuple(refusals)
