"""What Moonraker writes down of Klipper's prints. It sees them four times a second, and not at all at first.

A print begun right after Klipper came up gets no row (measured: within half a second), nor does one that begins and
ends between two looks in the same state. A Moonraker that was killed finds its rows "interrupted".
"""

from __future__ import annotations

from typing import Any, Final

_ENDS: Final = {"complete": "completed", "cancelled": "cancelled", "error": "error", "standby": "cancelled"}


class History:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []  # oldest first
        self._state = "standby"
        self._filename = ""
        self._open: dict[str, Any] | None = None

    def forget_present(self, state: str, filename: str) -> None:
        """Moonraker, or Klipper, is new: what is true now is no change."""
        self._open, self._state, self._filename = None, state, filename

    def interrupt(self) -> None:
        for row in self.rows:
            if row["status"] == "in_progress":
                row["status"] = "interrupted"
        self._open = None

    def look(self, state: str, filename: str, elapsed_s: float) -> list[tuple[str, dict[str, Any]]]:
        """What changed: ("added" or "finished", the row)."""
        news: list[tuple[str, dict[str, Any]]] = []
        before, self._state = self._state, state
        other, self._filename = filename != self._filename, filename
        if state == before and not (other and state == "printing"):
            return news
        fresh = state == "printing" and (before != "paused" or other)
        unseen = state in ("complete", "cancelled", "error", "paused") and before in (*_ENDS,)
        if fresh or unseen:
            if self._open is not None:
                news += self.end("cancelled", elapsed_s)
            self._open = self._row(filename)
            self.rows.append(self._open)
            news.append(("added", self._open))
        if state in _ENDS:
            news += self.end(_ENDS[state], elapsed_s)
        return news

    def end(self, status: str, elapsed_s: float) -> list[tuple[str, dict[str, Any]]]:
        row, self._open = self._open, None
        if row is None:
            return []
        row |= {"status": status, "end_time": row["start_time"] + elapsed_s, "total_duration": elapsed_s}
        return [("finished", row)]

    def _row(self, filename: str) -> dict[str, Any]:
        number = len(self.rows) + 1
        return {
            "job_id": f"{number:06X}",
            "user": "_API_KEY_USER_",
            "filename": filename,
            "status": "in_progress",
            "start_time": 1_795_000_000.0 + number,
            "end_time": None,
            "print_duration": 0.0,
            "total_duration": 0.0,
            "filament_used": 0.0,
            "metadata": {},
            "auxiliary_data": [],
            "exists": True,
        }
