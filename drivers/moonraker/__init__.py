"""Klipper printers over Moonraker's network API: Klipper prints by itself, we upload, start, listen and stop.

Wire facts were measured on Moonraker 0.11 with Klipper's host (Kalico 2026.10) behind it. Rooms: `wire`
(shapes and words), `rest` (requests and their errors), `push` (the websocket), `looks` (asking what is), `follow`
(what the answers say of a run, pure), `uploads`, `safety` (heaters off), `device` (the port).
"""

from drivers.moonraker.device import Moonraker

__all__ = ["Moonraker"]
