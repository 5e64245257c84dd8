"""The search in a process of its own: it answers, can be called off, is started again, and outlives nobody."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.check import violations
from scheduler.greedy import solve
from scheduler.improve.process import SearchDied, SearchProcess
from scheduler.plan import Plan, objective
from scheduler.searcher import NICE, ONE_THREAD, Ask, Found, frame, read_frame
from tests.scheduler.instances import lab

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120
# In one worker with the others that compile the kernel.
pytestmark = [pytest.mark.xdist_group("search"), pytest.mark.timeout(300)]

PROBLEM = lab(1, machines=8, jobs=60, gangs=2, fixed=4)
GIVEN = solve(PROBLEM)


@pytest.fixture(scope="module")
def process() -> Iterator[SearchProcess]:
    process = SearchProcess()
    yield process
    process.close()


def in_time(what: str, is_so: object) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():  # type: ignore[operator]  # a predicate
        assert time.monotonic() < until, what
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """A zombie that its parent has not asked after has ended, too."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_what_it_finds_is_sound_and_not_worse(process: SearchProcess) -> None:
    found = process.search(PROBLEM, GIVEN.slots, limit_s=0.3, seed=1)
    plan = Plan(
        slots=found.slots,
        unplaced={name: entry for name, entry in GIVEN.unplaced.items() if name not in found.slots},
    )
    assert violations(PROBLEM, plan) == ()
    assert objective(PROBLEM, plan) <= objective(PROBLEM, GIVEN)
    assert found.iterations > 0


def test_it_stays_for_the_next_problem_and_is_nice(process: SearchProcess) -> None:
    process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=1)
    pid = process.pid
    assert process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=2).slots
    assert process.pid == pid is not None
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)


def test_a_search_that_is_called_off_answers_at_once(process: SearchProcess) -> None:
    process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=1)  # it is warm now
    threading.Timer(0.3, process.cancel).start()
    found = process.search(PROBLEM, GIVEN.slots, limit_s=10 * PATIENCE_S, seed=1)
    assert found.runtime_s < PATIENCE_S
    assert process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=1).iterations > 0


def test_one_that_is_killed_is_followed_by_another(process: SearchProcess) -> None:
    process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=1)
    pid = process.pid
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(SearchDied, match="-9"):
        process.search(PROBLEM, GIVEN.slots, limit_s=10 * PATIENCE_S, seed=1)
    assert process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=1).slots
    assert process.pid != pid


def test_it_ends_with_the_server_however_that_ends() -> None:
    """The parent is killed while its search runs."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-m', 'scheduler.searcher'], stdin=-1, stdout=-1)\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(600)\n",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    in_time("it still runs", lambda: is_gone(pid))


def test_more_memory_than_it_is_given_ends_it_and_nobody_else() -> None:
    process = SearchProcess(memory_mb=4)
    with pytest.raises(SearchDied):
        process.search(PROBLEM, GIVEN.slots, limit_s=0.05, seed=1)
    process.close()


def test_one_that_is_abandoned_never_searches_again() -> None:
    process = SearchProcess(command=[sys.executable, "-c", "import sys; sys.stdin.read()"])
    threading.Timer(0.2, process.abandon).start()
    with pytest.raises(SearchDied, match="abandoned"):
        process.search(PROBLEM, {}, limit_s=1, seed=1)
    with pytest.raises(SearchDied, match="abandoned"):
        process.search(PROBLEM, {}, limit_s=1, seed=1)
    process.close()


@pytest.mark.parametrize("said", ["nothing", "\x00\x00\x00\x03abc", "\xff\xff\xff\xff"])
def test_one_that_speaks_another_language_is_dead_to_us(said: str) -> None:
    code = f"import sys; sys.stdout.buffer.write({said.encode('latin-1')!r})"
    process = SearchProcess(command=[sys.executable, "-S", "-c", code])
    with pytest.raises(SearchDied):
        process.search(PROBLEM, {}, limit_s=1, seed=1)
    process.close()


def one_that_says(number: int) -> list[str]:
    """A process that answers the question of this number, whatever it is asked."""
    answer = frame(Found(number=number, slots={}, iterations=5, runtime_s=0.0))
    code = f"import sys; sys.stdout.buffer.write({answer!r}); sys.stdout.flush(); sys.stdin.read()"
    return [sys.executable, "-S", "-c", code]


def test_an_answer_to_another_question_is_none() -> None:
    process = SearchProcess(command=one_that_says(7))
    with pytest.raises(SearchDied, match="something else"):
        process.search(PROBLEM, {}, limit_s=1, seed=1)
    process.close()


@pytest.fixture
def _crowd() -> Iterator[None]:
    """More open files than `select` can count."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, limits[1]))
    many = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for end in many:
        os.close(end)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("_crowd")
def test_a_server_with_a_thousand_listeners_searches_as_well() -> None:
    process = SearchProcess(command=one_that_says(1))
    assert process.search(PROBLEM, {}, limit_s=1, seed=1).iterations == 5
    process.close()


def test_a_problem_comes_through_as_it_was(tmp_path: Path) -> None:
    from msgspec import msgpack

    ask = Ask(number=1, problem=PROBLEM, slots=dict(GIVEN.slots), limit_s=1.0, seed=1)
    path = tmp_path / "frame"
    path.write_bytes(frame(ask) + b"\x00\x00")
    with path.open("rb") as stream:
        body = read_frame(stream)
        assert body is not None
        assert msgpack.decode(body, type=Ask) == ask
        assert read_frame(stream) is None


def test_it_knows_no_database() -> None:
    """By what is loaded in it, not by what it says it imports."""
    code = (
        "import sys, scheduler.searcher, scheduler.search\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('fablab', 'sqlalchemy', 'psycopg')])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
