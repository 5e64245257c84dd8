"""Small things that several handlers of the API share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from fablab.base.database import Actor, Database
from fablab.base.errors import Invalid
from fablab.people.access import Right, SignedIn, allows
from scheduler.reserving import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the busiest handlers work with, as one dependency: several are each a task of its own in every request."""

    database: Database
    window: Window
    signed_in: SignedIn


def with_etag(request: Request[Any, Any, Any], body: object) -> Response[bytes]:
    """JSON that the caller may keep and ask about: unchanged, it is not sent again."""
    encoded = msgspec.json.encode(body)
    etag = f'"{sha256(encoded).hexdigest()[:20]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie, Authorization, Accept-Language",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, media_type=MediaType.JSON, headers=headers)
    return Response(encoded, media_type=MediaType.JSON, headers=headers)


def instant(text: str | None, field: str) -> datetime | None:
    """ISO 8601 with a zone; empty is None. Raises `Invalid` with what is wrong."""
    if not text:
        return None
    try:
        # In a query "+02:00" arrives with a blank where nobody escaped the plus sign.
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    except ValueError:
        raise Invalid("time.wrong", field=field, text=text[:40]) from None
    if at.tzinfo is None:
        raise Invalid("time.no_zone", field=field, text=text[:40])
    return at


def instant_of(text: str, field: str) -> datetime:
    """As `instant`, where there has to be one."""
    at = instant(text, field)
    if at is None:
        raise Invalid("time.wrong", field=field, text="")
    return at


def rights_of(actor: Actor) -> Sequence[str]:
    return [right.value for right in Right if allows(actor, right)]
