"""A networked machine that is a mock: the real driver, on the address of a mock that runs as a program of its own.

Like an OctoPrint in the house the mock goes on while the lab's server restarts. It is found again by its ready file,
which counts only while the program holds the lock beside it; where none runs, `open` starts one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from drivers.config import DeviceConfig, Secret
from drivers.host.paths import HostPaths, LockHeld, take_lock
from drivers.link import StartsBy
from fablab.device import Capability, Device, Identity, LinkLost, Safety, Status

IDLE_S: Final = 300.0
_APPEARS_S: Final = 20.0
_QUITS_S: Final = 3.0
_PAUSE_S: Final = 0.05


class Ready(msgspec.Struct, frozen=True):
    """What a running mock says of itself; the other keys are those of the driver's options."""

    url: str
    pid: int
    about: str = ""
    user: str = ""
    password: str = ""
    api_key: str = ""


class MockedDevice:
    """`build` makes the driver from a config whose options are filled in. `idle_s`: how long a mock outlives all."""

    def __init__(
        self,
        config: DeviceConfig,
        *,
        data_dir: Path,
        capabilities: frozenset[Capability],
        build: Callable[[DeviceConfig], Device],
        idle_s: float = IDLE_S,
    ) -> None:
        self.name = config.name
        self.capabilities = capabilities
        self._config = config
        self._paths = HostPaths(data_dir, config.name)
        self._build = build
        self._idle_s = idle_s
        self._ready: Ready | None = None
        self._device: Device | None = None

    @property
    def ready_file(self) -> Path:
        return self._paths.folder / f"{self.name}.mock.json"

    # -- the port

    async def open(self) -> Identity:
        ready = await self._running()
        if self._device is None or ready != self._ready:
            await self.close()
            self._ready, self._device = ready, self._build(self._filled(ready))
        return await self._device.open()

    async def close(self) -> None:
        if self._device is not None:
            await self._device.close()

    def watch(self) -> AsyncIterator[Status]:
        return self._open_device().watch()

    async def start(self, program: Path, token: str) -> None:
        await self._open_device().start(program, token)

    async def start_by(self, program: Path, token: str, deadline: datetime) -> None:
        device = self._open_device()
        if isinstance(device, StartsBy):
            await device.start_by(program, token, deadline)
        else:
            await device.start(program, token)

    async def pause(self) -> None:
        await self._open_device().pause()

    async def resume(self) -> None:
        await self._open_device().resume()

    async def cancel(self) -> None:
        await self._open_device().cancel()

    async def make_safe(self) -> Safety:
        """Works before the first `open`, too, if a mock runs."""
        if self._device is None and (ready := self._read()) is not None:
            return await self._build(self._filled(ready)).make_safe()
        return await self._open_device().make_safe()

    async def quit(self, *, force: bool = False) -> bool:
        """End the mock; False when none runs, or when one prints and is not forced."""
        if self._read() is None:
            return False
        await self.close()
        with contextlib.suppress(OSError, ValueError):
            if (await _asked(self._paths.control, {"do": "quit", "force": force})).get("ok"):
                return await self._looked_for(lambda found: found is None, _QUITS_S) is None
        return False

    def _open_device(self) -> Device:
        if self._device is None:
            raise LinkLost(f"{self.name} is not open")
        return self._device

    # -- the program

    async def _running(self) -> Ready:
        """The mock that runs, or a new one. Raises LinkLost when none comes up."""
        self._paths.prepare()
        ready = self._read()
        if ready is not None and ready.about != self._config.fingerprint:
            ready = await self._replaced(ready)
        if ready is None:
            await self._run()
            ready = await self._appears()
        return ready

    def _read(self) -> Ready | None:
        """None unless the program that wrote it is alive: it holds the lock, and is the one that does."""
        lock = self.ready_file.with_suffix(".lock")
        try:
            os.close(take_lock(lock, "a look"))
        except LockHeld as holder:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                ready = msgspec.json.decode(self.ready_file.read_bytes(), type=Ready)
                return ready if str(holder) == f"pid {ready.pid}" else None
        except OSError:
            pass  # no folder yet
        return None

    async def _replaced(self, ready: Ready) -> Ready | None:
        """devices.toml has changed since it was started: it ends, unless it prints; None once it has ended."""
        with contextlib.suppress(OSError, ValueError):
            if (await _asked(self._paths.control, {"do": "quit"})).get("ok"):
                await self._looked_for(lambda found: found is None, _QUITS_S)
        return self._read()

    async def _run(self) -> None:
        config = self._config
        words = ["--name", config.name, "--speed", f"{config.speed:g}", "--idle", f"{self._idle_s:g}"]
        words += ["--ready", str(self.ready_file), "--control", str(self._paths.control)]
        words += ["--about", config.fingerprint, "--detach"]
        words += [word for fault in config.faults for word in ("--fault", fault)]
        with self._paths.stderr.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "drivers", "mock", config.driver, *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                cwd=Path(__file__).resolve().parents[1],
            )
        if await process.wait():
            said = self._paths.stderr.read_text(errors="replace").strip().rpartition("\n")[2]
            raise LinkLost(f"the mock of {self.name} cannot be started: {said}")

    async def _appears(self) -> Ready:
        ready = await self._looked_for(lambda found: found is not None, _APPEARS_S)
        if ready is None:
            raise LinkLost(f"the mock of {self.name} did not come up within {_APPEARS_S:.0f} s")
        return ready

    async def _looked_for(self, wanted: Callable[[Ready | None], bool], within_s: float) -> Ready | None:
        """The ready file when it is as wanted, or as it is when the time is over."""
        for _ in range(round(within_s / _PAUSE_S)):
            if wanted(self._read()):
                break
            await asyncio.sleep(_PAUSE_S)
        return self._read()

    def _filled(self, ready: Ready) -> DeviceConfig:
        told: dict[str, Any] = {"url": ready.url, "user": ready.user}
        told |= {"password": Secret(ready.password), "api_key": Secret(ready.api_key)}
        known = {k: v for k, v in told.items() if v and k in self._config.options.__struct_fields__}
        return msgspec.structs.replace(
            self._config, options=msgspec.structs.replace(self._config.options, **known)
        )


async def _asked(control: Path, question: dict[str, object]) -> dict[str, Any]:
    """One line there, one line back. Raises OSError or ValueError."""
    async with asyncio.timeout(_QUITS_S):
        reader, writer = await asyncio.open_unix_connection(str(control))
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            answer = json.loads(await reader.readline() or b"{}")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    return answer if isinstance(answer, dict) else {}
