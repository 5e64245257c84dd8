"""Who got the machines' time, in words and a drawing; and of each waiting job what its turn depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fablab.claims.models import Allocation
from fablab.people.access import Right, allows
from fablab.people.models import Audience
from fablab.reports.shares import LOOK_BACK, Hours, Waiting, owner_of
from scheduler.fairness import Fairness, Parts, Standing
from web.pages import charts
from web.pages import eyes as small
from web.pages.eyes import Eyes
from web.pages.figures_model import PartsField, ShareRow, SharesView, WaitingView, WeightView
from web.words.formats import NBSP

MOST_WAITING = 40
MOST_OWNERS = 40
EVEN = 0.08  # a factor so close to 1 is not worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that the page is made of. `parts`: of a claim's weight, by its id; `names`: by owner; `oldest`: since when
    the first job of an audience waits, whether the reader may see that job or not."""

    hours: Sequence[Hours]
    fairness: Fairness
    waiting: Sequence[Waiting]
    parts: Mapping[str, Parts]
    names: Mapping[str, tuple[str, str]]
    own: frozenset[str]
    own_audiences: frozenset[Audience]
    due: Mapping[Audience, float]
    oldest: Mapping[Audience, datetime]


def view(eyes: Eyes, found: Found, errors: Mapping[str, str], typed: Mapping[str, str]) -> SharesView:
    sees_all = allows(eyes.actor, Right.SEE_ALL)
    audiences = _audiences(eyes, found, sees_all)
    owners = _owners(eyes, found, sees_all)
    return SharesView(
        since=eyes.now - LOOK_BACK,
        sees_all=sees_all,
        audiences=tuple(row for _, row in audiences),
        owners=tuple(owners[:MOST_OWNERS]),
        owners_more=max(0, len(owners) - MOST_OWNERS),
        waiting=tuple(_waiting(eyes, found, row) for row in found.waiting[:MOST_WAITING]),
        waiting_more=max(0, len(found.waiting) - MOST_WAITING),
        chart=_chart(eyes, found) if sees_all else None,
        fields=_fields(eyes, found, errors, typed) if allows(eyes.actor, Right.MANAGE) else (),
    )


def _audiences(eyes: Eyes, found: Found, sees_all: bool) -> list[tuple[Audience, ShareRow]]:
    rows: list[tuple[Audience, ShareRow]] = []
    for audience in Audience:
        standing = found.fairness.audiences.get(audience.value)
        if standing is None or not (sees_all or audience in found.own_audiences):
            continue
        name = eyes.words.word("audience", audience)
        rows.append((audience, _row(eyes, standing, name, "", _waited(eyes, found.oldest.get(audience)))))
    return rows


def _owners(eyes: Eyes, found: Found, sees_all: bool) -> list[ShareRow]:
    """One's own, then those with jobs that wait, then who used most."""
    merged = {
        (row.audience, row.owner): row.since for row in found.hours if sees_all or row.owner in found.own
    }
    rows: list[tuple[int, float, ShareRow]] = []
    for (audience, owner), since in merged.items():
        standing = found.fairness.owners.get((audience.value, owner))
        if standing is None:
            continue
        project, person = found.names.get(owner, ("", "?"))
        name = project or eyes.gettext("%(person)s, without a project", person=person)
        detail = " · ".join(filter(None, (eyes.words.word("audience", audience), person if project else "")))
        shown = _row(eyes, standing, name, detail, _waited(eyes, since), is_own=owner in found.own)
        rank = 0 if shown.is_own else 1 if shown.waiting else 2
        rows.append((rank, -(standing.used_h + standing.held_h), shown))
    return [row for _, _, row in sorted(rows, key=lambda item: (*item[:2], item[2].name))]


def _waited(eyes: Eyes, since: datetime | None) -> str:
    return eyes.words.duration((eyes.now - since).total_seconds()) if since is not None else ""


def _row(
    eyes: Eyes, standing: Standing, name: str, detail: str, longest: str, *, is_own: bool = False
) -> ShareRow:
    tone = "even" if abs(standing.factor - 1) <= EVEN else "owed" if standing.factor > 1 else "over"
    return ShareRow(
        name=name,
        detail=detail,
        used=_hours(eyes, standing.used_h),
        held=_hours(eyes, standing.held_h),
        share=eyes.words.percent(standing.share),
        due=eyes.words.percent(standing.due),
        factor=_times(eyes, standing.factor),
        tone=tone,
        waiting=standing.waiting,
        longest=longest,
        is_own=is_own,
    )


def _chart(eyes: Eyes, found: Found) -> charts.BarChart | None:
    standings = [(a, s) for a in Audience if (s := found.fairness.audiences.get(a.value)) is not None]
    all_h = sum(s.used_h + s.held_h for _, s in standings)
    if not standings or not all_h:
        return None
    most = max(max(s.share, s.due) for _, s in standings)
    rows = tuple(
        charts.bar_row(
            number,
            eyes.words.word("audience", audience),
            eyes.gettext(
                "%(share)s of %(due)s due",
                share=eyes.words.percent(standing.share),
                due=eyes.words.percent(standing.due),
            ),
            used=standing.used_h / all_h,
            held=standing.held_h / all_h,
            due=standing.due,
            most=most,
        )
        for number, (audience, standing) in enumerate(standings)
    )
    return charts.BarChart(
        label=eyes.gettext("Share of the machine hours by audience, beside the share due."),
        high=len(rows) * charts.BAR_ROW_HIGH,
        rows=rows,
    )


def _waiting(eyes: Eyes, found: Found, row: Waiting) -> WaitingView:
    job, claim = row.job, row.claim
    place = next((a for a in claim.allocations if a.run_id is None), None)
    parts = found.parts.get(claim.id, Parts())
    return WaitingView(
        id=job.id,
        title=job.file_name,
        owner_name="" if eyes.owns(job.member_id) else job.member.name,
        audience=eyes.words.word("audience", claim.audience),
        since=row.since,
        waited=eyes.words.duration((eyes.now - row.since).total_seconds()),
        plan=_plan(eyes, place),
        weight=_times(eyes, parts.weight),
        parts=_parts(eyes, found, row, parts),
        explanation=small.explanation(eyes, claim.reasons, place.resource.name if place else ""),
    )


def _plan(eyes: Eyes, place: Allocation | None) -> str:
    if place is None:
        return eyes.gettext("There is no place for it in the plan yet.")
    return eyes.gettext(
        "Planned for %(when)s on %(machine)s.",
        when=eyes.words.when(place.start_at),
        machine=place.resource.name,
    )


def _parts(eyes: Eyes, found: Found, row: Waiting, parts: Parts) -> tuple[WeightView, ...]:
    claim = row.claim
    audience = claim.audience.value if claim.audience else ""
    whole = found.fairness.audiences.get(audience)
    own = found.fairness.owners.get((audience, owner_of(claim.project_id, claim.member_id)))
    waited = eyes.words.duration((eyes.now - row.since).total_seconds())
    said = [
        (eyes.words.word("priority_says", claim.priority), parts.priority),
        (_owed(eyes, whole, own, parts.fairness), parts.fairness),
        (eyes.gettext("It has waited %(time)s; that doubles every two days.", time=waited), parts.ageing),
    ]
    if parts.urgency > 1 + EVEN:
        said.append((eyes.gettext("The day it is wanted by comes near."), parts.urgency))
    return tuple(WeightView(sentence=sentence, factor=_times(eyes, factor)) for sentence, factor in said)


def _owed(eyes: Eyes, whole: Standing | None, own: Standing | None, factor: float) -> str:
    if whole is None or own is None or abs(factor - 1) <= EVEN:
        return eyes.gettext("Whom it is for has had about what is due.")
    facts = {
        "share": eyes.words.percent(whole.share),
        "due": eyes.words.percent(whole.due),
        "own": eyes.words.percent(own.share),
        "own_due": eyes.words.percent(own.due),
    }
    if factor > 1:
        return eyes.gettext(
            "Whom it is for has had less than is due: its audience %(share)s of %(due)s, and within it this work"
            " %(own)s of %(own_due)s.",
            **facts,
        )
    return eyes.gettext(
        "Whom it is for has had more than is due: its audience %(share)s of %(due)s, and within it this work"
        " %(own)s of %(own_due)s.",
        **facts,
    )


def _fields(
    eyes: Eyes, found: Found, errors: Mapping[str, str], typed: Mapping[str, str]
) -> tuple[PartsField, ...]:
    return tuple(
        PartsField(
            name=audience.value,
            label=eyes.words.word("audience", audience),
            value=typed.get(audience.value, eyes.words.formats.decimal(parts)),
            error=errors.get(audience.value, ""),
        )
        for audience, parts in found.due.items()
    )


def _hours(eyes: Eyes, hours: float) -> str:
    return f"{eyes.words.formats.decimal(hours, 0 if hours >= 10 else 1)}{NBSP}h"


def _times(eyes: Eyes, factor: float) -> str:
    return f"×\u202f{eyes.words.formats.decimal(factor, 0 if factor >= 100 else 1 if factor >= 10 else 2)}"
