"""Serial machines for benches: many ptys in one process that answer like a Marlin and note when a stop arrives.

    python -m tests.bench.wired FOLDER COUNT LINES_PER_S

Each machine is FOLDER/ttyN; FOLDER/seen gets a line "N print SECONDS" when the first line of a program was read from
the wire, and "N stop SECONDS" when the first one that switches heaters off was (the system's monotonic clock, the same
for every process). LINES_PER_S is how fast a machine
takes its lines; 0 is at once. A wait for heat (M109) ends with M108 only.
"""

from __future__ import annotations

import heapq
import os
import select
import sys
import time
import tty
from pathlib import Path

STOP = (b"M104 S0", b"M108", b"M112")  # the programs of the benches hold none of these
BUSY_S = 1.0
ABOUT = (
    b"FIRMWARE_NAME:Marlin 2.0 bench MACHINE_TYPE:bench%d UUID:bench-%d\n"
    b"Cap:AUTOREPORT_TEMP:0\nCap:BUSY_PROTOCOL:1\nCap:EMERGENCY_PARSER:1\n"
)


class Machine:
    def __init__(self, number: int, folder: Path, line_s: float) -> None:
        self.number = number
        self.fd, slave = os.openpty()
        tty.setraw(slave)
        (folder / f"tty{number}").symlink_to(
            os.ttyname(slave)
        )  # the slave stays open: the port never hangs up
        os.set_blocking(self.fd, False)
        self.target = 0
        self.armed = False  # a program line has come since the last stop
        self.waiting_heat = False
        self.free_at = 0.0
        self.owed: list[bytes] = []  # answers not due yet
        self._line_s = line_s
        self._rest = b""

    def hear(self, data: bytes, now: float) -> str:
        """ "print" or "stop" when that has just begun."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        seen = ""
        for line in lines:
            if not self.armed and (b"G1 " in line or b"M109" in line):
                seen, self.armed = "print", True
            elif self.armed and any(word in line for word in STOP):
                seen, self.armed = "stop", False
            self._take(line, now)
        return seen

    def _take(self, line: bytes, now: float) -> None:
        command = line.split(b" ", 1)[1] if line.startswith(b"N") else line
        command = command.split(b"*", 1)[0]
        if command.startswith(b"M108") and self.waiting_heat:
            self.waiting_heat = False
            self.say(b"ok\n")
        if command.startswith((b"M104 S", b"M109 S")):
            self.target = int(float(command[6:]))
        if command.startswith(b"M109") and self.target:
            self.waiting_heat = True
            return
        answer = b"ok\n"
        if command.startswith(b"M105"):
            answer = b"ok T:21.0 /%d.0 B:21.0 /0.0\n" % self.target
        elif command.startswith(b"M115"):
            answer = ABOUT % (self.number, self.number) + answer
        self.owed.append(answer)
        self.free_at = max(self.free_at, now) + (self._line_s if command.startswith(b"G1") else 0.0)

    def pay(self, now: float) -> None:
        if self.owed and not self.waiting_heat and now >= self.free_at:
            self.say(b"".join(self.owed))
            self.owed.clear()

    def say(self, data: bytes) -> None:
        try:
            os.write(self.fd, data)
        except BlockingIOError:
            return  # nobody reads; a serial line does not wait either


def main(folder: Path, count: int, lines_per_s: float) -> None:
    machines = [Machine(number, folder, 1 / lines_per_s if lines_per_s else 0.0) for number in range(count)]
    by_fd = {machine.fd: machine for machine in machines}
    poll = select.poll()
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    due: list[tuple[float, int]] = []
    busy_at = 0.0
    print("ready", flush=True)
    with (folder / "seen").open("a", buffering=1) as notes:
        while True:
            now = time.monotonic()
            wait_s = min(due[0][0] if due else now + 1.0, now + 0.5) - now
            events = poll.poll(max(0.0, wait_s) * 1000 + (0.5 if wait_s > 0 else 0))
            now = time.monotonic()
            for fd, _ in events:
                machine = by_fd[fd]
                if seen := machine.hear(os.read(fd, 4096), now):
                    notes.write(f"{machine.number} {seen} {now:.6f}\n")
                machine.pay(now)
                if machine.owed:
                    heapq.heappush(due, (machine.free_at, fd))
            while due and due[0][0] <= now:
                by_fd[heapq.heappop(due)[1]].pay(now)
            if now >= busy_at:
                busy_at = now + BUSY_S
                for machine in machines:
                    if machine.waiting_heat:
                        machine.say(b"echo:busy: processing\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
