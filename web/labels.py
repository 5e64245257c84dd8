"""The codes on the machines, kept in memory: a stop by code must not wait for the database."""

from __future__ import annotations

from collections.abc import Mapping

from fablab.base.database import Database
from fablab.people import kiosks


class Labels:
    """Whatever was ever asked for here is known until a code is made anew. Thread-safe: the map is replaced whole.

    What is given up for that: with several servers an old code goes on stopping its machine, and only stopping it, at
    the others until they are started again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._machines: Mapping[str, int] = {}

    def remembered(self, code: str) -> int | None:
        return self._machines.get(code)

    def machine(self, code: str) -> int:
        """By the database, which is remembered from then on. Raises `NotFound` kiosk.no_code. Runs in a thread."""
        self.read()
        with self._database.read() as uow:
            return kiosks.machine_of(uow, code)

    def read(self) -> None:
        with self._database.read() as uow:
            self._machines = {code: machine_id for machine_id, code in kiosks.codes(uow).items()}
