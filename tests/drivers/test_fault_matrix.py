"""Every fault of every driver, at each of four moments: the run ends in the state that the table names.

The cases are played at the same time, each on a mock of its own, because nearly all of their time is waiting.
`python -m tests.drivers.test_fault_matrix` writes docs/faults.md anew.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

import pytest

from fablab.device import Safety
from fablab.runs.models import RunState
from tests.drivers.matrix.play import Ended, FastClock, Phase, played
from tests.drivers.matrix.rigs import RIGS
from tests.drivers.matrix.table import MATRIX, Row, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
AT_ONCE = 16
# With sixteen at once on a clock forty times as fast, a busy computer makes half a second of a driver too short. What
# ends otherwise than the table says is played again with nothing beside it, and that is what counts.
MOST_AGAIN = 20
CASES = [
    pytest.param(
        driver,
        row,
        phase,
        id=f"{driver}-{row.fault}-{phase}",
    )
    for driver, rows in MATRIX.items()
    for row in rows
    for phase in Phase
]
Case = tuple[str, Row, Phase]
Outcomes = dict[Case, Ended | BaseException]


async def _play_all(cases: list[Case], folder: Path, at_once: int = AT_ONCE) -> Outcomes:
    free = asyncio.Semaphore(at_once)

    async def one(driver: str, row: Row, phase: Phase) -> Ended:
        place = folder / f"{driver}-{row.fault.replace(':', '-')}-{phase}"
        place.mkdir()
        async with free:
            clock = FastClock()
            async with RIGS[driver](place, clock) as rig:
                return await played(rig, clock, row.fault, phase)

    ended = await asyncio.gather(*(one(*case) for case in cases), return_exceptions=True)
    return dict(zip(cases, ended, strict=True))


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of all the cases that were asked for."""
    chosen = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == test_a_run_ends_as_the_table_says.__name__
    ]
    cases = [(each["driver"], each["row"], each["phase"]) for each in chosen]
    with warnings.catch_warnings():
        # A fault may cut a connection off in its making; asyncio then leaves its socket to be collected.
        warnings.simplefilter("ignore", ResourceWarning)
        found = asyncio.run(_play_all(cases, tmp_path_factory.mktemp("matrix")))
        again = [case for case in cases if _otherwise(case, found[case])]
        if len(again) <= MOST_AGAIN:
            found |= asyncio.run(_play_all(again, tmp_path_factory.mktemp("again"), at_once=1))
        gc.collect()
    return found


def _otherwise(case: Case, ended: Ended | BaseException) -> str:
    """What is not as the table says; nothing where all is."""
    _, row, phase = case
    if isinstance(ended, BaseException):
        return repr(ended)
    truth = ended.truth
    wrong = {
        f"ended as {ended.state}": not row.allows(phase, ended.state),
        "begun twice": truth.starts > 1,
        "went on by itself": ended.resumed_by_itself,
        "called succeeded": not truth.whole and ended.state is RunState.SUCCEEDED,
        "carried out whole": truth.whole and ended.state in (RunState.FAILED, RunState.CANCELLED),
        "called safe, and hot": ended.safe is Safety.CONFIRMED and truth.hot,
    }
    return ", ".join(words for words, holds in wrong.items() if holds)


@pytest.mark.xdist_group("matrix")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("driver", "row", "phase"), CASES)
def test_a_run_ends_as_the_table_says(
    driver: str,
    row: Row,
    phase: Phase,
    outcomes: Outcomes,
) -> None:
    ended = outcomes[driver, row, phase]
    if isinstance(ended, BaseException):
        raise ended
    assert not _otherwise((driver, row, phase), ended), ended


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.drivers.test_fault_matrix"


if __name__ == "__main__":
    PAGE.write_text(page())
