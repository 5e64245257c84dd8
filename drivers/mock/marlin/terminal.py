"""The mocked firmware on a real pty, behind a symbolic link like those in /dev/serial/by-id, in a thread or
process.
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
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from drivers.mock.marlin.control import Control
from drivers.mock.marlin.faults import Fault, FaultKind
from drivers.mock.marlin.firmware import Firmware
from drivers.mock.marlin.machine import Abilities

BOOT_S = 0.05  # a real bootloader takes one or two seconds
UNATTENDED_S = 0.03  # how often to look whether somebody has opened the port: a pty does not tell
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class MockMarlin:
    """A Marlin to connect to at `port`. `start`/`stop` run it in a thread, `serve` in the calling one.

    It boots when its port is opened for the first time, or each time with `reset_on_open` (a board whose
    reset hangs on DTR). `accepted` holds all commands that passed number and checksum, in order (only with
    `keep`); `record` is a file to which they are appended; `control` a Unix socket (see `control.py`);
    `heat` what its heaters do.
    """

    def __init__(
        self,
        *,
        name: str = "mock",
        link: Path | None = None,
        speed: float = 0.0,
        faults: Iterable[str] = (),
        record: Path | None = None,
        control: Path | None = None,
        keep: bool = True,
        reset_on_open: bool = False,
        resend_ok: bool = True,
        abilities: Abilities | None = None,
    ) -> None:
        self.name = name
        self.accepted: list[str] = []
        self._keep = keep
        self._folder = None if link else tempfile.TemporaryDirectory(prefix="fablab-mock-")
        self._link = link or Path(self._folder.name if self._folder else ".") / name
        self._record = record.open("ab", buffering=1 << 16) if record else None
        self._control = Control(control, self._answer) if control else None
        self._reset_on_open = reset_on_open
        self._firmware = Firmware(
            name=name,
            speed=speed,
            abilities=abilities or Abilities(),
            accept=self._accept,
            faults=[Fault.parse(text) for text in faults],
            resend_ok=resend_ok,
        )
        self._master = -1
        self._attached = False
        self._boot_at: float | None = None
        self._plug_at: float | None = None
        self._todo: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread: threading.Thread | None = None
        self._plug()

    @property
    def port(self) -> str:
        return str(self._link)

    @property
    def heat(self) -> dict[str, float]:
        return self._firmware.heat(time.monotonic())

    @property
    def fan(self) -> int:
        return self._firmware.machine.fan

    @property
    def serial_number(self) -> str:
        return self._firmware.machine.serial_number

    def start(self) -> MockMarlin:
        self._thread = threading.Thread(target=self.serve, name=f"mock {self.name}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """May be called from a signal handler; removes the link and the control socket."""
        self._stopping = True
        self._wake()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> MockMarlin:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def inject(self, fault: str) -> None:
        """A fault at the next chance, or at a line to come: "lost_ok", "reset@300"."""
        self._do(lambda: self._inject(Fault.parse(fault)))

    def reset(self) -> None:
        self._do(self._boot_soon)

    def say(self, data: bytes) -> None:
        """Send bytes as if the firmware had."""
        self._do(lambda: self._firmware.out.extend(data))

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
        self._flush()
        if firmware.unplug_s is not None:
            self._unplug(wall, firmware.unplug_s)
        times = [at for at in (wake_at, self._boot_at, self._plug_at) if at is not None]
        wait_s = min(1.0, max(0.0, min(times, default=wall + 1.0) - time.monotonic()))
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self._control:
            for fd in self._control.descriptors():
                poll.register(fd, select.POLLIN)
        if self._attached:
            poll.register(self._master, select.POLLIN)
        elif self._master >= 0:
            wait_s = min(wait_s, UNATTENDED_S)
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
        data = b""
        if what & select.POLLIN:
            with suppress(OSError):
                data = os.read(self._master, 65536)
        if data:
            self._firmware.receive(data, time.monotonic())
        elif what & GONE:
            self._attached = False

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
        if self._plug_at is not None and wall >= self._plug_at:
            self._plug_at = None
            self._plug()
        if self._boot_at is not None and wall >= self._boot_at:
            self._boot_at = None
            self._firmware.boot(wall)

    def _boot_soon(self) -> None:
        self._firmware.off = True  # a bootloader hears nothing
        self._boot_at = time.monotonic() + BOOT_S

    def _flush(self) -> None:
        out = self._firmware.out
        if self._attached:
            while out:
                try:
                    del out[: os.write(self._master, out)]
                except BlockingIOError:
                    if not select.select([], [self._master], [], 0.05)[1]:
                        break  # nobody reads: a serial line does not wait either
                except OSError:
                    self._attached = False
                    break
        out.clear()
        if self._record:
            self._record.flush()

    def _accept(self, command: bytes) -> None:
        if self._keep:
            self.accepted.append(command.decode("utf-8", "replace"))
        if self._record:
            self._record.write(command + b"\n")

    # -- plug and clean ----------------------------------------------------------------------------------

    def _plug(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        os.close(slave)  # from now on the master tells by "hung up" that nobody has the port open
        os.set_blocking(self._master, False)
        self._link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(self._link)

    def _unplug(self, wall: float, for_s: float) -> None:
        self._firmware.unplug_s = None
        self._plug_at = wall + for_s if for_s else None
        self._pull()

    def _pull(self) -> None:
        self._attached = False
        self._link.unlink(
            missing_ok=True
        )  # first, so that who loses the port does not find the old name again
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
        if fault.line or self._firmware.off or fault.kind not in _AT_ONCE:
            self._firmware.inject(fault)
        elif fault.kind is FaultKind.RESET:
            self._boot_soon()
        else:
            self._firmware.strike(fault, time.monotonic())

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One request on the control socket; see `control.py` for the words."""
        match asked:
            case {"fault": str(text)}:
                self._inject(Fault.parse(text))
            case {"speed": int() | float() as speed} if speed >= 0:
                self._firmware.speed = float(speed)
            case {"say": str(text)}:
                self._firmware.out += text.encode()
            case {"do": "reset"}:
                self._boot_soon()
            case {"do": "plug"} if self._master < 0:
                self._plug_at = time.monotonic()
            case {"do": "state"}:
                return {"accepted": self._firmware.accepted, "heat": self.heat, **self._state()}
            case _:
                raise ValueError(f"not understood: {json.dumps(asked)[:200]}")
        return {}

    def _state(self) -> dict[str, Any]:
        machine = self._firmware.machine
        return {
            "attached": self._attached,
            "plugged": self._master >= 0,
            "killed": machine.killed,
            "fan": machine.fan,
            "position": dict(machine.head.axes),
            "speed": self._firmware.speed,
        }


# Faults that need no line to hang on: they strike an idle machine too.
_AT_ONCE = frozenset(
    {FaultKind.RESET, FaultKind.THERMAL_RUNAWAY, FaultKind.SILENCE, FaultKind.GARBAGE, FaultKind.UNPLUG}
)
