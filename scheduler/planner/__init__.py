"""Claims into the calendar: the promise inside the submitting transaction, and the plan kept true as the day goes by.

It sees claims and places, never what a claim is for. Everything here is one unit of work of the caller's: if the
place is taken by somebody faster, the whole submission is tried again.
"""

from scheduler.planner.disrupt import refresh
from scheduler.planner.idle import Idle, fill
from scheduler.planner.now import place_now
from scheduler.planner.offers import Displacement, Offer, options
from scheduler.planner.promise import Promise, insert, preview
from scheduler.planner.service import give_back, take_out
from scheduler.planner.upkeep import END_DRIFT, LATE_START, TELL_FROM
from scheduler.planner.why import explain

__all__ = [
    "END_DRIFT",
    "LATE_START",
    "TELL_FROM",
    "Displacement",
    "Idle",
    "Offer",
    "Promise",
    "explain",
    "fill",
    "give_back",
    "insert",
    "options",
    "place_now",
    "preview",
    "refresh",
    "take_out",
]
