"""Where pupils' files go and their first names stand, from what lives as long as the server."""

from __future__ import annotations

from typing import Protocol

from fablab.claims.workshops.names import Names
from scheduler.batch import Batch
from scheduler.intake import Intake
from web.settings import Settings


class Parts(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def intake(self) -> Intake: ...


def batch_of(parts: Parts) -> Batch:
    return batch_in(parts.settings, parts.intake)


def batch_in(settings: Settings, intake: Intake) -> Batch:
    return Batch(intake=intake, names=Names(settings.data_dir / "names"))
