"""Passes: half-days at a desk, bought together and used up one by one. A use is a row, and no half-day is used twice.

Each half-day of a pass has its number, and the database itself lets one number be used once at a time: whoever spends
the last half-day at the same moment as somebody else is refused by it. What is given back is kept, with its moment.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from fablab.base.database import Base, UnitOfWork
from fablab.base.errors import Conflict, Invalid, NotFound
from fablab.base.intervals import instant
from fablab.base.units import CURRENCY
from fablab.money.models import in_force
from fablab.money.subscriptions import MOST_CENTS, MOST_MONTHS, NAME_LIMIT, last_day_of
from fablab.people import log, partners, standing
from fablab.people.access import Right, require
from fablab.people.models import Audience, Member
from fablab.places import house
from fablab.places.models import words

NOON = time(13)
MOST_HALF_DAYS = 200


class Half(StrEnum):
    AM = "am"
    PM = "pm"


class PassTariff(Base):
    """What can be bought from `first_day` to `last_day`. `audience` None: whoever has no row of their own; `months`: how
    long a pass is good."""

    __tablename__ = "pass_tariffs"

    id: Mapped[int] = mapped_column(primary_key=True)
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    audience: Mapped[Audience | None] = mapped_column(words(Audience, "audience"))
    half_days: Mapped[int]
    months: Mapped[int]
    price_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    first_day: Mapped[date]
    last_day: Mapped[date | None]

    __table_args__ = (
        CheckConstraint("half_days > 0", name="half_days"),
        CheckConstraint("months BETWEEN 1 AND 60", name="months"),
        CheckConstraint("price_cents >= 0", name="price"),
    )


class Pass(Base):
    """Name, partner, audience, half-days and price are the tariff's as they stood that day. `due_cents`: still to be
    paid."""

    __tablename__ = "passes"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    tariff_id: Mapped[int] = mapped_column(ForeignKey("pass_tariffs.id"))
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    audience: Mapped[Audience] = mapped_column(words(Audience, "audience"))
    half_days: Mapped[int]
    price_cents: Mapped[int]
    due_cents: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    first_day: Mapped[date]
    last_day: Mapped[date]
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    settled_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("half_days > 0", name="half_days"),
        CheckConstraint("first_day <= last_day", name="order"),
        CheckConstraint("due_cents >= 0 AND due_cents <= price_cents", name="due"),
    )


class PassUse(Base):
    """Half-day `number` of `most` of a pass, used for one half of a day by a claim. `returned_at`: given back."""

    __tablename__ = "pass_uses"

    id: Mapped[int] = mapped_column(primary_key=True)
    pass_id: Mapped[int] = mapped_column(ForeignKey("passes.id"))
    number: Mapped[int]
    most: Mapped[int]
    claim_id: Mapped[str] = mapped_column(String(16), index=True)
    day: Mapped[date]
    half: Mapped[Half] = mapped_column(words(Half, "half"))
    used_at: Mapped[datetime]
    returned_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("number BETWEEN 1 AND most", name="number"),
        Index(
            "uq_pass_uses_number",
            "pass_id",
            "number",
            unique=True,
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
        Index(
            "uq_pass_uses_half",
            "claim_id",
            "day",
            "half",
            unique=True,
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassWish:
    """What a new tariff of passes says; it holds from today on. `partner_id` None: the house's own."""

    name: str
    half_days: int
    price_cents: int
    months: int = 12
    audience: Audience | None = None
    partner_id: int | None = None


# --- half-days


def halves(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> tuple[tuple[date, Half], ...]:
    """The half-days that [start, end) touches, on the wall of `zone`; a day is cut at 13:00. Pure."""
    found: list[tuple[date, Half]] = []
    day, last = start_at.astimezone(zone).date(), end_at.astimezone(zone).date()
    while day <= last:
        midnight, noon = instant(day, time(0), zone), instant(day, NOON, zone)
        for half, begin, end in (
            (Half.AM, midnight, noon),
            (Half.PM, noon, instant(day + timedelta(days=1), time(0), zone)),
        ):
            if start_at < end and begin < end_at:
                found.append((day, half))
        day += timedelta(days=1)
    return tuple(found)


# --- what can be bought


def add_tariff(uow: UnitOfWork, wish: PassWish) -> PassTariff:
    """By whoever runs that part of the house. Raises `Invalid` pass.name, .half_days, .months, .price."""
    partners.require_part(uow, wish.partner_id)
    name = " ".join(wish.name.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid("pass.name", field="name", most=NAME_LIMIT)
    if not 1 <= wish.half_days <= MOST_HALF_DAYS:
        raise Invalid("pass.half_days", field="half_days", most=MOST_HALF_DAYS)
    if not 1 <= wish.months <= MOST_MONTHS:
        raise Invalid("pass.months", field="months", most=MOST_MONTHS)
    if not 0 <= wish.price_cents <= MOST_CENTS:
        raise Invalid("pass.price", field="price")
    row = PassTariff(
        partner_id=wish.partner_id,
        name=name,
        audience=wish.audience,
        half_days=wish.half_days,
        months=wish.months,
        price_cents=wish.price_cents,
        currency=CURRENCY,
        first_day=house.today(uow),
    )
    uow.session.add(row)
    uow.session.flush()
    log.record(uow, "tariff.made", about=f"pass tariff {row.id}", price_cents=row.price_cents)
    return row


def end_tariff(uow: UnitOfWork, tariff_id: int) -> PassTariff:
    """From tomorrow on nobody buys it any more; whoever has one uses it up."""
    row = _tariff(uow, tariff_id)
    partners.require_part(uow, row.partner_id)
    row.last_day = house.today(uow)
    log.record(uow, "tariff.ended", about=f"pass tariff {row.id}")
    uow.session.flush()
    return row


def tariffs(uow: UnitOfWork, audience: Audience | None = None) -> list[PassTariff]:
    """What can be had today, the smallest first; with an audience, only what is for it: of each partner its own, or
    where there is none those for everybody."""
    today = house.today(uow)
    query = select(PassTariff).where(in_force(PassTariff.first_day, PassTariff.last_day, today))
    rows = list(uow.session.scalars(query.order_by(PassTariff.half_days, PassTariff.id)))
    if audience is None:
        return rows
    own = {row.partner_id for row in rows if row.audience is audience}
    return [
        row
        for row in rows
        if row.audience is audience or (row.audience is None and row.partner_id not in own)
    ]


# --- buying one


def buy(uow: UnitOfWork, tariff_id: int, *, member_id: int | None = None) -> Pass:
    """By a member for themselves, or by the staff for somebody. It counts at once and is paid at the desk; while one is
    unpaid there is no other: `Conflict` pass.unpaid."""
    member = standing.acting_for(uow, member_id, "pass.bought")
    tariff = next((row for row in tariffs(uow, member.audience) if row.id == tariff_id), None)
    if tariff is None:
        raise NotFound("pass.unknown")
    if any(row.due_cents for row in of_member(uow, member.id)):
        raise Conflict("pass.unpaid")
    today = house.today(uow)
    row = Pass(
        member_id=member.id,
        tariff_id=tariff.id,
        partner_id=tariff.partner_id,
        name=tariff.name,
        audience=member.audience,
        half_days=tariff.half_days,
        price_cents=tariff.price_cents,
        due_cents=tariff.price_cents,
        currency=tariff.currency,
        first_day=today,
        last_day=last_day_of(today, tariff.months),
        made_at=uow.now,
        made_by_id=uow.actor.member_id,
    )
    uow.session.add(row)
    uow.session.flush()
    uow.raise_event("member", member.id, "pass")
    return row


def settle(uow: UnitOfWork, pass_id: int) -> Pass:
    """Paid at the desk. Raises `Conflict` pass.nothing_due."""
    require(uow.actor, Right.OPERATE)
    row = get(uow, pass_id)
    if row.due_cents == 0:
        raise Conflict("pass.nothing_due")
    log.record(
        uow, "pass.settled", for_member_id=row.member_id, about=f"pass {row.id}", paid_cents=row.due_cents
    )
    row.due_cents, row.settled_at = 0, uow.now
    uow.session.flush()
    return row


def cancel(uow: UnitOfWork, pass_id: int) -> Pass:
    """One of which nothing is used: by its holder while it is unpaid, by the staff always."""
    row = get(uow, pass_id)
    if row.due_cents == 0 or row.member_id != uow.actor.member_id:
        require(uow.actor, Right.OPERATE)
    if used(uow, [row.id]).get(row.id):
        raise Conflict("pass.in_use")
    row.due_cents, row.cancelled_at = 0, uow.now
    log.record(uow, "pass.cancelled", for_member_id=row.member_id, about=f"pass {row.id}")
    uow.session.flush()
    return row


def get(uow: UnitOfWork, pass_id: int) -> Pass:
    row = uow.session.get(Pass, pass_id)
    if row is None:
        raise NotFound("pass.unknown")
    return row


def of_member(uow: UnitOfWork, member_id: int) -> list[Pass]:
    """Those that were not cancelled, the one that ends first first."""
    query = select(Pass).where(Pass.member_id == member_id, Pass.cancelled_at.is_(None))
    return list(uow.session.scalars(query.order_by(Pass.last_day, Pass.id)))


def unpaid(uow: UnitOfWork) -> list[tuple[Pass, str]]:
    """What is to be paid at the desk, with who holds it, the oldest first."""
    require(uow.actor, Right.OPERATE)
    query = select(Pass, Member.name).join(Member, Member.id == Pass.member_id).where(Pass.due_cents > 0)
    return [(row, name) for row, name in uow.session.execute(query.order_by(Pass.id))]


def used(uow: UnitOfWork, pass_ids: Collection[int]) -> dict[int, int]:
    """How many half-days of each are used now."""
    query = (
        select(PassUse.pass_id, func.count())
        .where(PassUse.pass_id.in_(pass_ids), PassUse.returned_at.is_(None))
        .group_by(PassUse.pass_id)
    )
    return {pass_id: count for pass_id, count in uow.session.execute(query)}  # noqa: C416 - a Row is no tuple to mypy


# --- using it


def fitting(uow: UnitOfWork, member_id: int, day: date, partner_id: int | None, count: int) -> Pass | None:
    """The one to use first: good on that day, of that part of the house, with so many half-days left."""
    rows = [
        row
        for row in of_member(uow, member_id)
        if row.first_day <= day <= row.last_day and row.partner_id == partner_id
    ]
    spent = used(uow, [row.id for row in rows])
    return next((row for row in rows if row.half_days - spent.get(row.id, 0) >= count), None)


def spend(uow: UnitOfWork, pass_id: int, claim_id: str, wanted: Sequence[tuple[date, Half]]) -> list[PassUse]:
    """All of these half-days of one pass for one claim, or none. Raises `Conflict` pass.used_up, also where somebody
    else was a moment faster, and pass.not_good for a day on which it does not count."""
    row = uow.session.get(Pass, pass_id, with_for_update={"key_share": True}, populate_existing=True)
    if row is None or row.cancelled_at is not None:
        raise NotFound("pass.unknown")
    if any(not row.first_day <= day <= row.last_day for day, _ in wanted):
        raise Conflict("pass.not_good", first=row.first_day.isoformat(), last=row.last_day.isoformat())
    taken = set(
        uow.session.scalars(
            select(PassUse.number).where(PassUse.pass_id == row.id, PassUse.returned_at.is_(None))
        )
    )
    free = [number for number in range(1, row.half_days + 1) if number not in taken]
    if len(free) < len(wanted):
        raise Conflict("pass.used_up", left=len(free))
    uses = [
        PassUse(
            pass_id=row.id,
            number=number,
            most=row.half_days,
            claim_id=claim_id,
            day=day,
            half=half,
            used_at=uow.now,
        )
        for number, (day, half) in zip(free, wanted, strict=False)
    ]
    uow.session.add_all(uses)
    try:
        uow.session.flush()
    except IntegrityError as error:  # a second writer on PostgreSQL that has not seen the first one's rows
        raise Conflict("pass.used_up", left=0) from error
    return uses


def give_back(uow: UnitOfWork, claim_id: str, *, but: Collection[tuple[date, Half]] = ()) -> int:
    """The half-days of a claim can be used again, but for these. How many came back."""
    rows = [row for row in uses_of(uow, claim_id) if (row.day, row.half) not in but]
    for row in rows:
        row.returned_at = uow.now
    uow.session.flush()
    return len(rows)


def uses_of(uow: UnitOfWork, claim_id: str) -> list[PassUse]:
    """What pays for a claim now."""
    query = select(PassUse).where(PassUse.claim_id == claim_id, PassUse.returned_at.is_(None))
    return list(uow.session.scalars(query.order_by(PassUse.day, PassUse.half)))


def _tariff(uow: UnitOfWork, tariff_id: int) -> PassTariff:
    row = uow.session.get(PassTariff, tariff_id)
    if row is None:
        raise NotFound("pass.unknown")
    return row
