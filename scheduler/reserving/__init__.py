"""A place for somebody in person: the best that could be had of a kind, and one taken, with whoever had to make room.

Options are read from the calendar of the resources asked for and of the days asked for, never from the whole house. A
planned job that may still move is in nobody's way: it gives way in the same transaction, and its owner is told.
"""

from scheduler.reserving.asked import InTheWay, Kind, ReservingOffer, Taken, Wanted
from scheduler.reserving.use import Reserving
from scheduler.reserving.window import Window

__all__ = ["InTheWay", "Kind", "Reserving", "ReservingOffer", "Taken", "Wanted", "Window"]
