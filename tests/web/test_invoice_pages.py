"""The end of a school's thread: its invoice and the credit note, by the staff's page, the school's page and the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fablab.claims.workshops import delivering
from fablab.claims.workshops.attendance import Came
from fablab.claims.workshops.words import AttendanceAxis
from tests.claims.workshops_rig import MORNING, Class, make_class
from tests.lab import Lab
from tests.web.page_rig import Browser, browser
from tests.web.test_schools_pages import as_school, text_of, thread_of

FORM: dict[str, Any] = {
    "name": "École Jean-Macé",
    "address": "2 rue de l’École #3",
    "postcode": "62400",
    "city": "Béthune",
    "uai": "0620001P",
    "service_code": "EDU-7",
    "seller_name": "La maison",
    "seller_address": "1 rue du Beffroi, 62400 Béthune",
    "seller_siret": "35600000000048",
    "seller_vat_number": "FR00356000000",
}


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Browser]:
    with browser(lab, tmp_path, dispatch=False) as (seat, _links):
        as_school(seat)
        yield seat


def delivered(group: Class) -> None:
    group.lab.clock.set(MORNING + timedelta(hours=2))
    counts = {AttendanceAxis.AGE: {"moins_de_douze": 20}}
    group.does(delivering.attend, group.id, Came(people=20, adults=2, counts=counts))
    group.does(delivering.deliver, group.id)


def test_the_thread_ends_with_its_invoice_which_a_credit_note_alone_cancels(desk: Browser, lab: Lab) -> None:
    group = make_class(lab).confirmed()
    school, page, api = thread_of(group), f"/requests/{group.id}", f"/api/requests/{group.id}"
    desk.sign_in("staff")
    assert "Make the invoice" not in desk.get(page).text
    delivered(group)
    desk.sign_in("staff")  # a month later
    assert "Make the invoice (€142.26)" in text_of(desk.get(page))
    assert desk.post(f"{page}/invoice", **FORM).status_code == 422  # nobody was asked whether they are sure
    wrong = desk.post(f"{page}/invoice", **{**FORM, "seller_siret": "1"}, sure="1")
    assert (wrong.status_code, "rue de l’École #3" in wrong.text) == (422, True)
    assert desk.post(f"{page}/invoice", **FORM, sure="1").status_code == 303
    assert "made the invoice F2026-0001: €142.26" in text_of(desk.get(page))
    assert "Make the invoice" not in desk.get(page).text

    as_school(desk)
    shown = desk.get(school)
    assert "made the invoice F2026-0001" in text_of(shown)
    assert f'href="{school}/F2026-0001.pdf"' in shown.text
    paper = desk.get(f"{school}/F2026-0001.pdf")
    assert paper.content.startswith(b"%PDF-")
    assert desk.get(f"{school}/F2026-0002.pdf").status_code == 404
    assert desk.post(f"{school}/credit", text="For fun", sure="1").status_code == 404

    desk.sign_in("staff")
    desk.client.headers["X-CSRF-Token"] = desk.csrf
    again = desk.client.post(f"{api}/invoice", json={})
    assert (again.status_code, again.json()["code"]) == (409, "invoice.already")
    assert desk.post(f"{page}/credit", text="The town pays.", sure="1").status_code == 303
    answer = desk.client.post(f"{api}/invoice", json={"name": "Ville de Béthune", "order_number": "BC-9"})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["invoices"]
    assert [(row["number"], row["cancels"], row["total_cents"]) for row in rows] == [
        ("F2026-0001", None, 14226),
        ("A2026-0001", "F2026-0001", -14226),
        ("F2026-0002", None, 14226),
    ]
    assert rows[2]["customer"]["order_number"] == "BC-9"
    assert rows[2]["seller"] == rows[0]["seller"]  # the house as its last invoice names it
    assert [row["code"] for row in answer.json()["entries"]][-3:] == ["invoiced", "credited", "invoiced"]
    for number in ("A2026-0001", "F2026-0002"):
        assert desk.client.get(f"{api}/invoices/{number}").content.startswith(b"%PDF-")
    assert group.letters()[-3:] == ["session.invoiced", "session.credited", "session.invoiced"]
    assert desk.client.post(f"{api}/credit", json={"why": ""}).status_code == 400
    key = {"X-Thread-Key": school.rpartition("/")[2]}
    assert desk.client.get("/api/thread/invoices/F2026-0002", headers=key).status_code == 200
    del desk.client.headers["X-CSRF-Token"]
    desk.sign_in("admin")
    assert desk.client.get("/api/invoices/check").json() == {"broken": []}
