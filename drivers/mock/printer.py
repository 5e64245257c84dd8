"""A pretended printer behind a mocked server: it executes a program line by line, in pretended time.

The peers are hosts: they read the file, leave out comments and empty lines, and send the rest to a firmware.
`executed` is what that firmware got of the present print, one command a line.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

ROOM_C: Final = 21.0
_HEATING_C_PER_S: Final = 20.0
_SHORTEST_NAP_S: Final = 0.002
_LINES_AT_ONCE: Final = 500
_LATE_S: Final = 0.1  # after a wait for heat or a busy computer, lost time is not made up for beyond this
_WORD = re.compile(r"([A-Z])\s*(-?[0-9]*\.?[0-9]+)")
_HEATERS: Final = {"M104": "tool", "M109": "tool", "M140": "bed", "M190": "bed", "M141": "chamber"}
_WAITING: Final = ("M109", "M190")


@dataclass(kw_only=True)
class Heater:
    actual_c: float = ROOM_C
    target_c: float = 0.0


def command_of(line: str) -> str:
    """The line as a host sends it: without comment and blanks around; empty for a line that is not sent."""
    return line.partition(";")[0].strip()


@dataclass(kw_only=True)
class Print:
    """One print that was really begun; `whole` once every line of it was executed."""

    name: str
    sha256: str
    whole: bool = False


@dataclass(kw_only=True, eq=False)
class Printer:
    """`speed` divides all pretended times. `position` counts the bytes of the program that were read.

    `prints` are the prints begun, the newest last. `begin` one, then `run` it in a task; cancel that to cut it off.
    """

    speed: float = 1.0
    line_s: float = 0.01
    heaters_stuck: bool = False  # takes M104 S0 and keeps heating
    heaters: dict[str, Heater] = field(default_factory=lambda: {"tool0": Heater(), "bed": Heater()})
    executed: list[str] = field(default_factory=list)
    prints: deque[Print] = field(default_factory=lambda: deque(maxlen=5000))
    starts: int = 0
    position: int = 0
    elapsed_s: float = 0.0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    _program: bytes = b""

    @property
    def targets_c(self) -> dict[str, float]:
        return {name: heater.target_c for name, heater in self.heaters.items()}

    @property
    def paused(self) -> bool:
        return not self.go.is_set()

    def begin(self, name: str, program: bytes) -> None:
        """A print of the file of that name starts: everything is counted anew."""
        self.starts += 1
        self.prints.append(Print(name=name, sha256=hashlib.sha256(program).hexdigest()))
        self.executed = []
        self.position, self.elapsed_s = 0, 0.0
        self.go.set()
        self._program = program

    async def run(self) -> None:
        """The whole program that was begun; waits while paused."""
        loop = asyncio.get_running_loop()
        present, due = self.prints[-1], loop.time()
        for number, line in enumerate(self._program.splitlines(keepends=True), 1):
            if self.paused:
                await self.go.wait()
                due = loop.time()
            command = command_of(line.decode(errors="replace"))
            if command:
                self.executed.append(command)
                spent_s = await self.execute(command)
                due = max(due, loop.time() - _LATE_S) + spent_s / self.speed
                self.elapsed_s += spent_s
            self.position += len(line)
            if due - loop.time() > _SHORTEST_NAP_S or number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(max(due - loop.time(), 0))
        await asyncio.sleep(max(due - loop.time(), 0))
        present.whole = True

    async def execute(self, command: str) -> float:
        """The pretended seconds that it takes, waiting for heat not counted: that is waited for here."""
        code = next(iter(command.split(maxsplit=1)), "")
        if code in _HEATERS:
            await self._heat(code, dict(_WORD.findall(command[len(code) :])))
        if code == "G4":
            words = dict(_WORD.findall(command[2:]))
            return float(words.get("P", 0)) / 1000 + float(words.get("S", 0))
        return self.line_s

    async def _heat(self, code: str, words: dict[str, str]) -> None:
        name = _HEATERS[code]
        tool = float(words.get("T", "0"))
        heater = self.heaters.get(f"tool{tool:.0f}" if name == "tool" else name)
        if heater is None:
            return
        target_c = float(words.get("S", words.get("R", 0)))
        if not (self.heaters_stuck and target_c == 0):
            heater.target_c = target_c
        if code in _WAITING:
            wait_s = max(heater.target_c - heater.actual_c, 0.0) / _HEATING_C_PER_S
            await asyncio.sleep(wait_s / self.speed)
            self.elapsed_s += wait_s
            heater.actual_c = max(heater.actual_c, heater.target_c)

    def flow(self, seconds: float) -> None:
        """Heat comes and goes for so long in real time."""
        step = _HEATING_C_PER_S * self.speed * seconds
        for heater in self.heaters.values():
            aim = max(heater.target_c, ROOM_C)
            heater.actual_c += max(-step, min(step, aim - heater.actual_c))

    def halt(self) -> None:
        """kill(): the firmware's own heaters-off."""
        for heater in self.heaters.values():
            heater.target_c = 0.0
