"""Every page's route, and how an error looks on a page."""

from web.pages import (
    add_machine,
    calendar,
    calibration,
    cameras,
    drafts,
    elsewhere,
    feeds,
    floor,
    hand,
    hooks,
    hours,
    jobs,
    login,
    machines,
    notices,
    outbox,
    reservations,
    reserve,
    reserve_hand,
    security,
    shares,
)
from web.pages.shell import render_error

__all__ = ["render_error", "route_handlers"]

route_handlers = [
    *login.ROUTES,
    *elsewhere.ROUTES,
    *security.ROUTES,
    *drafts.ROUTES,
    *jobs.ROUTES,
    *floor.ROUTES,
    *machines.ROUTES,
    *add_machine.ROUTES,
    *cameras.ROUTES,
    *calendar.ROUTES,
    *hand.ROUTES,
    *hours.ROUTES,
    *reserve.ROUTES,
    *reserve_hand.ROUTES,
    *reservations.ROUTES,
    *calibration.ROUTES,
    *shares.ROUTES,
    *notices.ROUTES,
    *outbox.ROUTES,
    *feeds.ROUTES,
    *hooks.ROUTES,
]
