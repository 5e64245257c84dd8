"""Codes that change every half minute (RFC 6238 over RFC 4226, SHA-1, six digits): what every authenticator app makes."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
#: A clock may be one step off either way (RFC 6238, 5.2).
WINDOW = (-1, 0, 1)
SECRET_BYTES = 20  # as long as SHA-1's output (RFC 4226, 4, R6)


def new_secret() -> str:
    """160 random bits in base32, without padding: what is shown, and what is in the QR code."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def step_of(at: datetime) -> int:
    return int(at.timestamp()) // STEP_S


def code_at(secret: str, step: int, digits: int = DIGITS) -> str:
    """HOTP of the step, with leading zeros."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: str, said: str, at: datetime, after: int | None) -> int | None:
    """The step whose code was said, if it lies in the window and after the last one that was used."""
    now = step_of(at)
    found = None
    for step in (now + shift for shift in WINDOW):
        right = hmac.compare_digest(code_at(secret, step).encode(), said.encode("utf-8", "replace"))
        if right and (after is None or step > after):
            found = step
    return found


def address(secret: str, *, lab: str, account: str) -> str:
    """What the QR code says: `otpauth://totp/...`, the key URI that the apps agreed on."""
    label = f"{quote(lab.replace(':', ' '), safe='')}:{quote(account, safe='@')}"
    issuer = quote(lab.replace(":", " "), safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
