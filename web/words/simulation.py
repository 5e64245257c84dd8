"""A simulated year in words: the policies, and each line of the table with where its figure comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.simulate import Score


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


POLICIES: Mapping[str, str] = {
    "ours": _("this planner"),
    "slots": _("booked slots"),
    "fcfs": _("queue, first come"),
    "edf": _("queue, by due date"),
}

VARIANTS: Mapping[str, str] = {
    "base": _("as it is"),
    "printer": _("one printer more"),
    "saturdays": _("open on Saturdays"),
    "both": _("a printer more, and Saturdays"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value`: None where the figure has no meaning for a policy."""

    label: str
    value: Callable[[Score], float | None]
    form: str = "{:.1f}"


def _kept(name: str) -> Callable[[Score], float | None]:
    return lambda score: 100 * score.kept[name] if name in score.kept else None


ROWS: tuple[Row, ...] = (
    Row(label=_("jobs made"), value=lambda s: s.done, form="{:.0f}"),
    Row(label=_("jobs given up (three failed tries, or no place)"), value=lambda s: s.failed, form="{:.0f}"),
    Row(label=_("late jobs"), value=lambda s: s.late, form="{:.0f}"),
    Row(label=_("late, of those with a date, %"), value=lambda s: 100 * s.late / max(1, s.with_due)),
    Row(label=_("late by, mean, h"), value=lambda s: s.late_mean_min / 60),
    Row(label=_("late by, 95 in 100 less than, h"), value=lambda s: s.late_p95_min / 60),
    Row(label=_("waiting, mean, h"), value=lambda s: s.wait_mean_min / 60),
    Row(label=_("waiting, 95 in 100 less than, h"), value=lambda s: s.wait_p95_min / 60),
    Row(label=_("from wish to part, mean, h"), value=lambda s: s.ready_mean_min / 60),
    Row(label=_("from wish to part, 95 in 100 less than, h"), value=lambda s: s.ready_p95_min / 60),
    Row(label=_("printers busy, of staffed time, %"), value=lambda s: 100 * s.utilisation.get("fdm", 0.0)),
    Row(label=_("operator's rounds"), value=lambda s: s.walks if s.hands_h else None, form="{:.0f}"),
    Row(label=_("operator's hands, h"), value=lambda s: s.hands_h or None, form="{:.0f}"),
    Row(label=_("set-ups"), value=lambda s: s.setups, form="{:.0f}"),
    Row(label=_("changes of spool"), value=lambda s: s.spool_changes, form="{:.0f}"),
    Row(label=_("ready by the end of the booked slot, %"), value=_kept("slot")),
    Row(label=_("ready by the instant told at P80, %"), value=_kept("p80")),
    Row(label=_("ready by the instant told at P90, %"), value=_kept("p90")),
    Row(
        label=_("jobs whose planned instant moved by more than 15 minutes"),
        value=lambda s: s.moved if "p80" in s.kept else None,
        form="{:.0f}",
    ),
    Row(
        label=_("jobs once planned later than told at P90"),
        value=lambda s: s.worse if "p80" in s.kept else None,
        form="{:.0f}",
    ),
    Row(label=_("people in person: served on time"), value=lambda s: s.visits["served"], form="{:.0f}"),
    Row(
        label=_("people in person: waited, turned away or refused"),
        value=lambda s: s.visits["waited"] + s.visits["lost"] + s.visits["refused"],
        form="{:.0f}",
    ),
    Row(label=_("classes"), value=lambda s: s.sessions, form="{:.0f}"),
    Row(
        label=_("printers a class of six found free"),
        value=lambda s: s.class_printers if s.sessions else None,
        form="{:.2f}",
    ),
    Row(
        label=_("least share of an audience, of its due, %"),
        value=lambda s: 100 * min(s.share.values(), default=0.0),
    ),
    Row(
        label=_("the same, the worst 28 days of the smallest audience, %"),
        value=lambda s: 100 * min(s.worst_share.values()) if s.worst_share else None,
        form="{:.0f}",
    ),
)


def cell(row: Row, score: Score) -> str:
    value = row.value(score)
    return "–" if value is None else row.form.format(value)
