"""What may be done with a request on its page, by the school and by the staff: one table each, forms to use cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fablab.base.database import UnitOfWork
from fablab.base.errors import Invalid
from fablab.claims import workshops
from fablab.claims.workshops import AcceptedBy, Answer, Payer, Session, invoicing, thread
from fablab.claims.workshops.invoicing import Bill
from fablab.money.invoices import Customer, Seller
from fablab.money.models import Exemption
from web.pages.people_forms import Form, maybe_number_in, number_in, one_of
from web.pages.show_thread import CUSTOMER, SELLER
from web.words import Words

Act = Callable[[UnitOfWork, Words, Session, Form], object]


def _accept(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    try:
        by = AcceptedBy(form.get("way", ""))
    except ValueError:
        raise Invalid("thread.no_way", field="way") from None
    payer = one_of(Payer, form, "payer") if form.get("payer") else None
    answer = Answer(by=by, order_number=form.get("order_number", "")[:200], payer=payer)
    return workshops.accept(uow, session.id, answer)


def _give_back(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    return workshops.give_back(uow, session.id, form.get("text", ""))


def _message(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    return thread.message(uow, session, form.get("text", ""), for_staff=form.get("for_staff") == "1")


def _ask_move(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    """The staff moves it; what is asked is a message that says so."""
    said = thread.clean_text(form.get("text", ""))
    return thread.message(uow, session, f"{words.gettext('We ask for another date:')} {said}")


def _cancel(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    if form.get("sure") != "1":
        raise Invalid("thread.not_sure", field="sure")
    why = form.get("text", "").strip()
    return workshops.cancel(uow, session.id, why or words.gettext("The school cannot come."))


def _call_off(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    if form.get("sure") != "1":
        raise Invalid("thread.not_sure", field="sure")
    return workshops.cancel(uow, session.id, form.get("text", ""))


def _decline(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    return workshops.decline(uow, session.id, form.get("text", ""))


def _reopen(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    return workshops.reopen(uow, session.id, form.get("text", ""))


def _recount(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    """Left empty, the adults stay as they were."""
    adults = maybe_number_in(form, "adults")
    return workshops.recount(
        uow, session.id, number_in(form, "people"), session.adults if adults is None else adults
    )


def _assign(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    return workshops.assign(uow, session.id, maybe_number_in(form, "mediator"))


def _close(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    return workshops.close(uow, session.id)


def _invoice(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    if form.get("sure") != "1":
        raise Invalid("thread.not_sure", field="sure")
    bill = Bill(
        customer=Customer(**{name: form.get(name, "") for name in CUSTOMER}),
        seller=Seller(**{name: form.get(f"seller_{name}", "") for name in SELLER}),
        exemption=one_of(Exemption, form, "exemption") if form.get("exemption") else None,
    )
    return invoicing.invoice(uow, session.id, bill)


def _credit(uow: UnitOfWork, words: Words, session: Session, form: Form) -> object:
    if form.get("sure") != "1":
        raise Invalid("thread.not_sure", field="sure")
    return invoicing.credit(uow, session.id, form.get("text", ""))


#: By the last part of the address; to hold a date needs the planner and is not here. The use cases ask who may: a table
#: is no leave.
OF_SCHOOL: Final[Mapping[str, Act]] = {
    "accept": _accept,
    "refuse": _give_back,
    "message": _message,
    "ask-move": _ask_move,
    "cancel": _cancel,
    "recount": _recount,
    "reopen": _reopen,
}
OF_STAFF: Final[Mapping[str, Act]] = {
    "accept": _accept,
    "refuse": _give_back,
    "message": _message,
    "call-off": _call_off,
    "decline": _decline,
    "recount": _recount,
    "reopen": _reopen,
    "assign": _assign,
    "close": _close,
    "invoice": _invoice,
    "credit": _credit,
}


def instant_in(form: Form, name: str, zone: ZoneInfo) -> datetime | None:
    """Of an `<input type="datetime-local">`, in the house's zone; empty is None. Raises `Invalid` day.wrong."""
    said = form.get(name, "").strip()
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid("day.wrong", field=name) from None
    return found.replace(tzinfo=zone) if found.tzinfo is None else found
