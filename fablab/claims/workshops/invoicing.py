"""The invoice of a school's visit: from what was charged, to whoever pays, in the thread of the visit."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, NotFound
from fablab.claims.workshops import letters, thread
from fablab.claims.workshops.letters import SchoolLetter
from fablab.claims.workshops.models import Session
from fablab.claims.workshops.words import EntryKind, Payer, SessionState
from fablab.money import invoices, quotes
from fablab.money.invoices import Customer, Seller
from fablab.money.models import Exemption, Invoice
from fablab.people.access import Right, require
from fablab.places import house

STATES = (SessionState.DELIVERED, SessionState.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Who pays whom. `exemption` None: as the lines have it (`invoices.issue`)."""

    customer: Customer
    seller: Seller
    exemption: Exemption | None = None


def bill_of(uow: UnitOfWork, session: Session) -> Bill:
    """What is known: of a school that pays itself nearly all; of another payer only for whose order it is. The house as
    its last invoice names it."""
    school = session.school
    pays_itself = session.payer is Payer.SCHOOL
    known = {name: str(school.get(name) or "") for name in ("siret", "uai")} if pays_itself else {}
    customer = Customer(
        name=thread.school_name(session) if pays_itself else "",
        postcode=str(school.get("postcode") or ""),
        city=str(school.get("city") or ""),
        order_number=session.order_number,
        **known,
    )
    seller = invoices.last_seller(uow) or Seller(name=house.house(uow).name, address="", siret="")
    return Bill(customer=customer, seller=seller)


def can_invoice(uow: UnitOfWork, session: Session) -> bool:
    """It has taken place, something is to be paid for it to the house itself, and no invoice stands."""
    if session.state not in STATES or session.workshop.partner_id is not None:
        return False
    charged = quotes.charge_of(uow, session.id)
    return bool(charged and charged.total_cents) and _standing(uow, session) is None


def can_credit(uow: UnitOfWork, session: Session) -> bool:
    return _standing(uow, session) is not None


def invoice(uow: UnitOfWork, session_id: str, bill: Bill) -> Session:
    """By the staff, once the visit has taken place; the school is told. There is no way back but a credit note.

    Raises `Conflict` session.state, invoice.partner (a partner of the house sends its own); and as `invoices.issue`.
    """
    session = _held(uow, session_id)
    if session.state not in STATES or session.start_at is None:
        raise Conflict("session.state", state=session.state.value, action="invoice")
    if session.workshop.partner_id is not None:
        raise Conflict("invoice.partner")
    row = invoices.issue(
        uow,
        session.id,
        bill.customer,
        seller=bill.seller,
        subject=session.workshop.title,
        delivered_at=session.start_at,
        exemption=bill.exemption,
    )
    _tell(uow, session, row, EntryKind.INVOICED, SchoolLetter.INVOICED)
    return session


def credit(uow: UnitOfWork, session_id: str, why: str) -> Session:
    """The invoice that stands is cancelled, and the school reads why. Raises `Conflict` invoice.none; as
    `invoices.credit`."""
    session = _held(uow, session_id)
    row = _standing(uow, session)
    if row is None:
        raise Conflict("invoice.none")
    made = invoices.credit(uow, row.id, why)
    _tell(uow, session, made, EntryKind.CREDITED, SchoolLetter.CREDITED, of=row.number)
    return session


def _standing(uow: UnitOfWork, session: Session) -> Invoice | None:
    return invoices.standing(invoices.of_claim(uow, session.id))


def _held(uow: UnitOfWork, session_id: str) -> Session:
    require(uow.actor, Right.OPERATE)
    query = select(Session).where(Session.id == session_id).with_for_update(of=Session)
    session = uow.session.scalars(query).unique().one_or_none()
    if session is None:
        raise NotFound("request.unknown", id=session_id[:20])
    return session


def _tell(
    uow: UnitOfWork, session: Session, row: Invoice, code: EntryKind, letter: SchoolLetter, of: str = ""
) -> None:
    facts = {"number": row.number, "total_cents": row.total_cents} | ({"of": of} if of else {})
    thread.enter(uow, session, code, row.why, facts=facts)
    letters.tell_school(uow, session, letter, number=row.number, **({"of": of, "why": row.why} if of else {}))
    uow.raise_event("session", session.id, "changed")
