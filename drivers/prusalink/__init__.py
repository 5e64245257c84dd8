"""PrusaLink over its network API v1: it prints by itself, we upload, start, ask once a second and stop.

It has no push and keeps no history: how a print ended stands in its state for some seconds and nowhere else.
Facts are from PrusaLink 0.8.1 (MK3 behind a Raspberry Pi), its OpenAPI description and the firmware that MK4,
MINI and XL share. Rooms: `wire` (shapes and words), `rest` (requests and their errors), `follow` (what the
answers say of a run, pure), `safety` (the stop that is read back), `device` (the port).
"""

from drivers.prusalink.device import PrusaLink

__all__ = ["PrusaLink"]
