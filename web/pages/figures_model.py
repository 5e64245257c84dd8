"""What the two pages of figures are given: how true our times were, and who got the machines' time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from web.pages.charts import BarChart, DotChart, KeptChart
from web.pages.model import ExplanationView


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCell:
    """Of the promises at one quantile, the share kept: as it is written, and whether it is far from the promise."""

    text: str
    is_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRow:
    """One machine, material and source of the estimate."""

    machine: str
    material: str
    source: str
    runs: int
    factor: str
    spread: str
    promises: int
    kept: tuple[KeptCell, ...]  # P10, P50, P80, P90; empty without promises


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationView:
    """`verdict`: the one sentence to take away; `kept` the figures behind the chart."""

    runs: int
    promises: int
    verdict: str
    is_good: bool
    since: datetime
    headings: tuple[str, ...]
    kept: tuple[KeptCell, ...]
    run_kept: tuple[KeptCell, ...]
    kept_chart: KeptChart | None
    dot_chart: DotChart | None
    rows: tuple[TimingRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """One audience or owner. `tone`: owed, over or even; `longest`: how long its oldest waiting job has waited."""

    name: str
    detail: str
    used: str
    held: str
    share: str
    due: str
    factor: str
    tone: str
    waiting: int
    longest: str = ""
    is_own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightView:
    """One part of a weight: why, and times how much."""

    sentence: str
    factor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """A job in the queue and why it stands where it does."""

    id: str
    title: str
    owner_name: str
    audience: str
    since: datetime
    waited: str
    plan: str
    weight: str
    parts: tuple[WeightView, ...]
    explanation: ExplanationView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsField:
    """One field of the form for shares due."""

    name: str
    label: str
    value: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesView:
    """`sees_all`: staff; a member is shown their own rows. `fields`: for who may set the shares due."""

    since: datetime
    sees_all: bool
    audiences: tuple[ShareRow, ...]
    owners: tuple[ShareRow, ...]
    owners_more: int
    waiting: tuple[WaitingView, ...]
    waiting_more: int
    chart: BarChart | None
    fields: tuple[PartsField, ...]

    @property
    def is_empty(self) -> bool:
        return not self.audiences and not self.owners and not self.waiting
