"""Serve the demo lab: migrate, seed, write its devices.toml, serve, and leave nothing behind but the data folder."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from rich.console import Console
from rich.panel import Panel

from drivers.config import load
from drivers.host import HostedDevice
from drivers.mocked import MockedDevice
from drivers.registry import make
from fablab import migrations
from fablab.base.clock import SystemClock
from fablab.base.database import Database
from fablab.device import DeviceError
from fablab.places.models import Technology
from fablab.programs.store import Store
from web.app import serve
from web.demo import cast
from web.demo.seed import is_empty, seed
from web.settings import Settings

log = logging.getLogger(__name__)

SPEED = 60  # a half-hour print takes half a minute


def serve_demo(settings: Settings) -> None:
    """Until Ctrl-C. A second start finds the data of the first."""
    console = Console(highlight=False)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.devices is None:
        settings = dataclasses.replace(settings, devices=settings.data_dir / "devices.toml")
    if not settings.devices_file.exists():
        settings.devices_file.write_text(devices_toml())
    database = Database(settings.url)
    migrations.upgrade(database)
    if is_empty(database):
        console.print("Filling an empty lab with synthetic people, machines and four weeks of history…")
        seed(database, Store(settings.programs_dir))
    database.dispose()
    console.print(_welcome(settings))
    try:
        serve(settings)
    finally:
        asyncio.run(_quit_hosts(settings))


def devices_toml() -> str:
    """Printers are mocks that speak Marlin on a real pseudo-terminal; the rest are worked by hand."""
    tables = ["# The demo lab's machines. `speed` hurries a mock: 60 prints a minute's work in a second."]
    for _, _, technology, device, *_ in cast.MACHINES:
        keys = (
            f'driver = "marlin"\nmock = true\nspeed = {SPEED}'
            if technology is Technology.FDM
            else 'driver = "manual"'
        )
        tables.append(f"[devices.{device}]\n{keys}")
    return "\n\n".join(tables) + "\n"


def _welcome(settings: Settings) -> Panel:
    logins = "\n".join(f"  {role.value:<9} {email:<22} {cast.PASSWORD}" for email, _, role, _ in cast.LOGINS)
    text = f"[bold]{settings.address}[/bold]\n\nSign in as (all synthetic):\n{logins}\n\nCtrl-C stops everything."
    return Panel(text, title=cast.HOUSE_NAME, title_align="left", expand=False)


async def _quit_hosts(settings: Settings) -> None:
    """The demo's hosts and its mocks end with it; a real lab's would go on."""
    clock = SystemClock()
    made = [
        make(config, data_dir=settings.data_dir, clock=clock)
        for config in load(settings.devices_file).values()
    ]
    hosted = [device for device in made if isinstance(device, HostedDevice | MockedDevice)]
    answers = await asyncio.gather(*(device.quit(force=True) for device in hosted), return_exceptions=True)
    for device, answer in zip(hosted, answers, strict=True):
        if isinstance(answer, DeviceError | OSError):
            log.warning("%s: what runs it did not end: %s", device.name, answer)
        elif isinstance(answer, BaseException):
            raise answer
