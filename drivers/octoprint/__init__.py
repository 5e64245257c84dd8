"""OctoPrint over its network API: it prints by itself, we upload, start, listen and stop.

Wire facts were measured on OctoPrint 1.11.8. Rooms: `wire` (shapes and words), `rest` (requests and their
errors), `follow` (what the messages say of a run, pure), `device` (the port).
"""

from drivers.octoprint.device import OctoPrint

__all__ = ["OctoPrint"]
