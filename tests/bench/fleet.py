"""One server, two hundred network machines at 1 Hz and sixteen serial hosts that print: what it costs, how old what
the screens show is, and how long a stop takes from the click to the wire.

The stop is the API's own route over a socket of its own; the wire is a pty whose other end notes the instant. It is
measured twice: while other people load pages as fast as they are answered, and while on top of that the database has
stopped (`tests.stopped`). `stop_p99_ms` is that of all stops together. Figures are of the server process alone;
hosts, guardians and mocks are in the table.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from drivers.config import load
from drivers.host import HostedDevice
from drivers.registry import DRIVERS
from fablab.people.access import Scope, make_token
from fablab.people.models import Member
from fablab.places.models import Machine, MachineGate, Resource, ResourceKind, Technology
from tests.bench.stop import Wire, endless, p99, wired
from tests.served import Served, end_hosts
from tests.stopped import stopped

ROOT = Path(__file__).resolve().parents[2]
FLOCKS = (("octoprint", 50), ("octoprint", 50), ("moonraker", 50), ("moonraker", 50))
HOSTS = 16
LINES_PER_S = 50.0  # of each printing machine; a real one moves 20 to 100 times a second
STEADY_S = 30.0
STOPS = 80  # in each situation
VISITORS = 12
ONLINE_S = 180.0


@contextmanager
def flocks() -> Iterator[list[tuple[str, int]]]:
    """Kind and port of every mock."""
    processes = []
    try:
        found = []
        for kind, count in FLOCKS:
            command = [sys.executable, "-m", "tests.bench.flock", kind, str(count)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            processes.append(process)
            assert process.stdout is not None
            found += [(kind, port) for port in json.loads(process.stdout.readline())]
        yield found
    finally:
        for process in processes:
            process.kill()
            process.wait()


def devices_toml(network: list[tuple[str, int]], wire: Wire) -> str:
    tables = [f'[devices.s{n}]\ndriver = "marlin"\nport = "{wire.port(n)}"\n' for n in range(HOSTS)]
    for number, (kind, port) in enumerate(network):
        key = 'api_key = "0123456789abcdef0123456789abcdef"\n'
        tables.append(
            f'[devices.n{number}]\ndriver = "{kind}"\nurl = "http://127.0.0.1:{port}"\n'
            + (key if kind == "octoprint" else "")
        )
    return "\n".join(tables)


class Fleet(Served):
    """A lab with all these machines in it, served; `ids` by device name."""

    def __init__(self, folder: Path, toml: str) -> None:
        super().__init__(folder, toml, {})
        self.ids: dict[str, int] = {}
        with self.lab.database.begin() as uow:
            for name in load(folder / "devices.toml"):
                row = Resource(kind=ResourceKind.MACHINE, name=name, technology=Technology.FDM)
                uow.session.add(row)
                uow.session.flush()
                self.ids[name] = row.id
                uow.session.add(
                    Machine(
                        resource_id=row.id,
                        device=name,
                        gate=MachineGate.AWAITING_CLEAR,
                        gate_at=uow.now,
                        bed_x_mm=250,
                        bed_y_mm=210,
                        height_mm=210,
                        nozzle_mm=0.4,
                        max_nozzle_c=290,
                        max_bed_c=110,
                    )
                )

    def token_of(self, who: str) -> str:
        """Each visitor has a name of its own: one member's requests are limited."""
        with self.lab.database.begin() as uow:
            member = uow.session.get(Member, self.lab.actors[who].member_id)
            assert member is not None
            return make_token(uow, member, "bench", frozenset({Scope.READ}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ages(self) -> list[float]:
        """Seconds since each machine that is online was heard; the machines are those of this bench."""
        mine = set(self.ids)
        return [
            machine["status"]["age_s"]
            for machine in self.get("/api/machines")
            if machine["name"] in mine and machine["link"] == "online" and machine["status"]
        ]


VISITS = """
import asyncio, sys
import httpx
async def visit(url, token):
    headers = {"Authorization": "Bearer " + token}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        while True:
            for path in ("/floor", "/api/machines", "/jobs"):
                try:
                    answer = await client.get(path)
                    counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
                    if answer.status_code == 429:
                        await asyncio.sleep(0.2)
                except httpx.HTTPError:
                    counts["lost"] = counts.get("lost", 0) + 1
counts = {}
async def main(url, many, tokens):
    visitors = [asyncio.create_task(visit(url, tokens[n % len(tokens)])) for n in range(many)]
    print("visiting", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(counts, flush=True)
    for visitor in visitors:
        visitor.cancel()
asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
"""


@asynccontextmanager
async def visitors(fleet: Fleet) -> AsyncIterator[list[str]]:
    """People who load pages as fast as they are answered; afterwards the list has what they were answered."""
    tokens = [fleet.token_of(who) for who in ("maker", "other", "staff", "admin")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VISITS, fleet.url, str(VISITORS), *tokens),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    said: list[str] = []
    try:
        await asyncio.sleep(1.0)
        yield said
        process.stdin.write(b"\n")
        said.append((await process.stdout.readline()).decode().strip())
    finally:
        process.kill()
        await process.wait()


class Hosts:
    """The sixteen, as a second client of theirs: it starts programs past the server."""

    def __init__(self, fleet: Fleet, program: Path) -> None:
        configs = load(fleet.folder / "devices.toml")
        self._program = program
        self.devices = [
            HostedDevice(configs[f"s{n}"], data_dir=fleet.folder, capabilities=DRIVERS["marlin"].capabilities)
            for n in range(HOSTS)
        ]

    async def open(self) -> None:
        for device in self.devices:
            await device.open()

    async def print(self, number: int) -> None:
        await self.devices[number].start(self._program, f"bench-{number}-{time.monotonic_ns()}")

    async def close(self) -> None:
        for device in self.devices:
            await device.close()


async def stop(fleet: Fleet, wire: Wire, hosts: Hosts, index: int) -> float:
    """Seconds from the click to the wire; then the machine prints again."""
    number = index % HOSTS
    path = f"/api/machines/{fleet.ids[f's{number}']}/stop"
    async with httpx.AsyncClient(
        base_url=fleet.url, headers={"Authorization": f"Bearer {fleet.token}"}, timeout=60
    ) as client:
        clicked = time.monotonic()
        answer = await client.post(path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["confirmed"] is True, answer.text
    taken_s = await wire.saw(number, "stop", after=clicked) - clicked
    again = time.monotonic()
    await hosts.print(number)
    await wire.saw(number, "print", after=again)
    return taken_s


async def all_online(fleet: Fleet) -> None:
    deadline = time.monotonic() + ONLINE_S
    while (online := len(await asyncio.to_thread(fleet.ages))) < len(fleet.ids):
        assert time.monotonic() < deadline, f"{online} of {len(fleet.ids)} machines came online"
        await asyncio.sleep(0.5)


async def steady(fleet: Fleet, server: psutil.Process, others: list[psutil.Process]) -> dict[str, float]:
    """Half a minute of nothing but machines that print and tell."""
    ages: list[float] = []
    server.cpu_percent()
    before = sum(_cpu_s(each) for each in others)
    began = time.monotonic()
    while time.monotonic() - began < STEADY_S:
        await asyncio.sleep(2.0)
        ages += await asyncio.to_thread(fleet.ages)
    taken_s = time.monotonic() - began
    return {
        "cpu_pct": server.cpu_percent(),
        "rss_mb": server.memory_info().rss / 1e6,
        "age_p99_s": p99(ages),
        "age_median_s": sorted(ages)[len(ages) // 2],
        "hosts_cpu_pct": (sum(_cpu_s(each) for each in others) - before) / taken_s * 100,
        "hosts_rss_mb": sum(each.memory_info().rss for each in others) / 1e6,
    }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def serial_processes(folder: Path) -> list[psutil.Process]:
    """Hosts and their guardians: all have the folder in their command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
        and not any("web.cli" in word for word in process.info["cmdline"] or ())
        and process.pid != os.getpid()
    ]


async def _run(folder: Path, fleet: Fleet, wire: Wire) -> tuple[dict[str, float], dict[str, list[float]]]:
    await all_online(fleet)
    hosts = Hosts(fleet, endless(folder))
    await hosts.open()
    try:
        for number in range(HOSTS):
            began = time.monotonic()
            await hosts.print(number)
            await wire.saw(number, "print", after=began)
        assert fleet.process is not None
        figures = await steady(fleet, psutil.Process(fleet.process.pid), serial_processes(fleet.folder))
        stops: dict[str, list[float]] = {"alone": []}
        for index in range(STOPS // 4):
            stops["alone"].append(await stop(fleet, wire, hosts, index))
        async with visitors(fleet) as said:
            stops["pages loaded"] = [await stop(fleet, wire, hosts, index) for index in range(STOPS)]
        async with visitors(fleet) as said_too:
            with stopped(fleet.folder / "fablab.sqlite"):
                stops["pages loaded, database stopped"] = [
                    await stop(fleet, wire, hosts, index) for index in range(STOPS)
                ]

        print(f"pages were answered: {said[0]}; with the database stopped: {said_too[0]}")
        return figures, stops
    finally:
        await hosts.close()


def run(console: Console) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory() as name,
        flocks() as network,
        wired(Path(name) / "wire", HOSTS, LINES_PER_S) as wire,
    ):
        folder = Path(name) / "data"
        folder.mkdir()
        fleet = Fleet(folder, devices_toml(network, wire))
        try:
            fleet.start()
            figures, stops = asyncio.run(_run(Path(name), fleet, wire))
        finally:
            fleet.close()
            end_hosts(folder)
    table = Table(
        "what", "figure", title=f"{len(network)} network machines at 1 Hz, {HOSTS} hosts that print"
    )
    table.add_row("server: CPU", f"{figures['cpu_pct']:.0f} %")
    table.add_row("server: memory", f"{figures['rss_mb']:.0f} MB")
    table.add_row("hosts and guardians: CPU", f"{figures['hosts_cpu_pct']:.0f} %")
    table.add_row("hosts and guardians: memory", f"{figures['hosts_rss_mb']:.0f} MB")
    table.add_row("age of a status: median", f"{figures['age_median_s'] * 1000:.0f} ms")
    table.add_row("age of a status: p99", f"{figures['age_p99_s'] * 1000:.0f} ms")
    for case, found in stops.items():
        middle = sorted(found)[len(found) // 2] * 1000
        words = f"median {middle:.0f} ms, p99 {p99(found) * 1000:.0f} ms of {len(found)}"
        table.add_row(f"stop, {case}", words)
    console.print(table)
    together = [figure for found in stops.values() for figure in found]
    return {
        "machines": len(network) + HOSTS,
        "hosts": HOSTS,
        "cpu_pct": round(figures["cpu_pct"], 1),
        "rss_mb": round(figures["rss_mb"], 1),
        "status_age_p99_ms": round(figures["age_p99_s"] * 1000, 1),
        "stop_p99_ms": round(p99(together) * 1000, 1),
    }
