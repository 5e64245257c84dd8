"""How a receiver knows that it was us: HMAC-SHA256 over id, time and the exact body (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

PREFIX = "whsec_"


def headers(secret: str, key: str, at: datetime, body: bytes) -> dict[str, str]:
    """`webhook-signature` is `v1,` and the base64 of HMAC-SHA256("{id}.{unix time}.{body}").

    The time is that of this try, so that a receiver may refuse what is old; the id is the same in every try of one
    delivery, so that it may tell what it has had already.
    """
    moment = str(int(at.timestamp()))
    return {
        "webhook-id": key,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{sign(secret, key, moment, body)}",
    }


def sign(secret: str, key: str, moment: str, body: bytes) -> str:
    raw = base64.b64decode(secret.removeprefix(PREFIX))
    content = b".".join((key.encode(), moment.encode(), body))
    return base64.b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()
