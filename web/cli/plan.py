"""The plan from a terminal: how the calendar stands, why a claim is where it is, and instances solved from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.markup import escape

from fablab.base.clock import SystemClock
from fablab.base.database import SYSTEM, Database, UnitOfWork
from fablab.claims import calendar
from fablab.claims.jobs import use as jobs
from fablab.claims.models import Allocation, ClaimKind
from fablab.places import house
from fablab.places.models import Resource, ResourceKind
from fablab.reports import week
from scheduler import planner
from web.cli.setup import open_lab
from web.cli.show import as_json, console, language, put
from web.cli.simulate import simulate
from web.cli.solve import solve
from web.pages import eyes
from web.pages.model import ExplanationView, ReasonView
from web.settings import load as load_settings
from web.words import Words

DAYS = 7

_data = click.option("--data", type=click.Path(path_type=Path), help="folder for database, files and sockets")
_url = click.option("--database-url", help="PostgreSQL instead of SQLite: postgresql+psycopg://…")


@click.group()
def plan() -> None:
    """The plan: how it stands, why it is so, and better ones for instances in files."""


plan.add_command(solve)
plan.add_command(simulate)


@plan.command()
@click.option("--from", "day", type=click.DateTime(["%Y-%m-%d"]), help="first day, local; today by default")
@click.option("--days", type=click.IntRange(1, 366), default=DAYS, show_default=True)
@_data
@_url
@as_json
def show(day: datetime | None, days: int, data: Path | None, database_url: str | None, json_: bool) -> None:
    """The calendar as it stands: what each machine, room and person is held for, and what will be late."""
    with open_lab(load_settings(data_dir=data, database_url=database_url)) as database:
        words = _words(database)
        with database.read() as uow:
            start_at, end_at = _span(uow, words, day, days)
            seen = week.stretch(uow, start_at, end_at, frozenset(ResourceKind))
            held = [_held(row, runs=row.run_id in seen.live) for row in seen.allocations]
            resources = seen.resources
    put([_plain(row) for row in held], json_=json_, lines=lambda: _show(words, resources, held))


@plan.command()
@click.argument("claim_id")
@_data
@_url
@as_json
def explain(claim_id: str, data: Path | None, database_url: str | None, json_: bool) -> None:
    """Why the claim CLAIM_ID is where it is: why not earlier, why not elsewhere, and what would have it ready earlier."""
    with open_lab(load_settings(data_dir=data, database_url=database_url)) as database:
        words = _words(database)
        with database.read() as uow:
            claim = calendar.claim(uow, claim_id)
            held = [_held(row, runs=week.live_run(uow, row) is not None) for row in calendar.current(claim)]
            seen = eyes.Eyes(words=words, now=uow.now, actor=SYSTEM)
            machine = words.formats.listed([row.resource for row in held])
            weight_g = jobs.weight_g(uow, claim_id) if claim.kind is ClaimKind.JOB else 0.0
            reasons = planner.explain(uow, claim, weight_g=weight_g, knows=seen.knows)
            why = eyes.explanation(seen, reasons, machine)
            state = words.word("claim_state", claim.state)
            said: dict[str, Any] = {
                "claim": claim.id,
                "title": claim.title,
                "state": claim.state.value,
                "held": [_plain(row) for row in held],
                "reasons": reasons,
            }
    steps = () if why is None else (*why.earlier, *why.helps, *why.elsewhere)
    said["why"] = [] if why is None else [why.chosen, *(step.sentence for step in steps)]
    put(
        said,
        json_=json_,
        lines=lambda: _explain(words, f"{said['title']} ({said['claim']}): {state}", held, why),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One resource held by one claim, as a person is told of it. `run`: the one on it now; `late_s`: past due."""

    resource: str
    claim: str
    title: str
    kind: str
    state: str
    run: str | None
    start_at: datetime
    run_start_at: datetime
    run_end_at: datetime
    end_at: datetime
    ready_from: datetime | None
    ready_until: datetime | None
    due_at: datetime | None
    late_s: int


def _held(row: Allocation, *, runs: bool) -> Held:
    claim = row.claim
    over = claim.ready_at - claim.due_at if claim.ready_at and claim.due_at else timedelta()
    return Held(
        resource=row.resource.name,
        claim=claim.id,
        title=claim.title,
        kind=claim.kind.value,
        state=row.state.value,
        run=row.run_id if runs else None,
        start_at=row.start_at,
        run_start_at=row.run_start_at,
        run_end_at=row.run_end_at,
        end_at=row.end_at,
        ready_from=claim.ready_from,
        ready_until=claim.ready_until,
        due_at=claim.due_at,
        late_s=max(0, round(over.total_seconds())),
    )


def _plain(row: Held) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Held.__slots__}


def _words(database: Database) -> Words:
    """The terminal's language, the lab's own time. Raises `NotFound` where no lab was founded."""
    with database.read() as uow:
        return Words(language(), ZoneInfo(house.house(uow).zone), clock=SystemClock())


def _span(uow: UnitOfWork, words: Words, day: datetime | None, days: int) -> tuple[datetime, datetime]:
    """From the midnight that begins the first day to the one that ends the last, on the wall of the lab."""
    first = day.date() if day else house.today(uow)
    begin, end = (
        datetime.combine(d, time(), words.formats.zone) for d in (first, first + timedelta(days=days))
    )
    return begin.astimezone(UTC), end.astimezone(UTC)


def _show(words: Words, resources: Sequence[Resource], held: Sequence[Held]) -> None:
    """A line for each place, so that ids can be copied whole; machines that hold nothing are named all the same."""
    for resource in resources:
        own = [row for row in held if row.resource == resource.name]
        if own:
            console.print(escape(resource.name), style="bold", soft_wrap=True)
        elif resource.kind is ResourceKind.MACHINE:
            free = words.gettext("free")
            console.print(f"[bold]{escape(resource.name)}[/bold]: {free}", soft_wrap=True)
        for row in own:
            console.print(f"  {_line(words, row)} · {escape(row.title)} ({row.claim})", soft_wrap=True)
    late = len({row.claim for row in held if row.late_s})
    if late:
        said = words.ngettext("%(num)s claim will be late.", "%(num)s claims will be late.", late)
        console.print(said % {"num": late}, style="red")


def _line(words: Words, row: Held) -> str:
    """When, as what, and between which moments it will be ready where that is not known exactly."""
    parts = [f"{words.when(row.start_at)} – {_moment(words, row.end_at, row.start_at)}"]
    parts.append(words.gettext("Running") if row.run else words.word("allocation_state", row.state))
    if row.ready_from and row.ready_until and row.ready_from < row.ready_until:
        between = f"{words.when(row.ready_from)} – {_moment(words, row.ready_until, row.ready_from)}"
        parts.append(words.gettext("ready %(between)s") % {"between": between})
    if row.late_s:
        late = words.gettext("%(duration)s late") % {"duration": words.duration(row.late_s)}
        parts.append(f"[red]{late}[/red]")
    return " · ".join(parts)


def _moment(words: Words, at: datetime, after: datetime) -> str:
    """The hour alone where it is the same day."""
    same = words.formats.local(at).date() == words.formats.local(after).date()
    return words.clock(at) if same else words.when(at)


def _explain(words: Words, title: str, held: Sequence[Held], why: ExplanationView | None) -> None:
    _say(title)
    for row in held:
        console.print(f"  {escape(row.resource)}: {_line(words, row)}", soft_wrap=True)
    if why is None:
        _say(words.gettext("Nothing was noted about why it is so."))
        return
    _say(why.chosen)
    for heading, reasons in (
        (words.gettext("Why not earlier"), why.earlier),
        (_would(words, why), why.helps),
        (words.gettext("Why not another machine"), why.elsewhere),
    ):
        if reasons:
            _say(heading)
            for reason in reasons:
                _say(f"  - {_reason(reason)}")


def _would(words: Words, why: ExplanationView) -> str:
    if why.placed:
        return words.gettext("What would have it ready earlier")
    return words.gettext("What would work")


def _reason(reason: ReasonView) -> str:
    return f"{reason.subject} – {reason.sentence}" if reason.subject else reason.sentence


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)
