"""The kiosk as the one in front of it may see it: passers-by see the machine, whoever is known also what is theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fablab.base.database import Actor, UnitOfWork
from fablab.base.errors import NotFound
from fablab.claims import reservations, rules
from fablab.claims.reservations import EARLY_ARRIVAL, Reservation, ReservationState
from fablab.people.access import Right, allows
from fablab.places import house
from fablab.reports.floor import machines_now
from scheduler.starting import Prospect, prospects
from web.pages import show_floor
from web.pages.eyes import Eyes, Stock
from web.pages.gate import refusal_views
from web.pages.kiosk_model import KnownView, MineView
from web.pages.model import MachineCard
from web.pages.show_floor import Wires
from web.words import Words

#: Somebody whom nobody knows: owns nothing, may see no name.
PASSER_BY = Actor(member_id=None, name="", role="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is known there. `actor` None: known, but not let near a machine now (suspended). `until`: of a tablet's minute."""

    member_id: int
    name: str
    actor: Actor | None
    until: datetime | None


def machine(
    uow: UnitOfWork, words: Words, wires: Wires, machine_id: int, person: Person | None
) -> tuple[MachineCard, Prospect]:
    """Raises `NotFound` machine.unknown."""
    rows = machines_now(uow, machine_id)
    if not rows:
        raise NotFound("machine.unknown", id=machine_id)
    actor = person.actor if person is not None and person.actor is not None else PASSER_BY
    eyes = Eyes(words=words, now=uow.now, actor=actor)
    stock = Stock(spools=house.spools(uow), sheets=house.sheets(uow))
    ahead = prospects(uow, rows)[machine_id]
    return show_floor.card(eyes, rows[0], wires, stock, ahead), ahead


def known(
    uow: UnitOfWork, words: Words, machine_id: int, person: Person, card: MachineCard, claim_id: str | None
) -> KnownView:
    """`claim_id`: the job it is about; without one, the job a tap would start."""
    about = claim_id or (card.tap.job_id if card.tap is not None else None)
    return KnownView(
        name=person.name,
        until=person.until,
        seconds=max(0, round((person.until - uow.now).total_seconds())) if person.until is not None else 0,
        mine=_mine(uow, machine_id, person.member_id),
        refusals=refusal_views(words, rules.may_start(uow, machine_id, person.member_id, claim_id=about)),
        is_staff=person.actor is not None and allows(person.actor, Right.OPERATE),
        is_away=person.actor is None,
    )


def own_on(uow: UnitOfWork, machine_id: int, member_id: int) -> Reservation | None:
    """Theirs on this machine that is not over: the one they are in, or the next."""
    live = (ReservationState.IN_USE, ReservationState.CONFIRMED)
    found = [
        row
        for row in reservations.of_member(uow, member_id, ended=0)
        if machine_id in row.resource_ids and row.state in live and row.end_at > uow.now
    ]
    return min(found, key=lambda row: (row.state is not ReservationState.IN_USE, row.start_at), default=None)


def _mine(uow: UnitOfWork, machine_id: int, member_id: int) -> MineView | None:
    row = own_on(uow, machine_id, member_id)
    if row is None:
        return None
    return MineView(
        id=row.id,
        start_at=row.start_at,
        end_at=row.end_at,
        is_here=row.state is ReservationState.IN_USE,
        may_come=row.state is ReservationState.CONFIRMED and uow.now >= row.start_at - EARLY_ARRIVAL,
    )
