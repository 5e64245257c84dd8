"""Partners over the API: each runs its own part of the house, and of the other's it can touch and read nothing."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from litestar.routes import HTTPRoute

from fablab.base.database import UnitOfWork
from fablab.base.errors import LabError, NotFound
from fablab.claims import desks, hires, parts, reservations
from fablab.claims.desks import DeskWish, Part
from fablab.claims.hires import HireWish
from fablab.claims.workshops import catalogue
from fablab.money import passes, stays
from fablab.money.stays import StayUnit, StayWish
from fablab.people import partners
from fablab.people.access import Right
from fablab.people.models import Member
from fablab.reports import leaving
from fablab.reports import partners as report
from tests.claims.workshops_rig import TAGS
from tests.lab import Lab, counted
from tests.parted import Parted, parted
from tests.web.site import Site
from web.api import partners as api

EVERYTHING = (
    "resources",
    "stay_prices",
    "pass_tariffs",
    "partners",
    "hires",
    "workshops",
    "organisation_members",
)


@pytest.fixture
def house(lab: Lab) -> Parted:
    made = parted(lab)
    with lab.database.begin() as uow:
        known = uow.session.get_one(Member, lab.staff.member_id).password_hash
        for actor in (made.of_a, made.of_b):
            uow.session.get_one(Member, actor.member_id).password_hash = known
    return made


def snapshot(lab: Lab) -> dict[str, list[tuple[object, ...]]]:
    with lab.database.engine.connect() as connection:
        return {
            table: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]
            for table in EVERYTHING
        }


def test_nobody_of_partner_a_touches_or_reads_anything_of_b_by_any_route(site: Site, house: Parted) -> None:
    """Every route of the API's file and every page's that names a part, a thing, a price or a tariff: with B's ids."""
    with site.lab.database.read() as uow:
        theirs = {
            "partner": house.b,
            "thing": house.things["hall"],
            "price": next(row.id for row in stays.prices(uow, uow.now.date()) if row.partner_id == house.b),
        }
    with site.lab.database.begin(site.lab.actors["admin"]) as uow:
        wish = passes.PassWish(name="B's", half_days=2, price_cents=100, partner_id=house.b)
        theirs["tariff"] = passes.add_tariff(uow, wish).id
    site.sign_in("a")
    before = snapshot(site.lab)
    bodies = {
        "POST": {
            "name": "Mine now",
            "kind": "room",
            "unit": "hour",
            "price_cents": 1,
            "half_days": 1,
            "partner": house.a,
        },
        "PUT": {"name": "Mine now"},
    }
    tried = []
    for route in site.app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            names = [name for name in theirs if f"{{{name}:int}}" in route.path]
            if handler.opt.get("access") not in (Right.PARTNER, Right.MANAGE) or not names:
                continue
            path = route.path
            for name in names:
                path = path.replace(f"{{{name}:int}}", str(theirs[name]))
            for method in sorted(set(handler.http_methods) - {"OPTIONS"}):
                body = bodies.get(method)
                json_ = (
                    {"json": body}
                    if path.startswith("/api") and body
                    else {"data": {"name": "Mine now"}}
                    if body
                    else {}
                )
                answer = site.client.request(method, path, follow_redirects=False, **json_)
                tried.append((method, route.path, answer.status_code))
    assert len([row for row in tried if row[1].startswith("/api")]) >= len(api.ROUTES) - 1
    assert [row for row in tried if row[2] not in (403, 404)] == []
    assert snapshot(site.lab) == before


REFUSED: tuple[Callable[[UnitOfWork, Parted], object], ...] = (
    lambda uow, h: parts.of(uow, h.b),
    lambda uow, h: parts.retire(uow, h.things["hall"]),
    lambda uow, h: report.report(uow, h.b, uow.now.date(), uow.now.date()),
    lambda uow, h: leaving.export(uow, h.b),
    lambda uow, h: catalogue.of_partner(uow, h.b),
    lambda uow, h: parts.hand_on(uow, h.things["desk1"], h.b),
    lambda uow, h: parts.add(uow, None, parts.ResourceKind.ROOM, parts.Thing(name="The house's")),
    lambda uow, h: parts.add(
        uow, h.a, parts.ResourceKind.KIT, parts.Thing(name="Kit", home_id=h.things["hall"])
    ),
    lambda uow, h: stays.price(uow, StayWish(unit=StayUnit.DAY, price_cents=1, resource_id=h.things["hall"])),
    lambda uow, h: partners.begin(uow, h.a),
)


def test_the_use_cases_themselves_say_no(house: Parted) -> None:
    let_in = []
    for number, act in enumerate(REFUSED):
        try:
            with house.lab.database.begin(house.of_a) as uow:
                act(uow, house)
        except LabError:
            continue
        let_in.append(number)
    assert let_in == []


def test_a_workshop_is_its_partners_own(house: Parted) -> None:
    lab, of_b = house.lab, replace(TAGS, partner_id=house.b)
    row = lab.database.write(lambda uow: catalogue.create(uow, of_b), house.of_b)
    for act in (
        lambda uow: catalogue.create(uow, replace(of_b, slug="another")),
        lambda uow: catalogue.change(uow, row.id, row.version, replace(of_b, partner_id=house.a)),
        lambda uow: catalogue.retire(uow, row.id, row.version),
    ):
        with pytest.raises(NotFound):
            lab.database.write(act, house.of_a)
    taken_over = replace(of_b, partner_id=house.a)
    with pytest.raises(NotFound):  # nor does anybody give their own away
        lab.database.write(lambda uow: catalogue.change(uow, row.id, row.version, taken_over), house.of_b)
    lab.database.write(lambda uow: catalogue.retire(uow, row.id, row.version), house.of_b)


def test_staff_without_the_right_run_no_part_and_an_administrator_runs_all(house: Parted) -> None:
    with house.lab.database.read(house.lab.staff) as uow:
        assert not any(partners.runs(uow, part) for part in (house.a, house.b, None))
    with house.lab.database.read(house.lab.actors["admin"]) as uow:
        assert all(partners.runs(uow, part) for part in (house.a, house.b, None))


def test_who_has_left_the_house_takes_its_data_along_and_changes_nothing(house: Parted) -> None:
    with house.lab.database.begin(house.lab.actors["admin"]) as uow:
        partners.leave(uow, house.a)
    house.lab.clock.advance(timedelta(days=1))
    with house.lab.database.begin(house.of_a) as uow:
        assert leaving.export(uow, house.a)[:2] == b"PK"
        with pytest.raises(LabError):
            parts.add(uow, house.a, parts.ResourceKind.ROOM, parts.Thing(name="One more"))


def test_a_report_counts_the_partners_own_and_nothing_of_the_others(house: Parted) -> None:
    _used(house)
    today = house.lab.clock.now().date()
    with house.lab.database.read(house.of_a) as uow:
        of_a = report.report(uow, house.a, today.replace(day=1), today)
    with house.lab.database.read(house.of_b) as uow:
        of_b = report.report(uow, house.b, today.replace(day=1), today)
    assert (of_a.charged_cents, of_a.hours) == (900, 4.0)
    assert (of_b.charged_cents, {a.value for a in of_b.by_audience}) == (9000, {"association"})
    assert {line.name: line.charged_cents for line in of_b.by_resource} == {
        "Auditorium": 8000,
        "Projector": 1000,
        "Sound": 0,
    }


def test_an_export_holds_every_table_and_no_name_of_anybody(site: Site, house: Parted) -> None:
    _used(house)
    site.sign_in("b")
    answer = site.client.get(f"/api/partners/{house.b}/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    data = json.loads(archive.read("data.json"))["tables"]
    assert set(data) == set(leaving.TABLES)
    for name in leaving.TABLES:
        lines = list(csv.DictReader(io.StringIO(archive.read(f"tables/{name}.csv").decode())))
        assert len(lines) == len(data[name])
    assert {row["name"] for row in data["resources"]} == {"Auditorium", "Projector", "Sound"}
    assert [row["amount_cents"] for row in data["charges"]] == [9000]
    whole = b"".join(archive.read(name) for name in archive.namelist())
    assert not any(secret in whole for secret in (b"Ada", b"town.example", b"A talk", b"Desk 1", b"Maker"))
    assert counted(house.lab, "SELECT count(*) FROM doings WHERE code = 'partner.exported'") == 1


def _used(house: Parted) -> None:
    """The maker had a desk of A's for a morning, and a visitor the auditorium and the projector of B's."""
    lab = house.lab
    begin = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
    desk = lab.database.write(
        lambda uow: desks.take(uow, DeskWish(day=begin.date(), part=Part.AM)), lab.maker
    )
    wish = HireWish(
        room_id=house.things["hall"],
        kit_ids=(house.things["projector"],),
        start_at=begin,
        end_at=begin + timedelta(hours=2),
        people=10,
        name="Ada",
        email="ada@town.example",
        purpose="A talk",
    )
    with lab.database.begin(lab.staff) as uow:
        row = hires.ask(uow, wish)
        row.state, row.email_confirmed_at = hires.HireState.REQUESTED, uow.now
        uow.session.flush()
        hires.approve(uow, row.id)
    lab.clock.set(desk.start_at)
    lab.database.write(lambda uow: reservations.check_in(uow, desk.id), lab.maker)
    lab.clock.set(begin + timedelta(hours=4))
    lab.database.write(reservations.complete_ended)
    lab.database.write(hires.tend)
