"""What the panel of a job in the plan is given, for those who may take it in hand: the forms, and what would come of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from web.pages.model import Choice, RefusalView


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """`early_at`..`late_at`: ready between, 10 % to 90 %."""

    machine_name: str
    start_at: datetime
    ready_at: datetime
    early_at: datetime
    late_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedView:
    """Another job that gives way. `shift` is said: "+40 min"; `is_worse`: later, or without a place."""

    title: str
    owner_name: str
    machine_name: str
    ready_at: datetime | None
    shift: str
    is_worse: bool
    is_told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """`fields` bring the wish back with the confirmation. `refusals`: it cannot be, and nothing else counts."""

    heading: str
    fields: tuple[tuple[str, str], ...]
    refusals: tuple[RefusalView, ...] = ()
    was: PlaceView | None = None
    place: PlaceView | None = None
    displaced: tuple[MovedView, ...] = ()
    summary: str = ""
    late: str = ""
    is_told: bool = False

    @property
    def moves(self) -> bool:
        """The job itself goes elsewhere."""
        return self.place is not None and self.place != self.was


@dataclass(frozen=True, slots=True, kw_only=True)
class HandView:
    """What can be done with a job that waits for its turn. `start_value`, `due_value`: local "YYYY-MM-DDTHH:MM"."""

    claim_id: str
    is_firm: bool
    machines: tuple[Choice, ...]
    barred: tuple[Choice, ...] = ()
    priorities: tuple[Choice, ...] = ()
    start_value: str = ""
    due_value: str = ""
    opened: str = ""  # the action whose form stands open, because what it asked for cannot be
    forecast: ForecastView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoView:
    """The toast after a move: `fields` are the move back."""

    text: str
    fields: tuple[tuple[str, str], ...]
    action: str = "/hand/act"
