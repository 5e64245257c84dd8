"""A real OpenID provider as a process of its own, and somebody at a browser who goes through its pages."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from joserfc.jwk import RSAKey

from tests.peers.venvs import peer_env, peer_venv

PASSWORD = "their password"
CLIENT_ID = "fablab"
SECRET = "the lab's secret"
HERE = Path(__file__).parent
_FIELD = re.compile(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?')


@dataclass(frozen=True, kw_only=True)
class Provider:
    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/o"


@contextmanager
def serve(folder: Path, back: str) -> Iterator[Provider]:
    """`back`: the one address it sends browsers back to."""
    (folder / "key.pem").write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    python = str(peer_venv("oidc-provider") / "bin" / "python")
    command = [python, str(HERE / "oidc_provider.py"), str(folder), str(port), back]
    with (
        (folder / "said").open("w+") as said,
        subprocess.Popen(command, env=peer_env(), stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.strip() == "ready", (folder / "said").read_text()[-3000:]
            yield Provider(port=port)
        finally:
            process.kill()


class Visitor:
    """A browser at the provider's pages."""

    def __init__(self) -> None:
        self.http = httpx.Client(trust_env=False, timeout=30)

    def close(self) -> None:
        self.http.close()

    def through(self, address: str, who: str, *, agrees: bool = True, back: str = "/login/from/") -> str:
        """Sign in there as `who`, agree or not, and answer where the provider sends the browser."""
        page = self.http.get(address)
        for _ in range(5):
            if page.is_redirect:
                to = page.headers["location"]
                if back in to:
                    return to
                page = self.http.get(str(page.url.join(to)))
                continue
            assert page.status_code == 200, page.text[:2000]
            fields = {name: value or "" for name, value in _FIELD.findall(page.text)}
            if 'name="username"' in page.text:
                fields |= {"username": who, "password": PASSWORD}
            elif agrees:
                fields |= {"allow": "Authorize"}
            page = self.http.post(str(page.url), data=fields)
        raise AssertionError(f"no way back from {page.url}")
