"""HTTP Digest as PrusaLink 0.8.1 asks for it: MD5-sess, qop "auth", a nonce that grows old (RFC 7616)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from drivers.mock.wire import Request

REALM: Final = "Administrator"
_FIELD = re.compile(r'([a-z]{1,20})=(?:"([^"]*)"|([^,\s]*))')
_KEPT_NONCES: Final = 100


@dataclass(kw_only=True, eq=False)
class Digest:
    """`rejected` counts requests that had to be asked for the password."""

    user: str
    password: str
    opaque: str = field(default_factory=lambda: secrets.token_hex(16))
    nonces: list[str] = field(default_factory=list)
    rejected: int = 0

    def accepts(self, request: Request) -> bool:
        kind, _, fields = request.headers.get("authorization", "").partition(" ")
        given = {name: quoted or bare for name, quoted, bare in _FIELD.findall(fields)}
        return (
            kind.lower() == "digest"
            and given.get("nonce") in self.nonces
            and given.get("opaque") == self.opaque
            and given.get("qop") == "auth"
            and given.get("uri") == request.target
            and given.get("response") == self._response(request.method, given)
        )

    def challenge(self) -> Mapping[str, str]:
        """The header of a 401."""
        self.rejected += 1
        nonce = secrets.token_hex(16)
        self.nonces = [*self.nonces[-_KEPT_NONCES:], nonce]
        said = (
            f'Digest realm="{REALM}",qop="auth",algorithm="MD5-sess",nonce="{nonce}",opaque="{self.opaque}"'
        )
        return {"WWW-Authenticate": said}

    def grow_old(self) -> None:
        """Every nonce given out so far is no longer good."""
        self.nonces.clear()

    def _response(self, method: str, given: Mapping[str, str]) -> str:
        nonce, cnonce = given["nonce"], given.get("cnonce", "")
        session = _md5(f"{_md5(f'{self.user}:{REALM}:{self.password}')}:{nonce}:{cnonce}")
        asked = _md5(f"{method}:{given['uri']}")
        return _md5(f"{session}:{nonce}:{given.get('nc', '')}:{cnonce}:auth:{asked}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
