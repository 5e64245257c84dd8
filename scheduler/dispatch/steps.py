"""A step of an endless task: whatever goes wrong in it is tried again, and never ends the task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from fablab.base.errors import LabError
from fablab.device import DeviceError

log = logging.getLogger(__name__)


async def guarded(name: str, step: Coroutine[Any, Any, object]) -> None:
    """One step of a machine's endless task. Whatever goes wrong in it is tried again with the next status."""
    try:
        await step
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        log.exception("%s: a step was cancelled from inside", name)  # by a driver: the task itself goes on
    except (DeviceError, LabError) as error:
        log.warning("%s: %s", name, error)
    except Exception:
        # A mistake of ours, or a database that is away, must not leave a hot machine unwatched for good.
        log.exception("%s: a step failed", name)


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
