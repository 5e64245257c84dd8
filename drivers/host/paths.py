"""Where a host keeps its socket, journal, logs and locks."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on the BSDs, the closing NUL included.
_SUN_PATH_BYTES: Final = 103


class LockHeld(Exception):
    """Another process holds the lock; `str()` is what it wrote about itself."""


@dataclass(frozen=True, slots=True)
class HostPaths:
    """All in `data_dir`/hosts, mode 0700. Call `prepare` before anything is written."""

    data_dir: Path
    name: str

    @property
    def folder(self) -> Path:
        return Path(os.path.abspath(self.data_dir)) / "hosts"  # noqa: PTH100 - must not fail on a missing folder

    @property
    def socket(self) -> Path:
        """In the folder; when that is too long for a socket's name, a short name in the runtime folder."""
        return self._socket("sock")

    @property
    def control(self) -> Path:
        """Where the machine's mock, if it is one, takes faults and other wishes."""
        return self._socket("control")

    def _socket(self, ending: str) -> Path:
        plain = self.folder / f"{self.name}.{ending}"
        if len(os.fsencode(plain)) <= _SUN_PATH_BYTES:
            return plain
        pointer = self.folder / f"{self.name}.{ending}.path"
        if pointer.exists():
            return Path(pointer.read_text().strip())
        digest = hashlib.sha256(os.fsencode(plain)).hexdigest()[:20]
        return runtime_dir() / f"{digest}.{ending}"

    @property
    def journal(self) -> Path:
        return self.folder / f"{self.name}.journal.json"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def stderr(self) -> Path:
        return self.folder / f"{self.name}.stderr"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def mock_port(self) -> Path:
        return self.folder / f"{self.name}.tty"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for ending in ("sock", "control"):
            socket = self._socket(ending)
            if socket.parent != self.folder:
                _private(socket.parent)
                (self.folder / f"{self.name}.{ending}.path").write_text(f"{socket}\n")


def runtime_dir() -> Path:
    """A short folder of this user's own, the same for every process.

    Not XDG_RUNTIME_DIR: that one is taken away when the user logs out, and a print goes on then.
    """
    return _private(Path(tempfile.gettempdir()) / f"fablab-{os.getuid()}")


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        # Anyone may make names in /tmp: never trust a folder that somebody else could have put there.
        raise PermissionError(f"{folder} must be a folder of this user's own with mode 0700")
    return folder


def port_lock(port: str) -> Path:
    """One lock a port: by real path, because a by-id name and /dev/ttyUSB0 are the same machine; over the network
    by host and port, whichever of socket:// and rfc2217:// is spoken. Names are not looked up."""
    real = port.partition("://")[2].lower().rstrip("/") if "://" in port else os.path.realpath(port)
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:20]
    return runtime_dir() / f"port-{digest}.lock"


def take_lock(path: Path, about: str) -> int:
    """A held lock as an open descriptor; whoever inherits it holds the lock too. Raises `LockHeld`."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(fd, 200, 0).decode(errors="replace").strip()
        os.close(fd)
        raise LockHeld(holder or "another process") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, about.encode()[:200], 0)
    return fd
