"""The demo lab: what a visitor may do in it at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from fablab import migrations
from fablab.base.database import Actor, Database
from fablab.claims.reservations.models import Reservation, ReservationState
from fablab.people.badges import Badge
from fablab.people.kiosks import Kiosk
from fablab.people.models import Member
from fablab.places.models import Technology
from fablab.programs.store import Store
from scheduler.reserving import Kind, Reserving, Wanted
from web.demo.seed import seed


@pytest.mark.soak
def test_its_maker_reserves_a_printer_without_asking_and_its_past_is_kept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'fablab.sqlite'}")
    migrations.upgrade(database)
    seed(database, Store(tmp_path / "programs"))
    with database.read() as uow:
        maker = uow.session.get_one(Member, 1)
        past = select(func.count()).where(
            Reservation.end_at < uow.now, Reservation.state == ReservationState.COMPLETED
        )
        assert (uow.session.scalar(past) or 0) > 50
        assert uow.session.scalar(select(func.count()).select_from(Badge)) == 4
        assert uow.session.scalar(select(func.count()).where(Kiosk.enrolled_at.is_not(None))) == 1
    actor = Actor(member_id=maker.id, name=maker.name, role=maker.role.value)
    kind = Kind(wanted=(Wanted(technology=Technology.FDM),), duration_s=3600)
    offers = Reserving(database=database).options(actor, kind, 5)
    database.dispose()
    assert [offer.refusals for offer in offers] == [()] * 5
