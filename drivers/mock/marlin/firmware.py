"""The serial side of a Marlin: line numbers, checksums, the command ring, `ok`, `busy:` and the emergency
parser.

No file descriptor and no thread in here: bytes and the wall's instants come in, bytes go out. Machine time
runs `speed` times as fast as the wall; at speed 0 every wait is over as soon as it begins. What a host's
timers look at (`busy:`, temperature reports) is paced by the wall.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Iterable
from functools import reduce
from operator import xor

from drivers.mock.faults import CABLE, PULLS, Fault, Faults
from drivers.mock.marlin.faults import KINDS, FaultKind
from drivers.mock.marlin.machine import VERSION, Abilities, Machine, Wait, Why

RING = 4  # commands a stock Marlin holds besides the one it executes (BUFSIZE)
BUSY_S = 2.0
HEATING_S = 1.0
_NUMBERED = re.compile(rb"N(-?\d+)\s*")
_URGENT = re.compile(rb"(?:N-?\d+\s*)?(M108|M112|M410)(?!\d)")
_BANNER = (
    "start",
    "PowerUp",
    f"Marlin {VERSION}",
    "",
    "echo: Last Updated: 2023-01-01 | Author: (aucun, réglages d'usine)",
    "echo: Free Memory: 3654  PlannerBufferBytes: 1416",
)
_BEFORE: frozenset[str] = frozenset(
    {FaultKind.LOST_LINE, FaultKind.CORRUPT_LINE, FaultKind.RESEND, FaultKind.RESEND_STORM}
)
_AFTER = frozenset(KINDS) - _BEFORE


class Firmware:
    """`out` collects what is sent; `accept` is told every command that passed the checks, in order."""

    def __init__(
        self,
        *,
        name: str,
        speed: float,
        abilities: Abilities,
        accept: Callable[[bytes], None],
        faults: Iterable[Fault] = (),
        resend_ok: bool = True,
    ) -> None:
        self.out = bytearray()
        self.machine = Machine(name=name, abilities=abilities, say=self.say)
        self.speed = speed
        self.accepted = 0
        self.cable: Fault | None = None  # for whoever holds the port
        self.off = True
        self._accept = accept
        self._faults = Faults(faults)
        self._resend_ok = resend_ok
        self._noise = random.Random(name)  # noqa: S311 - noise, not secrets
        self._wall = self._sim = 0.0
        self._silent_until = 0.0
        self._clear()

    def _clear(self) -> None:
        self._last = 0
        self._rx = b""
        self._inbox: deque[bytes] = deque()
        self._ring: deque[bytes] = deque()
        self._wait: Wait | None = None
        self._mute_ok = False
        self._busy_at = self._heating_at = self._report_at = 0.0

    def say(self, line: str) -> None:
        self.out += line.encode() + b"\n"

    def boot(self, wall: float) -> None:
        """Power on, or reset: nothing is remembered but the warmth of the heaters."""
        now = self._now(wall)
        tool, plate = self.machine.tool, self.machine.bed
        self.machine.restart()
        self.machine.tool.from_c, self.machine.bed.from_c = tool.at(now), plate.at(now)
        self.machine.tool.since = self.machine.bed.since = now
        self._clear()
        self.off = False
        self._silent_until = 0.0
        for line in _BANNER:
            self.say(line)

    def inject(self, fault: Fault) -> None:
        self._faults.add(fault)

    # -- in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, wall: float) -> None:
        if self.off or self.machine.killed or wall < self._silent_until:
            return
        *lines, self._rx = (self._rx + data).replace(b"\r", b"\n").split(b"\n")
        self._rx = self._rx[-4096:]
        for line in lines:
            if self.machine.abilities.emergency_parser and (urgent := _URGENT.match(line)):
                self._hurry(urgent[1], self._now(wall))
            self._inbox.append(line)

    def _hurry(self, code: bytes, now: float) -> None:
        """The emergency parser: these three act before their turn in the queue."""
        if code == b"M112":
            self._kill(now)
        elif code == b"M410":
            self.machine.quick_stop(now)
            if self._wait and self._wait.why is Why.MOTION:
                self._wait = Wait(until=now, why=Why.MOTION)
        elif self._wait and self._wait.why in (Why.HEAT, Why.PERSON):
            self._wait = Wait(until=now, why=self._wait.why)

    def _fetch(self) -> None:
        while self._inbox and len(self._ring) < RING:
            line = self._inbox.popleft().split(b";", 1)[0].strip()
            if not line:
                continue
            if self._faults and line.startswith(b"N") and (line := self._spoil(line)) == b"":
                continue
            command = self._check(line) if line.startswith(b"N") else line.split(b"*", 1)[0].rstrip()
            if command is not None:
                self.accepted += 1
                self._accept(command)
                self._ring.append(command)

    def _check(self, line: bytes) -> bytes | None:
        """Number and checksum, in Marlin's order; the bare command, or None after a request to send again."""
        found = _NUMBERED.match(line)
        if not found:
            self._ask_again("Line Number is not Last Line Number+1")
            return None
        body, star, checksum = line.rpartition(b"*")
        number = int(found[1])
        command = (body if star else line)[found.end() :]
        if counts := re.match(rb"M110(?:\s+N(-?\d+))?", command):
            number = int(counts[1] or number)
        elif number != self._last + 1:
            self._ask_again("Line Number is not Last Line Number+1")
            return None
        if not star:
            self._ask_again("No Checksum with line number")
            return None
        if not checksum.isdigit() or reduce(xor, body) != int(checksum):
            self._ask_again("checksum mismatch")
            return None
        self._last = number
        return command.rstrip()

    def _ask_again(self, reason: str) -> None:
        self._inbox.clear()  # Marlin flushes what it has received but not read
        self._rx = b""
        self.say(f"Error:{reason}, Last Line: {self._last}")
        self.say(f"Resend: {self._last + 1}")
        if self._resend_ok:
            self.say("ok")

    # -- work --------------------------------------------------------------------------------------------

    def run(self, wall: float) -> float | None:
        """Do what can be done by now; the wall's instant at which there is more to do, None for "on
        input".
        """
        if self.off or self.machine.killed:
            return None
        if wall < self._silent_until:
            return self._silent_until if self._silent_until != float("inf") else None
        now = self._now(wall)
        while not self.off and not self.machine.killed and wall >= self._silent_until:
            self._fetch()
            if self._wait:
                if self._wait.until > now:
                    if self.speed or self._wait.until == float("inf"):
                        break
                    now = self._sim = self._wait.until
                self._finish()
            elif self._ring:
                self._begin(self._ring.popleft(), now, wall)
            else:
                break
        return self._chatter(now, wall)

    def _begin(self, command: bytes, now: float, wall: float) -> None:
        self._wait = self.machine.execute(command, now)
        self._busy_at = wall + BUSY_S
        self._heating_at = wall + HEATING_S
        if self.machine.killed:
            self._kill(now)
        elif self._faults:
            self._strike(now, wall)
        if self._wait is None and not self.machine.killed and not self.off:
            self._finish()

    def _finish(self) -> None:
        self._wait = None
        if not self._mute_ok:
            self.say(self.machine.ok)
        self._mute_ok = False

    def _chatter(self, now: float, wall: float) -> float | None:
        machine = self.machine
        if self.off or machine.killed:
            return None
        due: list[float] = []
        if self._wait:
            if wall >= self._busy_at and machine.abilities.says_busy:
                person = self._wait.why is Why.PERSON
                self.say("echo:busy: paused for user" if person else "echo:busy: processing")
                self._busy_at = wall + BUSY_S
            if self._wait.why is Why.HEAT and wall >= self._heating_at:
                self.say(f" {machine.temperatures(now)} W:?")
                self._heating_at = wall + HEATING_S
            due += [self._busy_at, self._heating_at if self._wait.why is Why.HEAT else self._busy_at]
            if self.speed and self._wait.until != float("inf"):
                due.append(wall + (self._wait.until - now) / self.speed)
        if machine.report_s:
            if wall >= self._report_at:
                self.say(f" {machine.temperatures(now)}")
                self._report_at = wall + machine.report_s
            due.append(self._report_at)
        return min(due, default=None)

    def _kill(self, now: float) -> None:
        self.machine.killed = True
        self.machine.cool_off(now)
        self.machine.quick_stop(now)
        self.say("Error:Printer halted. kill() called!")

    def _now(self, wall: float) -> float:
        self._sim += max(0.0, wall - self._wall) * (self.speed or 1.0)
        self._wall = wall
        return self._sim

    def heat(self, wall: float) -> dict[str, float]:
        now = self._now(wall)
        tool, plate = self.machine.tool, self.machine.bed
        return {
            "tool0": tool.at(now),
            "tool0_target": tool.target_c,
            "bed": plate.at(now),
            "bed_target": plate.target_c,
        }

    # -- faults ------------------------------------------------------------------------------------------

    def _spoil(self, line: bytes) -> bytes:
        fault = self._faults.take(_BEFORE, self.accepted + 1)
        if fault is None or b"M110" in line:
            if fault is not None:
                self._faults.put_back(fault)  # the hello is left alone, for the test's sake
            return line
        if fault.kind == FaultKind.LOST_LINE:
            return b""
        if fault.kind != FaultKind.CORRUPT_LINE and (more := fault.again()):
            self._faults.put_back(more)
        body, _, checksum = line.rpartition(b"*")
        return b"%b*%b" % (body[:-1] + bytes([body[-1] ^ 0x01]), checksum)

    def _strike(self, now: float, wall: float) -> None:
        if fault := self._faults.take(_AFTER, self.accepted):
            self.strike(fault, wall, now)

    def strike(self, fault: Fault, wall: float, now: float | None = None) -> None:
        """Have a fault of those that strike after a line was accepted."""
        now = self._now(wall) if now is None else now
        if fault.kind == FaultKind.LOST_OK:
            self._mute_ok = True
        elif fault.kind == FaultKind.RESET:
            self.boot(wall)
            self._mute_ok = True
        elif fault.kind == FaultKind.BUSY:
            self._wait = Wait(until=now + fault.value * (self.speed or 1.0), why=Why.TIME)
        elif fault.kind == FaultKind.THERMAL_RUNAWAY:
            self.say("Error:Thermal Runaway, system stopped! Heater_ID: 0")
            self._kill(now)
        elif fault.kind == FaultKind.SILENCE:
            self._silent_until = wall + fault.value if fault.value else float("inf")
        elif fault.kind in CABLE:
            self.cable = fault
            self.off = self.off or fault.kind in PULLS
        else:
            self.out += bytes(self._noise.randrange(256) for _ in range(80)) + b"\xff\xfe\0o\n"
