"""Dates for the requests of schools: found, proposed, held and moved, with room made for them, each in one transaction.

    find -> proposed; nothing is held by that
    hold -> turn -> planned jobs in the way give way, their owners are told -> the whole gang, or `DateTaken`

Whoever loses a race is told what else there is; `hold_best` goes on to the next best date by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fablab.base.database import Actor, Database, UnitOfWork
from fablab.base.errors import Conflict, NotFound, Refused
from fablab.claims import calendar, workshops
from fablab.claims.workshops import Proposal, Session
from fablab.claims.workshops.deciding import MOST_PROPOSED
from scheduler.offering.asked import LEAD, Asked, DateOffer, Dates, of_session
from scheduler.offering.find import find, find_at
from scheduler.planner.room import make_room
from scheduler.reserving.look import on

TAKEN = "slot_taken"
TRIES = 6  # dates that were lost one after the other before somebody has to look


class DateTaken(Conflict):
    """Somebody was faster: `slot_taken`. `dates`: what else there is at this moment."""

    code = TAKEN

    def __init__(self, dates: Dates) -> None:
        first = dates.offers[0].start_at.isoformat() if dates.offers else None
        super().__init__(TAKEN, alternative_start=first)
        self.dates = dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """`database` as for `Intake`."""

    database: Database

    def dates(self, actor: Actor, asked: Asked, n: int = MOST_PROPOSED) -> Dates:
        """`find`, for whatever is asked; nothing is written."""
        with self.database.read(actor) as uow:
            return find(uow, asked, n)

    def best(self, actor: Actor, session_id: str, n: int = MOST_PROPOSED, *, lead: timedelta = LEAD) -> Dates:
        """`find`, for a request; for the staff and for whoever speaks for it."""
        with self.database.read(actor) as uow:
            return find(uow, of_session(workshops.may_see(uow, session_id), lead=lead), n)

    def at(self, actor: Actor, session_id: str, start_at: datetime) -> DateOffer | None:
        """The gang of this very start for a request, whatever day it is; None where it cannot be had."""
        with self.database.read(actor) as uow:
            return find_at(uow, of_session(workshops.may_see(uow, session_id)), start_at)

    def propose(
        self, actor: Actor, session_id: str, n: int = MOST_PROPOSED, *, lead: timedelta = LEAD
    ) -> Dates:
        """The best dates there are now become what the school may choose from. Raises as `workshops.propose`, and
        `Conflict` offer.none where there is none."""

        def act(uow: UnitOfWork) -> Dates:
            found = find(uow, of_session(workshops.may_see(uow, session_id), lead=lead), n)
            _propose(uow, session_id, found, found.offers)
            return found

        return self.database.write(act, actor)

    def hold(self, actor: Actor, session_id: str, rank: int, hold_until: datetime | None = None) -> Session:
        """`workshops.hold`, and planned jobs that may still move make room for it. Raises `DateTaken` where something
        that stays is in the way, `Refused` where a job would find no other place."""

        def act(uow: UnitOfWork) -> Session:
            session = workshops.may_see(uow, session_id)
            offer = next((row for row in session.offers if row.rank == rank), None)
            if offer is None:
                raise NotFound("session.no_offer")
            return _with_room(
                uow,
                session_id,
                workshops.proposal_of(offer),
                lambda uow: workshops.hold(uow, session_id, rank, hold_until),
            )

        return self._taking(act, actor, session_id)

    def hold_best(
        self,
        actor: Actor,
        session_id: str,
        hold_until: datetime | None = None,
        *,
        n: int = MOST_PROPOSED,
        lead: timedelta = LEAD,
    ) -> Session:
        """Finds, proposes and holds the best date there is, all in one transaction; what cannot be held after all is left
        out, and the next best is tried. Raises `Conflict` offer.none where nothing is left."""
        lost: set[datetime] = set()

        def act(uow: UnitOfWork) -> Session:
            calendar.take_turn(uow)
            found = find(uow, of_session(workshops.may_see(uow, session_id), lead=lead), n + len(lost))
            offers = [each for each in found.offers if each.start_at not in lost][:n]
            tried.extend(each.start_at for each in offers[:1])
            _propose(uow, session_id, found, offers)
            return _with_room(
                uow,
                session_id,
                offers[0].proposal,
                lambda uow: workshops.hold(uow, session_id, 1, hold_until),
            )

        for left in range(TRIES - 1, -1, -1):
            tried: list[datetime] = []
            try:
                return self.database.write(act, actor)
            except Refused:
                if not left:
                    raise
            except Conflict as error:
                if not left or error.code != TAKEN:
                    raise
            lost.update(tried[-1:])
        raise AssertionError("unreachable")

    def move(
        self,
        actor: Actor,
        session_id: str,
        proposal: Proposal,
        why: str = "",
        hold_until: datetime | None = None,
    ) -> Session:
        """`workshops.move`, with room made as for `hold`."""

        def act(uow: UnitOfWork) -> Session:
            return _with_room(
                uow,
                session_id,
                proposal,
                lambda uow: workshops.move(uow, session_id, proposal, why, hold_until),
            )

        return self._taking(act, actor, session_id)

    def _taking(self, act: Callable[[UnitOfWork], Session], actor: Actor, session_id: str) -> Session:
        try:
            return self.database.write(act, actor)
        except Conflict as error:
            if error.code != TAKEN:
                raise
        raise DateTaken(self.best(actor, session_id))


def _propose(uow: UnitOfWork, session_id: str, found: Dates, offers: Sequence[DateOffer]) -> None:
    missed = [each.stored() for each in found.missed]
    if not offers:
        raise Conflict("offer.none", missed=len(missed))
    workshops.propose(uow, session_id, [each.proposal for each in offers], missed)


def _with_room(
    uow: UnitOfWork, session_id: str, proposal: Proposal, take: Callable[[UnitOfWork], Session]
) -> Session:
    """From here on nobody else changes the calendar of any resource before this transaction ends."""
    calendar.take_turn(uow)
    places = [spot.place for spot in proposal.spots]
    held = on(
        uow,
        {place.resource_id for place in places},
        min(place.start_at for place in places),
        max(place.end_at for place in places),
        without=session_id,
    )
    if any(not each.soft for each in held):
        raise Conflict(TAKEN)
    claims = list(dict.fromkeys(each.job.claim_id for each in held))
    return make_room(uow, claims, take) if claims else take(uow)
