"""A whole house for a school: six printers whose firmware is mocked on real ptys, a room, a mediator, the workshop in the
catalogue, and a server on a socket. Its clock is the computer's, and can be put forward to the day of the visit."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from litestar import Litestar
from sqlalchemy import select

from drivers.link import Link
from drivers.marlin import Marlin
from drivers.mock.marlin import MockMarlin
from fablab.claims.workshops import catalogue
from fablab.claims.workshops.offer import Piece, Want
from fablab.notices import Letter
from fablab.people.models import Member
from fablab.places.models import (
    Machine,
    MachineGate,
    Resource,
    ResourceKind,
    Technology,
)
from tests.claims.workshops_rig import TAGS
from tests.drivers.marlin_rig import QUICK
from tests.lab import Lab, make_lab
from tests.web.serving import serving
from tests.web.site import make_app

SPEED = 200
PRINTERS = ("mk3", "ender", "p3", "p4", "p5", "p6")
PUPILS = 24
FIRST_NAMES = tuple(f"Prénom{number:02d}" for number in range(1, PUPILS + 1))

#: The workshop of the catalogue, with all six printers.
TAGS_ON_SIX = replace(
    TAGS,
    needs=(
        Want(kind=ResourceKind.MACHINE, technology=Technology.FDM, quantity=len(PRINTERS)),
        Want(kind=ResourceKind.ROOM, seats=PUPILS),
        Want(kind=ResourceKind.PERSON),
    ),
    piece=Piece(technology=Technology.FDM, minutes=3, weight_g=1.0),
)

HEAD = """; a name tag, small enough for a story
G90
M83
M140 S60
M104 S200
G28
M190 S60
M109 S200
G1 Z0.3 F600
"""
FOOT = """M104 S0
M140 S0
G1 Z20 F600
G28 X0
M84
; filament_type = PLA
; nozzle_diameter = 0.4
"""


def tag_program(number: int = 0) -> bytes:
    """About two minutes of a printer at its own pace. `number`: pupils' tags are not the same file."""
    walls = []
    for layer in range(4):
        walls.append(f"G1 Z{0.3 + layer * 0.3:.1f} F600")
        for x, y in ((40, 20), (80, 20), (80, 40 + number * 0.1), (40, 40 + number * 0.1)):
            walls.append(f"G1 X{x} Y{y:.1f} E1.2 F900")
    return (HEAD + "\n".join(walls) + "\n" + FOOT).encode()


class Almanac:
    """The computer's clock, some days ahead once somebody has turned the page."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def turn_to(self, at: datetime) -> None:
        self._ahead = at - datetime.now(UTC)


@dataclass
class SchoolHouse:
    lab: Lab
    clock: Almanac
    app: Litestar
    port: int
    mocks: dict[str, MockMarlin]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key_in(self, code: str) -> str:
        """The link's secret in the last letter of this kind."""
        with self.lab.database.read() as uow:
            query = select(Letter).where(Letter.code == code).order_by(Letter.id.desc())
            letter = uow.session.scalars(query.limit(1)).one()
            return str(letter.facts["secret_path"]).rpartition("/")[2]

    def a_school_day(self) -> date:
        """A Tuesday, four weeks on or a little more."""
        day = (self.clock.now() + timedelta(days=28)).date()
        while day.weekday() != 1:
            day += timedelta(days=1)
        return day


@asynccontextmanager
async def school_house(folder: Path) -> AsyncIterator[SchoolHouse]:
    clock = Almanac()
    folder.mkdir(parents=True, exist_ok=True)
    lab = make_lab(
        f"sqlite:///{folder / 'fablab.sqlite'}", folder, at=clock.now(), devices={n: n for n in PRINTERS[:2]}
    )
    _furnish(lab)
    with ExitStack() as stack:
        mocks = {name: stack.enter_context(MockMarlin(speed=SPEED)) for name in PRINTERS}
        links = {
            name: Link(Marlin(name=name, port=mock.port, limits=LIMITS, clock=clock), clock=clock)
            for name, mock in mocks.items()
        }
        app = make_app(dataclasses.replace(lab, clock=clock), folder, links=links, dispatch=True)  # type: ignore[arg-type]
        async with serving(app) as port:
            try:
                yield SchoolHouse(lab=lab, clock=clock, app=app, port=port, mocks=mocks)
            finally:
                await asyncio.gather(*(link.close() for link in links.values()))
    lab.database.dispose()


#: The mocks of six printers share two processors with everything else of this computer.
LIMITS = replace(
    QUICK, silence_s=4.0, busy_silence_s=4.0, resend_ok_s=2.0, open_s=20.0, hello_s=4.0, safe_s=4.0
)


def _furnish(lab: Lab) -> None:
    with lab.database.begin(lab.actors["admin"]) as uow:
        for name in PRINTERS[2:]:
            row = Resource(kind=ResourceKind.MACHINE, name=name, technology=Technology.FDM)
            uow.session.add(row)
            uow.session.flush()
            lab.resources[name] = row.id
            uow.session.add(
                Machine(
                    resource_id=row.id,
                    device=name,
                    gate=MachineGate.AWAITING_CLEAR,
                    gate_at=uow.now,
                    bed_x_mm=220,
                    bed_y_mm=220,
                    height_mm=250,
                    nozzle_mm=0.4,
                    max_nozzle_c=290,
                    max_bed_c=110,
                    unattended=False,
                    unattended_max_s=0,
                    needs_certification=False,
                )
            )
        uow.session.flush()
        for name in PRINTERS:
            machine = uow.session.get_one(Machine, lab.resources[name])
            machine.spool_id, machine.clear_s = lab.spools["PLA"], 60
        member = uow.session.get_one(Member, lab.staff.member_id)
        person = Resource(kind=ResourceKind.PERSON, name=member.name)
        uow.session.add(person)
        uow.session.flush()
        lab.resources["mediator"] = person.id
        catalogue.create(uow, TAGS_ON_SIX)


def said(text: str) -> str:
    """A page's text without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
