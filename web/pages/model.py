"""What the pages are given: frozen view-models, exactly what the templates read and nothing else.

Handlers fill these from the domain; templates never see an entity. Every datetime is aware (the filters turn
it into the lab's local time), every amount is integer cents, every free sentence is already in the viewer's
language.
Words that have a fixed set are the enums below; `templates/_ui.html` says them in plain language.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from web.pages.hand_model import HandView  # these are made of views of this file
    from web.pages.reserve_model import StayView

DAY_COLUMN_S = 300  # one column of the day view is five minutes
WEEK_COLUMN_S = 1800  # one column of the week view is half an hour
MAX_COLUMNS = 338  # what static/grid.css has classes for: a week with a 25-hour day


class MachineWord(StrEnum):
    """The one word a machine wears on the screens; derived, in this order of precedence."""

    OUT_OF_SERVICE = "out_of_service"
    OFFLINE = "offline"
    FAULT = "fault"
    UNKNOWN = "unknown"  # a run is on it and the link is silent
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    AWAITING_CLEAR = "awaiting_clear"
    DUE = "due"  # free, and the next job may be started now
    FREE = "free"


class JobWord(StrEnum):
    """A job's state, with "planned" derived: queued and its claim holds an allocation."""

    DRAFT = "draft"
    REVIEW = "review"
    QUEUED = "queued"
    PLANNED = "planned"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class RunWord(StrEnum):
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class DraftWord(StrEnum):
    ANALYSING = "analysing"
    READY = "ready"
    FAILED = "failed"


class DurationSource(StrEnum):
    """Where a time comes from: the slicer's own claim, our motion estimate, or what this lab has learnt."""

    SLICER = "slicer"
    MOTION = "motion"
    LEARNT = "learnt"


class BlockWord(StrEnum):
    """How an allocation stands in the calendar."""

    TENTATIVE = "tentative"
    FIRM = "firm"
    RUNNING = "running"
    DONE = "done"
    OUTAGE = "outage"


class ShadeWord(StrEnum):
    CLOSED = "closed"  # the house is shut
    UNSTAFFED = "unstaffed"  # open, nobody to set up or clear
    SOFT = "soft"  # an end that may come earlier or later


class Action(StrEnum):
    """What the viewer may do with a machine right now; a button is drawn only for what is listed."""

    TAP = "tap"
    CLEAR = "clear"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    STOP = "stop"
    OUT_OF_SERVICE = "out_of_service"
    BACK = "back"
    ACKNOWLEDGE = "acknowledge"  # the last stop: somebody has looked
    TEST = "test"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabView:
    """The house itself. `synthetic` draws the "demo data" ribbon."""

    name: str
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who is signed in. `operates`: may tap, clear, pause and stop machines; `reserves`: places for
    themselves."""

    name: str
    initials: str
    role: str  # said to people, already translated
    operates: bool = False
    reserves: bool = False
    partners: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One option of a form's list. `colour` is "#rrggbb" or empty."""

    value: str
    label: str
    selected: bool = False
    colour: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialView:
    """A material as it is seen on a spool: `label` "PETG orange", `colour` "#rrggbb" or empty."""

    label: str
    colour: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalView:
    """One reason why a rule says no. `remedy` says what would work instead; empty if nothing would."""

    code: str
    sentence: str
    waivable: bool = False
    remedy: str = ""
    line: int | None = None  # line of the program it points at, from 1
    rule_text: str = ""  # rules that would have to be signed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonView:
    """One step of an explanation: `subject` is a time or a machine, `sentence` why it was not that one."""

    subject: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationView:
    """Why this machine and this time: `chosen`, then why not earlier, why not elsewhere, and what would help (or, with no
    place, what would work)."""

    chosen: str
    earlier: tuple[ReasonView, ...] = ()
    elsewhere: tuple[ReasonView, ...] = ()
    helps: tuple[ReasonView, ...] = ()
    placed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """Another place a job could have, and what speaks for it."""

    machine_name: str
    start_at: datetime
    ready_at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """When the part is ready: `ready_at` planned, `early_at`..`late_at` the 10 % to 90 % interval."""

    ready_at: datetime
    early_at: datetime
    late_at: datetime
    start_at: datetime
    machine_id: str
    machine_name: str
    due_at: datetime | None = None
    misses_due: bool = False
    needs_staff: str = ""  # "the bed is cleared on Tuesday at 09:00"; empty if nothing is to be said


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One line of a price. `detail` shows the sum, e.g. "0 h 33 x 1,00 EUR/h"."""

    label: str
    amount_cents: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteView:
    """A promised price, or with `charged_at` what was charged in the end."""

    lines: tuple[LineView, ...]
    total_cents: int
    note: str = ""  # the tariff's name, exemption of VAT ...
    charged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """Everything that depends on the draft's choices; `promise` is None when nothing can be placed."""

    promise: PromiseView | None = None
    quote: QuoteView | None = None
    explanation: ExplanationView | None = None
    places: tuple[PlaceView, ...] = ()
    refusals: tuple[RefusalView, ...] = ()

    @property
    def blocked(self) -> bool:
        """A refusal that nobody may waive stands against it."""
        return any(not refusal.waivable for refusal in self.refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisView:
    """What the file says and what we found in it. Temperatures in degrees Celsius; None where unknown."""

    duration_s: int
    duration_source: DurationSource
    own_duration_s: int | None = None  # our motion estimate, shown beside the slicer's
    weight_g: float | None = None
    filament_mm: float | None = None
    material: str = ""  # as the file names it
    layers: int | None = None
    layer_height_mm: float | None = None
    nozzle_mm: float | None = None
    nozzle_c: int | None = None
    bed_c: int | None = None
    size_mm: tuple[float, float, float] | None = None  # width, depth, height of what is printed
    slicer: str = ""
    printer_model: str = ""
    lines: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftView:
    """A file that is uploaded and not yet submitted. `fraction` 0..1 while analysing."""

    id: str
    name: str
    state: DraftWord
    size_bytes: int
    fraction: float = 0.0
    analysis: AnalysisView | None = None
    thumbnail_url: str = ""
    offer: OfferView = field(default_factory=OfferView)
    projects: tuple[Choice, ...] = ()
    materials: tuple[Choice, ...] = ()
    machines: tuple[Choice, ...] = ()
    priorities: tuple[Choice, ...] = ()
    due_value: str = ""  # local "YYYY-MM-DDTHH:MM" for the form, or empty
    errors: dict[str, str] = field(default_factory=dict)  # field name -> sentence
    problem: str = ""  # with FAILED: why the file could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """How far a run is. `fraction` 0..1, None when the machine does not say."""

    fraction: float | None = None
    elapsed_s: int = 0
    remaining_s: int | None = None
    ends_at: datetime | None = None
    detail: str = ""  # "layer 41 of 120"

    @property
    def percent(self) -> int | None:
        return None if self.fraction is None else round(self.fraction * 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureView:
    """One heated part. `part` is "tool", "bed" or a name shown as it is; `target_c` 0 or None is off."""

    part: str
    now_c: float
    target_c: float | None = None

    @property
    def is_hot(self) -> bool:
        """Too hot to touch: 50 degrees Celsius and over."""
        return self.now_c >= 50

    @property
    def is_heating(self) -> bool:
        return bool(self.target_c) and self.now_c < (self.target_c or 0) - 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCard:
    """A job in a list."""

    id: str
    title: str
    state: JobWord
    owner_name: str = ""
    project: str = ""
    material: MaterialView | None = None
    weight_g: float | None = None
    duration_s: int | None = None
    price_cents: int | None = None
    thumbnail_url: str = ""
    machine_name: str = ""
    promise: PromiseView | None = None
    progress: ProgressView | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    can_cancel: bool = False
    note: str = ""  # one sentence: what it waits for, why it failed, who rejected it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One attempt on one machine. `seen_at` is when the machine last said anything about it."""

    id: str
    number: int  # 1 for the first attempt
    machine_id: str
    machine_name: str
    state: RunWord
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seen_at: datetime | None = None
    progress: ProgressView | None = None
    temperatures: tuple[TemperatureView, ...] = ()
    detail: str = ""
    can: frozenset[Action] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One line of a job's history. `kind` is an icon: file calendar play pause check cross coin person."""

    at: datetime
    sentence: str
    kind: str = "file"
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """The job page. `live` is the run to follow, None when nothing runs."""

    card: JobCard
    analysis: AnalysisView | None = None
    live: RunView | None = None
    camera: CameraView | None = None
    runs: tuple[RunView, ...] = ()
    history: tuple[EventView, ...] = ()  # newest first
    quote: QuoteView | None = None
    charge: QuoteView | None = None
    is_free: bool = False  # it is over, and nothing was charged for it
    explanation: ExplanationView | None = None
    refusals: tuple[RefusalView, ...] = ()
    file_name: str = ""
    file_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUp:
    """The next allocation on a machine. `in_review`: this viewer should look at its job before it may start."""

    title: str
    start_at: datetime
    end_at: datetime
    owner_name: str = ""
    job_id: str = ""
    material: MaterialView | None = None
    in_review: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedView:
    """Somebody's own time on a machine, going on or the next. `sentence`: whose and until or from when; `url`: of one's
    own, or of anybody's for the staff. `late`: that the live run will not be over for it."""

    sentence: str
    is_now: bool
    is_own: bool
    url: str = ""
    late: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapView:
    """What the operator confirms with one tap: the bed is clear and `material` is in; then `title` starts. `blocked`: why
    it may not start now, with what to do about it; `moves`: who would have to make room, as a sentence."""

    job_id: str
    title: str
    owner_name: str
    material: MaterialView | None = None
    weight_g: float | None = None
    duration_s: int | None = None
    change_from: MaterialView | None = None  # what is loaded now, when it has to be changed
    blocked: tuple[str, ...] = ()
    moves: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """The last stop of a machine, until somebody has acknowledged it. Not confirmed is never to be read as safe."""

    sentence: str
    is_confirmed: bool
    at: datetime
    by: str = ""  # empty where the viewer may not know


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """What this viewer may look through. `page_url` is the live view, fetched as moving pictures if `is_moving`."""

    machine_name: str
    snapshot_url: str
    page_url: str
    is_moving: bool
    stream_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCard:
    """A machine on the floor, as the viewer may see and use it."""

    id: str
    name: str
    technology: str
    word: MachineWord
    model: str = ""
    said_at: datetime | None = None  # when the machine last said anything; None if never
    message: str = ""  # the machine's own words, or why the link is blocked
    temperatures: tuple[TemperatureView, ...] = ()
    loaded: MaterialView | None = None
    run: RunView | None = None
    job_id: str = ""
    job_title: str = ""
    owner_name: str = ""
    thumbnail_url: str = ""
    on_bed: str = ""  # what somebody is to take off, and how it ended; said while the bed waits for clearing
    tap: TapView | None = None
    next_up: NextUp | None = None
    reserved: ReservedView | None = None
    outage_note: str = ""  # who, why, until
    stop: StopView | None = None
    camera: CameraView | None = None
    can: frozenset[Action] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoView:
    """Something for an operator's hands. `hands_min`: how long it takes; `why`: where it is more than its turn."""

    machine_id: str
    machine_name: str
    sentence: str
    hands_min: int
    why: str = ""
    is_clearing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorView:
    """Every machine, and how many wear which word (for the filters). `in_review`: jobs that wait for this viewer; `todos`:
    what an operator does first, in order."""

    machines: tuple[MachineCard, ...]
    technologies: tuple[str, ...] = ()
    in_review: int = 0
    todos: tuple[TodoView, ...] = ()

    def count(self, *words: str) -> int:
        return sum(machine.word in words for machine in self.machines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadeView:
    """A stretch of background: `at` column from 0, `length` columns."""

    word: ShadeWord
    at: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GripView:
    """What the script needs to move a block: its claim, and when its run starts and how long it takes."""

    claim_id: str
    start_at: datetime
    run_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StayGrip:
    """What the script needs to move a reservation: its resources, and where one alone may go. `fixed`: it has begun, and
    only its end can change."""

    id: str
    start_at: datetime
    end_at: datetime
    resources: tuple[str, ...]
    alike: tuple[str, ...]
    fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """An allocation as it lies in a row. `at` column from 0, `length` columns, both from `place`."""

    id: str
    title: str
    word: BlockWord
    start_at: datetime
    end_at: datetime
    at: int
    length: int
    owner_name: str = ""
    kind: str = "job"  # job, reservation, workshop, outage
    mine: bool = False
    from_before: bool = False  # began before the view
    goes_on: bool = False  # ends after the view
    progress: float | None = None  # 0..1 when running
    soft: ShadeView | None = None  # from the 10 % end to the planned one
    tail: ShadeView | None = None  # from the planned end to the 90 % one
    grip: GripView | None = None  # for those who may take it in hand
    stay: StayGrip | None = None  # the same of a reservation
    state: str = ""  # of a reservation: requested, confirmed, in_use


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """One resource of the calendar."""

    id: str
    name: str
    kind: str = "machine"  # machine, room, desk, person, kit
    detail: str = ""
    word: MachineWord | None = None
    blocks: tuple[BlockView, ...] = ()
    shades: tuple[ShadeView, ...] = ()
    start_at: datetime | None = None  # where this row begins, in a week of one thing
    is_fixed: bool = False  # the clocks change in it, so nothing is dragged there
    is_today: bool = False
    now_at: int | None = None  # column of now, in a week of one thing
    week_href: str = ""
    reserve_href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    label: str
    rows: tuple[RowView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TickView:
    """A heading of the time axis: `label` "14:00" or "Thu 26", over `length` columns from `at`."""

    label: str
    at: int
    length: int
    is_today: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarView:
    """Resources against time. `columns` <= MAX_COLUMNS, `column_s` seconds each, from `start_at`."""

    view: str  # "day" or "week"
    title: str
    day: date
    previous_day: date
    next_day: date
    today: date
    start_at: datetime
    columns: int
    column_s: int
    ticks: tuple[TickView, ...]
    groups: tuple[RowGroup, ...]
    staffed: tuple[ShadeView, ...] = ()  # the strip under the axis; `word` is not read
    now_at: int | None = None  # column of now, None when now is outside the view
    note: str = ""  # e.g. "The house is closed on Mondays."
    zone: str = ""  # the lab's own, for the script
    resource_id: str = ""  # a week of this one thing, a day a row
    resource_name: str = ""

    @property
    def is_empty(self) -> bool:
        return not any(row.blocks for group in self.groups for row in group.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationView:
    """The calendar's detail panel."""

    id: str
    title: str
    word: BlockWord
    kind: str
    resource_name: str
    start_at: datetime
    end_at: datetime
    owner_name: str = ""
    project: str = ""
    material: MaterialView | None = None
    job_id: str = ""  # empty when the viewer may not open the job
    early_at: datetime | None = None  # the 10 % end
    late_at: datetime | None = None  # the 90 % end
    progress: ProgressView | None = None
    explanation: ExplanationView | None = None
    hand: HandView | None = None  # None for those who may not take it in hand, and where nothing can be done
    stay: StayView | None = None  # of a reservation, for those who may see it


def place(
    start_at: datetime, end_at: datetime, view_start: datetime, columns: int, column_s: int
) -> tuple[int, int] | None:
    """Column and length of [start, end) in a view, clipped to it; None when it lies wholly outside.

    Both ends are rounded to the nearest column, so neighbours do not overlap; nothing is shorter than one
    column (two blocks that both last less may share it).
    """
    view_s = columns * column_s
    start_s = (start_at - view_start).total_seconds()
    end_s = (end_at - view_start).total_seconds()
    if end_s <= 0 or start_s >= view_s:
        return None
    first = min(max(0, round(start_s / column_s)), columns - 1)
    last = min(columns, round(end_s / column_s))
    return first, max(1, last - first)
