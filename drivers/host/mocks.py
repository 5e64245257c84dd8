"""A host's own mock machine: a firmware in a process of its own, on a port the host then opens like any other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

from drivers.config import DeviceConfig
from fablab.device import LinkLost

_APPEARS_S: Final = 15.0


class MockMachine:
    """Like a machine with a plug: `plug_in` starts it if it does not run, `pull` ends it."""

    def __init__(self, config: DeviceConfig, port: Path, *, control: Path | None = None) -> None:
        self._config = config
        self._port = port
        self._control = control
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def plug_in(self) -> bool:
        """True when it was started anew. Raises LinkLost when its port does not appear."""
        if self._process is not None and self._process.poll() is None:
            return False
        self._process = process = self._run()
        try:
            async with asyncio.timeout(_APPEARS_S):
                while not self._port.exists():
                    if process.poll() is not None:
                        raise LinkLost("the mock machine ended as soon as it was started")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise LinkLost(f"the mock machine has no port after {_APPEARS_S:.0f} s") from None
        return True

    def _run(self) -> subprocess.Popen[bytes]:
        self._port.unlink(missing_ok=True)
        config = self._config
        command = [sys.executable, "-m", f"drivers.mock.{config.driver}"]
        command += ["--link", str(self._port), "--name", config.name, "--speed", str(config.speed)]
        for fault in config.faults:
            command += ["--fault", fault]
        if self._control is not None:
            command += ["--control", str(self._control)]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,
        )

    def pull(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._port.unlink(missing_ok=True)
