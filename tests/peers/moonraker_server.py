"""A real Moonraker 0.11 with a real Klipper host (Kalico) behind it, as two child processes on a free loopback port.

Klipper's host runs in its file-output mode: what a board would be sent goes nowhere, and nothing comes back. So
moves take no time and temperatures stay at zero, but programs, pauses, targets, errors and shutdowns are the
real ones. It needs the dictionary of a board's firmware; `_dictionary` writes the one that a board with two heaters
and no motors would have. Two macros make it a printer to test with: G4 really waits, and `BREAK MESSAGE=...` shuts
Klipper down with that message, as its watchdogs do.

`serve(folder)` yields a running `Server`. Moonraker trusts nobody but who has the API key, unless told so.
"""

from __future__ import annotations

import fcntl
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.peers.venvs import peer_env, peer_venv, peers_folder

START_S = 60.0
STOP_S = 10.0
_END = b"\x03"  # of a message on Moonraker's own Unix socket

_PRINTER = """\
[mcu]
serial: /dev/null
[printer]
kinematics: none
max_velocity: 1000
max_accel: 10000
[extruder]
nozzle_diameter: 0.4
filament_diameter: 1.75
heater_pin: pin1
sensor_type: EPCOS 100K B57560G104F
sensor_pin: pin2
control: watermark
min_temp: -273
max_temp: 300
[heater_bed]
heater_pin: pin3
sensor_type: EPCOS 100K B57560G104F
sensor_pin: pin4
control: watermark
min_temp: -273
max_temp: 130
[virtual_sdcard]
path: {folder}/gcodes
[pause_resume]
[display_status]
[gcode_macro G4]
rename_existing: G4.1
gcode:
  !blocking(lambda: __import__("time").sleep(float(params.get("P", 0)) / 1000))
[gcode_macro BREAK]
gcode:
  {{action_emergency_stop(params.MESSAGE)}}
"""

_MOONRAKER = """\
[server]
host: 127.0.0.1
port: {port}
klippy_uds_address: {folder}/comms/klippy.sock
[machine]
provider: none
validate_service: False
validate_config: False
[authorization]
trusted_clients: {trusted}
[file_manager]
check_klipper_config_path: False
[announcements]
dev_mode: True
"""

# The messages that Klipper's host looks up for heaters and a clock, as a firmware declares them.
_COMMANDS = (
    "allocate_oids count=%c",
    "get_config",
    "finalize_config crc=%u",
    "emergency_stop",
    "clear_shutdown",
    "config_reset",
    "get_clock",
    "get_uptime",
    "debug_nop",
    "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
    "set_digital_out_pwm_cycle oid=%c cycle_ticks=%u",
    "queue_digital_out oid=%c clock=%u on_ticks=%u",
    "update_digital_out oid=%c value=%c",
    "config_analog_in oid=%c pin=%u",
    "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u min_value=%hu max_value=%hu"
    " range_check_count=%c",
)
_RESPONSES = (
    "config is_config=%c crc=%u is_shutdown=%c move_count=%hu",
    "clock clock=%u",
    "uptime high=%u clock=%u",
    "analog_in_state oid=%c next_clock=%u value=%hu",
    "shutdown clock=%u static_string_id=%hu",
    "is_shutdown static_string_id=%hu",
    "stats count=%u sum=%u sumsq=%u",
    "starting",
)


def _dictionary() -> dict[str, object]:
    numbers = iter(range(2, 96))  # a number of one byte each
    return {
        "commands": {"identify offset=%u count=%c": 1} | {each: next(numbers) for each in _COMMANDS},
        "responses": {"identify_response offset=%u data=%.*s": 0}
        | {each: next(numbers) for each in _RESPONSES},
        "enumerations": {"pin": {f"pin{number}": number for number in range(8)}},
        "config": {
            "ADC_MAX": 4095,
            "CLOCK_FREQ": 20_000_000,
            "MCU": "none",
            "PWM_MAX": 255,
            "STATS_SUMSQ_BASE": 256,
        },
        "app": "Klipper",
        "version": "none",
        "build_versions": "none",
    }


@dataclass(kw_only=True)
class Server:
    """A running Moonraker and Klipper. `url` carries no trailing slash."""

    url: str
    folder: Path
    port: int
    api_key: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)

    def call(self, method: str, path: str, **rest: Any) -> Any:
        """One request past our driver; answers its result."""
        answer = httpx.request(
            method,
            self.url + path,
            headers={"X-Api-Key": self.api_key},
            trust_env=False,
            timeout=20,
            **rest,
        )
        answer.raise_for_status()
        return answer.json()["result"]

    def klippy_state(self) -> str:
        return str(self.call("GET", "/server/info")["klippy_state"])

    def objects(self, *names: str) -> dict[str, Any]:
        told: dict[str, Any] = self.call("GET", "/printer/objects/query?" + "&".join(names))["status"]
        return told

    def history(self) -> list[tuple[str, str]]:
        """File and status of each print, newest first."""
        jobs = self.call("GET", "/server/history/list?limit=50")["jobs"]
        return [(job["filename"], job["status"]) for job in jobs]

    def fail(self, message: str) -> None:
        """Klipper shuts down with that message; the answer to who asked is an error, as it should be."""
        script = f'BREAK MESSAGE="{message}"'
        answer = httpx.post(
            f"{self.url}/printer/gcode/script",
            params={"script": script},
            headers={"X-Api-Key": self.api_key},
            trust_env=False,
            timeout=20,
        )
        assert answer.status_code == 400, answer.text

    def wait_for(self, want: Callable[[], object], within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not want():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_s:g} s; Klipper is {self.klippy_state()}")
            time.sleep(0.05)

    def make_ready(self) -> None:
        """Klipper up, idle and cold, whatever a test did to it."""
        if "klippy" not in self.processes:
            self.start_klippy()
        if self.klippy_state() != "ready":
            self.wait_for(lambda: self.klippy_state() not in ("startup", "disconnected"))
            if self.klippy_state() != "ready":
                self.restart_firmware()
        if self.objects("print_stats")["print_stats"]["state"] in ("printing", "paused"):
            self.call("POST", "/printer/print/cancel")
        self.call("POST", "/printer/gcode/script?script=TURN_OFF_HEATERS")

    def restart_firmware(self) -> None:
        """Everything Klipper knew of a print is forgotten."""
        before = self._lives()
        self.call("POST", "/printer/firmware_restart")
        self.wait_for(lambda: self._lives() > before and self.klippy_state() == "ready")

    def _lives(self) -> int:
        """How often Klipper has come up; only its log tells."""
        return (self.folder / "logs/klippy.log").read_text(errors="replace").count("Start printer at")

    def start(self) -> None:
        self.start_klippy()
        self.start_moonraker()

    def start_klippy(self) -> None:
        folder = self.folder
        options = [
            "-a",
            folder / "comms/klippy.sock",
            "-I",
            folder / "comms/tty",
            "-l",
            folder / "logs/klippy.log",
        ]
        output = ["-o", "/dev/null", "-d", folder / "mcu.dict"]
        self._run("klippy", "kalico", [*options, *output, folder / "config/printer.cfg"])

    def start_moonraker(self) -> None:
        """Start it and wait until it says that Klipper is ready."""
        folder = self.folder
        options = ["-d", folder, "-c", folder / "config/moonraker.conf", "-l", folder / "logs/moonraker.log"]
        self._run("moonraker", "moonraker", options)
        deadline = time.monotonic() + START_S
        while not self._ready():
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                self.stop()
                logs = [path.read_text(errors="replace")[-3000:] for path in sorted(folder.glob("logs/*"))]
                raise RuntimeError(f"not ready; ended: {dead}\n" + "\n".join(logs))
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            self.api_key = self.api_key or self._ask_for_key()
            return self.klippy_state() == "ready"
        except (httpx.HTTPError, OSError, ValueError):
            return False

    def _ask_for_key(self) -> str:
        """Moonraker trusts whoever may open its Unix socket."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            asking.connect(str(self.folder / "comms/moonraker.sock"))
            asking.sendall(
                json.dumps({"jsonrpc": "2.0", "method": "access.get_api_key", "id": 1}).encode() + _END
            )
            heard = b""
            while piece := asking.recv(65536):
                heard += piece
                for message in heard.split(_END)[:-1]:
                    if (answer := json.loads(message)).get("id") == 1:
                        return str(answer["result"])
        raise OSError("Moonraker closed its socket")

    def _run(self, name: str, peer: str, options: list[Any]) -> None:
        with (self.folder / f"logs/{name}.console").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [peer_venv(peer) / "bin" / "python", "-m", name, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Moonraker names an upload on its way after the second it came in: two of them that share a folder
                # for temporary files (two runs of these tests) spoil each other's with a 500 or a mixture (measured)
                env=peer_env({"HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp")}),
                cwd=self.folder,
            )

    def stop(self, *names: str, kill: bool = False) -> None:
        """End both, or the named one; `kill` gives it no chance to tidy up, as a power cut would."""
        for name in names or ("moonraker", "klippy"):
            process = self.processes.pop(name, None)
            if process is None:
                continue
            if kill:
                process.kill()
            else:
                process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)


def _compile_klippys_own() -> None:
    """Klipper's host compiles its C code when it first runs; two at once would step on each other's feet."""
    python = peer_venv("kalico") / "bin" / "python"
    with (peers_folder() / ".kalico.compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [str(python), "-c", "from klippy import chelper; chelper.get_ffi()"]
        subprocess.run(command, env=peer_env(), check=True, capture_output=True, timeout=120)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_folder(folder: Path, *, port: int, trusted: str) -> None:
    for name in ("config", "gcodes", "logs", "comms", "misc", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "mcu.dict").write_text(json.dumps(_dictionary()))
    (folder / "config/printer.cfg").write_text(_PRINTER.format(folder=folder))
    (folder / "config/moonraker.conf").write_text(
        _MOONRAKER.format(folder=folder, port=port, trusted=trusted)
    )
    (folder / "misc/usb.ids").touch()  # else Moonraker looks for one on the internet


@contextmanager
def serve(folder: Path, *, trusted: str = "") -> Iterator[Server]:
    """Both programs running in `folder`, Klipper ready; stopped at the end of the block."""
    _compile_klippys_own()
    peer_venv("moonraker")
    port = _free_port()
    _write_folder(folder, port=port, trusted=trusted)
    server = Server(url=f"http://127.0.0.1:{port}", folder=folder, port=port)
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)  # an orderly end takes seconds, and there is nothing to keep
