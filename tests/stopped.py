"""A database that has stopped: SQLite's own locks, held by a process of its own, so that nobody can even read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The eight bytes of the shared index in which every reader and writer of a WAL database takes its turn
# (sqlite.org/walformat.html, section 2.3).
HOLD = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(file, fcntl.LOCK_EX, 8, 120)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def stopped(database: Path) -> Iterator[None]:
    """The file is some server's SQLite database, open there. Whoever asks it meanwhile waits for ten seconds."""
    command = [sys.executable, "-c", HOLD, f"{database}-shm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
            holder.wait(10)
