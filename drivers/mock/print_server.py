"""What the mocks of print servers share: the pretended printer behind the server, and a pulse that keeps it going."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from drivers.mock.printer import Printer
from drivers.mock.server import NetworkMock


class PrintServer(NetworkMock, ABC):
    """A test may turn `speed`, `line_s`, `heaters_stuck` and `beat_s` at any time."""

    printer: Printer
    line_s: float
    heaters_stuck: bool  # takes the command that switches a heater off, and keeps heating
    _pulse: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def text(self) -> str:
        """The server's own word for the state."""

    @property
    @abstractmethod
    def beat_s(self) -> float:
        """The time between two beats of its pulse, in real seconds."""

    @abstractmethod
    def beat(self) -> None:
        """Heat flows, and whoever listens is told."""

    @property
    def starts(self) -> int:
        return self.printer.starts

    @property
    def executed(self) -> list[str]:
        return self.printer.executed

    @property
    def targets_c(self) -> dict[str, float]:
        return self.printer.targets_c

    def facts(self) -> dict[str, Any]:
        return super().facts() | {
            "state": self.text,
            "starts": self.starts,
            "executed": len(self.executed),
            "targets_c": self.targets_c,
            "speed": self.speed,
        }

    async def came_up(self) -> None:
        self._pulse = asyncio.create_task(self._beating())

    async def went_down(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.gather(self._pulse, return_exceptions=True)

    async def _beating(self) -> None:
        while True:
            await asyncio.sleep(self.beat_s)
            self._settings()
            self.beat()

    def _settings(self) -> None:
        self.printer.speed, self.printer.line_s = self.speed, self.line_s
        self.printer.heaters_stuck = self.heaters_stuck
