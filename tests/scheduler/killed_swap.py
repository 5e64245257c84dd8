"""A process that improves a plan and may be killed at any moment of it: imported once, forked for every kill.

Run as `python -m tests.scheduler.killed_swap`. Each line of its input is a JSON object: `url`, `at` (the clock), and
`kill_at`: at which step (each statement to the database, the commit, and what comes after it is one) the child kills
itself with SIGKILL, None for never. It answers with lines: the child's pid, "searched", "applied STEPS" and "ended".
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from typing import Any

from sqlalchemy import event

from fablab.base.clock import FakeClock
from fablab.base.database import Database
from scheduler.greedy import solve
from scheduler.improve import End, explained, stand, swap_in


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def improve(url: str, at: datetime, kill_at: int | None) -> None:
    steps = 0

    def step(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database(url, clock=FakeClock(at))
    event.listen(database.engine, "before_cursor_execute", step)
    event.listen(database.engine, "commit", step)
    with database.read() as uow:
        seen = stand(uow)
    found = solve(seen.problem).slots
    say("searched")
    with database.begin() as uow:
        outcome = swap_in(uow, seen, found, explained(seen, found), changes_a_day=99)
        assert outcome.end is End.APPLIED, outcome
    step()
    say("applied", steps)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            improve(wanted["url"], datetime.fromisoformat(wanted["at"]), wanted["kill_at"])
        say("pid", pid)
        os.waitpid(pid, 0)
        say("ended")


if __name__ == "__main__":
    main()
