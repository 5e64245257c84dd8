"""What the pages of reserving are given: what can be had, the best options, a day to pick from, and what is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from web.pages.hand_model import MovedView
from web.pages.model import Choice, QuoteView, RefusalView


class StartWord(StrEnum):
    """Whether something may begin at this time on this resource."""

    FREE = "free"
    MOVES = "moves"  # a planned job would give way
    SHORT = "short"  # free, but not for that long
    TAKEN = "taken"
    MINE = "mine"
    CLOSED = "closed"
    PAST = "past"


class StayWord(StrEnum):
    """A reservation as its holder sees it: its state, with what is due now told apart."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    DUE = "due"  # confirmed, and it may be checked in now
    IN_USE = "in_use"
    COMPLETED = "completed"
    MISSED = "missed"
    CANCELLED = "cancelled"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingView:
    """The way out of a missing certification: the next training. `seats_left` 0: it is full."""

    id: str
    title: str
    start_at: datetime
    seats_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingView:
    """One resource that can be asked for by name. `reasons`: why it cannot be had by this person now."""

    value: str
    label: str
    detail: str = ""
    selected: bool = False
    reasons: tuple[RefusalView, ...] = ()

    @property
    def is_out(self) -> bool:
        """Not to be chosen: a reason stands against it, and nobody has said that the staff is to be asked all the same."""
        return bool(self.reasons) and not (self.selected and self.may_be_asked)

    @property
    def may_be_asked(self) -> bool:
        return all(reason.waivable for reason in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindView:
    """A tile: any machine of a technology, any desk, any room; and its things one by one."""

    value: str
    label: str
    icon: str
    detail: str = ""
    selected: bool = False
    things: tuple[ThingView, ...] = ()
    reasons: tuple[RefusalView, ...] = ()
    training: TrainingView | None = None

    anyway: str = ""  # the address with which the staff is asked all the same

    @property
    def is_out(self) -> bool:
        return bool(self.things) and all(thing.is_out for thing in self.things) and not self.selected


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """Somebody staff reserve for."""

    id: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskView:
    """The first screen, as it was filled in. `errors`: field to sentence; `carried`: what the next screens bring along."""

    kinds: tuple[KindView, ...]
    lengths: tuple[Choice, ...]
    whens: tuple[Choice, ...]
    length_h: str = ""
    length_min: str = ""
    day: str = ""
    from_value: str = ""
    until_value: str = ""
    party: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    for_member: PersonView | None = None
    found: tuple[PersonView, ...] = ()
    who: str = ""
    carried: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BestView:
    """One place it could have. `href`: the confirmation of exactly this."""

    href: str
    names: str
    start_at: datetime
    end_at: datetime
    total_cents: int | None = None
    why: tuple[str, ...] = ()
    moves: int = 0
    asks: bool = False  # the staff has to agree first


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """A day to pick from; `is_open` False: the lab is shut all day."""

    day: date
    weekday: str
    number: str
    href: str
    is_open: bool = True
    selected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    word: StartWord
    href: str = ""
    said: str = ""  # for the ear: "Joule, 10:00 to 12:00, free"
    begins: bool = True  # False: goes on from the cell above


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRow:
    label: str
    is_hour: bool
    cells: tuple[CellView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickView:
    """A day, half an hour a row, a resource a column."""

    title: str
    days: tuple[DayView, ...]
    columns: tuple[str, ...]
    rows: tuple[TimeRow, ...]
    earlier: str = ""  # address of the days before
    later: str = ""
    note: str = ""

    @property
    def is_full(self) -> bool:
        return not any(cell.href for row in self.rows for cell in row.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsView:
    """The second screen. `best` is empty where nothing is to be had, and `refusals` say why."""

    what: str
    length_s: int
    when: str
    change: str
    best: tuple[BestView, ...]
    pick: PickView | None = None
    refusals: tuple[RefusalView, ...] = ()
    training: TrainingView | None = None
    hints: tuple[tuple[str, str], ...] = ()  # label, address: what would work
    for_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlsoView:
    """Another resource to take along at the same time."""

    value: str
    label: str
    detail: str
    selected: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmView:
    """The third screen: everything that would be so, before the button is pressed. `version`: of the calendar."""

    names: str
    start_at: datetime
    end_at: datetime
    fields: tuple[tuple[str, str], ...]
    back: str
    here: str = ""  # this very screen
    quote: QuoteView | None = None
    rules: tuple[str, ...] = ()
    refusals: tuple[RefusalView, ...] = ()
    training: TrainingView | None = None
    displaced: tuple[MovedView, ...] = ()
    summary: str = ""
    alternatives: tuple[BestView, ...] = ()
    lost: str = ""  # somebody else was faster: the sentence
    also: tuple[AlsoView, ...] = ()
    projects: tuple[Choice, ...] = ()
    weeks: tuple[Choice, ...] = ()
    series: str = ""  # who gives way on any of its dates, in a sentence
    why: str = ""
    setup_min: str = ""
    can_setup: bool = False
    party: str = ""
    note: str = ""
    start_value: str = ""
    end_value: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    for_name: str = ""

    @property
    def blocked(self) -> bool:
        return any(not refusal.waivable for refusal in self.refusals)

    @property
    def asks(self) -> bool:
        return bool(self.refusals) and not self.blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedView:
    day: date
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StayView:
    """A reservation in a list and on its page. `policy`: what cancelling would mean now, said before it is done."""

    id: str
    word: StayWord
    names: str
    start_at: datetime
    end_at: datetime
    holder_name: str = ""
    made_by: str = ""
    note: str = ""
    party: int | None = None
    setup_until: datetime | None = None  # end of the attended set-up
    check_in_from: datetime | None = None
    release_at: datetime | None = None  # given away unless checked in by then
    checked_in_at: datetime | None = None
    ended_at: datetime | None = None
    quote: QuoteView | None = None
    total_cents: int | None = None
    policy: str = ""
    why: str = ""  # of a refusal, a cancelling
    refusals: tuple[RefusalView, ...] = ()  # what the staff are asked to let pass
    weekday: str = ""
    number: str = ""
    month: str = ""
    series: int = 0  # how many of the same series are still to come, this one among them
    can: frozenset[str] = frozenset()  # check_in end move cancel hand_over approve decline
    move_resources: tuple[Choice, ...] = ()
    start_value: str = ""
    end_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedView:
    """A reservation that somebody would hand over: what it is, what it costs from then on, and until when to answer.
    `for_name`: the child it is for, where it is."""

    id: str
    names: str
    start_at: datetime
    end_at: datetime
    until_at: datetime
    giver: str
    total_cents: int
    why: str = ""
    for_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MineView:
    now: tuple[StayView, ...]
    upcoming: tuple[StayView, ...]
    past: tuple[StayView, ...]
    offered: tuple[OfferedView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskView:
    """What staff look at: requests that wait for an answer, who is here or due today, who did not come."""

    requests: tuple[StayView, ...]
    today: tuple[StayView, ...]
    missed: tuple[StayView, ...]
