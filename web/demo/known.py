"""How the demo's people are known beside a machine: a tablet that is let in, and badges. Invented numbers."""

from __future__ import annotations

from fablab.base.database import Actor, Database
from fablab.people import badges, kiosks
from fablab.people.models import Member
from fablab.places import house
from web.demo import cast


def give_badges(database: Database, admin: Member, holders: list[Member]) -> None:
    """A tablet beside the first machine, codes for all of them, and a badge each for `holders`."""
    with database.begin(Actor(member_id=admin.id, name=admin.name, role=admin.role.value)) as uow:
        first = house.machines(uow)[0]
        made = kiosks.make(uow, cast.KIOSK, first.id)
        kiosks.enrol(uow, made.link_token)
        for member, number in zip(holders, cast.BADGES, strict=False):
            badges.set_badge(uow, member.id, number)
