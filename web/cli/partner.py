"""Partners in a terminal: who runs a part of the house, what it was used for, and all their data to take along."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click
from rich.markup import escape

from fablab.people import partners
from fablab.places import house
from fablab.reports import leaving
from fablab.reports import partners as reports
from web.cli.setup import open_lab
from web.cli.show import CliError, as_json, console, put, table
from web.settings import load as load_settings

_data = click.option("--data", type=click.Path(path_type=Path), help="folder for database, files and sockets")
_url = click.option("--database-url", help="PostgreSQL instead of SQLite: postgresql+psycopg://…")
_day = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def partner() -> None:
    """The organisations that run a part of the house."""


@partner.command("list")
@_data
@_url
@as_json
def list_(data: Path | None, database_url: str | None, json_: bool) -> None:
    """All of them, by name."""
    with (
        open_lab(load_settings(data_dir=data, database_url=database_url)) as database,
        database.read() as uow,
    ):
        found = [(row.organisation_id, row.name, row.since, row.until) for row in partners.everyone(uow)]
    said = [
        {"id": id_, "name": name, "since": since.isoformat(), "until": until.isoformat() if until else None}
        for id_, name, since, until in found
    ]
    rows = [(str(id_), escape(name), f"{since}", f"{until or ''}") for id_, name, since, until in found]
    put(said, json_=json_, lines=lambda: table("", ("id", "partner", "since", "until"), rows))


@partner.command()
@click.argument("partner_id", type=click.IntRange(min=1))
@click.option("--since", type=_day, help="first day (YYYY-MM-DD); without it the first of January")
@click.option("--until", type=_day, help="last day; without it today")
@_data
@_url
@as_json
def report(
    partner_id: int,
    since: datetime | None,
    until: datetime | None,
    data: Path | None,
    database_url: str | None,
    json_: bool,
) -> None:
    """What its things were used for, by whom it was for, and what was charged."""
    with (
        open_lab(load_settings(data_dir=data, database_url=database_url)) as database,
        database.read() as uow,
    ):
        partners.get(uow, partner_id)
        last: date = until.date() if until is not None else house.today(uow)
        first = since.date() if since is not None else last.replace(month=1, day=1)
        found = reports.report(uow, partner_id, first, last)
    lines = [*found.by_resource, *found.by_audience.values()]
    said = {
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        "hours": round(found.hours, 2),
        "charged_cents": found.charged_cents,
        "passes": found.passes,
        "sold_cents": found.sold_cents,
        "lines": [
            {
                "name": line.name,
                "uses": line.uses,
                "hours": round(line.hours, 2),
                "charged_cents": line.charged_cents,
            }
            for line in lines
        ],
    }
    rows = [
        (escape(line.name), str(line.uses), f"{line.hours:.1f}", f"{line.charged_cents / 100:.2f} €")
        for line in lines
    ]
    put(
        said,
        json_=json_,
        lines=lambda: table(f"{first} – {last}", ("what, whom", "times", "hours", "charged"), rows),
    )


@partner.command()
@click.argument("partner_id", type=click.IntRange(min=1))
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="without it partner-ID.zip")
@click.option("--force", is_flag=True, help="write over a file that is there")
@_data
@_url
@as_json
def export(
    partner_id: int,
    to: Path | None,
    force: bool,
    data: Path | None,
    database_url: str | None,
    json_: bool,
) -> None:
    """All of its data as one zip of CSV and JSON: leaving is possible."""
    path = to or Path(f"partner-{partner_id}.zip")
    if path.exists() and not force:
        raise CliError(f"{path} is there already; choose another with --to, or say --force")
    with open_lab(load_settings(data_dir=data, database_url=database_url)) as database:
        body = database.write(lambda uow: leaving.export(uow, partner_id))
    path.write_bytes(body)
    said = {"file": str(path), "bytes": len(body)}
    put(said, json_=json_, lines=lambda: console.print(f"{path}: {len(body)} bytes"))
