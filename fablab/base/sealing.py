"""Secrets that the server has to know in clear are sealed in the database, with a key that lies in a file beside it.

What is stolen with the database alone, as a copy of it or a dump, opens nothing. Whoever has the data folder has both;
a backup is still kept like a key. AES-256-GCM with a random nonce for each value (NIST SP 800-38D); what a value is of
is bound to it, so that none can be put in the place of another.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: What a sealed value begins with; anything else was written before values were sealed.
MARK: Final = "sealed1:"
_KEY_BYTES, _NONCE_BYTES = 32, 12
FILE_NAME: Final = "secrets.key"


class SealError(RuntimeError):
    """The key is missing, or is not the one a value was sealed with: the file has to come back from a backup."""


def is_sealed(stored: str) -> bool:
    return stored.startswith(MARK)


class Sealer:
    """The key of `path`, read when it is first needed and made when a first value is sealed; None: there is none."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._cipher: AESGCM | None = None

    def seal(self, clear: str, of: str) -> str:
        """`of`: what it is the secret of, such as "factor 12"; the same has to be said to open it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ready(make=True).encrypt(nonce, clear.encode(), of.encode())
        return MARK + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, stored: str, of: str) -> str:
        """In clear; a value that was never sealed as it is. Raises `SealError`."""
        if not is_sealed(stored):
            return stored
        raw = base64.urlsafe_b64decode(stored.removeprefix(MARK))
        try:
            return (
                self._ready(make=False).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], of.encode()).decode()
            )
        except InvalidTag as error:
            raise SealError(f"{self.path} is not the key that this was sealed with") from error

    def exists(self) -> bool:
        return self.path is not None and self.path.exists()

    def make(self) -> None:
        """The key file, where there is none yet."""
        self._ready(make=True)

    def _ready(self, *, make: bool) -> AESGCM:
        with self._lock:
            if self._cipher is None:
                if self.path is None:
                    raise SealError("this database was opened without a key file")
                self._cipher = AESGCM(_read(self.path, make=make))
            return self._cipher


def _read(path: Path, *, make: bool) -> bytes:
    if make and not path.exists():
        _make(path)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except (OSError, ValueError) as error:
        raise SealError(f"{path} cannot be read as a key: {error}") from error
    if mode & 0o077:
        path.chmod(0o600)
    if len(key) != _KEY_BYTES:
        raise SealError(f"{path} holds no key")
    return key


def _make(path: Path) -> None:
    """Of two processes that begin at once one makes it: it is written whole and then given its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # the other was faster, and its key is the one
    finally:
        draft.unlink()
