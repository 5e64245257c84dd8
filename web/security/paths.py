"""Addresses that are secrets themselves: what may be written down of them."""

from __future__ import annotations

#: Whoever knows what comes behind these may read a calendar, switch a letter off, make a kiosk, stop a machine, or
#: speak for a school.
SECRET_BEHIND = (
    "/ical/",
    "/notices/off/",
    "/kiosk/enrol/",
    "/k/",
    "/thread/",
    "/house/questions/",
    "/api/questions/",
)
HIDDEN = "***"


def loggable(path: str) -> str:
    """The path without a secret in it; never longer than 200 characters."""
    start = next((start for start in SECRET_BEHIND if path.startswith(start)), None)
    return f"{start}{HIDDEN}" if start is not None else path[:200]
