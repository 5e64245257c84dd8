"""What the kiosk's page shows: a machine, and for a minute somebody who is known in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from web.pages.gate import RefusalView
from web.pages.model import MachineCard


@dataclass(frozen=True, slots=True, kw_only=True)
class MineView:
    """A reservation of theirs on this machine. `says`: what it is now; the buttons that make sense now."""

    id: str
    start_at: datetime
    end_at: datetime
    is_here: bool
    may_come: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownView:
    """`until`: when the kiosk forgets them; None on their own phone. `refusals`: what stands against a start by them;
    `is_staff`: they may also say that a bed is clear."""

    name: str
    until: datetime | None
    seconds: int
    mine: MineView | None
    refusals: tuple[RefusalView, ...]
    is_staff: bool
    is_away: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KioskView:
    """`base`: where the forms go; `stop`: where the red button goes, empty where the machine has no wire. `problem`: what
    went wrong with the last button, `field` where; `against`: why it was refused."""

    card: MachineCard
    base: str
    stop: str
    is_tablet: bool
    known: KnownView | None
    sign_in: str = ""
    told: str = ""
    problem: str = ""
    field: str = ""
    typed: str = ""
    against: tuple[RefusalView, ...] = ()
