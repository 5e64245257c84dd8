"""A reservation's use cases, all by one name: until its hour (`placing`, `moving`, `deciding`), when it comes
(`arrivals`), again and again (`series`), and which there are (`reads`)."""

from fablab.claims.reservations.arrivals import (
    EARLY_ARRIVAL,
    check_in,
    complete_ended,
    end_early,
    release_missed,
    waits_until,
)
from fablab.claims.reservations.composing import refusals_of
from fablab.claims.reservations.dates import Date
from fablab.claims.reservations.deciding import approve, cancel, decline
from fablab.claims.reservations.judging import NO_SHOW_AFTER
from fablab.claims.reservations.models import (
    LIVE,
    RESERVATION_STEPS,
    Arrival,
    Every,
    Reservation,
    ReservationState,
    Series,
)
from fablab.claims.reservations.moving import move
from fablab.claims.reservations.orders import Order, Repeat, Repeated, Shifted, Skipped
from fablab.claims.reservations.placing import preview, price_of, reserve
from fablab.claims.reservations.reads import (
    Row,
    between,
    current_on,
    may_change,
    may_see,
    of_member,
    requested,
    rows,
)
from fablab.claims.reservations.series import cancel_series, foresee, of_series, one_of, repeat

__all__ = [
    "EARLY_ARRIVAL",
    "LIVE",
    "NO_SHOW_AFTER",
    "RESERVATION_STEPS",
    "Arrival",
    "Date",
    "Every",
    "Order",
    "Repeat",
    "Repeated",
    "Reservation",
    "ReservationState",
    "Row",
    "Series",
    "Shifted",
    "Skipped",
    "approve",
    "between",
    "cancel",
    "cancel_series",
    "check_in",
    "complete_ended",
    "current_on",
    "decline",
    "end_early",
    "foresee",
    "may_change",
    "may_see",
    "move",
    "of_member",
    "of_series",
    "one_of",
    "preview",
    "price_of",
    "refusals_of",
    "release_missed",
    "repeat",
    "requested",
    "reserve",
    "rows",
    "waits_until",
]
