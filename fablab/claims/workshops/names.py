"""Whose piece is number 7: first names for printed labels, in a file beside the database and never in it.

The file is there while the session is, and goes with its delivery: a school's pupils are known here by number only.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from fablab.base.errors import Invalid

MOST_NAME = 30
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Names:
    """One small file a session, which nobody else on this computer may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, session_id: str, names: Mapping[int, str]) -> None:
        """By number; what is written already stays. Raises `Invalid` name.wrong for what is no first name or number."""
        kept = {
            **self.of(session_id),
            **{number: clean(name) for number, name in names.items() if name.strip()},
        }
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=self._folder)  # 0600, as `mkstemp` makes them
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({str(number): name for number, name in sorted(kept.items())}, file, ensure_ascii=False)
        Path(made).replace(self._path(session_id))

    def of(self, session_id: str) -> dict[int, str]:
        """Nothing once they are forgotten."""
        try:
            found = json.loads(self._path(session_id).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {int(number): str(name) for number, name in found.items()}

    def forget(self, session_id: str) -> None:
        self._path(session_id).unlink(missing_ok=True)

    def keep_only(self, session_ids: Collection[str]) -> int:
        """Forget all others: sessions that are over, whatever became of them. How many were forgotten."""
        if not self._folder.is_dir():
            return 0
        gone = [path for path in self._folder.iterdir() if path.stem not in session_ids]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _path(self, session_id: str) -> Path:
        if not _ID.fullmatch(session_id):
            raise ValueError("no session has such an id")
        return self._folder / f"{session_id}.json"


def clean(said: str) -> str:
    """A first name or a number as it stands on a label. Raises `Invalid` name.wrong."""
    name = " ".join(said.split())
    if not name or len(name) > MOST_NAME or not name.isprintable() or "@" in name:
        raise Invalid("piece.name", field="names", most=MOST_NAME)
    return name
