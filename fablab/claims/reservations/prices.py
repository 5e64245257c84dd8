"""What a reservation costs: every machine's tariff for the hours that really pass, and the stay in every room and at
every desk, promised at first and charged last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from fablab.base.database import UnitOfWork
from fablab.claims.models import Claim
from fablab.claims.reservations.models import Reservation
from fablab.money import passes, quotes, stays
from fablab.money.quotes import Line, Quote
from fablab.money.stays import Stayed
from fablab.people.models import Audience
from fablab.places import house
from fablab.places.models import ResourceKind, Technology


def quote(
    uow: UnitOfWork,
    technologies: Iterable[Technology | None],
    audience: Audience,
    start_at: datetime,
    end_at: datetime,
    *,
    made_at: datetime | None = None,
    things: Collection[Stayed] = (),
    passed: int = 0,
) -> Quote:
    """By the tariffs of the day on which it was made (None: today), so that moving it never changes the grid.

    Hours are those that pass between the two instants: a night in which the clocks change is longer or shorter. What
    has no tariff costs nothing. `things`: all that is reserved, for those that are paid by the stay; `passed`: how many
    half-days a pass has paid, of the desks among them.
    """
    used = [technology for technology in technologies if technology is not None]
    paid = [thing for thing in things if not (passed and thing.kind is ResourceKind.DESK)]
    if not used and not things:
        return Quote(lines=(), total_cents=0)
    day = house.day_of(uow, made_at or uow.now)
    prices = quotes.machine_prices(uow, audience, set(used), day) if used else {}
    duration_s = (end_at - start_at).total_seconds()
    lines = [*stays.lines_of(uow, paid, audience, start_at, end_at, day)]
    if passed:
        lines.append(Line(code="stay_pass", quantity=passed, unit_cents=0, amount_cents=0))
    for technology in used:
        usage = quotes.Usage(
            technology=technology, audience=audience, duration_s=duration_s, material_id=None, weight_g=0
        )
        if technology in prices:
            lines.extend(quotes.price(usage, prices[technology]).lines)
    return Quote(lines=tuple(lines), total_cents=sum(each.amount_cents for each in lines))


def charge(
    uow: UnitOfWork,
    row: Reservation,
    claim: Claim,
    technologies: Iterable[Technology | None],
    things: Collection[Stayed] = (),
) -> None:
    """The hours from its start to its end, or to the moment somebody ended it before: never more than was promised. A
    stay is what was reserved: who leaves a desk early has had it."""
    assert row.ended_at is not None
    if claim.audience is None:
        return
    ended_at = max(row.start_at, min(row.ended_at, row.end_at))
    passed = len(passes.uses_of(uow, row.id))
    hours = quote(uow, technologies, claim.audience, row.start_at, ended_at, made_at=row.made_at)
    stay = quote(
        uow, (), claim.audience, row.start_at, row.end_at, made_at=row.made_at, things=things, passed=passed
    )
    found = Quote(lines=stay.lines + hours.lines, total_cents=stay.total_cents + hours.total_cents)
    if found.total_cents == 0:
        return
    quotes.charge(
        uow,
        found,
        claim_id=row.id,
        run_id=row.id,
        member_id=claim.member_id,
        project_id=claim.project_id,
        audience=claim.audience,
    )
