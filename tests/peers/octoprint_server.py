"""A real OctoPrint 1.11.8 with its virtual printer, as a child process on a free loopback port.

`serve(folder)` writes a base folder, starts the program from its own environment, waits until the virtual
printer is connected and yields a `Server`; the child ends with the block. Use the session fixture
`octoprint_server` in tests. Everything that would look at the outside world or slow a test down is switched
off.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.peers.venvs import peer_env, peer_venv

START_S = 60.0
STOP_S = 10.0
_SILENCED = [
    "achievements",
    "action_command_notification",
    "action_command_prompt",
    "announcements",
    "backup",
    "classicwebcam",
    "corewizard",
    "customcontrolmanager",
    "discovery",
    "errortracking",
    "eventmanager",
    "gcodeviewer",
    "health_check",
    "logging",
    "pluginmanager",
    "softwareupdate",
    "tracking",
    "uploadmanager",
]


@dataclass(kw_only=True)
class Server:
    """A running OctoPrint. `url` carries no trailing slash; `api_key` is an administrator's."""

    url: str
    api_key: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """One request past our driver; answers the decoded JSON, or None for an empty body."""
        answer = httpx.request(
            method,
            self.url + path,
            json=body,
            headers={"X-Api-Key": self.api_key},
            trust_env=False,
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def gcode(self, *commands: str) -> None:
        """Send lines to the virtual printer; `!!DEBUG:x` asks it for a fault."""
        self.call("POST", "/api/printer/command", {"commands": list(commands)})

    def hurry(self, factor: int) -> None:
        """Let the virtual printer move `factor` times as fast, until `connect` or another factor.

        With 1000 a sliced file runs at some 3,500 lines/s; waits for heat stay at 10 degrees a second.
        """
        self.gcode(f"M220 S{factor * 100}", f"M221 S{factor * 100}")

    def printer_state(self) -> str:
        return str(self.call("GET", "/api/connection")["current"]["state"])

    def wait_for(self, *states: str, within_s: float = 20.0) -> None:
        """Until the printer's state starts with one of `states`, e.g. "Operational"."""
        deadline = time.monotonic() + within_s
        while not (seen := self.printer_state()).startswith(states):
            if time.monotonic() > deadline:
                raise AssertionError(f"OctoPrint's printer is {seen!r}, not {' or '.join(states)}")
            time.sleep(0.05)

    def connect(self) -> None:
        """Bring the virtual printer back to "Operational" and to its own pace, whatever a test did to it."""
        if self.printer_state() != "Operational":
            self.call("POST", "/api/connection", {"command": "disconnect"})
            self.wait_for("Closed", "Offline")
            self.call(
                "POST", "/api/connection", {"command": "connect", "port": "VIRTUAL", "baudrate": 115200}
            )
            self.wait_for("Operational")
        self.hurry(1)

    def start(self) -> None:
        """Start the program on this folder and port and wait until its printer answers."""
        program = peer_venv("octoprint") / "bin" / "octoprint"
        with (self.folder / "console.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--iknowwhatimdoing", "--basedir", self.folder, "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=peer_env({"HOME": str(self.folder)}),
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError((self.folder / "console.log").read_text(errors="replace")[-4000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self.printer_state() == "Operational"
        except (httpx.HTTPError, ValueError):
            return False

    def stop(self, *, kill: bool = False) -> None:
        """End the child; `kill` gives it no chance to tidy up, as a power cut would."""
        if self.process is None:
            return
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
        self.process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_base_folder(
    folder: Path, *, port: int, api_key: str, ambient_c: float, serial_port: str = "VIRTUAL"
) -> None:
    off = {"enabled": False}
    config = {
        "server": {
            "host": "127.0.0.1",
            "port": port,
            "firstRun": False,
            "secretKey": secrets.token_hex(16),
            "onlineCheck": off,
            "pluginBlacklist": off,
            "pythonEolCheck": off,
        },
        "serial": {
            "port": serial_port,
            "baudrate": 115200,
            "autoconnect": True,
            # Of itself it looks for ttyUSB and ttyACM only.
            "additionalPorts": [] if serial_port == "VIRTUAL" else [serial_port],
            # Its own are 30 s and 3 s; an ok that was lost is noticed by them.
            "timeout": {"communication": 30.0 if serial_port == "VIRTUAL" else 3.0, "communicationBusy": 3.0},
        },
        "plugins": {
            "virtual_printer": {"enabled": True, "simulated_errors": [], "ambientTemperature": ambient_c},
            "_disabled": _SILENCED,
        },
        "devel": {"enableRateLimiter": False},
        "gcodeAnalysis": {"runAt": "never"},
    }
    user = {
        "active": True,
        "apikey": api_key,
        "password": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + secrets.token_hex(16),
        "groups": ["users", "admins"],
        "permissions": [],
        "settings": {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    (folder / "users.yaml").write_text(json.dumps({"_version": 2, "lab": user}))


@contextmanager
def serve(folder: Path, *, ambient_c: float = 21.3, serial_port: str = "VIRTUAL") -> Iterator[Server]:
    """A running OctoPrint in `folder`, stopped at the end of the block. `serial_port`: another printer's than its own.

    In an ambient temperature above a file's targets its waits for heat end at once.
    """
    port, api_key = _free_port(), secrets.token_hex(16)
    _write_base_folder(folder, port=port, api_key=api_key, ambient_c=ambient_c, serial_port=serial_port)
    server = Server(url=f"http://127.0.0.1:{port}", api_key=api_key, folder=folder, port=port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
