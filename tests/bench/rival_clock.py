"""A CPU clock for OR-Tools CP-SAT, whose own limit counts wall seconds: on a busy machine those are worth little."""

from __future__ import annotations

import threading
import time
from typing import Any

STEP_S = 0.02


def stop_at_cpu_s(solver: Any, limit_s: float) -> None:
    """Have `solver` stop once this process, all of its threads together, has burnt `limit_s` from now on."""
    until = time.process_time() + limit_s

    def watch() -> None:
        while time.process_time() < until:
            time.sleep(STEP_S)
        solver.stop_search()

    threading.Thread(target=watch, daemon=True).start()
