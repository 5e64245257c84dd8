"""A small lab for tests: two printers, a laser, a room, four people, a few spools, open Tuesday to Saturday."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy import select, text

from fablab import migrations
from fablab.base.clock import FakeClock
from fablab.base.database import Actor, Database
from fablab.base.sealing import FILE_NAME, Sealer
from fablab.claims.jobs import use as jobs
from fablab.claims.jobs.use import Wishes
from fablab.claims.models import Allocation, AllocationState, Claim, ClaimState
from fablab.money.models import MaterialPrice, Tariff
from fablab.people import members
from fablab.people.models import Audience, Member, ProjectKind, Role
from fablab.places.models import (
    HoursKind,
    HoursRule,
    House,
    Machine,
    MachineGate,
    Material,
    Resource,
    ResourceKind,
    Spool,
    Technology,
)
from fablab.programs import gcode
from fablab.programs.store import Store
from fablab.runs.models import Run
from scheduler.check import Violation, violations
from scheduler.intake import Intake
from scheduler.plan import Plan
from scheduler.problem import Slot
from scheduler.sight import MINUTE, look
from tests.remembering import SCHEME

#: A Tuesday, ten in the morning in Paris: the lab is open and staffed.
TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PASSWORD = "a long password"
#: Machine name to device name.
USUAL = {"mk3": "mk3", "ender": "ender"}
SAMPLES = Path(__file__).parent / "samples"
GEAR = SAMPLES / "gear_mk3s_petg.gcode"
TAG = SAMPLES / "name_tag_ender3_pla.gcode"


@dataclass
class Lab:
    """The database and whom and what is in it, by short names."""

    database: Database
    clock: FakeClock
    intake: Intake
    actors: dict[str, Actor] = field(default_factory=dict)
    resources: dict[str, int] = field(default_factory=dict)
    spools: dict[str, int] = field(default_factory=dict)
    projects: dict[str, int] = field(default_factory=dict)

    @property
    def maker(self) -> Actor:
        return self.actors["maker"]

    @property
    def staff(self) -> Actor:
        return self.actors["staff"]


def make_lab(url: str, folder: Path, *, at: datetime = TUESDAY, devices: dict[str, str] | None = None) -> Lab:
    """`devices`: machine name to device name; without it the printers are `mk3` and `ender`.

    The usual lab is made once in each process; what is asked for afterwards is a copy of it.
    """
    clock = FakeClock(at)
    database = Database(url, clock=clock, sealer=Sealer(folder / FILE_NAME))
    store = Store(folder / "programs")
    lab = Lab(database, clock, Intake(database=database, store=store, limit_bytes=300_000_000))
    if at != TUESDAY or devices is not None or not database.is_sqlite:
        return _founded(lab, devices or USUAL)
    usual = _usual()
    assert usual.database.url.database is not None
    assert database.url.database is not None
    shutil.copyfile(usual.database.url.database, database.url.database)
    return replace(
        lab,
        actors=dict(usual.actors),
        resources=dict(usual.resources),
        spools=dict(usual.spools),
        projects=dict(usual.projects),
    )


@cache
def _usual() -> Lab:
    """On SQLite, and closed again: all of it is in one file."""
    folder = Path(tempfile.mkdtemp(prefix="fablab-usual-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    clock = FakeClock(TUESDAY)
    database = Database(f"sqlite:///{folder / 'lab.db'}", clock=clock)
    intake = Intake(database=database, store=Store(folder / "programs"), limit_bytes=0)
    made = _founded(Lab(database, clock, intake), USUAL)
    database.dispose()
    return made


def _founded(lab: Lab, devices: dict[str, str]) -> Lab:
    database, clock = lab.database, lab.clock
    migrations.upgrade(database)
    with database.begin() as uow:
        uow.session.add(House(id=1, name="Atelier", zone="Europe/Paris", synthetic=True))
        for kind, opens, closes in ((HoursKind.OPEN, 9, 20), (HoursKind.STAFFED, 10, 18)):
            for weekday in range(1, 6):
                uow.session.add(HoursRule(kind=kind, weekday=weekday, opens=time(opens), closes=time(closes)))
        for name, role in (
            ("maker", Role.MAKER),
            ("other", Role.MAKER),
            ("staff", Role.STAFF),
            ("admin", Role.ADMIN),
        ):
            member = members.add_member(uow, name=name.title(), role=role, email=f"{name}@lab.example")
            member.password_hash = _hashed()
            lab.actors[name] = Actor(member_id=member.id, name=member.name, role=role.value)
        owner = uow.session.get(Member, lab.maker.member_id)
        assert owner is not None
        lab.projects["drone"] = members.add_project(uow, owner, "Drone", ProjectKind.PERSONAL).id
        _stock(lab, uow.session)
        _machines(lab, uow.session, devices, clock.now())
    return lab


def _stock(lab, session) -> None:  # type: ignore[no-untyped-def]
    for code, density in (("PLA", 1.24), ("PETG", 1.27)):
        material = Material(code=code, name=code, technology=Technology.FDM, density_g_cm3=density)
        session.add(material)
        session.flush()
        session.add(MaterialPrice(material_id=material.id, kilogram_cents=4000, first_day=date(2020, 1, 1)))
        spool = Spool(
            material_id=material.id,
            label=f"{code}-1",
            colour="orange",
            colour_hex="#f60000",
            weight_g=1000,
            left_g=800,
        )
        session.add(spool)
        session.flush()
        lab.spools[code] = spool.id
    for technology in (Technology.FDM, Technology.LASER):
        session.add(
            Tariff(
                audience=Audience.PERSONAL,
                technology=technology,
                hour_cents=100,
                step_s=1800,
                first_day=date(2020, 1, 1),
            )
        )


def _machines(lab, session, devices, now) -> None:  # type: ignore[no-untyped-def]
    for name, technology, bed, unattended in (
        ("mk3", Technology.FDM, (250, 210, 210), True),
        ("ender", Technology.FDM, (220, 220, 250), False),
        ("laser", Technology.LASER, (600, 400, 50), False),
    ):
        row = Resource(kind=ResourceKind.MACHINE, name=name, technology=technology)
        session.add(row)
        session.flush()
        lab.resources[name] = row.id
        session.add(
            Machine(
                resource_id=row.id,
                device=devices.get(name),
                gate=MachineGate.AWAITING_CLEAR,
                gate_at=now,
                bed_x_mm=bed[0],
                bed_y_mm=bed[1],
                height_mm=bed[2],
                nozzle_mm=0.4 if technology is Technology.FDM else None,
                max_nozzle_c=290,
                max_bed_c=110,
                unattended=unattended,
                unattended_max_s=14 * 3600 if unattended else 0,
                needs_certification=technology is Technology.LASER,
                spool_id=lab.spools["PETG"] if name == "mk3" else None,
            )
        )
    room = Resource(kind=ResourceKind.ROOM, name="Room 1", seats=24)
    session.add(room)
    session.flush()
    lab.resources["room"] = room.id


@cache
def _hashed() -> str:
    """One hash for everybody, and one that is soon checked: every signing in pays what its own hash says."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def copy_of(lab: Lab, path: Path) -> Lab:
    """A lab on SQLite again, in a file of its own and with a clock of its own: much quicker than a new one."""
    assert lab.database.url.database is not None
    with lab.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")  # a checkpoint wants no transaction around it
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    shutil.copyfile(lab.database.url.database, path)
    clock = FakeClock(lab.clock.now())
    database = Database(f"{SCHEME}:///{path}", clock=clock)
    return replace(lab, database=database, clock=clock, intake=replace(lab.intake, database=database))


def analysed(
    *,
    duration_s: float = 1800.0,
    weight_g: float = 4.5,
    material: str | None = "PETG",
    nozzle_mm: float | None = 0.4,
    kind: gcode.Kind = gcode.Kind.FDM,
    incidents: tuple[gcode.Incident, ...] = (),
    stairs: gcode.Stairs | None = None,
) -> gcode.Analysis:
    """What a file might have said, without a file."""
    return gcode.Analysis(
        kind=kind,
        size_bytes=1000,
        lines=100,
        commands=90,
        moves=80,
        first_line=1,
        last_line=100,
        duration_s=duration_s,
        duration_source=gcode.Source.SLICER,
        motion_s=duration_s,
        stated_s=duration_s,
        limits_source=gcode.LimitsSource.DEFAULT,
        filament=(),
        filament_mm=1500.0,
        filament_g=weight_g,
        work_mm=None,
        travel_mm=None,
        nozzle_c=240.0,
        nozzle_line=3,
        bed_c=80.0,
        bed_line=4,
        chamber_c=None,
        layers=50,
        tools=(0,),
        tool_changes=0,
        arcs=0,
        homes=1,
        inches=False,
        relative=False,
        stairs=stairs or gcode.Stairs(),
        incidents=incidents,
        incidents_hidden=0,
        slicer=gcode.Slicer(
            materials=(material,) if material else (), nozzle_mm=(nozzle_mm,) if nozzle_mm else ()
        ),
    )


def drafted(
    lab: Lab, analysis: gcode.Analysis | None = None, *, actor: Actor | None = None, name: str = "part.gcode"
) -> str:
    """The id of a draft whose program was never a file."""
    with lab.database.begin(actor or lab.maker) as uow:
        program = jobs.keep_program(uow, secrets.token_hex(32), 1000, analysis or analysed(), None)
        return jobs.draft(uow, program, name).id


def submitted(
    lab: Lab,
    analysis: gcode.Analysis | None = None,
    *,
    actor: Actor | None = None,
    wishes: Wishes | None = None,
    name: str = "part.gcode",
) -> str:
    """The id of a job that has been through the intake."""
    who = actor or lab.maker
    job_id = drafted(lab, analysis, actor=who, name=name)
    lab.intake.submit(who, job_id, wishes or Wishes())
    return job_id


#: Pairs of allocations that share a resource and a moment. There may never be one; said in SQL, not by our code.
OVERLAPS = """
SELECT count(*) FROM allocations AS a JOIN allocations AS b ON a.resource_id = b.resource_id AND a.id < b.id
WHERE a.start_at < b.end_at AND b.start_at < a.end_at
"""


def counted(lab: Lab, sql: str, **values: object) -> int:
    """The one number that a query answers."""
    with lab.database.engine.connect() as connection:
        found = connection.execute(text(sql), values).scalar_one()
    assert isinstance(found, int)
    return found


def breaches(lab: Lab) -> tuple[Violation, ...]:
    """What the referee finds wrong with the planned part of the calendar, as seen from now."""
    with lab.database.read() as uow:
        query = select(Allocation).join(Allocation.claim)
        planned = list(
            uow.session.scalars(
                query.where(
                    Allocation.state == AllocationState.TENTATIVE,
                    Allocation.run_id.is_(None),
                    Claim.state == ClaimState.HELD,
                )
            ).unique()
        )
        sight = look(uow, without=[row.claim_id for row in planned])
        demands = {row.claim_id: sight.demand(row.claim) for row in planned}
        slots = [
            Slot(
                demand=row.claim_id,
                machine=sight.index[row.resource_id],
                setup_start=(row.start_at - sight.origin) // MINUTE,
                run_start=(row.run_start_at - sight.origin) // MINUTE,
                run_end=(row.run_end_at - sight.origin) // MINUTE,
                free_at=(row.end_at - sight.origin) // MINUTE,
                family=demands[row.claim_id].family
                if sight.problem.machines[sight.index[row.resource_id]].loads
                else None,
            )
            for row in planned
        ]
        problem = replace(sight.problem, demands=tuple(demands.values()))
        return violations(problem, Plan().with_slots(slots))


def run_of(lab: Lab, job: str) -> Run:
    """The only run of a job, over or not: a drafted program was never a file, and the dispatcher soon finds that out."""
    with lab.database.read() as uow:
        (run,) = uow.session.scalars(select(Run).where(Run.claim_id == job)).unique()
        return run
