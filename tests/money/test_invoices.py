"""Invoices: numbers without a hole or a double, rows that never change, and no way back but a credit note."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from fablab.base.database import UnitOfWork
from fablab.base.errors import Conflict, Forbidden, Invalid, LabError
from fablab.money import invoices, quotes
from fablab.money.invoices import Customer, Seller
from fablab.money.models import Exemption, Invoice, InvoiceKind
from fablab.money.quotes import Line, Quote
from fablab.people.models import Audience
from tests.lab import Lab

WORKERS = 16
SCHOOL = Customer(name="École  Jean-Macé", postcode="62400", city="Béthune", siret="732 829 320 00074")
HOUSE = Seller(name="La maison", address="1 rue du Beffroi\n62400 Béthune", siret="35600000000048")
TAXED = replace(HOUSE, vat_number="FR00356000000")
WORK = Line(code="workshop_session", quantity=1, unit_cents=6000, amount_cents=6000)
VAT = Line(code="vat", quantity=5.5, unit_cents=6000, amount_cents=330)


def charged(lab: Lab, claim_id: str, *lines: Line) -> str:
    found = lines or (WORK,)
    with lab.database.begin() as uow:
        quotes.charge(
            uow,
            Quote(lines=found, total_cents=sum(line.amount_cents for line in found)),
            claim_id=claim_id,
            run_id=claim_id,
            member_id=None,
            project_id=None,
            audience=Audience.SCHOOL,
        )
    return claim_id


def issue(uow: UnitOfWork, claim_id: str, customer: Customer = SCHOOL, **more: Any) -> Invoice:
    told: dict[str, Any] = {
        "seller": HOUSE,
        "subject": {"fr": "Mon badge", "en": "My tag"},
        "delivered_at": uow.now,
        **more,
    }
    return invoices.issue(uow, claim_id, customer, **told)


def made(lab: Lab, claim_id: str, **more: Any) -> Invoice:
    return lab.database.write(lambda uow: issue(uow, claim_id, **more), lab.staff)


def taken_back(lab: Lab, row: Invoice, why: str = "Wrong payer") -> Invoice:
    return lab.database.write(lambda uow: invoices.credit(uow, row.id, why), lab.staff)


def broken(lab: Lab) -> tuple[str, ...]:
    with lab.database.read(lab.actors["admin"]) as uow:
        return invoices.broken(uow)


def refusal(work: Any) -> str:
    with pytest.raises(LabError) as caught:
        work()
    return caught.value.code


def test_the_lines_are_the_charges_own_with_their_tax_and_the_customer_is_frozen(lab: Lab) -> None:
    row = made(lab, charged(lab, "c1", WORK, VAT, replace(WORK, code="workshop_person")), seller=TAXED)
    first, second = invoices.lines_of(row)
    assert (first.vat_rate_bp, first.vat_cents, second.vat_rate_bp) == (550, 330, 0)
    assert (row.net_cents, row.vat_cents, row.total_cents) == (12000, 330, 12330)
    assert (row.customer["name"], row.customer["siret"]) == ("École Jean-Macé", "73282932000074")
    assert row.exemption is Exemption.ARTICLE_261
    assert row.due_day == row.day + timedelta(days=30)


def test_without_any_vat_the_mention_is_that_of_the_franchise_and_never_beside_vat(lab: Lab) -> None:
    assert made(lab, charged(lab, "c1")).exemption is Exemption.FRANCHISE
    mixed = charged(lab, "c2", WORK, VAT, WORK)
    more = {"seller": TAXED, "exemption": Exemption.FRANCHISE}
    assert refusal(lambda: made(lab, mixed, **more)) == "invoice.exemption"
    assert made(lab, charged(lab, "c3", WORK, VAT), seller=TAXED).exemption is None


def test_what_the_law_wants_on_it_is_asked_for(lab: Lab) -> None:
    charged(lab, "c1")
    wrong: list[tuple[Customer, Seller]] = [
        (replace(SCHOOL, name=" "), HOUSE),
        (replace(SCHOOL, city="B\x00"), HOUSE),
        (replace(SCHOOL, siret="73282932000075"), HOUSE),
        (SCHOOL, replace(HOUSE, siret="")),
        (SCHOOL, replace(HOUSE, address="")),
    ]
    fields = []
    for customer, seller in wrong:
        with pytest.raises(Invalid) as caught:
            made(lab, "c1", customer=customer, seller=seller)
        fields.append(caught.value.field)
    assert fields == ["name", "city", "siret", "seller_siret", "seller_address"]
    assert made(lab, "c1").number == "F2026-0001"


def test_who_asks_for_vat_needs_a_number_for_it(lab: Lab) -> None:
    charged(lab, "c1", WORK, VAT)
    with pytest.raises(Invalid) as caught:
        made(lab, "c1")
    assert caught.value.field == "seller_vat_number"


def test_nothing_charged_is_nothing_to_invoice_and_a_member_makes_none(lab: Lab) -> None:
    assert refusal(lambda: made(lab, "c1")) == "invoice.nothing"
    charged(lab, "c2")
    with pytest.raises(Forbidden):
        lab.database.write(lambda uow: issue(uow, "c2"), lab.actors["maker"])


def test_one_stands_for_a_claim_until_a_credit_note_with_its_own_number_takes_it_back(lab: Lab) -> None:
    charged(lab, "c1")
    first = made(lab, "c1")
    assert refusal(lambda: made(lab, "c1")) == "invoice.already"
    note = taken_back(lab, first)
    assert (first.number, note.number) == ("F2026-0001", "A2026-0001")
    assert (note.total_cents, invoices.lines_of(note)[0].net_cents) == (-6000, -6000)
    assert (note.why, note.credits_id, note.customer) == ("Wrong payer", first.id, first.customer)
    assert refusal(lambda: taken_back(lab, first)) == "invoice.credited"
    assert refusal(lambda: taken_back(lab, note)) == "invoice.unknown"
    assert made(lab, "c1").number == "F2026-0002"
    assert broken(lab) == ()


def test_a_credit_note_says_why(lab: Lab) -> None:
    charged(lab, "c1")
    row = made(lab, "c1")
    assert refusal(lambda: taken_back(lab, row, "  ")) == "invoice.text"


def test_a_row_cannot_be_changed_or_deleted(lab: Lab) -> None:
    charged(lab, "c1")
    made(lab, "c1")

    def change(uow: UnitOfWork) -> None:
        uow.session.scalars(select(Invoice)).one().total_cents = 1

    def delete(uow: UnitOfWork) -> None:
        uow.session.delete(uow.session.scalars(select(Invoice)).one())

    assert [refusal(lambda w=w: lab.database.write(w)) for w in (change, delete)] == ["invoice.fixed"] * 2


def test_what_somebody_does_to_the_rows_by_hand_shows(lab: Lab) -> None:
    for number in range(3):
        made(lab, charged(lab, f"c{number}"))
    assert broken(lab) == ()
    for sql, wrong in (
        ("UPDATE invoices SET total_cents = 1 WHERE number = 'F2026-0002'", "F2026-0002"),
        ("DELETE FROM invoices WHERE number = 'F2026-0002'", "F2026-0003"),
        ("DELETE FROM invoices WHERE number = 'F2026-0003'", "F2026-0003"),
    ):
        with lab.database.engine.begin() as connection:
            connection.execute(text(sql))
        assert broken(lab) == (wrong,), sql


def test_numbers_begin_again_with_the_year_of_the_house_and_the_chain_goes_on(lab: Lab) -> None:
    lab.clock.set(datetime(2026, 12, 31, 22, 59, tzinfo=UTC))
    old = made(lab, charged(lab, "c1"))
    lab.clock.set(datetime(2026, 12, 31, 23, 0, tzinfo=UTC))  # midnight in Paris
    new = made(lab, charged(lab, "c2"))
    assert (old.number, new.number, new.day) == ("F2026-0001", "F2027-0001", date(2027, 1, 1))
    assert new.before_sha256 == old.sha256
    assert broken(lab) == ()


def test_a_later_number_is_never_of_an_earlier_moment(lab: Lab) -> None:
    now = lab.clock.now()
    first = made(lab, charged(lab, "c1"))
    charged(lab, "c2")
    with lab.database.begin(lab.staff, at=now - timedelta(minutes=1)) as uow:
        assert issue(uow, "c2").made_at == first.made_at
    charged(lab, "c3")
    with pytest.raises(Conflict) as caught, lab.database.begin(lab.staff, at=now - timedelta(days=1)) as uow:
        issue(uow, "c3")
    assert caught.value.code == "invoice.clock"


def test_sixteen_at_once_some_of_whom_fail_leave_no_hole_and_no_double(any_lab: Lab) -> None:
    """Each claim is asked for by two; every third transaction is thrown away after it has taken its number."""
    claims = [charged(any_lab, f"c{number}") for number in range(24)]
    gate = threading.Barrier(WORKERS)

    def press(turn: int) -> str:
        if turn < WORKERS:
            gate.wait(60)
        claim_id = claims[turn // 2]

        def work(uow: UnitOfWork) -> str:
            row = issue(uow, claim_id)
            if turn % 3 == 0:
                raise RuntimeError("the power went")
            if turn % 4 == 1:
                invoices.credit(uow, row.id, "Twice")
            return row.number

        try:
            return any_lab.database.write(work, any_lab.staff)
        except RuntimeError:
            return "lost"
        except Conflict as error:
            return error.code

    with ThreadPoolExecutor(WORKERS) as pool:
        said = list(pool.map(press, range(2 * len(claims))))
    numbers = sorted(each for each in said if each.startswith("F"))
    assert numbers == [f"F2026-{position:04d}" for position in range(1, len(numbers) + 1)]
    assert set(said) - set(numbers) <= {"lost", "invoice.already"}
    assert said.count("lost") >= 1
    with any_lab.database.read() as uow:
        rows = list(uow.session.scalars(select(Invoice)))
        for claim_id in claims:
            invoices_of = [row for row in rows if row.claim_id == claim_id]
            gone = {row.credits_id for row in invoices_of}
            assert sum(r.kind is InvoiceKind.INVOICE and r.id not in gone for r in invoices_of) <= 1
    assert sorted(row.number for row in rows if row.kind is InvoiceKind.INVOICE) == numbers
    assert broken(any_lab) == ()
