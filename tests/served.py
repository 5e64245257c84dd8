"""A real server in a process of its own, over a lab in a folder: started, killed, and asked over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from fablab.people.access import Scope, make_token
from fablab.people.models import Member
from tests.lab import Lab, make_lab

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


class Served:
    """`folder` is the server's data folder; `start` and `kill` may be called as often as one likes."""

    def __init__(self, folder: Path, devices_toml: str, devices: dict[str, str]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "devices.toml").write_text(devices_toml)
        url = f"sqlite:///{folder / 'fablab.sqlite'}"
        self.lab: Lab = make_lab(url, folder, at=datetime.now(UTC), devices=devices)
        self.token = self._token()
        self.port = free_port()
        self.search_s = 0.0  # a search on one of few processors makes hasty tests fail
        self.process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    def _token(self) -> str:
        with self.lab.database.begin() as uow:
            member = uow.session.get(Member, self.lab.staff.member_id)
            assert member is not None
            return make_token(uow, member, "test", frozenset(Scope))

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "web.cli",
            "serve",
            "--data",
            str(self.folder),
            "--port",
            str(self.port),
        ]
        with (self.folder / "server.log").open("ab") as out:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONFAULTHANDLER": "1", "FABLAB_SEARCH_S": str(self.search_s)},
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        until(self._answers, within_s=60)

    def _answers(self) -> bool | None:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        try:
            return True if self.client.get("/api/health").status_code == 200 else None
        except httpx.TransportError:
            return None

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(number)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # faulthandler writes down where every thread stands
                process.wait(30)
                raise AssertionError((self.folder / "server.log").read_text()[-6000:]) from None

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, path: str, **body: object) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, program: Path, **fields: str) -> Any:
        with program.open("rb") as stream:
            answer = self.client.post("/api/jobs", data=fields, files={"file": (program.name, stream)})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def machine(self, name: str) -> Any:
        return self.get(f"/api/machines/{self.lab.resources[name]}")

    def tap(self, name: str, job: str) -> Any:
        return self.post(f"/api/machines/{self.lab.resources[name]}/tap", claim=job, bed_clear=True)

    def online(self, name: str) -> Any:
        return until(lambda: m if (m := self.machine(name))["link"] == "online" else None, within_s=60)

    def close(self) -> None:
        self.kill(signal.SIGTERM)
        self.client.close()
        self.lab.database.dispose()


@contextmanager
def served(folder: Path, devices_toml: str, devices: dict[str, str]) -> Iterator[Served]:
    server = Served(folder, devices_toml, devices)
    try:
        server.start()
        yield server
    finally:
        server.close()


def until(look: Callable[[], T | None], within_s: float = 30.0) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.03)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end_hosts(folder: Path) -> None:
    """Kill what a lab in this folder left running: its hosts and their guardians."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in " ".join(process.info["cmdline"] or ()) and process.pid != os.getpid():
            process.kill()
