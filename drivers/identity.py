"""The right machine on a port, or the wrong one: said in the same words by drivers, hosts and links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fablab.device import Identity, Misfit

_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The machine that belongs to the table `name`. An empty `serial_number` lets any machine pass.

    `where`: the port or address; `known`: from the serial numbers in devices.toml to the names of their tables.
    """

    name: str
    serial_number: str = ""
    where: str = ""
    known: Mapping[str, str] = field(default_factory=lambda: _NOBODY)

    def check(self, found: Identity) -> None:
        """Raises `Misfit` that names both: who was expected, and who answered."""
        if self.serial_number and found.serial_number != self.serial_number:
            place = f" on {self.where}" if self.where else ""
            raise Misfit(f"{self.name} expects {self.serial_number}; {self._describe(found)} answered{place}")

    def _describe(self, found: Identity) -> str:
        about = ", ".join(part for part in (found.model, found.firmware) if part)
        number = found.serial_number or "a machine without a serial number"
        owner = self.known.get(found.serial_number, "") if found.serial_number else ""
        said = f"{number} ({about})" if about else number
        return f"{said}, which is {owner} of devices.toml," if owner and owner != self.name else said
