"""The host's side of the guardian: keeps one alive, and hands it the port while the machine is open."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from drivers import lines
from drivers.host import guardian

log = logging.getLogger(__name__)

_ANSWER_S: Final = 5.0
_DESCRIPTORS: Final = Path("/proc/self/fd")


class Guard:
    """`wire` is one of `guardian.WIRES`: how the machine is made safe. `locks` are inherited by the guardian, so that
    no other host comes before it has done its work."""

    def __init__(
        self,
        journal: Path,
        *,
        wire: str = "marlin",
        locks: tuple[int, ...] = (),
        within_s: float = 20.0,
    ) -> None:
        self._journal = journal
        self._wire = wire
        self._locks = locks
        self._within_s = within_s
        self._mock_pid = 0
        self._held: tuple[int, ...] = ()
        self._port = ""
        self._pipe: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the guardian; 0 when there is none."""
        return self._process.pid if self._process else 0

    @property
    def holds(self) -> bool:
        """Whether it could speak on the port if this process died now."""
        return bool(self._held) and self._process is not None

    def begin(self, *, mock_pid: int = 0) -> None:
        """Start the guardian, in place of an earlier one. `mock_pid` is ended by it when the host dies."""
        self.end()
        self._mock_pid = mock_pid
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_S)
        command = [sys.executable, "-P", guardian.__file__, "--pipe", str(theirs.fileno())]
        command += ["--journal", str(self._journal), "--within", str(self._within_s)]
        command += ["--wire", self._wire, "--mock-pid", str(mock_pid)]
        with theirs:
            # A session of its own: a signal to the host's group must not reach it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *self._locks),
                start_new_session=True,
            )
        self._pipe = ours
        asyncio.get_running_loop().add_reader(ours, self._died)

    def hold(self, port: str, locks: tuple[int, ...]) -> bool:
        """Give it the open `port`, and the port's lock; False when the port has no descriptor here to give."""
        found = descriptor(port)
        self._port, self._held = port, () if found is None else (found, *locks)
        if found is None:
            log.warning("%s: no descriptor found; if this host dies nothing switches the machine off", port)
            return False
        self._tell(guardian.HOLD)
        return True

    def drop(self) -> None:
        """Have it close the port, because an exclusive port opens only when nobody has it."""
        self._held = ()
        self._tell(guardian.DROP)

    def end(self) -> None:
        """Goodbye: what happens next is the host's own doing."""
        if self._pipe is None or self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._pipe)
        self._exchange(guardian.BYE)
        self._pipe.close()
        self._pipe = None
        self._process.wait(_ANSWER_S)
        self._process = None

    def _tell(self, word: bytes) -> None:
        if self._pipe is not None and not self._exchange(word):
            self._renew()

    def _exchange(self, word: bytes) -> bool:
        assert self._pipe is not None
        try:
            if word == guardian.HOLD:
                socket.send_fds(self._pipe, [word], list(self._held))
            else:
                self._pipe.sendall(word)
            return self._pipe.recv(1) == guardian.ACK
        except OSError:
            return False

    def _died(self) -> None:
        log.error("the guardian has died; starting another")
        self._renew()

    def _renew(self) -> None:
        held = self._held
        if held and descriptor(self._port) != held[0]:
            held = ()  # the port was closed since, and its number may be anybody's by now
        if self._process is not None:
            self._process.kill()
        self.begin(mock_pid=self._mock_pid)
        self._held = held
        if held and not self._exchange(guardian.HOLD):
            log.error("the new guardian does not answer")


def descriptor(port: str) -> int | None:
    """This process's open descriptor of `port`; drivers need not know that somebody watches over them."""
    if "://" in port:
        return lines.descriptor(port)  # rfc2217:// has none that another process could speak through
    real = os.path.realpath(port)
    if not _DESCRIPTORS.is_dir():
        return None
    for link in _DESCRIPTORS.iterdir():
        try:
            if os.readlink(link) == real:  # noqa: PTH115 - a Path would normalise "pipe:[1]" and the like
                return int(link.name)
        except OSError:
            continue  # closed while we looked
    return None
