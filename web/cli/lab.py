"""The house itself: serve it, migrate it, seed it, look whether it is well, add its people."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from pathlib import Path

import click

from drivers.config import ConfigError, load
from fablab import migrations
from fablab.base.database import Database
from fablab.people import members
from fablab.people.access import Scope, make_token
from fablab.people.models import Audience, Role
from fablab.programs import gcode
from fablab.programs.store import Store
from web.cli.show import CliError, as_json, console, put, table
from web.settings import Settings
from web.settings import load as load_settings

_data = click.option("--data", type=click.Path(path_type=Path), help="folder for database, files and sockets")
_url = click.option("--database-url", help="PostgreSQL instead of SQLite: postgresql+psycopg://…")
_host = click.option("--host", help="address to listen on (127.0.0.1)")
_port = click.option("--port", type=int, help="port to listen on (8000)")
_devices = click.option("--devices", type=click.Path(path_type=Path), help="devices.toml")


@click.command()
@_data
@_url
@_host
@_port
@_devices
def serve(
    data: Path | None, database_url: str | None, host: str | None, port: int | None, devices: Path | None
) -> None:
    """Serve the lab: pages, API, planner and dispatcher. Machines that print go on when it stops."""
    from web.app import serve as serve_app

    settings = load_settings(data_dir=data, database_url=database_url, host=host, port=port, devices=devices)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.url)
    current, wanted = migrations.revision_of(database)
    database.dispose()
    if current != wanted:
        raise CliError(
            f"the database is at {current or 'nothing'}, this version needs {wanted}: run `fablab migrate`"
        )
    serve_app(settings)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
def demo(host: str, port: int, data: Path) -> None:
    """Serve a synthetic lab with mock machines, until Ctrl-C. Leaves nothing but its data folder."""
    from web.demo.run import serve_demo

    serve_demo(load_settings(host=host, port=port, data_dir=data, demo=True))


@click.command()
@_data
@_url
@as_json
def migrate(data: Path | None, database_url: str | None, json_: bool) -> None:
    """Bring the database to what this version needs."""
    database = _database(data, database_url)
    before, wanted = migrations.revision_of(database)
    migrations.upgrade(database)
    database.dispose()
    said = {"from": before, "to": wanted, "changed": before != wanted}
    put(said, json_=json_, lines=lambda: console.print(f"database: {before or 'empty'} → {wanted}"))


@click.command()
@_data
@_url
@as_json
def seed(data: Path | None, database_url: str | None, json_: bool) -> None:
    """Fill an empty database with the synthetic demo lab."""
    from web.demo.seed import is_empty
    from web.demo.seed import seed as fill

    settings = load_settings(data_dir=data, database_url=database_url)
    database = _database(data, database_url)
    migrations.upgrade(database)
    if not is_empty(database):
        raise CliError("this database already holds a lab; nothing was changed")
    fill(database, Store(settings.programs_dir))
    database.dispose()
    put({"seeded": True}, json_=json_, lines=lambda: console.print("the demo lab is in"))


@click.command()
@_data
@_url
@_devices
@as_json
def doctor(data: Path | None, database_url: str | None, devices: Path | None, json_: bool) -> None:
    """Look whether everything this lab needs is there, and say what to do where it is not."""
    settings = load_settings(data_dir=data, database_url=database_url, devices=devices)
    found = [_python(), _folder(settings), _schema(settings), _machines(settings), _reader()]
    rows = [("✓" if good else "✗", what, said) for what, good, said in found]
    report = [{"check": what, "ok": good, "detail": said} for what, good, said in found]
    put(report, json_=json_, lines=lambda: table("", ("", "", ""), rows))
    if not all(good for _, good, _ in found):
        raise click.exceptions.Exit(1)


Check = tuple[str, bool, str]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return "python", sys.version_info >= (3, 11), version


def _folder(settings: Settings) -> Check:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        probe = settings.data_dir / ".doctor"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return "data folder", False, f"{settings.data_dir}: {error.strerror}; choose another with --data"
    free_gb = shutil.disk_usage(settings.data_dir).free / 1e9
    return "data folder", free_gb > 1, f"{settings.data_dir}, {free_gb:.0f} GB free"


def _schema(settings: Settings) -> Check:
    database = Database(settings.url)
    try:
        current, wanted = migrations.revision_of(database)
    except Exception as error:  # whatever the database says is the finding
        return "database", False, f"cannot be reached: {error}"
    finally:
        database.dispose()
    good = current == wanted
    return (
        "database",
        good,
        f"at {current}" if good else f"at {current}, needs {wanted}: run `fablab migrate`",
    )


def _machines(settings: Settings) -> Check:
    try:
        found = load(settings.devices_file)
    except ConfigError as error:
        return "machines", False, str(error)
    missing = [
        c.name for c in found.values() if (p := getattr(c.options, "port", "")) and not Path(p).exists()
    ]
    if missing:
        return "machines", False, f"no such port: {', '.join(missing)}; is the machine plugged in and on?"
    return "machines", True, f"{len(found)} in {settings.devices_file}"


def _reader() -> Check:
    gcode.warm()
    return "program reader", True, "compiled"


@click.group()
def member() -> None:
    """People of the lab."""


@member.command("add")
@click.argument("name")
@click.option("--email", help="without one, staff act for this person")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.MAKER.value)
@click.option("--audience", type=click.Choice([a.value for a in Audience]), default=Audience.PERSONAL.value)
@click.option("--password-stdin", is_flag=True, help="read the password from standard input")
@_data
@_url
@as_json
def add(
    name: str,
    email: str | None,
    role: str,
    audience: str,
    password_stdin: bool,
    data: Path | None,
    database_url: str | None,
    json_: bool,
) -> None:
    """Add a member; asks for a password when there is an e-mail to sign in with."""
    password = None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif email:
        password = click.prompt("password", hide_input=True, confirmation_prompt=True)
    database = _database(data, database_url)
    with database.begin() as uow:
        row = members.add_member(
            uow, name=name, email=email, role=Role(role), audience=Audience(audience), password=password
        )
        said = {"id": row.id, "name": row.name, "email": row.email, "role": row.role.value}
    database.dispose()
    put(said, json_=json_, lines=lambda: console.print(f"{row.name} is member {row.id} ({row.role.value})"))


@member.command("token")
@click.argument("email")
@click.option("--name", default="command line", help="what it is for")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([s.value for s in Scope]),
    default=("read", "submit"),
)
@click.option("--days", type=int, default=90, show_default=True)
@_data
@_url
@as_json
def token(
    email: str,
    name: str,
    scopes: tuple[str, ...],
    days: int,
    data: Path | None,
    database_url: str | None,
    json_: bool,
) -> None:
    """Make an API token for a member. It is shown this once."""
    database = _database(data, database_url)
    with database.begin() as uow:
        row = members.member_by_email(uow, email)
        secret = make_token(uow, row, name, frozenset(map(Scope, scopes)), timedelta(days=days))
    database.dispose()
    put({"token": secret, "scopes": scopes}, json_=json_, lines=lambda: console.print(secret))


def _database(data: Path | None, database_url: str | None) -> Database:
    settings = load_settings(data_dir=data, database_url=database_url)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(settings.url)
