"""Our Marlin driver on a Marlin this project did not write: OctoPrint's virtual printer, bridged to a pty.

It is a poorer firmware than the real one: no ok after a resend, `wait` once a second, no `busy:`, other error texts.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.marlin import Marlin
from fablab.device import DeviceState, Outcome, Safety
from tests.drivers.marlin_rig import QUICK, ended, moves, outcome, until, written
from tests.peers.venvs import peer_env, peer_venv

pytestmark = pytest.mark.peers

BRIDGE = """
import logging, os, sys, threading, tty
from types import SimpleNamespace
logging.disable(logging.CRITICAL)
from octoprint.plugins.virtual_printer import VirtualPrinterPlugin, virtual

folder, errors = sys.argv[1], [text for text in sys.argv[2].split(",") if text]
virtual.plugin_manager = lambda: SimpleNamespace(get_hooks=lambda name: {})
values = VirtualPrinterPlugin().get_settings_defaults()
values.update(simulated_errors=errors, enable_eeprom=False, throttle=0.0)


class Settings:
    def get(self, path, **_):
        value = values
        for key in path:
            value = value[key]
        return value
    get_int = get_float = get_boolean = get
    def global_get_basefolder(self, name):
        return folder


class Printer(virtual.VirtualPrinter):
    def _processBuffer(self):
        record = open(os.path.join(folder, "record"), "w", buffering=1)
        put = self.buffered.put
        def kept(line, *more, **named):
            record.write(line.strip() + "\\n")
            put(line, *more, **named)
        self.buffered.put = kept
        super()._processBuffer()


master, slave = os.openpty()
tty.setraw(slave)
printer = Printer(Settings(), None, folder, read_timeout=0.5)


def feed():
    while data := os.read(master, 4096):
        for line in data.splitlines(keepends=True):  # of what comes at once it reads the first line only
            while line:
                line = line[printer.write(line):]


threading.Thread(target=feed, daemon=True).start()
print(os.ttyname(slave), flush=True)
while True:
    if line := printer.readline():
        os.write(master, line.rstrip(b"\\r\\n") + b"\\n")  # it keeps lines apart in a queue, not by their ends
"""


@asynccontextmanager
async def bridged(folder: Path, *errors: str) -> AsyncIterator[Marlin]:
    python = peer_venv("octoprint") / "bin" / "python"
    command = [python, "-c", BRIDGE, folder, ",".join(errors)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=peer_env()) as bridge:
        assert bridge.stdout is not None
        try:
            limits = replace(QUICK, silence_s=2.0, safe_s=5.0)
            marlin = Marlin(name="v", port=bridge.stdout.readline().strip(), limits=limits, every_s=0.1)
            identity = await marlin.open()
            assert identity.firmware == "Virtual Marlin 1.0"
            assert identity.features["EMERGENCY_PARSER"] == "1"
            yield marlin
            await marlin.close()
        finally:
            bridge.kill()


def arrived(folder: Path) -> list[str]:
    return [line for line in (folder / "record").read_text().splitlines() if line.startswith("G1 X")]


async def test_a_program_arrives_once_and_in_order(tmp_path: Path) -> None:
    lines = moves(500)
    async with bridged(tmp_path) as marlin:
        await marlin.start(written(tmp_path, ["G90", "M104 S200", "M140 S60", *lines]), "run-1")
        status = await ended(marlin, 60)
        assert outcome(status) is Outcome.DONE
        assert status.state is DeviceState.IDLE
        status = await until(marlin, lambda status: status.heat_c.get("tool0_target") == 0)
        assert status.heat_c["bed_target"] == 0
    assert arrived(tmp_path) == lines


async def test_its_simulated_transmission_errors_lose_and_repeat_nothing(tmp_path: Path) -> None:
    lines = moves(400)
    errors = ("100:resend", "150:missing_lineno", "200:checksum_mismatch", "201:resend", "300:resend")
    async with bridged(tmp_path, *errors) as marlin:
        await marlin.start(written(tmp_path, ["G90", *lines]), "run-1")
        assert outcome(await ended(marlin, 60)) is Outcome.DONE
    assert arrived(tmp_path) == lines


async def test_make_safe_is_confirmed_by_what_it_reads_back(tmp_path: Path) -> None:
    async with bridged(tmp_path) as marlin:
        await marlin.start(written(tmp_path, ["G90", "M104 S200", *moves(20000)]), "run-1")
        await until(marlin, lambda status: status.heat_c.get("tool0_target") == 200)
        assert await marlin.make_safe() is Safety.CONFIRMED
        assert outcome(await ended(marlin)) is Outcome.CANCELLED
