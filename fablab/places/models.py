"""What the house has: resources and machines, hours, materials and spools."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, Enum, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fablab.base.database import Base


def words(kind: type[StrEnum], name: str) -> Enum:
    """A column that stores the word of a `StrEnum`, as text on both databases."""
    return Enum(kind, name=name, native_enum=False, length=32, values_callable=lambda e: [m.value for m in e])


class ResourceKind(StrEnum):
    MACHINE = "machine"
    ROOM = "room"
    DESK = "desk"
    PERSON = "person"
    KIT = "kit"


class Technology(StrEnum):
    FDM = "fdm"
    RESIN = "resin"
    LASER = "laser"
    CNC = "cnc"
    VINYL = "vinyl"


class MachineGate(StrEnum):
    """Ours, not the firmware's: it survives power cycles. Only a machine that is online, idle and clear may start."""

    CLEAR = "clear"
    AWAITING_CLEAR = "awaiting_clear"
    OUT_OF_SERVICE = "out_of_service"


GATE_STEPS: dict[tuple[MachineGate, str], MachineGate] = {
    (MachineGate.CLEAR, "occupy"): MachineGate.AWAITING_CLEAR,
    (MachineGate.AWAITING_CLEAR, "occupy"): MachineGate.AWAITING_CLEAR,
    (MachineGate.AWAITING_CLEAR, "clear"): MachineGate.CLEAR,
    (MachineGate.CLEAR, "clear"): MachineGate.CLEAR,
    (MachineGate.CLEAR, "lock_out"): MachineGate.OUT_OF_SERVICE,
    (MachineGate.AWAITING_CLEAR, "lock_out"): MachineGate.OUT_OF_SERVICE,
    (MachineGate.OUT_OF_SERVICE, "lock_out"): MachineGate.OUT_OF_SERVICE,
    # Back in service never means that the bed is clear: somebody has to say so.
    (MachineGate.OUT_OF_SERVICE, "give_back"): MachineGate.AWAITING_CLEAR,
}


class HoursKind(StrEnum):
    OPEN = "open"
    STAFFED = "staffed"


class House(Base):
    """The one row that says which lab this is. `synthetic`: demo data, and every page says so."""

    __tablename__ = "house"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(64))
    synthetic: Mapped[bool]


class Resource(Base):
    """`partner_id`: the organisation of the house that runs it; None: the house itself. `setup_min`, `clear_min`: around
    every use of a room, a machine's own stand on the machine. `public`: somebody without an account may ask for it.
    `equipment`: what is in a room for good, as words. `home_id`: the room that a kit is offered with."""

    __tablename__ = "resources"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ResourceKind] = mapped_column(words(ResourceKind, "resource_kind"))
    name: Mapped[str] = mapped_column(String(120), unique=True)
    technology: Mapped[Technology | None] = mapped_column(words(Technology, "technology"))
    seats: Mapped[int | None]
    active: Mapped[bool] = mapped_column(default=True)
    note: Mapped[str] = mapped_column(String(500), default="")
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    setup_min: Mapped[int] = mapped_column(default=0)
    clear_min: Mapped[int] = mapped_column(default=0)
    public: Mapped[bool] = mapped_column(default=False)
    equipment: Mapped[list[str]] = mapped_column(JSON, default=list)
    home_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"), index=True)

    machine: Mapped[Machine | None] = relationship(back_populates="resource", lazy="joined")

    __table_args__ = (CheckConstraint("setup_min >= 0 AND clear_min >= 0", name="around"),)


class Machine(Base):
    """The machine side of a resource. Lengths in mm, heat in degrees Celsius, `*_s` in seconds."""

    __tablename__ = "machines"

    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    device: Mapped[str | None] = mapped_column(String(80), unique=True)
    gate: Mapped[MachineGate] = mapped_column(
        words(MachineGate, "machine_gate"), default=MachineGate.AWAITING_CLEAR
    )
    gate_note: Mapped[str] = mapped_column(String(300), default="")
    gate_at: Mapped[datetime]
    model: Mapped[str] = mapped_column(String(120), default="")
    bed_x_mm: Mapped[float]
    bed_y_mm: Mapped[float]
    height_mm: Mapped[float]
    nozzle_mm: Mapped[float | None]
    max_nozzle_c: Mapped[float]
    max_bed_c: Mapped[float]
    unattended: Mapped[bool] = mapped_column(default=False)
    unattended_max_s: Mapped[int] = mapped_column(default=0)
    setup_s: Mapped[int] = mapped_column(default=600)
    clear_s: Mapped[int] = mapped_column(default=300)
    needs_certification: Mapped[bool] = mapped_column(default=False)
    spool_id: Mapped[int | None] = mapped_column(ForeignKey("spools.id"))
    version: Mapped[int] = mapped_column(default=1)

    resource: Mapped[Resource] = relationship(back_populates="machine")
    spool: Mapped[Spool | None] = relationship(lazy="joined")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declarative attribute


class HoursRule(Base):
    """Weekly hours in the house's local time; a resource's own rules replace the house's for that resource."""

    __tablename__ = "hours_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[HoursKind] = mapped_column(words(HoursKind, "hours_kind"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"), index=True)
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]

    __table_args__ = (CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),)


class HoursException(Base):
    """One day that differs: its rows replace that day's rules. A row without hours says: shut."""

    __tablename__ = "hours_exceptions"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[HoursKind] = mapped_column(words(HoursKind, "hours_kind"))
    day: Mapped[date] = mapped_column(index=True)
    opens: Mapped[time | None]
    closes: Mapped[time | None]


class Closure(Base):
    """The house is shut from `start_at` to `end_at`, whatever the rules say."""

    __tablename__ = "closures"

    id: Mapped[int] = mapped_column(primary_key=True)
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(String(120))

    __table_args__ = (
        CheckConstraint("start_at < end_at", name="order"),
        Index("ix_closures_span", "start_at", "end_at"),
    )


class Material(Base):
    __tablename__ = "materials"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    technology: Mapped[Technology] = mapped_column(words(Technology, "technology"))
    density_g_cm3: Mapped[float]
    active: Mapped[bool] = mapped_column(default=True)


class Spool(Base):
    """One stocked piece. `grams_left` may go below zero: the scale is right, the label was wrong."""

    __tablename__ = "spools"

    id: Mapped[int] = mapped_column(primary_key=True)
    material_id: Mapped[int] = mapped_column(ForeignKey("materials.id"), index=True)
    label: Mapped[str] = mapped_column(String(60))
    colour: Mapped[str] = mapped_column(String(40))
    colour_hex: Mapped[str] = mapped_column(String(7))
    weight_g: Mapped[float]
    left_g: Mapped[float]
    active: Mapped[bool] = mapped_column(default=True)

    material: Mapped[Material] = relationship(lazy="joined")

    __table_args__ = (UniqueConstraint("label"),)
