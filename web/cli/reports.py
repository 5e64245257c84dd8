"""Reports of one's own lab in a terminal, read straight from its database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from fablab.base.database import UnitOfWork
from fablab.people import shares as due
from fablab.people.models import Audience
from fablab.reports import shares as share_report
from fablab.reports import timing
from scheduler.lore import fairness
from web.cli.setup import open_lab
from web.cli.show import as_json, console, put, table, words
from web.settings import load as load_settings

_data = click.option("--data", type=click.Path(path_type=Path), help="folder for database, files and sockets")
_url = click.option("--database-url", help="PostgreSQL instead of SQLite: postgresql+psycopg://…")


@click.group()
def reports() -> None:
    """How true the lab's times are, and who got what."""


@reports.command()
@_data
@_url
@as_json
def calibration(data: Path | None, database_url: str | None, json_: bool) -> None:
    """What runs took beside their estimates, and which of the promises were kept."""
    with (
        open_lab(load_settings(data_dir=data, database_url=database_url)) as database,
        database.read() as uow,
    ):
        found = timing.calibration(uow)
    said = {
        "since": found.since,
        "runs": found.runs,
        "factor": found.factor,
        "promises": found.promises,
        "kept": _by_quantile(found.shares),
        "runs_foreseen": found.foreseen,
        "runs_within": _by_quantile(found.run_shares),
        "lines": [_line(line) for line in found.lines],
    }
    put(said, json_=json_, lines=lambda: _show_calibration(found))


def _line(line: timing.Line) -> dict[str, Any]:
    return {
        "machine": line.machine,
        "material": line.material,
        "source": line.source,
        "runs": line.runs,
        "factor": line.factor,
        "low": line.low,
        "high": line.high,
        "promises": line.promises,
        "kept": _by_quantile(line.shares),
    }


def _by_quantile(shares: tuple[float, ...] | None) -> dict[str, float] | None:
    if shares is None:
        return None
    return {f"p{round(q * 100)}": kept for q, kept in zip(timing.QUANTILES, shares, strict=True)}


def _show_calibration(found: timing.Calibration) -> None:
    say = words()
    if not found.lines:
        console.print(say.gettext("No run has been finished yet"))
        return
    headings = ("Machine", "Material", "Who estimated", "Runs", "Factor", "Promises")
    columns = [*map(say.gettext, headings), *(f"P{round(q * 100)}" for q in timing.QUANTILES)]
    rows = [
        (
            escape(line.machine),
            escape(line.material),
            say.word("estimate_source", line.source),
            str(line.runs),
            _number(line.factor),
            str(line.promises),
            *_percents(line.shares),
        )
        for line in found.lines
    ]
    every = (say.gettext("all"), "", "", str(found.runs), _number(found.factor), str(found.promises))
    table("", columns, [*rows, (*every, *_percents(found.shares))])


def _number(value: float | None) -> str:
    return "–" if value is None else words().decimal(value)


def _percents(shares: tuple[float, ...] | None) -> tuple[str, ...]:
    if shares is None:
        return ("–",) * len(timing.QUANTILES)
    return tuple(words().percent(share) for share in shares)


@reports.command()
@_data
@_url
@as_json
def shares(data: Path | None, database_url: str | None, json_: bool) -> None:
    """Machine hours used and held over four weeks, by audience, beside the share due."""
    with (
        open_lab(load_settings(data_dir=data, database_url=database_url)) as database,
        database.read() as uow,
    ):
        said = _shares(uow)
    say = words()
    headings = ("Audience", "Used", "Held", "Share", "Due", "Turn", "Waiting")
    rows = [
        (
            say.word("audience", row["audience"]),
            f"{say.formats.decimal(row['used_h'], 1)} h",
            f"{say.formats.decimal(row['held_h'], 1)} h",
            say.percent(row["share"]),
            say.percent(row["due"]),
            f"× {say.decimal(row['factor'])}",
            str(row["waiting"]),
        )
        for row in said
    ]
    put(said, json_=json_, lines=lambda: table("", [say.gettext(heading) for heading in headings], rows))


def _shares(uow: UnitOfWork) -> list[dict[str, Any]]:
    found = fairness(uow, share_report.hours(uow))
    return [
        {
            "audience": audience,
            "used_h": standing.used_h,
            "held_h": standing.held_h,
            "share": standing.share,
            "due": standing.due,
            "factor": standing.factor,
            "waiting": standing.waiting,
        }
        for audience, standing in found.audiences.items()
    ]


@reports.command()
@click.argument("audience", type=click.Choice([audience.value for audience in Audience]))
@click.argument("parts", type=float)
@_data
@_url
@as_json
def owe(audience: str, parts: float, data: Path | None, database_url: str | None, json_: bool) -> None:
    """Set what AUDIENCE is owed beside the others: 2 is twice the time of 1."""
    with (
        open_lab(load_settings(data_dir=data, database_url=database_url)) as database,
        database.begin() as uow,
    ):
        due.set_parts(uow, Audience(audience), parts)
        said = {found.value: value for found, value in due.parts_due(uow).items()}
    say = words()
    rows = [(say.word("audience", name), say.decimal(value)) for name, value in said.items()]
    columns = (say.gettext("Audience"), say.gettext("Shares due"))
    put(said, json_=json_, lines=lambda: table("", columns, rows))
