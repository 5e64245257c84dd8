"""The serial side of a GRBL: 128 bytes of buffer that overflow in silence, realtime bytes picked out of the stream,
one line at a time, `ok` and `error:n`.

No file descriptor and no thread in here: bytes and the wall's instants come in, bytes go out. Machine time runs
`speed` times as fast as the wall; at speed 0 every wait is over as soon as it begins. Writing to the EEPROM is the
exception: the line's bytes are lost for so long on the wall.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from drivers.mock.faults import CABLE, PULLS, Fault, Faults
from drivers.mock.grbl import execution, reports, system
from drivers.mock.grbl.faults import KINDS
from drivers.mock.grbl.machine import Aborted, Dwell, Eeprom, Line, Machine, Need, State, Wait
from drivers.mock.grbl.reports import RX_BYTES
from drivers.mock.grbl.settings import Settings
from drivers.mock.grbl.words import Refused, stripped

_PIECE: Final = re.compile(rb"[^\r\n!?~\x18\x80-\xff]+|.", re.DOTALL)
_BEFORE: Final[frozenset[str]] = frozenset({"corrupt_line"})
_ON_OK: Final[frozenset[str]] = frozenset({"lost_ok", "damaged_ok", "busy"})
_AFTER: Final = frozenset(KINDS) - _BEFORE - _ON_OK
_LONGEST: Final = 4096  # of a line that never ends, what is kept


class Firmware:
    """`out` collects what is sent. `accept` is told every line of G-code that was executed, in order.

    Lines taken in check mode are in `checked`, `$` commands in `commands`, errors with their lines in `refused`.
    """

    def __init__(
        self,
        *,
        name: str,
        speed: float,
        accept: Callable[[bytes], None],
        settings: Settings,
        faults: Iterable[Fault] = (),
        factory_new: bool = False,
        keep: bool = True,
    ) -> None:
        self.out = bytearray()
        self.machine = Machine(say=self._say, report=self._report, settings=settings)
        self.speed = speed
        self.off = True
        self.cable: Fault | None = None
        self.accepted = 0
        self.checked: list[str] = []
        self.commands: list[str] = []
        self.refused: list[tuple[str, int]] = []
        self.rx_lost = 0
        self.starved_s = 0.0
        """On the wall: how long, between two lines, a line would have been taken and none was there."""
        self._counts = False
        self._accept = accept
        self._faults = Faults(faults)
        self._factory_new = factory_new
        self._keep = keep
        self._noise = random.Random(name)  # noqa: S311 - noise, not secrets
        self._wall = self._sim = 0.0
        self._silent_until = self._deaf_until = 0.0
        self._clear()

    def _clear(self) -> None:
        self._rx = bytearray()
        self._raw = bytearray()
        self._line: Line | None = None
        self._text = b""
        self._stored = False
        self._wait: Wait | None = None
        self._ok_at = 0.0
        self._hungry_since: float | None = None

    def _say(self, line: str) -> None:
        if self._wall >= self._silent_until:
            self.out += line.encode() + b"\r\n"

    def boot(self, wall: float) -> None:
        """Power on: the position is forgotten."""
        self._wall = wall
        self.off = False
        self._silent_until = self._deaf_until = 0.0
        if self._factory_new:
            self._factory_new = False
            self._say("error:7")
            for line in self.machine.settings.lines():
                self._say(line)
        self._clear()
        self.machine.power_on()
        self._begin_startup()

    def _reset(self) -> None:
        self._clear()
        self.machine.reset()
        self._begin_startup()

    def _begin_startup(self) -> None:
        if self.machine.state is State.IDLE and any(self.machine.settings.startup):
            self._start(b"", system.startup(self.machine), stored=True)

    def inject(self, fault: Fault) -> None:
        self._faults.add(fault)

    def mark(self) -> None:
        """Count anew from the next line on."""
        self.starved_s = 0.0
        self._counts = False

    # -- in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, wall: float) -> None:
        """Bytes as they come in; each complete line is looked at before the byte after it is taken."""
        self._live(wall)
        for piece in _PIECE.findall(data):
            if self.off or wall < self._silent_until or wall < self._deaf_until:
                return
            if piece[0] >= 0x80 or piece in b"!?~\x18":
                self._realtime(piece[0])
            else:
                self._store(piece, wall)
            if piece[0] >= 0x80 or piece in b"\r\n!?~\x18":
                self._live(wall)

    def _store(self, piece: bytes, wall: float) -> None:
        """While no line is being executed the buffer is emptied as it fills; else what finds no room is lost."""
        while piece:
            room = RX_BYTES - len(self._rx)
            self._rx += piece[:room]
            piece = piece[room:]
            if piece:
                self._live(wall)
                if len(self._rx) >= RX_BYTES:
                    self.rx_lost += len(piece)
                    return

    def _realtime(self, byte: int) -> None:
        machine = self.machine
        if byte == 0x18:
            self._reset()
        elif machine.critical:
            return
        elif byte == 0x3F and self.machine.state is State.HOME:
            self.machine.status_asked = True
        elif byte == 0x3F:
            self._report()
        elif (act := _REALTIME.get(byte)) is not None:
            act(machine)
            self._follow_alarm()

    def _follow_alarm(self) -> None:
        """A door that opens in homing restarts the firmware."""
        if self.machine.wants_reset and self.machine.state is State.ALARM:
            self._reset()

    def _report(self) -> None:
        self._say(reports.status(self.machine, RX_BYTES - len(self._rx)))

    # -- work --------------------------------------------------------------------------------------------

    def run(self, wall: float) -> float | None:
        if self.off:
            self._wall = wall
            return None
        self._live(wall)
        due: list[float] = [at for at in (self._ok_at, self._deaf_until) if at > wall]
        if self.speed and (event_s := self._event_s()) < math.inf:
            due.append(wall + event_s / self.speed)
        return min(due, default=None)

    def _live(self, wall: float) -> None:
        """Everything up to now, in the order in which it happens."""
        now = self._sim + max(0.0, wall - self._wall) * (self.speed or 1.0)
        self._wall = wall
        while not self.off:
            self._progress(wall)
            event_s = self._event_s()
            if self._sim + event_s > now and (self.speed or event_s == math.inf):
                break
            self._advance(event_s)
        if self._sim < now:
            self._advance(now - self._sim)
        self._sim = max(self._sim, now)

    def _event_s(self) -> float:
        """Until something ends by itself, with a hair more so that it surely has."""
        dwell = self._wait if isinstance(self._wait, Dwell) and not self.machine.suspended else None
        event_s = min(self.machine.event_s(), dwell.left_s if dwell else math.inf)
        return event_s + 1e-9

    def _advance(self, duration_s: float) -> None:
        if isinstance(self._wait, Dwell) and not self.machine.suspended:
            self._wait.left_s -= duration_s
        self.machine.advance(duration_s)
        self._sim += duration_s

    def _progress(self, wall: float) -> None:
        """All that takes no time."""
        while not self.off and not self.machine.critical:
            self.machine.settle()
            if self.machine.suspended or wall < self._deaf_until or wall < self._ok_at:
                return
            if self._line is None and not self._next_line(wall):
                return
            if not self._met():
                return
            self._step(wall)

    def _met(self) -> bool:
        if isinstance(self._wait, Dwell):
            return self._wait.left_s <= 0
        return self.machine.met(self._wait) if isinstance(self._wait, Need) else True

    def _next_line(self, wall: float) -> bool:
        """Take bytes from the buffer up to the end of a line; True when there is a line to execute now."""
        ends = [at for at in (self._rx.find(b"\n"), self._rx.find(b"\r")) if at >= 0]
        end = min(ends, default=len(self._rx))
        self._raw += self._rx[:end]
        del self._raw[_LONGEST:]
        if not ends:
            self._rx.clear()
            if self._hungry_since is None:
                self._hungry_since = wall
            return False
        del self._rx[: end + 1]
        if self._hungry_since is not None and self._counts:
            self.starved_s += wall - self._hungry_since
        self._hungry_since, self._counts = None, True
        raw, self._raw = bytes(self._raw), bytearray()
        if self._faults and raw.strip() and self._faults.take(_BEFORE, self._number(raw)):
            raw = re.sub(rb"[A-Za-z$]", b"", raw, count=1)
        self._start(raw, self._execute(raw))
        return True

    def _number(self, raw: bytes) -> int:
        """Which accepted line this one will be; 0 when it is none of those that count."""
        locked = self.machine.state in (State.ALARM, State.JOG, State.CHECK)
        return 0 if locked or raw.lstrip().startswith(b"$") else self.accepted + 1

    def _start(self, raw: bytes, line: Line, *, stored: bool = False) -> None:
        self._text, self._line, self._stored = raw, line, stored
        self._wait = None

    def _execute(self, raw: bytes) -> Line:
        text = stripped(raw)
        if text.startswith("$"):
            yield from system.command(self.machine, text)
        elif text:
            yield from execution.gcode(self.machine, text)

    def _step(self, wall: float) -> None:
        """One step of the line at hand, to its next wait or to its answer."""
        assert self._line is not None
        line = self._line
        try:
            self._wait = next(line)
        except StopIteration:
            self._end(wall, 0)
        except Refused as error:
            self._end(wall, error.code)
        except Aborted:
            self._line = self._wait = None
        else:
            if isinstance(self._wait, Eeprom):
                self._deaf_until = wall + self._wait.duration_s

    def _end(self, wall: float, code: int) -> None:
        raw, stored = self._text.strip(), self._stored
        self._line = self._wait = None
        if stored:
            self._afterwards()
            return
        executed = self._note(raw, code)
        here = self.accepted if executed else 0
        fault = self._faults.take(_ON_OK, here) if raw and not code and self._faults else None
        if fault and fault.kind == "busy":
            self._ok_at = wall + fault.value
            self._start(self._text, self._late_ok(), stored=True)
            return
        if not fault:
            self._say(f"error:{code}" if code else "ok")
        elif fault.kind == "damaged_ok":
            self._say("o\0k")
        self._afterwards()
        if executed and self._faults and (fault := self._faults.take(_AFTER, self.accepted)):
            self.strike(fault, wall)

    def _late_ok(self) -> Line:
        self._say("ok")
        yield from ()

    def _note(self, raw: bytes, code: int) -> bool:
        """Keep the truth of a line; True when it was G-code and is executed."""
        if not raw:
            return False
        text = raw.decode("ascii", "replace")
        if code:
            self.refused += [(text, code)] if self._keep else []
        elif raw.startswith(b"$"):
            self.commands += [text] if self._keep else []
        elif self.machine.state is State.CHECK:
            self.checked += [text] if self._keep else []
        else:
            self.accepted += 1
            self._accept(raw)
            return True
        return False

    def _afterwards(self) -> None:
        machine = self.machine
        if machine.wants_reset:
            self._reset()
        elif machine.wants_sleep:
            machine.wants_sleep = False
            machine.state, machine.suspended = State.SLEEP, True
            machine.motion.output = 0.0
            self._say("[MSG:Sleeping]")

    # -- faults ------------------------------------------------------------------------------------------

    def strike(self, fault: Fault, wall: float) -> None:
        self._live(wall)
        machine = self.machine
        if fault.kind == "reset":
            self.boot(wall)
        elif fault.kind == "silence":
            self._silent_until = wall + fault.value if fault.value else math.inf
        elif fault.kind == "garbage":
            self.out += bytes(self._noise.randrange(256) for _ in range(80)) + b"\xff\xfe\0o\r\n"
        elif fault.kind == "alarm":
            self._alarm(int(fault.value))
        elif fault.kind == "door":
            machine.door_open = True
            machine.door()
            self._follow_alarm()
        elif fault.kind == "door_close":
            machine.door_open = False
            machine.settle()
        elif fault.kind == "hold":
            machine.hold()
        elif fault.kind in CABLE:
            self.cable = fault
            self.off = self.off or fault.kind in PULLS

    def _alarm(self, code: int) -> None:
        """All but a failed probe restart the firmware; after a limit it waits for 0x18 to do so."""
        self.machine.alarm(code)
        if code in (4, 5):
            return
        self._clear()
        if code not in (1, 2):
            self.machine.restart()


_Act = Callable[[Machine], None]


def _override(kind: str, change: int, *, absolute: bool = False) -> _Act:
    def act(machine: Machine) -> None:
        now = 0 if absolute else int(getattr(machine.overrides, kind))
        machine.override(**{kind: now + change})

    return act


_STEPS: Final = ((0, 100, True), (1, 10, False), (2, -10, False), (3, 1, False), (4, -1, False))
_REALTIME: Final[Mapping[int, _Act]] = {
    0x21: Machine.hold,
    0x7E: Machine.cycle_start,
    0x84: Machine.door,
    0x85: Machine.cancel_jog,
    **{0x90 + at: _override("feed", change, absolute=whole) for at, change, whole in _STEPS},
    0x95: _override("rapid", 100, absolute=True),
    0x96: _override("rapid", 50, absolute=True),
    0x97: _override("rapid", 25, absolute=True),
    **{0x99 + at: _override("spindle", change, absolute=whole) for at, change, whole in _STEPS},
    0x9E: Machine.toggle_spindle,
    0xA0: Machine.toggle_coolant,
}
