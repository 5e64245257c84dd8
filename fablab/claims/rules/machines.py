"""What a job must satisfy, machine by machine and as a whole: pure, all refusals at once, nothing is raised here.

Who may use a machine at all is not asked here: `rules.check` has, and its answers come with each candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fablab.base.errors import Fact, Refusal
from fablab.places.models import MachineGate, Technology

LATEST_DUE = timedelta(days=365)
NOZZLE_TOLERANCE_MM = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for. `nozzle_mm` None: the file does not say."""

    technology: Technology
    nozzle_mm: float | None
    duration_s: float
    weight_g: float
    printer_model: str | None = None  # as the slicer's profile calls it
    material_id: int | None
    material_said: str | None  # as the file or the form says it
    colour: str | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A machine that might do it; `admission` is what the file may not do on it, `bars` why its maker may not use it, and
    `doubts` what staff would have to let pass first."""

    resource_id: int
    name: str
    gate: MachineGate
    nozzle_mm: float | None
    model: str = ""
    admission: tuple[Refusal, ...]
    bars: tuple[Refusal, ...] = ()
    doubts: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """When it is asked, and what is in stock. `stock_g`: grams left by colour of the material wished for."""

    now: datetime
    stock_g: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`barred`: resource id to the code of the first reason why not. Refusals concern the wish as a whole."""

    eligible: tuple[int, ...]
    barred: Mapping[int, str]
    refusals: tuple[Refusal, ...]


def check(wish: Wish, candidates: Sequence[Candidate], context: Context) -> Verdict:
    """Every reason why this cannot be done, and on which machines it can."""
    barred: dict[int, str] = {}
    blamed: dict[str, Refusal] = {}
    known_model = any(_is_model(wish, candidate) for candidate in candidates)
    for candidate in candidates:
        for refusal in _bars(wish, candidate, known_model):
            barred.setdefault(candidate.resource_id, refusal.code)
            blamed.setdefault(refusal.code, refusal)
    eligible = tuple(c.resource_id for c in candidates if c.resource_id not in barred)
    refusals = [*_wish_refusals(wish, context), *_doubts(candidates, eligible)]
    if not candidates:
        refusals.append(Refusal(code="machine.none_of_kind", facts={"technology": wish.technology.value}))
    elif not eligible:
        refusals.append(Refusal(code="machine.none_eligible", facts={"machines": len(candidates)}))
        refusals.extend(blamed.values())
    return Verdict(eligible=eligible, barred=barred, refusals=tuple(refusals))


def _bars(wish: Wish, candidate: Candidate, known_model: bool) -> list[Refusal]:
    bars: list[Refusal] = []
    if known_model and not _is_model(wish, candidate):
        facts: dict[str, Fact] = {"wanted": wish.printer_model, "has": candidate.model}
        bars.append(Refusal(code="machine.other_model", facts=facts))
    if candidate.gate is MachineGate.OUT_OF_SERVICE:
        bars.append(Refusal(code="machine.out_of_service", facts={"machine": candidate.name}))
    if _other_nozzle(wish, candidate):
        bars.append(
            Refusal(
                code="machine.other_nozzle",
                facts={"wanted_mm": wish.nozzle_mm, "has_mm": candidate.nozzle_mm},
            )
        )
    bars.extend(candidate.bars)
    bars.extend(refusal for refusal in candidate.admission if not refusal.waivable)
    return bars


def _doubts(candidates: Sequence[Candidate], eligible: tuple[int, ...]) -> list[Refusal]:
    """What staff would have to let pass, over all machines that could do it, each said once: whichever the planner
    takes, nobody is asked again."""
    found: list[Refusal] = []
    for candidate in candidates:
        if candidate.resource_id in eligible:
            doubts = (*candidate.doubts, *(doubt for doubt in candidate.admission if doubt.waivable))
            found.extend(doubt for doubt in doubts if doubt not in found)
    return found


def _is_model(wish: Wish, candidate: Candidate) -> bool:
    """Whether the file was sliced for this machine: "MK3S" is meant by "Prusa MK3S+", "ENDER3" by "Creality Ender-3".

    Start sequences, bed meshes and heat limits are a model's own. A model that no machine of the lab has says
    nothing: slicers let people name their printers as they like.
    """
    wanted, has = _letters(wish.printer_model or ""), _letters(candidate.model)
    return len(wanted) >= 2 and wanted in has


def _letters(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def _other_nozzle(wish: Wish, candidate: Candidate) -> bool:
    if wish.nozzle_mm is None or candidate.nozzle_mm is None:
        return False
    return abs(wish.nozzle_mm - candidate.nozzle_mm) > NOZZLE_TOLERANCE_MM


def _wish_refusals(wish: Wish, context: Context) -> list[Refusal]:
    refusals: list[Refusal] = []
    if wish.due_at is not None and wish.due_at <= context.now:
        refusals.append(Refusal(code="due.past", facts={"due": wish.due_at.isoformat()}))
    if wish.due_at is not None and wish.due_at > context.now + LATEST_DUE:
        refusals.append(
            Refusal(code="due.too_far", facts={"due": wish.due_at.isoformat(), "days": LATEST_DUE.days})
        )
    if wish.duration_s <= 0:
        refusals.append(Refusal(code="program.no_time"))
    if wish.technology is Technology.FDM:
        refusals.extend(_material_refusals(wish, context))
    return refusals


def _material_refusals(wish: Wish, context: Context) -> list[Refusal]:
    if wish.material_id is None:
        said = wish.material_said
        return [
            Refusal(code="material.unknown", facts={"material": said})
            if said
            else Refusal(code="material.missing")
        ]
    stock = context.stock_g
    if wish.colour is not None and wish.colour not in stock:
        return [Refusal(code="colour.not_in_stock", facts={"colour": wish.colour})]
    most = stock.get(wish.colour, 0.0) if wish.colour is not None else max(stock.values(), default=0.0)
    if most < wish.weight_g:
        facts = {"needed_g": round(wish.weight_g, 1), "left_g": round(max(most, 0.0), 1)}
        return [Refusal(code="material.not_enough", waivable=True, facts=facts)]
    return []
