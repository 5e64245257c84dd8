"""What would help a claim, in the words of the house: spools that are on the shelf, machines that somebody could open.

`scheduler.helps` knows families as numbers and bars as codes; this says which of them are worth a suggestion here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fablab.base.database import UnitOfWork
from fablab.claims.models import Claim
from fablab.places import house
from fablab.places.models import Material
from scheduler import helps
from scheduler.fairness import PRIORITIES
from scheduler.greedy import Board
from scheduler.helps import Scope
from scheduler.plan import Reason
from scheduler.planner.reasons import CURES, Told, told
from scheduler.problem import Demand, Family
from scheduler.sight import ANY_NOZZLE, Sight, colour_number

MOST_HELPS = 4

#: Material and colour as people call them, by the numbers the solver has for them.
Shelf = Mapping[Family, tuple[str, str]]


def would_help(sight: Sight, board: Board, demand: Demand, ready_at: int, claim: Claim, shelf: Shelf) -> Told:
    """`board`: how all others lie. The best few, about "would_help"."""
    found = helps.earlier(board, demand, ready_at, scope=scope_of(claim, shelf))
    return named(sight, "would_help", [each.reason for each in found[:MOST_HELPS]], shelf)


def scope_of(claim: Claim, shelf: Shelf) -> Scope:
    heavier = max(PRIORITIES.values()) / PRIORITIES.get(claim.priority, 1.0)
    return Scope(families=tuple(shelf), cures=CURES, heavier=heavier)


def named(sight: Sight, about: str, reasons: Iterable[Reason], shelf: Shelf) -> Told:
    found: Told = []
    for reason in reasons:
        said = told(sight, about, reason)
        material, colour, facts = reason.facts.get("material"), reason.facts.get("colour"), said["facts"]
        if isinstance(material, int) and isinstance(colour, int) and isinstance(facts, dict):
            names = shelf[Family(material=material, colour=colour, nozzle=ANY_NOZZLE)]
            facts["material"], facts["colour"] = names
        found.append(said)
    return found


def shelf_of(uow: UnitOfWork, claim: Claim, weight_g: float = 0.0) -> Shelf:
    """What could be loaded instead: spools of the same technology with as much left."""
    if claim.material_id is None:
        return {}
    spools = house.spools(uow)
    own = next((s.material for s in spools if s.material_id == claim.material_id), None)
    return {
        Family(material=s.material_id, colour=colour_number(s.colour), nozzle=ANY_NOZZLE): (
            s.material.code,
            s.colour,
        )
        for s in spools
        if s.left_g > 0 and s.left_g >= weight_g and _is_kin(own, s.material)
    }


def _is_kin(own: Material | None, other: Material) -> bool:
    return own is not None and other.technology is own.technology
