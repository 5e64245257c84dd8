"""As much of a Prusa MK3S's firmware as PrusaLink wants to talk to, on a pty, in a thread.

It answers PrusaLink's questions (who are you, your EEPROM, your SD card), reports temperatures when told to, and
takes every numbered line of a print at once, but for G4, which it waits out. `executed` are those lines.
"""

from __future__ import annotations

import os
import pty
import re
import select
import threading
import time
import tty
from contextlib import suppress
from typing import Final, Self

SERIAL_NUMBER: Final = "CZPX0720X004XC12345"
FIRMWARE: Final = "3.14.1-8237"
_NUMBERED = re.compile(r"N-?\d+ ?(?P<command>.*)\*\d+")
_PROGRESS = "{} MODE: Percent done: 0; print time remaining in mins: 0; Change in mins: -1"
_REPORT_S: Final = 1.0

_ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    "PRUSA Fir": (FIRMWARE,),
    "PRUSA SN": (SERIAL_NUMBER,),
    "M862.1 Q": ("0.40",),
    "M862.2 Q": ("302",),
    "M220": ("100%",),
    "M221": ("100%",),
    "M73": (_PROGRESS.format("NORMAL"), _PROGRESS.format("SILENT")),
    "M27 P": ("Not SD printing",),
    "M420": ("Mesh bed leveling not active.",),
    "M21": ("echo:SD card ok",),
    "M20": ("Begin file list", "End file list"),
    "M601": ("// action:paused",),
    "M602": ("// action:resumed",),
    "M603": ("// action:cancel",),
}


class MK3:
    """`with MK3() as printer: printer.port`."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.executed: list[str] = []
        self.targets_c = {"M104": 0.0, "M140": 0.0}
        self._eeprom: dict[int, bytes] = {}
        # As after an earlier PrusaLink: a new one asks for reports only after a minute (seen with 0.8.1).
        self._reports = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mk3", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        os.close(self._slave)
        os.close(self._master)

    def _run(self) -> None:
        heard, due = b"", 0.0
        with suppress(OSError):
            while not self._stop.is_set():
                if self._reports and time.monotonic() >= due:
                    due = time.monotonic() + _REPORT_S
                    self._report()
                if select.select([self._master], [], [], 0.1)[0]:
                    heard += os.read(self._master, 4096)
                    *lines, heard = heard.split(b"\n")
                    for line in lines:
                        self._hear(line.decode(errors="replace").strip())

    def _hear(self, line: str) -> None:
        numbered = _NUMBERED.fullmatch(line)
        command = numbered["command"].strip() if numbered else line
        if not command:
            return
        if numbered and not command.startswith("M110"):
            self.executed.append(command)
        code = command.split()[0]
        value = re.search(r" [SP](\d+(?:\.\d+)?)", command)
        number = float(value[1]) if value else 0.0
        if code in ("M104", "M109", "M140", "M190"):
            self.targets_c["M104" if code in ("M104", "M109") else "M140"] = number
        elif code == "M603":
            self.targets_c = {"M104": 0.0, "M140": 0.0}
        elif code == "M155":
            self._reports = number > 0
        elif code == "G4":
            time.sleep(number / 1000)
        answer = (
            self._read_eeprom(command) if code == "D3" else _ANSWERS.get(command) or _ANSWERS.get(code, ())
        )
        self._say(*answer, "ok")

    def _read_eeprom(self, command: str) -> tuple[str, ...]:
        """`D3 Ax0D05 C4` reads, `D3 Ax0D05 X0000002a` writes; the dump has 16 bytes a line."""
        asked = re.fullmatch(r"D3 Ax([0-9a-fA-F]+) ([CX])([0-9a-fA-F]+)", command)
        if asked is None:
            return ()
        at = int(asked[1], 16)
        if asked[2] == "X":
            self._eeprom[at] = bytes.fromhex(asked[3])
            return ()
        count = int(asked[3])
        data = self._eeprom.get(at, bytes(count))
        return tuple(f"{at + i:04x}  {data[i : i + 16].hex(' ')}" for i in range(0, count, 16))

    def _report(self) -> None:
        nozzle, bed = self.targets_c.values()
        self._say(
            f"T:21.0 /{nozzle:.1f} B:21.0 /{bed:.1f} T0:21.0 /{nozzle:.1f} @:0 B@:0 P:0.0 A:25.0",
            "X:0.00 Y:0.00 Z:0.15 E:0.00 Count X: 0.00 Y:0.00 Z:0.15 E:0.00",
            "E0:0 RPM PRN1:0 RPM E0@:0 PRN1@:0",
        )

    def _say(self, *lines: str) -> None:
        os.write(self._master, "".join(f"{line}\n" for line in lines).encode())
