"""A problem and a plan as files: JSON, versioned, in whole minutes from an origin that only the writer knows.

The format is what stands below, field by field (docs/plan.md says it in words). A field that is missing has its
default; one that is not known here is an error, since a misspelt rule would silently not hold. Whatever is wrong is a
`BadProblem` whose fault names the place as `$.demands[3].needs[0].eligible`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from scheduler.plan import Objective, Plan, Reason, Unplaced
from scheduler.problem import BadProblem, Fact, Fault, Presence, Problem, Slot, Why, validate

__all__ = ["VERSION", "plan_from_json", "plan_to_json", "problem_from_json", "problem_to_json"]

VERSION = 1
PROBLEM, PLAN = "fablab-problem", "fablab-plan"
MOST_BYTES = 256 * 1024 * 1024
MOST_PAIRS = 20_000_000  # demands x machines: the search lays out four bytes for each

MINUTES = 100_000_000  # 190 years; sums of them stay far inside the compiled search's integers
Minute = Annotated[int, Meta(ge=-MINUTES, le=MINUTES)]
Length = Annotated[int, Meta(ge=0, le=MINUTES)]
Number = Annotated[int, Meta(ge=0, le=1_000_000)]
Weight = Annotated[float, Meta(gt=0, le=1e6)]
#: Shown on terminals, so nothing in it may steer one.
Name = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+$")
]
Stretch = tuple[Minute, Minute]
F = TypeVar("F", bound=Struct)


class _Strict(Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class FamilyFile(_Strict):
    material: Number
    colour: Number
    nozzle: Number


class SetupRuleFile(_Strict, omit_defaults=False):
    same_min: Length = 10
    colour_min: Length = 15
    material_min: Length = 20
    nozzle_min: Length = 35


class BlockFile(_Strict):
    start: Minute
    end: Minute
    why: Why = Why.OUTAGE
    ref: Name | None = None


class MachineFile(_Strict):
    index: Number
    staffed: tuple[Stretch, ...]
    open: tuple[Stretch, ...]
    blocked: tuple[BlockFile, ...] = ()
    unattended_max_min: Length = 0
    night_start_ok: bool = False
    loads: SetupRuleFile | None = None
    loaded: FamilyFile | None = None
    worn_min: Annotated[int, Meta(ge=0, le=10**12)] = 0


class NeedFile(_Strict):
    eligible: tuple[Number, ...]
    quantity: Annotated[int, Meta(ge=1, le=10_000)] = 1
    setup_min: Length | None = None
    clear_min: Length | None = None


class ToldFile(_Strict):
    machines: tuple[Number, ...]
    start: Minute


class DemandFile(_Strict):
    id: Name
    needs: tuple[NeedFile, ...]
    duration_min: dict[Number, Length]
    release: Minute = 0
    due: Minute | None = None
    weight: Weight = 1.0
    presence: Presence = Presence.NOBODY
    setup_min: Length = 0
    clear_min: Length = 0
    family: FamilyFile | None = None
    starts: tuple[Stretch, ...] = ()
    dislike_min: tuple[Length, ...] = ()
    told: ToldFile | None = None
    not_eligible: dict[Number, Name] = field(default_factory=dict)


class SlotFile(_Strict):
    machine: Number
    setup_start: Minute
    run_start: Minute
    run_end: Minute
    free_at: Minute
    family: FamilyFile | None = None
    need: Number = 0


class FixedFile(SlotFile, kw_only=True):
    demand: Name


class ProblemFile(_Strict):
    format: str
    version: int
    horizon_min: Length
    machines: tuple[MachineFile, ...]
    demands: tuple[DemandFile, ...] = ()
    fixed: tuple[FixedFile, ...] = ()


class ReasonFile(_Strict):
    code: Name
    facts: dict[str, Fact] = field(default_factory=dict)


class PlanFile(_Strict):
    format: str
    version: int
    slots: dict[Name, Annotated[tuple[SlotFile, ...], Meta(min_length=1)]]
    unplaced: dict[Name, tuple[ReasonFile, ...]] = field(default_factory=dict)
    objective: dict[str, float] = field(default_factory=dict)


class _Head(Struct):
    """What every file says first; read alone, so that a later version's file is told from a broken one."""

    format: str
    version: int


def problem_to_json(problem: Problem) -> bytes:
    """One machine, one demand, one fixed slot a line."""
    file = msgspec.convert(
        {"format": PROBLEM, "version": VERSION, **_fields(problem)}, ProblemFile, from_attributes=True
    )
    return _written(file, "machines", "demands", "fixed")


def problem_from_json(data: bytes) -> Problem:
    """Raises `BadProblem`: for what cannot be read with the place in the file, for what makes no sense with all faults."""
    file = _read(data, PROBLEM, ProblemFile)
    if len(file.machines) * len(file.demands) > MOST_PAIRS:
        raise _bad("$.demands", "too_large", machines=len(file.machines), demands=len(file.demands))
    problem = msgspec.convert(
        {name: getattr(file, name) for name in ("horizon_min", "machines", "demands", "fixed")},
        Problem,
        from_attributes=True,
    )
    validate(problem)
    return problem


def plan_to_json(plan: Plan, value: Objective | None = None) -> bytes:
    """One demand a line; `value` is written for whoever reads the file, and never read back."""
    file = msgspec.convert(
        {
            "format": PLAN,
            "version": VERSION,
            "slots": {name: [_slot_file(slot) for slot in slots] for name, slots in plan.slots.items()},
            "unplaced": {name: entry.reasons for name, entry in plan.unplaced.items()},
            "objective": _fields(value) if value else {},
        },
        PlanFile,
        from_attributes=True,
    )
    return _written(file, "slots", "unplaced")


def plan_from_json(data: bytes) -> Plan:
    """Whether it fits a problem, `check.violations` says. Raises `BadProblem` for what cannot be read."""
    file = _read(data, PLAN, PlanFile)
    return Plan(
        slots={
            name: tuple(
                msgspec.convert({"demand": name, **_fields(slot)}, Slot, from_attributes=True)
                for slot in slots
            )
            for name, slots in file.slots.items()
        },
        unplaced={
            name: Unplaced(
                demand=name, reasons=tuple(Reason(code=reason.code, facts=reason.facts) for reason in reasons)
            )
            for name, reasons in file.unplaced.items()
        },
    )


def _slot_file(slot: Slot) -> SlotFile:
    return msgspec.convert(slot, SlotFile, from_attributes=True)


def _fields(value: Any) -> dict[str, Any]:
    """By name, as they are: the values stay objects."""
    return {
        name: getattr(value, name) for name in getattr(value, "__struct_fields__", None) or value.__slots__
    }


def _read(data: bytes, format_: str, kind: type[F]) -> F:
    if len(data) > MOST_BYTES:
        raise _bad("$", "too_large", bytes=len(data))
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != format_:
            raise _bad("$.format", "wrong_format", found=head.format[:80], wanted=format_)
        if head.version != VERSION:
            raise _bad("$.version", "wrong_version", found=head.version, wanted=VERSION)
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said, _, place = str(error).partition(" - at `")
        raise _bad(place.replace("`", "") or "$", "unreadable", detail=said) from None


def _bad(place: str, code: str, **facts: Fact) -> BadProblem:
    return BadProblem((Fault(code=code, subject=place, facts=facts),))


def _written(file: Struct, *broken: str) -> bytes:
    """As msgspec writes it, but with each entry of the `broken` fields on a line of its own."""
    encode = msgspec.json.encode
    parts = []
    for name in file.__struct_fields__:
        value = getattr(file, name)
        text = _broken(value) if name in broken and value else encode(value)
        parts.append(encode(name) + b": " + text)
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def _broken(value: Mapping[str, Any] | Iterable[Any]) -> bytes:
    encode = msgspec.json.encode
    if isinstance(value, Mapping):
        lines = (encode(name) + b": " + encode(entry) for name, entry in value.items())
        return b"{\n" + b",\n".join(lines) + b"\n}"
    return b"[\n" + b",\n".join(map(encode, value)) + b"\n]"
