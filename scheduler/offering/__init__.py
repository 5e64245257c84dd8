"""Dates for a group that needs many things at once: the best of ninety days, why each, and what the others lacked.

request -> asked (of_session) -> look (the house and its calendar, in a few queries) -> field, rank (mathematics)
        -> find: offers with reasons, wished days with what was missing -> use: proposed, held, moved
"""

from scheduler.offering.asked import Asked, DateOffer, Dates, Gang, Missed, Wish, of_session
from scheduler.offering.find import find, find_at
from scheduler.offering.rank import Half
from scheduler.offering.use import DateTaken, Offering

__all__ = [
    "Asked",
    "DateOffer",
    "DateTaken",
    "Dates",
    "Gang",
    "Half",
    "Missed",
    "Offering",
    "Wish",
    "find",
    "find_at",
    "of_session",
]
