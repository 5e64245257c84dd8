"""How many checksummed lines a second our Marlin driver streams, beside Printrun's printcore in the same run.

One responder for all: a process of its own that acknowledges every line on a pty (C where gcc is there, else Python).
Seven short rounds, each in the same order, so that all meet the same load; the best of each are compared, because
what else a computer does only ever makes a round slower. The ceiling is a bare pyserial write and readline of a
finished line: no numbers, no checksums, no parsing; beside it the same without pyserial, os.write and os.read.

Then a laser: how much of a 115,200-baud line our GRBL driver uses (`grbl_line.py`).
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial
from rich.console import Console
from rich.table import Table

from drivers.marlin import Marlin
from fablab.device import Outcome
from tests.bench import grbl_line
from tests.peers.venvs import peer_env, peer_venv

ROUNDS = 7
OUR_LINES = 20_000
PRINTCORE_LINES = 1_500  # a second and a half of its time
CEILING_LINES = 20_000

RESPONDER_C = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static void say(int fd, const char *text) {
    if (write(fd, text, strlen(text)) < 0) exit(0);
}

int main(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) return 1;
    const char *name = ptsname(master);
    int keep = open(name, O_RDWR | O_NOCTTY);
    struct termios raw;
    tcgetattr(keep, &raw);
    cfmakeraw(&raw);
    tcsetattr(keep, TCSANOW, &raw);
    printf("%s\n", name);
    fflush(stdout);
    char line[256], data[4096];
    size_t length = 0;
    for (;;) {
        ssize_t got = read(master, data, sizeof data);
        if (got <= 0) return 0;
        for (ssize_t i = 0; i < got; i++) {
            if (data[i] != '\n') {
                if (length < sizeof line - 1) line[length++] = data[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            if (strstr(line, "M115")) say(master, "FIRMWARE_NAME:Marlin bench\nok\n");
            else if (strstr(line, "M105")) say(master, "ok T:20.0 /0.0 B:20.0 /0.0\n");
            else say(master, "ok\n");
        }
    }
}
"""

RESPONDER_PY = """
import os, tty
master, slave = os.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
rest = b""
while data := os.read(master, 4096):
    *lines, rest = (rest + data).split(b"\\n")
    for line in lines:
        if b"M115" in line: os.write(master, b"FIRMWARE_NAME:Marlin bench\\nok\\n")
        elif b"M105" in line: os.write(master, b"ok T:20.0 /0.0 B:20.0 /0.0\\n")
        else: os.write(master, b"ok\\n")
"""

PRINTCORE = """
import logging, sys, time
logging.disable(logging.CRITICAL)
from printrun import gcoder
from printrun.printcore import printcore
core = printcore(sys.argv[1], 115200)
while not core.online: time.sleep(0.01)
lines = [line.strip() for line in open(sys.argv[2])]
code = gcoder.LightGCode(lines)
began = time.perf_counter()
core.startprint(code)
while core.printing: time.sleep(0.005)
print(len(lines) / (time.perf_counter() - began), flush=True)
core.disconnect()
"""


@contextmanager
def responder(folder: Path) -> Iterator[str]:
    """The path of a pty on which every line is answered."""
    command = [sys.executable, "-c", RESPONDER_PY]
    if gcc := shutil.which("gcc"):
        source = folder / "responder.c"
        if not source.exists():
            source.write_text(RESPONDER_C)
            subprocess.run([gcc, "-O2", "-o", folder / "responder", source], check=True)
        command = [str(folder / "responder")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def program(folder: Path, count: int) -> Path:
    path = folder / f"{count}.gcode"
    with path.open("w") as file:
        for index in range(count):
            file.write(f"G1 X{index % 200}.{index % 1000:03d} Y{index % 180}.5 E0.0{index % 1000:03d}\n")
    return path


LINE = b"N12345 G1 X123.456 Y78.5 E0.0123*77\n"


def ceiling(port: str) -> float:
    with serial.Serial(port, 115200, timeout=5, exclusive=True) as wire:
        began = time.perf_counter()
        for _ in range(CEILING_LINES):
            wire.write(LINE)
            wire.readline()
        return CEILING_LINES / (time.perf_counter() - began)


def bare(port: str) -> float:
    with serial.Serial(port, 115200, timeout=0, exclusive=True) as wire:
        fd = wire.fileno()
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        began = time.perf_counter()
        for _ in range(CEILING_LINES):
            os.write(fd, LINE)
            poll.poll()
            os.read(fd, 4096)
        return CEILING_LINES / (time.perf_counter() - began)


async def ours(port: str, path: Path) -> tuple[float, float]:
    """Lines a second, and milliseconds of this process's CPU for a thousand lines."""
    marlin = Marlin(name="bench", port=port)
    await marlin.open()
    began, cpu_s = time.perf_counter(), time.process_time()
    await marlin.start(path, "bench")
    async for status in marlin.watch():
        if status.progress and status.progress.outcome:
            break
    taken_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    assert status.progress is not None
    assert status.progress.outcome is Outcome.DONE, status
    await marlin.close()
    return OUR_LINES / taken_s, cpu_s * 1e6 / OUR_LINES


def printcore(port: str, path: Path) -> float:
    python = peer_venv("printrun") / "bin" / "python"
    done = subprocess.run(
        [python, "-c", PRINTCORE, port, path],
        capture_output=True,
        text=True,
        check=False,  # its threads may trip over each other at the end, after it has said its figure
        env=peer_env(),
        timeout=120,
    )
    if not done.stdout.strip():
        raise RuntimeError(f"printcore did not print: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def run(console: Console) -> dict[str, float]:
    figures: dict[str, list[float]] = {"os.write, os.read": [], "ceiling": [], "ours": [], "printcore": []}
    cpu_ms: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long, short = program(folder, OUR_LINES), program(folder, PRINTCORE_LINES)
        for _ in range(ROUNDS):
            with responder(folder) as port:
                figures["os.write, os.read"].append(bare(port))
            with responder(folder) as port:
                figures["ceiling"].append(ceiling(port))
            with responder(folder) as port:
                lines_per_s, used_ms = asyncio.run(ours(port, long))
                figures["ours"].append(lines_per_s)
                cpu_ms.append(used_ms)
            with responder(folder) as port:
                figures["printcore"].append(printcore(port, short))
        line_use, bare_use = grbl_line.use_pct(folder)
    best = {who: max(rounds) for who, rounds in figures.items()}
    table = Table(
        "who", "lines/s, best", "median", "rounds", title="checksummed lines through pyserial and a pty"
    )
    for who, rounds in figures.items():
        each = "  ".join(f"{figure:,.0f}" for figure in rounds)
        table.add_row(who, f"{best[who]:,.0f}", f"{statistics.median(rounds):,.0f}", each)
    console.print(table)
    console.print(f"our process's CPU: {min(cpu_ms):.1f} ms for 1,000 lines")
    laser = Table("who", "% used, best", "rounds", title="a GRBL's line of 115,200 baud")
    for who, rounds in (("ours", line_use), ("bare loop", bare_use)):
        laser.add_row(who, f"{max(rounds):.1f}", "  ".join(f"{pct:.1f}" for pct in rounds))
    console.print(laser)
    return {
        "lines_per_s": round(best["ours"], 1),
        "ratio_printcore": round(best["ours"] / best["printcore"], 2),
        "ratio_ceiling": round(best["ours"] / best["ceiling"], 3),
        "grbl_line_use_pct": round(max(line_use), 1),
        "cpu_ms_per_1000_lines": round(min(cpu_ms), 2),
    }
