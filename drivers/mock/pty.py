"""What serial mocks share: a firmware on a real pty, behind a symbolic link like those in /dev/serial/by-id, in a
thread or process; its plug, its cable's faults, its control socket and its record.
"""

from __future__ import annotations

import json
import os
import select
import tempfile
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self, TypedDict, Unpack

from drivers.mock.control import Control
from drivers.mock.faults import CABLE, PULLS, Fault
from drivers.mock.pace import Pace, Use

BOOT_S = 0.05  # a real bootloader takes one or two seconds
UNATTENDED_S = 0.03  # how often to look whether somebody has opened the port: a pty does not tell
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
TRICKLE_S = 1.0  # for one byte
HELD_BYTES = 1 << 20  # what waits behind a slow line; more than that is lost
NAME = "mock"
BITS_PER_BYTE = 10  # with start and stop bit


class Firmware(Protocol):
    """The machine behind the port: bytes and the wall's instants come in, bytes go out. It knows no descriptor."""

    out: bytearray
    speed: float
    off: bool
    cable: Fault | None
    """A fault of the cable whose line has come; the pty plays it and sets this to None."""
    accepted: int

    def boot(self, wall: float) -> None:
        """Power on: `off` is False from here on."""

    def receive(self, data: bytes, wall: float) -> None: ...

    def run(self, wall: float) -> float | None:
        """Do what can be done by now; the wall's instant at which there is more to do, None for "on input"."""

    def inject(self, fault: Fault) -> None:
        """A fault that waits for its line."""

    def strike(self, fault: Fault, wall: float) -> None:
        """A fault now."""


class Port(TypedDict, total=False):
    """What may be said of any serial mock's port; `SerialMock` says what it means."""

    name: str
    link: Path | None
    record: Path | None
    control: Path | None
    keep: bool
    reset_on_open: bool
    baud: int


class SerialMock:
    """A machine to connect to at `port`. `start`/`stop` run it in a thread, `serve` in the calling one.

    It boots when its port is opened for the first time, or each time with `reset_on_open` (a board whose
    reset hangs on DTR). `accepted` holds the commands the firmware accepted, in order (only with `keep`);
    `record` is a file to which they are appended; `control` a Unix socket (see `control.py`). `baud` paces
    the line in both directions; 0 is as fast as the pty.
    """

    def __init__(self, firmware: Firmware, fault: type[Fault], **port: Unpack[Port]) -> None:
        self.name = port.get("name", NAME)
        link, record, control = port.get("link"), port.get("record"), port.get("control")
        self.accepted: list[str] = []
        self._firmware = firmware
        self._fault = fault
        self._keep = port.get("keep", True)
        self._folder = None if link else tempfile.TemporaryDirectory(prefix="fablab-mock-")
        self._link = link or Path(self._folder.name if self._folder else ".") / self.name
        self._record = record.open("ab", buffering=1 << 16) if record else None
        self._control = Control(control, self._answer) if control else None
        self._reset_on_open = port.get("reset_on_open", False)
        self._master = -1
        self._tty = ""
        self._attached = False
        self._boot_at: float | None = None
        self._plug_at: float | None = None
        self._plug_elsewhere = False
        self._bytes_per_s = port.get("baud", 0) / BITS_PER_BYTE
        self._heard, self._said = Pace(self._bytes_per_s), Pace(self._bytes_per_s)
        self._use = Use()
        self._trickle_until: float | None = None
        self._held = bytearray()  # said, and not through the line yet
        self._todo: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread: threading.Thread | None = None
        self._plug()

    @property
    def port(self) -> str:
        return str(self._link)

    def start(self) -> Self:
        self._thread = threading.Thread(target=self.serve, name=f"mock {self.name}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """May be called from a signal handler; removes the link and the control socket."""
        self._stopping = True
        self._wake()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def inject(self, fault: str) -> None:
        """A fault at the next chance, or at a line to come: "lost_ok", "reset@300"."""
        parsed = self._fault.parse(fault)
        self._do(lambda: self._inject(parsed))

    def reset(self) -> None:
        self._do(self._boot_soon)

    def plug(self) -> None:
        """The cable back in, after "unplug"."""
        self._do(self._plug_now)

    def say(self, data: bytes) -> None:
        """Send bytes as if the firmware had."""
        self._do(lambda: self._firmware.out.extend(data))

    def mark(self) -> None:
        """Measure the use of the line anew, from the next byte on."""
        self._do(self._use.mark)

    @property
    def line_use_pct(self) -> float:
        """What came in since `mark`, of what the line can carry from the first byte to the last; paced only."""
        return self._use.percent(self._bytes_per_s)

    def set_speed(self, speed: float) -> None:
        self._do(lambda: setattr(self._firmware, "speed", speed))

    # -- the loop ----------------------------------------------------------------------------------------

    def serve(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._clean()

    def _turn(self) -> None:
        firmware = self._firmware
        wall = time.monotonic()
        self._keep_appointments(wall)
        wake_at = firmware.run(wall)
        self._flush(wall)
        if firmware.cable is not None:
            fault, firmware.cable = firmware.cable, None
            self._strike_cable(fault, wall)
        times = [at for at in (wake_at, self._boot_at, self._plug_at, self._trickle_until) if at is not None]
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self._control:
            for fd in self._control.descriptors():
                poll.register(fd, select.POLLIN)
        if self._attached:
            if self._held:
                times.append(self._said.due)
            if self._heard.due <= wall:
                poll.register(self._master, select.POLLIN)
            else:
                times.append(self._heard.due)
        elif self._master >= 0:
            times.append(wall + UNATTENDED_S)
        wait_s = min(1.0, max(0.0, min(times, default=wall + 1.0) - time.monotonic()))
        self._serve_events(poll.poll(wait_s * 1000))
        if not self._attached and self._master >= 0:
            self._look_for_client()

    def _serve_events(self, events: list[tuple[int, int]]) -> None:
        for fd, what in events:
            if fd == self._master:
                self._receive(what)
            elif fd == self._wake_read:
                os.read(fd, 4096)
            elif self._control:
                self._control.serve(fd)
        while self._todo:
            self._todo.popleft()()

    def _receive(self, what: int) -> None:
        if not what & select.POLLIN:
            self._attached = False  # nobody has the port open any more
            return
        wall = time.monotonic()
        self._heard.busy(wall)
        room = self._heard.room(wall)
        data = b""
        if room:
            try:
                data = os.read(self._master, room)
            except BlockingIOError:
                pass
            except OSError:
                self._attached = False
            self._heard.passed(len(data), more=len(data) == room)
        if data:
            self._use.heard(len(data), wall)
            self._firmware.receive(data, wall)

    def _look_for_client(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        events = poll.poll(0)
        if events and events[0][1] & GONE:
            return
        self._attached = True
        if self._firmware.off or self._reset_on_open:
            self._boot_soon()

    def _keep_appointments(self, wall: float) -> None:
        if self._trickle_until is not None and wall >= self._trickle_until:
            self._trickle_until = None
            self._said = Pace(self._bytes_per_s)
        if self._plug_at is not None and wall >= self._plug_at:
            self._plug_at = None
            self._plug()
        if self._boot_at is not None and wall >= self._boot_at:
            self._boot_at = None
            self._firmware.boot(wall)

    def _boot_soon(self) -> None:
        self._firmware.off = True  # a bootloader hears nothing
        self._boot_at = time.monotonic() + BOOT_S

    def _flush(self, wall: float) -> None:
        out, held = self._firmware.out, self._held
        if not self._attached:
            out.clear()
            held.clear()
        if out:
            self._said.busy(wall)
            held += out[: max(0, HELD_BYTES - len(held))]
            out.clear()
        if held and (room := self._said.room(wall)):
            count = self._write(bytes(held[:room]))
            del held[:count]
            self._said.passed(count, more=bool(held))
        if self._record:
            self._record.flush()

    def _write(self, data: bytes) -> int:
        """How many bytes are gone: a serial line does not wait for somebody who does not read."""
        sent = 0
        while sent < len(data) and self._attached:
            try:
                sent += os.write(self._master, data[sent:])
            except BlockingIOError:
                if not select.select([], [self._master], [], 0.05)[1]:
                    break
            except OSError:
                self._attached = False
        return len(data)

    def _accept(self, command: bytes) -> None:
        if self._keep:
            self.accepted.append(command.decode("utf-8", "replace"))
        if self._record:
            self._record.write(command + b"\n")

    # -- plug and clean ----------------------------------------------------------------------------------

    def _plug(self) -> None:
        self._master, name = _open_pty(not_at=self._tty if self._plug_elsewhere else "")
        self._plug_elsewhere = False
        self._tty = name
        self._link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(self._link)

    def _plug_now(self) -> None:
        if self._master < 0:
            self._plug_at = time.monotonic()

    def _strike_cable(self, fault: Fault, wall: float) -> None:
        if fault.kind in PULLS:
            self._firmware.off = True
            self._plug_elsewhere = fault.kind == "replug"
            self._plug_at = wall + fault.value if fault.value else None
            self._pull()
        else:
            self._trickle_until = wall + fault.value
            self._said = Pace(1 / TRICKLE_S)
            if self._held:
                self._said.busy(wall)

    def _pull(self) -> None:
        self._attached = False
        # The link first, so that who loses the port does not find the old name again.
        self._link.unlink(missing_ok=True)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _clean(self) -> None:
        self._pull()
        if self._control:
            self._control.close()
        if self._record:
            self._record.close()
        if self._folder:
            self._folder.cleanup()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
        self._wake_read = self._wake_write = -1

    # -- from outside ------------------------------------------------------------------------------------

    def _do(self, act: Callable[[], None]) -> None:
        self._todo.append(act)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full of wake-ups already, or stopped
            os.write(self._wake_write, b"!")

    def _inject(self, fault: Fault) -> None:
        if fault.line or not fault.at_once:
            self._firmware.inject(fault)
        elif fault.kind in CABLE:
            self._strike_cable(fault, time.monotonic())
        elif self._firmware.off:
            self._firmware.inject(fault)
        elif fault.kind == "reset":
            self._boot_soon()
        else:
            self._firmware.strike(fault, time.monotonic())

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One request on the control socket; see `control.py` for the words."""
        match asked:
            case {"fault": str(text)}:
                self._inject(self._fault.parse(text))
            case {"speed": int() | float() as speed} if 0 <= speed < 1e9:
                self._firmware.speed = float(speed)
            case {"say": str(text)}:
                self._firmware.out += text.encode()
            case {"do": "reset"}:
                self._boot_soon()
            case {"do": "plug"} if self._master < 0:
                self._plug_now()
            case {"do": "mark"}:
                self.mark()
            case {"do": "faults"}:
                return {"faults": {word: kind.does for word, kind in self._fault.kinds.items()}}
            case {"do": "state"}:
                return self.facts() | {
                    "accepted": self._firmware.accepted,
                    "attached": self._attached,
                    "plugged": self._master >= 0,
                    "speed": self._firmware.speed,
                    "line_use_pct": self.line_use_pct,
                }
            case _:
                raise ValueError(f"not understood: {json.dumps(asked)[:200]}")
        return {}

    def facts(self) -> dict[str, Any]:
        """What only this machine has, for `{"do": "state"}`."""
        return {}


def _open_pty(*, not_at: str = "") -> tuple[int, str]:
    """A pty's master and the name of its other end, which is not `not_at`."""
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)  # from now on the master tells by "hung up" that nobody has the port open
    if name == not_at:
        try:
            return _open_pty()  # the old name is taken meanwhile
        finally:
            os.close(master)
    os.set_blocking(master, False)
    return master, name
