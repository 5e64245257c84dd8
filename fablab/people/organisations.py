"""Organisations: schools, firms, associations; their official numbers, who belongs to them and who speaks for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from fablab import notices
from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, NotFound
from fablab.people import log, standing
from fablab.people.access import Right, allows, require
from fablab.people.models import Audience, Member, Organisation, OrganisationMember, Seat, folded

NAME_LIMIT = 200
_LA_POSTE = (
    "356000000"  # its own SIREN: over ten thousand establishments, more than Luhn's numbers would give
)
_UAI_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"  # 23 of them, without I, O and Q


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """What is written down of an organisation. `siret`, `uai`: as people type them, empty for none."""

    name: str
    audience: Audience
    siret: str = ""
    uai: str = ""


def siret(said: str) -> str | None:
    """Fourteen digits, the last one a check. Raises `Invalid` organisation.siret.

    Luhn's sum is a multiple of ten; of La Poste's establishments the plain sum of digits is one of five (INSEE).
    """
    digits = re.sub(r"[\s.]", "", said)
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) == 14):
        raise Invalid("organisation.siret", field="siret")
    numbers = [int(digit) for digit in digits]
    luhn = sum(sum(divmod(n * 2, 10)) if place % 2 == 0 else n for place, n in enumerate(numbers))
    of_la_poste = digits.startswith(_LA_POSTE) and sum(numbers) % 5 == 0
    if luhn % 10 and not of_la_poste:
        raise Invalid("organisation.siret", field="siret")
    return digits


def uai(said: str) -> str | None:
    """Seven digits and their letter: the rest by 23. Raises `Invalid` organisation.uai."""
    code = re.sub(r"\s", "", said).upper()
    if not code:
        return None
    if not re.fullmatch(r"[0-9]{7}[A-Z]", code) or _UAI_LETTERS[int(code[:7]) % 23] != code[7]:
        raise Invalid("organisation.uai", field="uai")
    return code


def create(uow: UnitOfWork, said: Firm) -> Organisation:
    """By the staff. Raises `Conflict` organisation.taken for a name that is there."""
    require(uow.actor, Right.OPERATE)
    row = Organisation(
        name=_clean(said.name), audience=said.audience, siret=siret(said.siret), uai=uai(said.uai)
    )
    uow.session.add(row)
    _flush(uow)
    log.record(uow, "organisation.made", about=f"organisation {row.id}")
    return row


def edit(uow: UnitOfWork, organisation_id: int, said: Firm) -> Organisation:
    """By the staff, or by whoever speaks for it; the audience, which prices rest on, by the staff only."""
    row = led(uow, organisation_id)
    if said.audience is not row.audience:
        require(uow.actor, Right.OPERATE)
    row.name, row.audience = _clean(said.name), said.audience
    row.siret, row.uai = siret(said.siret), uai(said.uai)
    _flush(uow)
    log.record(uow, "organisation.edited", about=f"organisation {row.id}")
    return row


def close(uow: UnitOfWork, organisation_id: int) -> Organisation:
    """Nobody joins it any more; what was made in its name stays."""
    require(uow.actor, Right.OPERATE)
    row = get(uow, organisation_id)
    row.closed_at = row.closed_at or uow.now
    log.record(uow, "organisation.closed", about=f"organisation {row.id}")
    uow.session.flush()
    return row


def reopen(uow: UnitOfWork, organisation_id: int) -> Organisation:
    require(uow.actor, Right.OPERATE)
    row = get(uow, organisation_id)
    row.closed_at = None
    log.record(uow, "organisation.reopened", about=f"organisation {row.id}")
    uow.session.flush()
    return row


def get(uow: UnitOfWork, organisation_id: int) -> Organisation:
    row = uow.session.get(Organisation, organisation_id)
    if row is None:
        raise NotFound("organisation.unknown")
    return row


def seen(uow: UnitOfWork, organisation_id: int) -> Organisation:
    """For its members and for whoever sees everything."""
    row = get(uow, organisation_id)
    if not allows(uow.actor, Right.SEE_ALL) and _seat(uow, organisation_id) is None:
        raise NotFound("organisation.unknown")
    return row


def led(uow: UnitOfWork, organisation_id: int) -> Organisation:
    """For whoever speaks for it and for the staff. `Forbidden` organisation.not_yours."""
    row = seen(uow, organisation_id)
    if not leads(uow, organisation_id):
        raise Forbidden("organisation.not_yours")
    return row


def leads(uow: UnitOfWork, organisation_id: int) -> bool:
    seat = _seat(uow, organisation_id)
    return allows(uow.actor, Right.OPERATE) or (seat is not None and seat.seat is Seat.MANAGER)


def everyone(uow: UnitOfWork, text: str = "") -> list[tuple[Organisation, int]]:
    """All of them with how many belong to them, by name; `text`: part of the name or of a number."""
    require(uow.actor, Right.SEE_ALL)
    query = (
        select(Organisation, func.count(OrganisationMember.member_id))
        .outerjoin(OrganisationMember, OrganisationMember.organisation_id == Organisation.id)
        .group_by(Organisation.id)
    )
    wanted = folded(text).split()
    rows = [(row, count) for row, count in uow.session.execute(query).all()]
    found = [
        (row, count)
        for row, count in rows
        if all(word in folded(f"{row.name} {row.siret or ''} {row.uai or ''}") for word in wanted)
    ]
    return sorted(found, key=lambda item: (item[0].closed_at is not None, folded(item[0].name)))


def seats_of(uow: UnitOfWork, member_id: int) -> list[OrganisationMember]:
    """Where somebody belongs, by name."""
    query = select(OrganisationMember).join(Organisation).where(OrganisationMember.member_id == member_id)
    return list(uow.session.scalars(query.order_by(Organisation.name)).unique())


def people_in(uow: UnitOfWork, organisation_id: int) -> list[OrganisationMember]:
    """Who belongs to it, by name."""
    query = (
        select(OrganisationMember)
        .join(Member, OrganisationMember.member_id == Member.id)
        .where(OrganisationMember.organisation_id == organisation_id)
    )
    return list(uow.session.scalars(query.order_by(Member.sort_name)).unique())


def put_in(uow: UnitOfWork, organisation: Organisation, member: Member, seat: Seat = Seat.MEMBER) -> None:
    """Once; a seat that is there stays. Whoever calls has asked whether that may be."""
    if organisation.closed_at is not None:
        raise Conflict("organisation.closed")
    if uow.session.get(OrganisationMember, (organisation.id, member.id)) is not None:
        return
    uow.session.add(
        OrganisationMember(organisation_id=organisation.id, member_id=member.id, seat=seat, since=uow.now)
    )
    uow.session.flush()


def add(uow: UnitOfWork, organisation_id: int, member_id: int, seat: Seat = Seat.MEMBER) -> None:
    """By the staff; others are invited."""
    require(uow.actor, Right.OPERATE)
    organisation = get(uow, organisation_id)
    member = standing.get(uow, member_id)
    put_in(uow, organisation, member, seat)
    log.record(uow, "organisation.joined", for_member_id=member_id, about=f"organisation {organisation_id}")


def set_seat(uow: UnitOfWork, organisation_id: int, member_id: int, seat: Seat) -> None:
    """Who speaks for it. It may be nobody: the staff does then."""
    led(uow, organisation_id)
    row = uow.session.get(OrganisationMember, (organisation_id, member_id))
    if row is None:
        raise NotFound("organisation.not_in")
    row.seat = seat
    code = "organisation.manager" if seat is Seat.MANAGER else "organisation.no_manager"
    log.record(uow, code, for_member_id=member_id, about=f"organisation {organisation_id}")
    uow.session.flush()


def leave(uow: UnitOfWork, organisation_id: int, member_id: int | None = None) -> None:
    """Oneself, or somebody whom the staff or whoever speaks for it takes out."""
    organisation = seen(uow, organisation_id)
    who = uow.actor.member_id if member_id is None else member_id
    if who is None:
        raise NotFound("organisation.unknown")
    if who != uow.actor.member_id and not leads(uow, organisation_id):
        raise Forbidden("organisation.not_yours")
    row = OrganisationMember.organisation_id == organisation_id, OrganisationMember.member_id == who
    uow.session.execute(delete(OrganisationMember).where(*row))
    log.record(uow, "organisation.left", for_member_id=who, about=f"organisation {organisation_id}")
    if who != uow.actor.member_id:
        notices.tell(uow, who, "organisation.removed", organisation=organisation.name)


def _seat(uow: UnitOfWork, organisation_id: int) -> OrganisationMember | None:
    if uow.actor.member_id is None:
        return None
    return uow.session.get(OrganisationMember, (organisation_id, uow.actor.member_id))


def _clean(said: str) -> str:
    name = " ".join(said.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid("organisation.name", field="name", most=NAME_LIMIT)
    return name


def _flush(uow: UnitOfWork) -> None:
    try:
        uow.session.flush()
    except IntegrityError as error:
        raise Conflict("organisation.taken") from error
